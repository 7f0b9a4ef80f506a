"""16 clients book, cancel and book again on few bays; the gateway is killed in between.

Every attempt wants a start time from a short list, so that nearly all of them collide. At the end
the store itself is asked: does anything overlap, is every booking there that was confirmed?
"""

import argparse
import collections
import datetime
import http.client
import json
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from pathlib import Path

HERE = Path(__file__).resolve().parent
CONFIG = HERE.parent.parent / "config" / "gateway.yaml"
# Readings wait two minutes to be sorted, so the first suggestions take as long.
PATIENCE_S = 240.0
HTTP_TIMEOUT_S = 10.0
# Starts on the half hour over so many days from tomorrow: what everybody wants.
WANTED_DAYS = 12
# How often a slot is kept first and booked after.
KEPT_SHARE = 0.3


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Gateway:
    """The gateway with a store, a page and a broker of its own."""

    def __init__(self, binary: str, folder: Path):
        self.web = free_port()
        self.broker = free_port()
        self.store = folder / "gateway.sqlite"
        self.log = folder / "gateway.log"
        self.command = [binary, "serve", "--config", str(CONFIG)]
        self.environment = os.environ | {
            "GATEWAY_STORE_PATH": str(self.store),
            "GATEWAY_WEB_PORT": str(self.web),
            "GATEWAY_BROKER_PORT": str(self.broker),
            "GATEWAY_BROKER_MODE": "embedded",
            "GATEWAY_BROKER_EMBEDDED_DATA": str(folder / "mosquitto"),
        }
        self.process: subprocess.Popen | None = None

    def start(self) -> None:
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self.command, env=self.environment, stdout=log, stderr=log
            )
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                if self.call("GET", "/readyz")[0] == 200:
                    return
            except OSError:
                pass
            time.sleep(0.05)
        raise SystemExit(f"the gateway did not start; see {self.log}")

    def stop(self, number: int) -> None:
        self.process.send_signal(number)
        self.process.wait()

    def call(self, method: str, path: str, body=None, version: int | None = None):
        connection = http.client.HTTPConnection("127.0.0.1", self.web, timeout=HTTP_TIMEOUT_S)
        try:
            headers = {} if version is None else {"If-Match": f'"v{version}"'}
            if method == "POST":
                headers["Idempotency-Key"] = str(uuid.uuid4())
            text = None if body is None else json.dumps(body)
            connection.request(method, path, text, headers)
            answer = connection.getresponse()
            text = answer.read()
            return answer.status, json.loads(text or b"{}") if path != "/readyz" else {}
        finally:
            connection.close()


class Run:
    def __init__(self, gateway: Gateway, attempts: int, seed: int):
        self.gateway = gateway
        self.left = attempts
        self.seed = seed
        self.lock = threading.Lock()
        self.answers: collections.Counter = collections.Counter()
        # Appointment → start, as the gateway confirmed it; those whose cancelling was begun leave.
        self.confirmed: dict[int, str] = {}
        self.uncoded = 0
        first = datetime.datetime.now(datetime.UTC).date() + datetime.timedelta(days=1)
        self.wanted = [
            f"{first + datetime.timedelta(days=day)}T{hour:02}:{minute:02}:00Z"
            for day in range(WANTED_DAYS)
            for hour in range(0, 9)
            for minute in (0, 30)
        ]

    def take_turn(self) -> bool:
        with self.lock:
            self.left -= 1
            return self.left >= 0

    def count(self, what: str) -> None:
        with self.lock:
            self.answers[what] += 1

    def client(self, number: int) -> None:
        chance = random.Random(self.seed * 1_000 + number)
        rows: list[dict] = []
        mine: list[int] = []
        while self.take_turn():
            try:
                if not rows or chance.random() < 0.02:
                    rows = self.gateway.call("GET", "/api/v1/suggestions?limit=200")[1]["items"]
                if not rows:
                    # Everything is booked: give something back first.
                    self.give_back(mine, chance)
                    continue
                self.book(chance.choice(rows), rows, mine, chance)
                if len(mine) > 2:
                    self.give_back(mine, chance)
            except (OSError, http.client.HTTPException, ValueError):
                self.count("no answer")
                rows = []
                time.sleep(0.05)

    def keep(self, row: dict, start: str) -> int | None:
        """A slot kept while the customer thinks; None where it cannot be had."""
        status, body = self.gateway.call(
            "POST", "/api/v1/holds", {"suggestion": row["id"], "start": start}
        )
        self.count("kept" if status == 201 else f"not kept: {body.get('code')}")
        return body["id"] if status == 201 else None

    def book(self, row: dict, rows: list[dict], mine: list[int], chance) -> None:
        start = chance.choice(self.wanted)
        hold = self.keep(row, start) if chance.random() < KEPT_SHARE else None
        wish = {"start": start} if hold is None else {"hold": hold}
        status, body = self.gateway.call(
            "POST",
            f"/api/v1/suggestions/{row['id']}/book",
            wish | {"reason": "wish"},
            row["version"],
        )
        if hold is not None and status != 200:
            self.gateway.call("DELETE", f"/api/v1/holds/{hold}")
        if status == 200:
            self.count("booked")
            rows.remove(row)
            with self.lock:
                self.confirmed[body["appointment"]] = body["slot"]["start"]
            mine.append(body["appointment"])
            return
        code = body.get("code")
        self.count(code or f"status {status}")
        if code is None:
            with self.lock:
                self.uncoded += 1
        if code in ("stale_version", "slot_taken") and "current_version" in body:
            row["version"] = body["current_version"]
        elif code not in ("outside_hours", "slot_taken"):
            rows.remove(row)

    def give_back(self, mine: list[int], chance) -> None:
        if not mine:
            time.sleep(0.05)
            return
        visit = mine.pop(chance.randrange(len(mine)))
        # From here on it may be gone, whether or not the answer arrives.
        with self.lock:
            self.confirmed.pop(visit, None)
        version = self.gateway.call("GET", f"/api/v1/appointments/{visit}")[1]["version"]
        self.gateway.call(
            "POST", f"/api/v1/appointments/{visit}/cancel", {"code": "shop"}, version
        )


