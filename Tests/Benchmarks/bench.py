#!/usr/bin/python3
"""Runs every benchmark and prints one table: figure, floor of the same run, ratio."""

import argparse
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PEERS = ROOT / "Tests/Benchmarks/peers"
RELEASE = ROOT / ".build/release"
DUCKDB = ROOT / ".build/duckdb/bin/python"  # made by ./run
sys.path.insert(0, str(ROOT / "Tests/Faults"))

from prediction import fleet  # noqa: E402
from rig import Broker, Gateway, eventually  # noqa: E402

# CPU of a reading of a messy fleet with predictions, in those of clean lines: at most so many
MESSY_BUDGET = 3.2
CLOCK_TICKS = 100  # of /proc/PID/stat, a second
READINGS = 8  # of a packet
SIGNALS = [
    ("Vehicle.Chassis.Axle.Row1.Wheel.Left.Tire.Pressure", 210, 260, 1),
    ("Vehicle.Chassis.Axle.Row1.Wheel.Right.Tire.Pressure", 210, 260, 1),
    ("Vehicle.Chassis.Axle.Row2.Wheel.Left.Tire.Pressure", 210, 260, 1),
    ("Vehicle.Chassis.Axle.Row2.Wheel.Right.Tire.Pressure", 210, 260, 1),
    ("Vehicle.LowVoltageBattery.CurrentVoltage", 12, 14.4, 3),
    ("Vehicle.Powertrain.CombustionEngine.EngineOil.LifeRemainingPercent", 5, 95, 1),
    ("Vehicle.Powertrain.CombustionEngine.EngineCoolant.Temperature", 70, 98, 1),
    ("Vehicle.Exterior.AirTemperature", -5, 30, 1),
]


class Table:
    def __init__(self):
        self.rows: list[dict] = []
        self.faults: list[str] = []

    def add(self, name: str, value: float, unit: str, floor: str = "", floor_value: float = 0):
        row = {"name": name, "value": value, "unit": unit}
        if floor:
            row |= {"floor": floor, "floor_value": floor_value}
        self.rows.append(row)
        print("  " + self.line(row), flush=True)

    @staticmethod
    def line(row: dict) -> str:
        text = f"{row['name']:<62} {row['value']:>14,.2f} {row['unit']}"
        if row.get("floor_value"):
            text += f"   {row['value'] / row['floor_value']:.2f} x {row['floor']}"
            text += f" ({row['floor_value']:,.2f})"
        return text


def output(command: list) -> str:
    return subprocess.run(
        [str(word) for word in command], check=True, capture_output=True, text=True, cwd=ROOT
    ).stdout


def peer(name: str, *arguments, python: Path = Path("/usr/bin/python3")) -> dict:
    return json.loads(output([python, PEERS / name, *arguments]).splitlines()[-1])


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS


def packets_file(path: Path, vehicles: int, rounds: int) -> None:
    """Packets of all vehicles every ten minutes, as a recording."""
    chance = random.Random(1)
    start = datetime(2026, 3, 1)
    with path.open("w") as lines:
        for number in range(rounds):
            for vehicle in range(vehicles):
                at = start + timedelta(minutes=10 * number, milliseconds=500 * vehicle)
                readings = ",".join(
                    f'"{path}":{round(chance.uniform(low, high), digits)}'
                    for path, low, high, digits in SIGNALS
                )
                lines.write(
                    f'{{"vehicle":"v{vehicle}","v":1,"boot":"b7","seq":{number + 1},'
                    f'"ts":"{at.isoformat(timespec="milliseconds")}Z","readings":{{{readings}}}}}\n'
                )


def lines_file(path: Path, packets: Path) -> None:
    """The same readings, one a line."""
    with packets.open() as source, path.open("w") as lines:
        for text in source:
            item = json.loads(text)
            for signal, value in item["readings"].items():
                lines.write(
                    f'{{"vehicle":"{item["vehicle"]}","signal":"{signal}",'
                    f'"ts":"{item["ts"]}","value":{value}}}\n'
                )


