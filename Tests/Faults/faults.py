#!/usr/bin/python3
"""Harms a gateway under load, in every way there is, and counts its readings afterwards."""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import account
from fleet import VEHICLES_MAX, Fleet
from rig import Broken, PowerCutter, Rig, build_power_cut, eventually

# Of the gateway's kills, the share that falls into its start, and how long a start takes.
START_KILLS = 0.3
START_S = 0.1
# Load between two faults, s: shortest and longest.
GATEWAY_KILL_GAP_S = (0.1, 1.5)
BROKER_KILL_GAP_S = (0.3, 2.0)
POWER_CUT_GAP_S = (0.5, 3.0)
# Every so many kills the run waits until all is confirmed, so that it cannot stall unnoticed.
PROGRESS_EVERY = 10
# Of the broker's kills, every third comes after one of the gateway, and the broker's backlog of
# this long, acknowledged to the vehicles and nowhere on disk, is lost.
BOTH_EVERY = 3
BACKLOG_S = (0.0, 1.5)
# Of the power cuts, every second takes the broker along: the whole machine.
MACHINE_EVERY = 2

# Load on the last gateway after the last fault.
LAST_LOAD_S = 3.0

# The control needs few readings to lose.
CONTROL_VEHICLES = 10
CONTROL_RATE = 50.0
CONTROL_S = 3.0

# A disk that is full within seconds, and load that does not fill it by itself.
DISK_BYTES = 16 * 1024 * 1024
DISK_VEHICLES = 20
DISK_RATE = 50.0
# How long a full disk must keep every confirmation back.
DISK_FULL_S = 4.0
DISK_GAP_S = (0.5, 2.0)
BALLAST_CHUNK_BYTES = 64 * 1024


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)


@dataclass
class Phase:
    """One kind of fault: how often, and what went on meanwhile."""

    name: str
    faults: int = 0
    seconds: float = 0.0
    published: int = 0
    sent: int = 0
    note: str = ""


@dataclass
class Report:
    phases: list[Phase] = field(default_factory=list)
    stores: dict[str, dict] = field(default_factory=dict)
    accounts: dict[str, list[int]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)


class Watch:
    """Measures a phase."""

    def __init__(self, report: Report, name: str, fleet: Fleet):
        self.phase = Phase(name)
        self.fleet = fleet
        report.phases.append(self.phase)

    def __enter__(self) -> Phase:
        self.begun = time.monotonic()
        self.before = (self.fleet.published, self.fleet.sent)
        return self.phase

    def __exit__(self, *_) -> None:
        self.phase.seconds = round(time.monotonic() - self.begun, 1)
        self.phase.published = self.fleet.published - self.before[0]
        self.phase.sent = self.fleet.sent - self.before[1]


def progress(rig: Rig, report: Report, phase: Phase, of: int) -> None:
    """Says where we are; the account must add up at any moment."""
    eventually("a ready gateway", rig.gateway.is_ready)
    if not account.adds_up(rig.gateway.metrics()):
        report.failures.append(f"{phase.name} {phase.faults}: the account does not add up")
    say(
        f"{phase.name} {phase.faults}/{of}: {rig.fleet.published} packets published, "
        f"{rig.fleet.unconfirmed} unconfirmed"
    )


# MARK: Faults


def kill_gateway(rig: Rig, report: Report, count: int) -> None:
    """kill -9 at random moments, also while it starts; started again at once."""
    with Watch(report, "gateway kill -9", rig.fleet) as phase:
        for number in range(1, count + 1):
            if rig.random.random() < START_KILLS:
                rig.pause(0, START_S)
            else:
                rig.pause(*GATEWAY_KILL_GAP_S)
            rig.gateway.kill()
            rig.gateway.start()
            phase.faults = number
            if number % PROGRESS_EVERY == 0:
                rig.await_progress()
                progress(rig, report, phase, count)
        rig.await_progress()


