"""The gateway's work in straightforward Python: check, store, and see a limit coming.

Shared by consumer.py (live, over MQTT) and replay.py (from a file).
"""

import math
import sqlite3
import time
from dataclasses import dataclass
from datetime import datetime

# Days after which a reading weighs 1/e in the fit.
FORGETTING_DAYS = 14.0
DAY_S = 86_400.0
# Readings ahead of the clock by more than this are refused.
FUTURE_S = 3 * 3_600.0


@dataclass(frozen=True, slots=True)
class Signal:
    """What a signal may read, and the limit it must not reach."""

    number: int
    smallest: float
    largest: float
    limit: float | None = None


def make_catalogue() -> dict[str, Signal]:
    """An extract of config/catalogue and config/rules."""
    rows: list[tuple[str, float, float, float | None]] = [
        ("Vehicle.LowVoltageBattery.CurrentVoltage", 0, 60, 12.2),
        ("Vehicle.LowVoltageBattery.CurrentCurrent", -1000, 1000, None),
        ("Vehicle.LowVoltageBattery.CrankingVoltageMin", 0, 60, 9.6),
        ("Vehicle.Powertrain.TractionBattery.StateOfHealth", 0, 110, 70),
        ("Vehicle.Powertrain.TractionBattery.StateOfCharge.Current", 0, 110, None),
        ("Vehicle.Powertrain.CombustionEngine.EngineOil.LifeRemainingPercent", -100, 100, 5),
        ("Vehicle.Powertrain.CombustionEngine.EngineOil.Temperature", -60, 250, None),
        ("Vehicle.Powertrain.CombustionEngine.EngineCoolant.Temperature", -60, 200, 108),
        ("Vehicle.Powertrain.CombustionEngine.Speed", 0, 20_000, None),
        ("Vehicle.Powertrain.CombustionEngine.EngineHours", 0, 1_000_000, None),
        ("Vehicle.Powertrain.FuelSystem.RelativeLevel", 0, 100, None),
        ("Vehicle.Service.DistanceToService", -200_000, 200_000, 0),
        ("Vehicle.Service.TimeToService", -4e8, 4e8, 0),
        ("Vehicle.TraveledDistance", 0, 4_294_967_295, None),
        ("Vehicle.Speed", -60, 400, None),
        ("Vehicle.Exterior.AirTemperature", -60, 70, None),
    ]
    for axle in ("Row1", "Row2"):
        for side in ("Left", "Right"):
            wheel = f"Vehicle.Chassis.Axle.{axle}.Wheel.{side}"
            rows.append((f"{wheel}.Tire.Pressure", 0, 1100, 200))
            rows.append((f"{wheel}.Tire.AirTemperature", -60, 150, None))
            rows.append((f"{wheel}.Brake.PadWear", 0, 100, 90))
    return {row[0]: Signal(number, *row[1:]) for number, row in enumerate(rows, 1)}


class Trend:
    """A line through the readings of one signal that forgets exponentially.

    Sums are kept relative to the newest time, so that they stay small.
    """

    __slots__ = ("at", "weight", "time", "value", "time_time", "time_value")

    def __init__(self, at: float, value: float):
        self.at = at
        self.weight = 1.0
        self.time = 0.0
        self.value = value
        self.time_time = 0.0
        self.time_value = 0.0

    def add(self, at: float, value: float) -> None:
        step = (at - self.at) / DAY_S
        if step > 0:
            kept = math.exp(-step / FORGETTING_DAYS)
            self.time_time = kept * (
                self.time_time - 2 * step * self.time + step * step * self.weight
            )
            self.time_value = kept * (self.time_value - step * self.value)
            self.time = kept * (self.time - step * self.weight)
            self.value *= kept
            self.weight *= kept
            self.at = at
            step = 0.0
        # A late reading counts at its own time.
        self.weight += 1
        self.time += step
        self.value += value
        self.time_time += step * step
        self.time_value += step * value

    def days_to(self, limit: float) -> float | None:
        """Days until the line meets the limit; None when it does not."""
        spread = self.weight * self.time_time - self.time * self.time
        if spread <= 1e-12:
            return None
        slope = (self.weight * self.time_value - self.time * self.value) / spread
        level = (self.value - slope * self.time) / self.weight
        if slope == 0:
            return None
        days = (limit - level) / slope
        return days if days > 0 else None


class Worker:
    """Takes packets in; `commit` makes them durable."""

    # A limit that is met within so many days is worth an alert.
    LEAD_DAYS = 14.0

    def __init__(self, path: str):
        self.catalogue = make_catalogue()
        self.trends: dict[tuple[int, int], Trend] = {}
        self.near: set[tuple[int, int]] = set()
        self.rows: list[tuple[int, int, int, float]] = []
        self.readings = 0
        self.rejected = 0
        self.database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self.database.executescript(
            """
            PRAGMA journal_mode = WAL;
            PRAGMA synchronous = FULL;
            CREATE TABLE IF NOT EXISTS vehicle (id INTEGER PRIMARY KEY, name TEXT UNIQUE);
            CREATE TABLE IF NOT EXISTS reading (
                vehicle INTEGER, signal INTEGER, ts INTEGER, value REAL,
                PRIMARY KEY (vehicle, signal, ts)
            ) WITHOUT ROWID;
            """
        )
        self.vehicles: dict[str, int] = dict(
            self.database.execute("SELECT name, id FROM vehicle").fetchall()
        )
        self.new_vehicles: list[tuple[int, str]] = []

    def take(self, vehicle: str, stamp: str, readings: dict[str, float]) -> None:
        """The readings of one packet."""
        at = datetime.fromisoformat(stamp).timestamp()
        if at > time.time() + FUTURE_S:
            self.rejected += len(readings)
            return
        number = self.vehicles.get(vehicle)
        if number is None:
            number = self.vehicles[vehicle] = len(self.vehicles) + 1
            self.new_vehicles.append((number, vehicle))
        for path, value in readings.items():
            self.take_reading(number, path, at, value)

    def take_reading(self, number: int, path: str, at: float, value: float) -> None:
        signal = self.catalogue.get(path)
        if (
            signal is None
            or not isinstance(value, (int, float))
            or not signal.smallest <= value <= signal.largest
        ):
            self.rejected += 1
            return
        self.readings += 1
        self.rows.append((number, signal.number, round(at * 1000), value))
        if signal.limit is None:
            return
        key = (number, signal.number)
        trend = self.trends.get(key)
        if trend is None:
            self.trends[key] = Trend(at, value)
            return
        trend.add(at, value)
        days = trend.days_to(signal.limit)
        if days is not None and days < self.LEAD_DAYS:
            self.near.add(key)
        else:
            self.near.discard(key)

    def commit(self) -> None:
        """What was taken in is on disk when this returns."""
        if not self.rows:
            return
        self.database.execute("BEGIN")
        self.database.executemany(
            "INSERT OR IGNORE INTO vehicle VALUES (?, ?)", self.new_vehicles
        )
        self.database.executemany("INSERT OR IGNORE INTO reading VALUES (?, ?, ?, ?)", self.rows)
        self.database.execute("COMMIT")
        self.rows.clear()
        self.new_vehicles.clear()
