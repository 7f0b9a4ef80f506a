"""Vehicles that keep README's contract: a packet is kept, and sent again, until it is confirmed."""

import json
import threading
import time
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

import paho.mqtt.client as mqtt

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)

# Unconfirmed packets of one vehicle; at the limit it measures no more: the back-pressure.
WINDOW_PACKETS = 64
# Without progress for this long, a vehicle sends again: twice a slow commit and more.
RESEND_AFTER_S = 2.0
# Oldest packets sent again in one go, so that an outage does not fill the broker's queue.
RESEND_PACKETS = 16
# Between two tries of a broker that is away.
RECONNECT_S = 0.2
# How long a modem waits for the network before it looks at the clock.
TURN_S = 0.01
KEEPALIVE_S = 30
# Connections that share the vehicles: a thread each.
MODEMS = 4
# Vehicles whose numbers fit the values below.
VEHICLES_MAX = 1000

# One packet in so many holds something the gateway must refuse; the kinds take turns.
BAD_EVERY = 25
BAD_KINDS = ("unknown_signal", "out_of_range", "unsupported_version", "future_timestamp")
# Beyond the 3 h that the gateway takes.
FUTURE_MS = 4 * 3_600_000

ODOMETER = "Vehicle.TraveledDistance"
HOURS = "Vehicle.Powertrain.CombustionEngine.EngineHours"
SPEED = "Vehicle.Speed"
PRESSURE = "Vehicle.Chassis.Axle.Row1.Wheel.Left.Tire.Pressure"


def readings_of(vehicle: int, number: int) -> dict[str, float]:
    """The readings of a vehicle's packet; the first two say by themselves which one it is."""
    return {
        ODOMETER: 1 + vehicle * 1_000_000 + number,
        HOURS: float(f"{number}.{vehicle:03}"),
        SPEED: (vehicle * 7 + number) % 120 + 0.5,
        PRESSURE: 240 + (vehicle + number) % 10,
    }


@dataclass(frozen=True)
class Packet:
    """What a vehicle published: enough to say what the store must hold."""

    number: int
    boot: str
    sequence: int
    time_ms: int
    bad: str | None

    def good_readings(self, vehicle: int) -> dict[str, float]:
        """What of it is to be stored."""
        readings = readings_of(vehicle, self.number)
        if self.bad == "out_of_range":
            del readings[SPEED]
        return {} if self.bad in ("unsupported_version", "future_timestamp") else readings

    def encode(self, vehicle: int) -> bytes:
        readings = readings_of(vehicle, self.number)
        if self.bad == "unknown_signal":
            readings["Vehicle.NoSuchSignal"] = self.number
        elif self.bad == "out_of_range":
            readings[SPEED] = 4_000
        time_ms = self.time_ms + (FUTURE_MS if self.bad == "future_timestamp" else 0)
        stamp = EPOCH + timedelta(milliseconds=time_ms)
        return json.dumps(
            {
                "v": 2 if self.bad == "unsupported_version" else 1,
                "boot": self.boot,
                "seq": self.sequence,
                "ts": stamp.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                "readings": readings,
            },
            separators=(",", ":"),
        ).encode()