def kill_broker(rig: Rig, report: Report, count: int) -> None:
    """kill -9 of the broker, some together with the gateway."""
    with Watch(report, "broker kill -9", rig.fleet) as phase:
        both = 0
        for number in range(1, count + 1):
            rig.pause(*BROKER_KILL_GAP_S)
            takes_gateway = number % BOTH_EVERY == 0
            if takes_gateway:
                rig.gateway.kill()
                rig.pause(*BACKLOG_S)
                both += 1
            rig.broker.kill()
            if takes_gateway:
                rig.gateway.start()
            rig.start_broker()
            phase.faults = number
            rig.await_progress()
            if number % PROGRESS_EVERY == 0:
                progress(rig, report, phase, count)
        phase.note = f"{both} of them with the gateway"


def cut_power(rig: Rig, report: Report, count: int, library: Path) -> None:
    """kill -9, and what was not synced is gone."""
    cutter = PowerCutter(library, rig.folder, rig.gateway)
    with Watch(report, "power cut", rig.fleet) as phase:
        lost = 0
        rig.gateway.kill()
        cutter.attach()
        rig.gateway.start()
        for number in range(1, count + 1):
            rig.pause(*POWER_CUT_GAP_S)
            rig.gateway.kill()
            if number % MACHINE_EVERY == 0:
                rig.broker.kill()
                rig.start_broker()
            lost += cutter.cut()
            rig.gateway.start()
            phase.faults = number
            rig.await_progress()
        progress(rig, report, phase, count)
        phase.note = f"{lost // 1024} KiB of unsynced blocks thrown away"


def fill_disk(rig: Rig, report: Report, count: int) -> None:
    """No space left: nothing is confirmed; with space again, it goes on by itself."""
    ballast = rig.gateway.store.parent / "ballast"
    with Watch(report, "disk full", rig.fleet) as phase:
        for number in range(1, count + 1):
            rig.pause(*DISK_GAP_S)
            eventually("a store that complains", lambda: fills(ballast, rig))
            # Confirmations that were on their way arrive first.
            time.sleep(0.5)
            before = rig.fleet.confirmed
            time.sleep(DISK_FULL_S)
            if rig.fleet.confirmed != before:
                report.failures.append(
                    f"disk full: {rig.fleet.confirmed - before} packets confirmed all the same"
                )
            health = rig.gateway.request("/readyz")[1]
            ballast.unlink()
            eventually("a store that writes again", rig.gateway.is_ready)
            rig.await_progress()
            phase.faults = number
            say(f"disk full {number}/{count}: said {health.strip()}; took up again by itself")
        if rig.gateway.own_ends:
            report.failures.append("disk full: the gateway ended instead of waiting")


