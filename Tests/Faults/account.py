"""Compares what vehicles published with what the gateway kept."""

import csv
import json
import sqlite3
import subprocess
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path

from fleet import EPOCH, Fleet, Packet
from rig import Broken, Gateway

MILLISECOND = timedelta(milliseconds=1)
# Faults that are described in words; the rest is only counted.
EXAMPLES = 10


@dataclass
class Findings:
    """The comparison in numbers; all of `wrong_ones` must be 0.

    Due is what was confirmed: a vehicle still has the rest, and would send it again. `double` is
    what a reader of the store sees twice; `gateway export` shows a repeat of the same time once.
    """

    readings_due: int = 0
    readings_stored: int = 0
    missing: int = 0
    double: int = 0
    wrong_value: int = 0
    never_published: int = 0
    dead_letters_due: int = 0
    dead_letters_kept: int = 0
    dead_letters_missing: int = 0
    dead_letters_never_published: int = 0

    def wrong_ones(self) -> dict[str, int]:
        names = (
            "missing",
            "double",
            "wrong_value",
            "never_published",
            "dead_letters_missing",
            "dead_letters_never_published",
        )
        return {name: count for name, count in asdict(self).items() if name in names}


def require_export(gateway: Path) -> None:
    """`gateway export` is how the store is read here; an older gateway does not have it."""
    answer = subprocess.run(
        [gateway, "export", "--help"], capture_output=True, text=True, check=False
    )
    # A gateway without it exits 0 as well, and shows the help of `gateway`.
    if answer.returncode != 0 or "gateway export" not in answer.stdout:
        raise Broken(f"{gateway} has no subcommand `export`, by which this run reads the store")


def exported(gateway: Path, config: Path, store: Path):
    """Every reading of a store as (vehicle, signal, milliseconds, value)."""
    command = [gateway, "export", "--config", config, "--store", store]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for row in csv.DictReader(process.stdout):
            observed = datetime.fromisoformat(row["observed"])
            yield (
                row["vehicle"],
                row["signal"],
                (observed - EPOCH) // MILLISECOND,
                float(row["value"]),
            )
    if process.returncode != 0:
        raise Broken(f"gateway export ended with {process.returncode}")


def dead_letters(store: Path):
    """Every dead letter as (vehicle, packet, reason); the API is gone with the gateway."""
    database = sqlite3.connect(f"file:{store}?mode=ro", uri=True)
    try:
        for topic, payload, reason in database.execute(
            "SELECT topic, payload, reason FROM dead_letter"
        ):
            yield topic.decode().split("/")[1], json.loads(payload), reason
    finally:
        database.close()


def compare(fleet: Fleet, gateway: Gateway) -> tuple[Findings, list[str]]:
    """Findings, and some of the faults in words."""
    findings = Findings()
    examples: list[str] = []
    rows = exported(gateway.program, gateway.config, gateway.store)
    _compare_readings(fleet, rows, findings, examples)
    _compare_dead_letters(fleet, dead_letters(gateway.store), findings, examples)
    return findings, examples


def _compare_readings(fleet: Fleet, rows, findings: Findings, examples: list[str]) -> None:
    by_time: dict[str, dict[int, Packet]] = {
        vehicle.name: {packet.time_ms: packet for packet in vehicle.published}
        for vehicle in fleet.vehicles
    }
    indices = {vehicle.name: vehicle.index for vehicle in fleet.vehicles}
    seen: set[tuple[str, str, int]] = set()

    def tell(what: str, *details) -> None:
        if len(examples) < EXAMPLES:
            examples.append(f"{what}: " + " ".join(map(str, details)))

    for name, signal, time_ms, value in rows:
        findings.readings_stored += 1
        packet = by_time.get(name, {}).get(time_ms)
        good = packet.good_readings(indices[name]) if packet else {}
        if signal not in good:
            findings.never_published += 1
            tell("never published", name, signal, time_ms, value)
        elif (name, signal, time_ms) in seen:
            findings.double += 1
            tell("double", name, signal, packet)
        elif good[signal] != value:
            findings.wrong_value += 1
            tell("wrong value", name, signal, packet, value)
        seen.add((name, signal, time_ms))

    for vehicle in fleet.vehicles:
        for packet in vehicle.confirmed:
            for signal in packet.good_readings(vehicle.index):
                findings.readings_due += 1
                if (vehicle.name, signal, packet.time_ms) not in seen:
                    findings.missing += 1
                    tell("missing", vehicle.name, signal, packet)


def _compare_dead_letters(fleet: Fleet, rows, findings: Findings, examples: list[str]) -> None:
    bad = {
        (vehicle.name, packet.boot, packet.sequence): packet.bad
        for vehicle in fleet.vehicles
        for packet in vehicle.published
        if packet.bad
    }
    seen = set()
    for name, payload, reason in rows:
        findings.dead_letters_kept += 1
        key = (name, payload["boot"], payload["seq"])
        if bad.get(key) == reason:
            seen.add(key)
        else:
            findings.dead_letters_never_published += 1
            if len(examples) < EXAMPLES:
                examples.append(f"dead letter of a good packet: {key} {reason}")
    for vehicle in fleet.vehicles:
        for packet in vehicle.confirmed:
            if packet.bad:
                findings.dead_letters_due += 1
                key = (vehicle.name, packet.boot, packet.sequence)
                findings.dead_letters_missing += key not in seen


def adds_up(metrics: dict[str, float]) -> bool:
    """received = stored + duplicate + too late + rejected, of one gateway process."""
    received, *rest = account(metrics)
    return bool(metrics) and received == sum(rest)


def account(metrics: dict[str, float]) -> list[int]:
    """Received, stored, duplicate, too late, rejected."""
    kinds = ("received", "stored", "duplicate", "too_late", "rejected")
    return [int(metrics.get(f"gateway_readings_{kind}_total", 0)) for kind in kinds]