class Vehicle:
    """One vehicle; only its modem's thread touches it."""

    def __init__(self, index: int):
        self.index = index
        self.name = f"faults-{index:03}"
        self.boot = "b1"
        self.sequence = 0
        self.published: list[Packet] = []
        # What is not confirmed yet, oldest first, by boot and sequence number.
        self.kept: dict[tuple[str, int], bytes] = {}
        self.moved_at = 0.0
        self.highest = {self.boot: 0}
        self.false_confirmations = 0

    def reboot(self, boot: str) -> None:
        """Numbers start at 1 again; what is unconfirmed of the boot before is still kept."""
        self.boot = boot
        self.sequence = 0
        self.highest[boot] = 0

    def measure(self) -> bytes:
        """A new packet, kept from now on."""
        number = len(self.published) + 1
        self.sequence += 1
        self.highest[self.boot] = self.sequence
        last_ms = self.published[-1].time_ms if self.published else 0
        bad_turn, rest = divmod(number + 7 * self.index, BAD_EVERY)
        packet = Packet(
            number=number,
            boot=self.boot,
            sequence=self.sequence,
            time_ms=max(time.time_ns() // 1_000_000, last_ms + 1),
            bad=BAD_KINDS[bad_turn % len(BAD_KINDS)] if rest == 0 else None,
        )
        self.published.append(packet)
        if not self.kept:
            self.moved_at = time.monotonic()
        payload = packet.encode(self.index)
        self.kept[self.boot, self.sequence] = payload
        return payload

    @property
    def confirmed(self) -> list[Packet]:
        return [
            packet
            for packet in self.published
            if (packet.boot, packet.sequence) not in self.kept
        ]

    def confirm(self, boot: str, sequence: int) -> None:
        if sequence > self.highest.get(boot, 0):
            self.false_confirmations += 1
        covered = [key for key in self.kept if key[0] == boot and key[1] <= sequence]
        for key in covered:
            del self.kept[key]
        if covered:
            self.moved_at = time.monotonic()

    def take_overdue(self) -> list[bytes]:
        now = time.monotonic()
        if not self.kept or now - self.moved_at < RESEND_AFTER_S:
            return []
        self.moved_at = now
        return list(self.kept.values())[:RESEND_PACKETS]


def new_client(name: str) -> mqtt.Client:
    """paho-mqtt 2 wants to be told which callbacks it meets."""
    versions = getattr(mqtt, "CallbackAPIVersion", None)
    return mqtt.Client(versions.VERSION1, name) if versions else mqtt.Client(name)


class Modem(threading.Thread):
    """One connection and the vehicles behind it."""

    def __init__(self, fleet: "Fleet", name: str, vehicles: list[Vehicle], rate: float):
        super().__init__(name=name, daemon=True)
        self.fleet = fleet
        self.vehicles = vehicles
        self.by_name = {vehicle.name: vehicle for vehicle in vehicles}
        self.interval = 1 / rate
        self.turn = 0
        self.boot = vehicles[0].boot
        self.is_connected = False
        self.sent = 0
        self.held_back = 0
        self.connections = 0

    def run(self) -> None:
        while not self.fleet.is_stopping:
            # A new client each time: what is sent again is decided here, not by paho.
            client = new_client(self.name)
            client.max_inflight_messages_set(0)
            client.on_connect = self.on_connect
            client.on_message = self.on_message
            try:
                client.connect("127.0.0.1", self.fleet.port, KEEPALIVE_S)
                self.serve(client)
            except OSError:
                pass  # the broker is away
            self.is_connected = False
            time.sleep(RECONNECT_S)

    def serve(self, client: mqtt.Client) -> None:
        due = time.monotonic()
        while client.loop(TURN_S) == mqtt.MQTT_ERR_SUCCESS and not self.fleet.is_stopping:
            if not self.is_connected:
                continue
            now = time.monotonic()
            if self.fleet.boot != self.boot:
                self.boot = self.fleet.boot
                for vehicle in self.vehicles:
                    vehicle.reboot(self.boot)
            while self.fleet.is_measuring and due <= now:
                due += self.interval
                self.publish_next(client)
            # Time without a connection is not caught up.
            due = max(due, now - TURN_S)
            for vehicle in self.vehicles:
                self.send(client, vehicle, vehicle.take_overdue())
        client.disconnect()

    def publish_next(self, client: mqtt.Client) -> None:
        vehicle = self.vehicles[self.turn]
        self.turn = (self.turn + 1) % len(self.vehicles)
        if len(vehicle.kept) >= WINDOW_PACKETS:
            self.held_back += 1
        else:
            self.send(client, vehicle, [vehicle.measure()])

    def send(self, client: mqtt.Client, vehicle: Vehicle, payloads: list[bytes]) -> None:
        for payload in payloads:
            client.publish(f"vehicles/{vehicle.name}/telemetry", payload, qos=1)
            self.sent += 1

    def on_connect(self, client: mqtt.Client, _user, _flags, code: int) -> None:
        if code != 0:
            return
        client.subscribe([(f"vehicles/{name}/committed", 0) for name in self.by_name])
        for vehicle in self.vehicles:
            vehicle.moved_at = time.monotonic()
            self.send(client, vehicle, list(vehicle.kept.values()))
        self.connections += 1
        self.is_connected = True

    def on_message(self, _client, _user, message: mqtt.MQTTMessage) -> None:
        said = json.loads(message.payload)
        self.by_name[message.topic.split("/")[1]].confirm(said["boot"], said["seq"])


class Fleet:
    """All vehicles; they publish as long as `is_measuring`."""

    def __init__(self, port: int, vehicles: int, rate: float):
        self.port = port
        self.boot = "b1"
        self.is_measuring = True
        self.is_stopping = False
        self.vehicles = [Vehicle(index) for index in range(vehicles)]
        shares = [self.vehicles[first::MODEMS] for first in range(min(MODEMS, vehicles))]
        self.modems = [
            Modem(self, f"modem-{number}", share, rate * len(share) / vehicles)
            for number, share in enumerate(shares)
        ]

    def start(self) -> None:
        for modem in self.modems:
            modem.start()

    def reboot(self) -> None:
        """Every vehicle starts a new boot, its numbers at 1."""
        self.boot = f"b{int(self.boot[1:]) + 1}"

    def stop(self) -> None:
        self.is_stopping = True
        for modem in self.modems:
            if modem.is_alive():
                modem.join()

    @property
    def published(self) -> int:
        return sum(len(vehicle.published) for vehicle in self.vehicles)

    @property
    def unconfirmed(self) -> int:
        return sum(len(vehicle.kept) for vehicle in self.vehicles)

    @property
    def confirmed(self) -> int:
        return self.published - self.unconfirmed

    @property
    def sent(self) -> int:
        return sum(modem.sent for modem in self.modems)

    @property
    def held_back(self) -> int:
        return sum(modem.held_back for modem in self.modems)

    @property
    def false_confirmations(self) -> int:
        return sum(vehicle.false_confirmations for vehicle in self.vehicles)