def fills(ballast: Path, rig: Rig) -> bool:
    """Fills what space is left; true once the gateway says that it cannot store."""
    with ballast.open("ab", buffering=0) as file:
        for size in (BALLAST_CHUNK_BYTES, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                pass
    status, body = rig.gateway.request("/readyz")
    return status == 503 and json.loads(body)["store"] != "writable"


# MARK: Judgement


def judge(rig: Rig, report: Report, name: str) -> None:
    """Everything confirmed, a clean stop, and then the store against what was published."""
    complaints = []
    say(f"{name}: waiting until everything is confirmed")
    try:
        # The last process shall have something to account for.
        time.sleep(LAST_LOAD_S)
        rig.settle()
    except Broken as problem:
        complaints.append(str(problem))
    metrics = rig.gateway.metrics()
    rig.fleet.stop()
    if not account.adds_up(metrics):
        complaints.append("the account of /metrics does not add up")
    if rig.fleet.false_confirmations:
        complaints.append(f"{rig.fleet.false_confirmations} confirmations of unpublished packets")
    for child in (rig.gateway, rig.broker):
        if (code := child.end(signal.SIGTERM)) != 0:
            complaints.append(f"{child.name} ended with {code} on SIGTERM")
        if child.own_ends:
            complaints.append(f"{child.name} ended by itself, with {child.own_ends}")
    say(f"{name}: reading the store")
    try:
        findings, examples = account.compare(rig.fleet, rig.gateway)
        wrong = [f"{what} {count}" for what, count in findings.wrong_ones().items() if count]
        complaints += wrong + (examples if wrong else [])
        _, stored, *_ = account.account(metrics)
        if rig.gateway.starts == 1 and stored != findings.readings_due:
            complaints.append(f"its only process counted {stored} readings as new")
        report.stores[name] = asdict(findings) | {
            "published": rig.fleet.published,
            "confirmed": rig.fleet.confirmed,
            "sent": rig.fleet.sent,
            "held_back": rig.fleet.held_back,
        }
        report.accounts[name] = account.account(metrics)
    except Broken as problem:
        complaints.append(str(problem))
    report.failures += [f"{name}: {complaint}" for complaint in complaints]


def run_control(program: Path, folder: Path, library: Path, seed: int, report: Report) -> None:
    """A disk that ignores syncs must lose readings here; else the power cuts prove nothing."""
    rig = Rig(program, folder, CONTROL_VEHICLES, CONTROL_RATE, seed)
    try:
        cutter = PowerCutter(library, folder, rig.gateway)
        cutter.attach()
        rig.gateway.preload = cutter.environment | {"POWERCUT_IGNORE_SYNC": "1"}
        with Watch(report, "control: lying disk", rig.fleet) as phase:
            rig.start()
            time.sleep(CONTROL_S)
            rig.settle()
            rig.fleet.stop()
            rig.gateway.kill()
            cutter.cut()
            rig.gateway.preload = {}
            rig.gateway.start()
            eventually("a ready gateway", rig.gateway.is_ready)
            rig.gateway.end(signal.SIGTERM)
            findings, _ = account.compare(rig.fleet, rig.gateway)
            phase.faults = 1
            phase.note = f"lost {findings.missing} of {findings.readings_due} readings, as it must"
        if findings.missing == 0:
            report.failures.append("control: a lying disk lost nothing; power cuts prove nothing")
        say(f"control: {phase.note}")
    finally:
        rig.end()


def run_main(
    options: argparse.Namespace, folder: Path, library: Path | None, report: Report
) -> None:
    """Kills and power cuts, one after the other, on one store."""
    rig = Rig(options.gateway, folder, options.vehicles, options.rate, options.seed)
    try:
        try:
            rig.start()
            kill_gateway(rig, report, options.kills)
            rig.fleet.reboot()
            kill_broker(rig, report, options.broker_kills)
            rig.fleet.reboot()
            if library:
                cut_power(rig, report, options.power_cuts, library)
        except Broken as problem:
            # What stalls may have lost something: the store tells.
            report.failures.append(str(problem))
        judge(rig, report, "kills and power cuts")
    finally:
        rig.end()


def run_disk_full(options: argparse.Namespace, folder: Path, report: Report) -> None:
    """On a small file system of its own."""
    if os.geteuid() != 0:
        say("disk full: skipped, because only root may mount the small file system it needs")
        return
    disk = folder.with_name("disk")
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(disk)]
    subprocess.run(mount, check=True)
    rig = Rig(options.gateway, folder, DISK_VEHICLES, DISK_RATE, options.seed, disk)
    try:
        rig.start()
        fill_disk(rig, report, options.disk_full)
        judge(rig, report, "disk full")
    finally:
        rig.end()
        shutil.copytree(disk, folder / "store")
        subprocess.run(["umount", str(disk)], check=True)


# MARK: Report


