"""A mosquitto, a gateway and a fleet of their own, and the ways to harm them."""

import os
import random
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from fleet import Fleet

HERE = Path(__file__).resolve().parent
CONFIG = HERE.parent.parent / "config"

# The longest that anything may take before it counts as broken, on a busy machine too.
PATIENCE_S = 60.0
POLL_S = 0.02
HTTP_TIMEOUT_S = 5.0
# After it every modem has seen that the load has ended.
LAST_TURN_S = 0.5
BLOCK_BYTES = 4096


class Broken(Exception):
    """Something that had to happen did not."""


def eventually(what: str, probe, patience: float = PATIENCE_S):
    """Waits until `probe` gives something true, and returns it."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if value := probe():
            return value
        time.sleep(POLL_S)
    raise Broken(f"not seen within {patience:.0f} s: {what}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Child:
    """A program that is started, killed and started again; what it prints goes to one file."""

    def __init__(self, name: str, folder: Path, command: list[str]):
        self.name = name
        self.command = command
        self.log = folder / f"{name}.log"
        self.process: subprocess.Popen | None = None
        self.starts = 0
        # Ends that nobody asked for.
        self.own_ends: list[int] = []

    def start(self, environment: dict[str, str] | None = None) -> None:
        self.starts += 1
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                env=os.environ | (environment or {}),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C is for the run; it ends its children itself.
                start_new_session=True,
            )

    def end(self, number: signal.Signals) -> int:
        """Signals it and waits for its end."""
        if self.process is None:
            return 0
        if (code := self.process.poll()) is not None:
            self.own_ends.append(code)
        self.process.send_signal(number)
        try:
            code = self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired as late:
            raise Broken(f"{self.name} does not end on {number.name}") from late
        self.process = None
        return code

    def kill(self) -> None:
        self.end(signal.SIGKILL)

    def require_running(self) -> None:
        """Nothing is worth waiting for once it has ended by itself."""
        code = self.process.poll() if self.process else None
        if code is not None:
            raise Broken(f"{self.name} ended by itself with {code}; its words are in {self.log}")


class Broker(Child):
    """An external mosquitto with the settings the repository recommends."""

    def __init__(self, folder: Path):
        self.port = free_port()
        data = folder / "mosquitto"
        data.mkdir()
        lines = [
            (CONFIG / "mosquitto.conf").read_text(),
            f"listener {self.port} 127.0.0.1",
            f"persistence_location {data}/",
        ]
        if os.geteuid() == 0:
            # Otherwise it becomes `mosquitto`, who may not write here.
            lines.append("user root")
        settings = folder / "mosquitto.conf"
        settings.write_text("\n".join(lines) + "\n")
        path = os.environ["PATH"] + ":/usr/sbin:/sbin"
        program = shutil.which("mosquitto", path=path)
        if program is None:
            raise Broken("mosquitto is not installed")
        super().__init__("mosquitto", folder, [program, "-c", str(settings)])

    def is_listening(self) -> bool:
        self.require_running()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


class Gateway(Child):
    """`gateway serve` on a store of its own."""

    def __init__(self, program: Path, folder: Path, store_folder: Path, broker: Broker):
        shutil.copytree(CONFIG, folder / "config")
        self.config = folder / "config" / "gateway.yaml"
        super().__init__("gateway", folder, [str(program), "serve", "--config", str(self.config)])
        self.program = program
        self.store = store_folder / "gateway.sqlite"
        self.web = free_port()
        self.settings = {
            "GATEWAY_STORE_PATH": str(self.store),
            "GATEWAY_BROKER_MODE": "external",
            "GATEWAY_BROKER_PORT": str(broker.port),
            "GATEWAY_WEB_PORT": str(self.web),
        }
        # What every start gets beside the settings: the power cut's library.
        self.preload: dict[str, str] = {}

    def start(self, environment: dict[str, str] | None = None) -> None:
        super().start(self.settings | self.preload | (environment or {}))

    def request(self, path: str) -> tuple[int, str]:
        """Status and body; 0 while nobody answers."""
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{self.web}{path}", timeout=HTTP_TIMEOUT_S
            ) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.code, refusal.read().decode()
        except OSError:
            return 0, ""

    def is_ready(self) -> bool:
        self.require_running()
        return self.request("/readyz")[0] == 200

    def metrics(self) -> dict[str, float]:
        """Every metric, summed over its labels."""
        sums: dict[str, float] = {}
        for line in self.request("/metrics")[1].splitlines():
            if line and not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                name = name.split("{")[0]
                sums[name] = sums.get(name, 0) + float(value)
        return sums


class PowerCutter:
    """Runs the gateway under powercut.so, and cuts its power."""

    def __init__(self, library: Path, folder: Path, gateway: Gateway):
        self.gateway = gateway
        self.store_folder = gateway.store.parent
        self.shadow = folder / "shadow"
        self.environment = {
            "LD_PRELOAD": str(library),
            "POWERCUT_STORE": str(self.store_folder),
            "POWERCUT_SHADOW": str(self.shadow),
        }

    def attach(self) -> None:
        """What is on disk now counts as synced; call it while the gateway is down."""
        shutil.rmtree(self.shadow, ignore_errors=True)
        shutil.copytree(self.store_folder, self.shadow, ignore=shutil.ignore_patterns("*-shm"))
        self.gateway.preload = self.environment

    def cut(self) -> int:
        """Takes everything back that was not synced; returns how many bytes of blocks that was.

        Call it when the gateway is dead.
        """
        lost = 0
        for path in self.store_folder.iterdir():
            kept = self.shadow / path.name
            if not kept.exists():  # -shm
                path.unlink()
                continue
            lost += differing_bytes(path.read_bytes(), kept.read_bytes())
            shutil.copyfile(kept, path)
        return lost


def differing_bytes(left: bytes, right: bytes) -> int:
    """Bytes of the blocks in which two files differ."""
    return sum(
        BLOCK_BYTES
        for start in range(0, max(len(left), len(right)), BLOCK_BYTES)
        if left[start : start + BLOCK_BYTES] != right[start : start + BLOCK_BYTES]
    )


def build_power_cut(folder: Path) -> Path:
    """Compiles powercut.c."""
    compiler = shutil.which("cc") or shutil.which("clang")
    if compiler is None:
        raise Broken("no C compiler: install gcc, or run with --power-cuts 0")
    library = folder / "powercut.so"
    source = HERE / "powercut.c"
    flags = ["-O2", "-Wall", "-Wextra", "-shared", "-fPIC", "-U_FORTIFY_SOURCE"]
    libraries = ["-ldl", "-lpthread"]
    subprocess.run([compiler, *flags, "-o", library, source, *libraries], check=True)
    return library


class Rig:
    """Broker, gateway and fleet in a folder; also the chance of a run, from its seed."""

    def __init__(
        self,
        program: Path,
        folder: Path,
        vehicles: int,
        rate: float,
        seed: int,
        store_folder: Path | None = None,
    ):
        folder.mkdir()
        store_folder = store_folder or folder / "store"
        store_folder.mkdir(exist_ok=True)
        self.folder = folder
        self.random = random.Random(seed)
        self.broker = Broker(folder)
        self.gateway = Gateway(program, folder, store_folder, self.broker)
        self.fleet = Fleet(self.broker.port, vehicles, rate)

    def start(self) -> None:
        self.start_broker()
        self.gateway.start()
        eventually("a ready gateway", self.gateway.is_ready)
        self.fleet.start()
        self.await_progress()

    def start_broker(self) -> None:
        self.broker.start()
        eventually("a listening broker", self.broker.is_listening)

    def is_running(self) -> bool:
        """True, or an error that says what has ended by itself."""
        self.broker.require_running()
        self.gateway.require_running()
        return True

    def pause(self, shortest: float, longest: float) -> None:
        """Lets the load run for a random time."""
        time.sleep(self.random.uniform(shortest, longest))

    def await_progress(self) -> None:
        """Waits until vehicles are told that packets of now are stored."""
        goal = self.fleet.published
        eventually("confirmations", lambda: self.is_running() and self.fleet.confirmed > goal)

    def settle(self) -> None:
        """Ends the load and waits until everything is confirmed."""
        self.fleet.is_measuring = False
        time.sleep(LAST_TURN_S)
        eventually(
            "the confirmation of everything",
            lambda: self.is_running() and self.fleet.unconfirmed == 0 and self.gateway.is_ready(),
        )

    def end(self) -> None:
        """Ends what still runs, whatever happened."""
        self.fleet.stop()
        for child in (self.gateway, self.broker):
            if child.process is not None:
                child.process.kill()
                child.process.wait()