def replay(table: Table, folder: Path, quick: bool) -> None:
    packets, lines = folder / "packets.jsonl", folder / "lines.jsonl"
    packets_file(packets, 1_000, 50 if quick else 250)
    lines_file(lines, packets)
    for name, path in [("8-reading packets", packets), ("one reading a line", lines)]:
        # The middle of five: one run is a second, and a neighbour's second is enough to spoil it.
        rates = []
        for _ in range(5):
            begun = time.monotonic()
            summary = json.loads(
                output([RELEASE / "gateway", "replay", path, "--summary", "json"])
            )
            rates.append(summary["stored"] / (time.monotonic() - begun))
        rate = statistics.median(rates)
        store = folder / f"{path.stem}.sqlite"
        python = peer("replay.py", path, "--store", store)["readings_per_second"]
        table.add(f"replay with rules and store, {name}", rate, "readings/s", "Python", python)
    if not DUCKDB.exists():
        print("skipped: DuckDB could not be had from PyPI", file=sys.stderr)
        return
    slopes = peer("windowed.py", lines, python=DUCKDB)["readings_per_second"]
    table.add("replay, one reading a line", rate, "readings/s", "DuckDB", slopes)


def cpu_per_reading(recording: Path, *options) -> float:
    """ns of CPU that a replay takes for a reading; the middle of three."""
    costs = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        summary = json.loads(
            output([RELEASE / "gateway", "replay", recording, *options, "--summary", "json"])
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        costs.append(spent / summary["read"] * 1e9)
    return statistics.median(costs)


def messy(table: Table, folder: Path, programs: Path) -> None:
    """A labelled fleet: single readings, late ones, repeats, alerts, visits and predictions."""
    if not (programs / "generate.py").exists():
        print(f"skipped: there is no generator of fleets in {programs}", file=sys.stderr)
        return
    clean = cpu_per_reading(folder / "lines.jsonl")
    made = fleet(programs, folder, 9011, 60, 180)
    files = ["--limits", made / "rules.csv", "--vehicles", made / "vehicles.csv",
             "--alerts", folder / "alerts.csv", "--suggestions", folder / "suggestions.csv"]
    for name, more in [
        ("messy fleet", []),
        ("messy fleet, predictions", ["--predictions", folder / "predictions.csv"]),
    ]:
        cost = cpu_per_reading(made / "readings.jsonl", *files, *more)
        table.add(f"replay, {name}", cost, "ns CPU/reading", "clean lines", clean)
    if cost > MESSY_BUDGET * clean:
        table.faults.append(f"a messy fleet costs more than {MESSY_BUDGET} x clean lines")


def live(table: Table, folder: Path, floor: Path, quick: bool) -> None:
    count = 40_000 if quick else 200_000
    broker = Broker(folder)
    broker.start()
    eventually("the broker", broker.is_listening)
    flood = [floor, "mqtt-flood", "127.0.0.1", broker.port, 200, count, READINGS, 1_000]

    sink = subprocess.Popen(
        [str(word) for word in
         [floor, "mqtt-sink", "127.0.0.1", broker.port, "vehicles/+/telemetry", count, 1]],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )
    sink.stderr.readline()  # "subscribed"
    output(flood)
    raw = json.loads(sink.communicate()[0].splitlines()[-1])
    raw_rate = raw["messages_per_second"]

    gateway = Gateway(RELEASE / "gateway", folder, folder / "store", broker)
    gateway.start()
    eventually("the gateway", gateway.is_ready)
    before, begun = cpu_seconds(gateway.process.pid), time.monotonic()
    output(flood)
    eventually(
        "every message", lambda: gateway.metrics()["gateway_packets_total"] >= count, patience=120
    )
    rate = count / (time.monotonic() - begun)
    spent = (cpu_seconds(gateway.process.pid) - before) / count * 1e6
    table.add("live, QoS 1, FULL commits", rate, "messages/s", "a do-nothing subscriber", raw_rate)
    table.add("live, gateway CPU", spent, "µs/message of 8 readings")
    table.add("live, memory", resident(gateway.process.pid), "MiB")

    before = lag(gateway)
    output([*flood[:-3], 5_000 * (4 if quick else 20), READINGS, 1_000, "--rate", 5_000])
    for share, bound in quantiles(before, lag(gateway), [0.5, 0.99]).items():
        table.add(f"arrival to commit at 5,000 messages/s, p{share * 100:g}, at most", bound, "ms")
    gateway.kill()

    consumer = subprocess.Popen(
        ["/usr/bin/python3", str(PEERS / "consumer.py"), "--port", str(broker.port),
         "--store", str(folder / "consumer.sqlite"), "--messages", str(count // 4)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )
    consumer.stderr.readline()  # "subscribed"
    output([*flood[:5], count // 4, READINGS, 1_000])
    figures = json.loads(consumer.communicate()[0].splitlines()[-1])
    python = figures["readings_per_second"] / READINGS
    table.add("live, beside Python", rate, "messages/s", "Python", python)
    broker.kill()


def resident(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 / 2**20


def lag(gateway: Gateway) -> dict[float, float]:
    """Batches by upper bound of their lag in seconds, cumulated."""
    found = {}
    for line in gateway.request("/metrics")[1].splitlines():
        if line.startswith("gateway_lag_seconds_bucket"):
            bound = line.split('"')[1]
            found[float("inf") if bound == "+Inf" else float(bound)] = float(line.split()[-1])
    return found


def quantiles(before: dict, after: dict, shares: list[float]) -> dict[float, float]:
    counts = {bound: after[bound] - before[bound] for bound in after}
    total = counts[float("inf")]
    return {
        share: min(bound for bound, count in counts.items() if count >= share * total) * 1_000
        for share in shares
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smaller everything")
    parser.add_argument("--json", help="write the figures to this file, one object a line")
    parser.add_argument("--bench", type=Path, default=ROOT.parent / "shared/bench",
                        help="folder of the generator of labelled fleets")
    parser.add_argument("--only", choices=["core", "replay", "live"], help="one part")
    options = parser.parse_args()
    table = Table()
    with tempfile.TemporaryDirectory(prefix="gateway-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        floor = folder / "floor"
        output(["cc", "-O2", "-Wall", "-Wextra", "-o", floor, PEERS / "floor.c",
                "-lsqlite3", "-lmosquitto"])
        if options.only in (None, "core"):
            million = 2 if options.quick else 50
            parts = [["decode"], ["rules"], ["plan"], ["store", "--millions", million]]
            for vehicles in [100_000] if options.quick else [100_000, 1_000_000]:
                fleet = folder / f"{vehicles}.sqlite"
                parts.append(["memory", "--vehicles", vehicles, "--store", fleet])
                parts.append(["start", "--store", fleet])
            for part in parts:
                print(f"== {' '.join(map(str, part))}", flush=True)
                for line in output([RELEASE / "gateway-bench", *part]).splitlines():
                    row = json.loads(line)
                    table.add(row["name"], row["value"], row["unit"], row.get("floor", ""),
                              row.get("floor_value", 0))
            rows = json.loads(output([floor, "sqlite-insert", million * 100_000, 1_000, folder]))
            table.add("bare C SQLite, a row a reading, FULL",
                      rows["cpu_seconds"] / rows["readings"] * 1e9, "ns CPU/reading")
        if options.only in (None, "replay"):
            print("== replay", flush=True)
            replay(table, folder, options.quick)
            messy(table, folder, options.bench)
        if options.only in (None, "live"):
            print("== live", flush=True)
            live(table, folder, floor, options.quick)
    print("\n" + "\n".join(Table.line(row) for row in table.rows))
    if options.json:
        Path(options.json).write_text("".join(json.dumps(row) + "\n" for row in table.rows))
    if table.faults:
        sys.exit("\n".join(table.faults))


if __name__ == "__main__":
    main()