def show(report: Report) -> None:
    print(f"\n{'fault':<21}{'times':>6}{'s':>7}{'published':>11}{'sent':>9}{'factor':>8}  note")
    for phase in report.phases:
        factor = phase.sent / phase.published if phase.published else 0
        print(
            f"{phase.name:<21}{phase.faults:>6}{phase.seconds:>7.1f}{phase.published:>11}"
            f"{phase.sent:>9}{factor:>8.2f}  {phase.note}"
        )
    for name, store in report.stores.items():
        received, stored, duplicate, too_late, rejected = report.accounts[name]
        print(
            f"\n{name}\n"
            f"  packets   {store['published']} published, {store['confirmed']} confirmed, "
            f"{store['sent']} sent ({store['sent'] / store['published']:.2f} times), "
            f"{store['held_back']} held back by a full window\n"
            f"  readings  {store['readings_due']} due, {store['readings_stored']} stored: "
            f"{store['missing']} missing, {store['double']} double, "
            f"{store['wrong_value']} wrong, {store['never_published']} never published\n"
            f"  refused   {store['dead_letters_due']} packets due, "
            f"{store['dead_letters_kept']} dead letters: {store['dead_letters_missing']} missing, "
            f"{store['dead_letters_never_published']} of good packets\n"
            f"  account   received {received} = stored {stored} + duplicate {duplicate} + "
            f"too late {too_late} + rejected {rejected} (last process)"
        )
    print()
    for failure in report.failures:
        print(f"FAILED  {failure}")
    if not report.failures:
        print("Nothing lost, nothing double, the account adds up.")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="Tests/Faults/run", description=__doc__)

    def count(text: str) -> int:
        if (number := int(text)) < 0:
            raise argparse.ArgumentTypeError("must not be negative")
        return number

    def amount(text: str) -> float:
        if (number := float(text)) <= 0:
            raise argparse.ArgumentTypeError("must be more than 0")
        return number

    add = parser.add_argument
    add("--gateway", type=Path, required=True, help="the program (default: built from here)")
    add("--kills", type=count, default=100, help="kill -9 of the gateway (%(default)s)")
    add("--broker-kills", type=count, default=20, help="kill -9 of the broker (%(default)s)")
    add("--power-cuts", type=count, default=10, help="simulated power cuts (%(default)s)")
    add("--disk-full", type=count, default=3, help="times the disk is filled (%(default)s)")
    add("--rate", type=amount, default=1000.0, help="packets/s of the fleet (%(default)s)")
    add("--vehicles", type=count, default=100, help=f"1 to {VEHICLES_MAX} (%(default)s)")
    add("--seed", type=int, default=1, help="chooses the moments (%(default)s)")
    add("--json", type=Path, metavar="FILE", help="also write the figures to FILE")
    add("--keep", action="store_true", help="leave the work folder; it stays after a failure too")
    options = parser.parse_args()
    if not 1 <= options.vehicles <= VEHICLES_MAX:
        parser.error(f"--vehicles must be 1 to {VEHICLES_MAX}")
    return options


def main() -> int:
    options = parse()
    options.gateway = options.gateway.resolve()
    try:
        account.require_export(options.gateway)
    except Broken as problem:
        print(problem, file=sys.stderr)
        return 2
    # So that `finally` ends what was started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    report = Report()
    work = Path(tempfile.mkdtemp(prefix="gateway-faults-")).resolve()
    begun = time.monotonic()
    say(f"work folder {work}, seed {options.seed}")
    try:
        library = build_power_cut(work) if options.power_cuts else None
        if library:
            run_control(options.gateway, work / "control", library, options.seed, report)
        run_main(options, work / "main", library, report)
        if options.disk_full:
            run_disk_full(options, work / "disk-full", report)
    except Broken as problem:
        report.failures.append(str(problem))
    seconds = round(time.monotonic() - begun, 1)
    show(report)
    if options.json:
        figures = asdict(report) | {"seconds": seconds, "seed": options.seed}
        options.json.write_text(json.dumps(figures, indent=2) + "\n")
    if options.keep or report.failures:
        print(f"work folder: {work}")
    else:
        shutil.rmtree(work)
    print(f"{seconds} s")
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