def overlaps(store: sqlite3.Connection, column: str) -> int:
    return store.execute(
        f"""SELECT count(*) FROM occupancy a JOIN occupancy b
            ON a.{column} = b.{column} AND a.id < b.id
            AND a.start_ms < b.end_ms AND b.start_ms < a.end_ms"""
    ).fetchone()[0]


def publish(gateway: Gateway, vehicles: int) -> None:
    """Every vehicle is due for service: the shortest way to a suggestion."""
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    for number in range(vehicles):
        payload = {
            "v": 1,
            "ts": now,
            "readings": {"Vehicle.Service.DistanceToService": -10},
        }
        subprocess.run(
            ["mosquitto_pub", "-V", "mqttv5", "-h", "127.0.0.1", "-p", str(gateway.broker),
             "-q", "1", "-t", f"vehicles/c{number}/telemetry", "-m", json.dumps(payload)],
            check=True,
        )  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gateway", required=True)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--attempts", type=int, default=20_000)
    parser.add_argument("--vehicles", type=int, default=150)
    parser.add_argument("--kills", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()

    folder = Path(tempfile.mkdtemp(prefix="gateway-concurrency-"))
    gateway = Gateway(str(Path(options.gateway).resolve()), folder)
    gateway.start()
    publish(gateway, options.vehicles)
    print(f"waiting for the suggestions of {options.vehicles} vehicles", flush=True)
    deadline = time.monotonic() + PATIENCE_S
    while len(gateway.call("GET", "/api/v1/suggestions?limit=200")[1]["items"]) < min(
        200, options.vehicles
    ):
        if time.monotonic() > deadline:
            raise SystemExit(f"not every vehicle has a suggestion; see {folder}")
        time.sleep(1)

    run = Run(gateway, options.attempts, options.seed)
    begun = time.monotonic()
    clients = [
        threading.Thread(target=run.client, args=(number,)) for number in range(options.clients)
    ]
    for client in clients:
        client.start()
    kills = 0
    step = options.attempts / (options.kills + 1)
    while any(client.is_alive() for client in clients):
        if kills < options.kills and run.left < options.attempts - step * (kills + 1):
            gateway.stop(signal.SIGKILL)
            kills += 1
            gateway.start()
        time.sleep(0.01)
    seconds = time.monotonic() - begun
    gateway.stop(signal.SIGTERM)

    store = sqlite3.connect(gateway.store)
    overlapping = overlaps(store, "bay_code") + overlaps(store, "technician_code")
    lost = 0
    for visit, start in run.confirmed.items():
        row = store.execute(
            """SELECT strftime('%Y-%m-%dT%H:%M:%SZ', a.start_ms / 1000, 'unixepoch')
               FROM appointment a JOIN occupancy o ON o.id = a.occupancy_id
               WHERE a.id = ? AND a.state = 'confirmed'""",
            (visit,),
        ).fetchone()
        lost += row is None or row[0] != start
    audit = subprocess.run(
        [gateway.command[0], "audit", "verify", "--config", str(CONFIG), "--store",
         str(gateway.store)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    print(f"attempts            {options.attempts} by {options.clients} clients")
    print(f"attempts per second {options.attempts / seconds:.0f}")
    print(f"kills               {kills}")
    for what, number in run.answers.most_common():
        print(f"  {what:<18}{number}")
    print(f"still confirmed     {len(run.confirmed)}")
    print(f"lost confirmations  {lost}")
    print(f"overlaps            {overlapping}")
    print(f"refusals, no code   {run.uncoded}")
    print(f"audit               {audit.stdout.strip().splitlines()[0] if audit.stdout else '?'}")
    is_good = not (lost or overlapping or run.uncoded or audit.returncode)
    if not is_good:
        print(f"see {folder}")
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
