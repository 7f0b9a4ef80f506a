#!/usr/bin/python3
"""A straightforward consumer: paho-mqtt, json, sqlite3. What a competent engineer writes in a day.

    consumer.py --port 1883 --store rows.sqlite --messages 100000

Subscribes to vehicles/+/telemetry at QoS 1, ends after so many messages (or Ctrl-C), and prints one
JSON line. Says "subscribed" on standard error when it is ready. paho acknowledges a message when
its callback returns, so up to a batch is lost in a crash: the gateway promises more.
"""

import argparse
import json
import sys
import time

import paho.mqtt.client as mqtt

from work import Worker

# A commit per so many messages or so much time, whichever comes first.
BATCH_MESSAGES = 1000
BATCH_S = 0.1
# How often the rate is told.
REPORT_S = 5.0
KEEPALIVE_S = 60


class Consumer:
    def __init__(self, worker: Worker, messages_max: int | None):
        self.worker = worker
        self.messages_max = messages_max
        self.messages = 0
        self.waiting = 0
        self.begun = 0.0
        self.committed_at = 0.0
        self.reported_at = 0.0

    @property
    def is_done(self) -> bool:
        return self.messages_max is not None and self.messages >= self.messages_max

    def on_connect(self, client: mqtt.Client, _user, _flags, code: int) -> None:
        if code != 0:
            sys.exit(f"the broker refuses: {mqtt.connack_string(code)}")
        client.subscribe("vehicles/+/telemetry", qos=1)

    def on_subscribe(self, *_) -> None:
        print("subscribed", file=sys.stderr, flush=True)

    def on_message(self, _client, _user, message: mqtt.MQTTMessage) -> None:
        if self.messages == 0:
            self.begun = self.committed_at = self.reported_at = time.monotonic()
        self.messages += 1
        self.waiting += 1
        try:
            packet = json.loads(message.payload)
            vehicle = message.topic.split("/")[1]
            self.worker.take(vehicle, packet["ts"], packet["readings"])
        except (ValueError, KeyError, TypeError, AttributeError):
            self.worker.rejected += 1
        if self.waiting >= BATCH_MESSAGES or self.is_done:
            self.commit()

    def commit(self) -> None:
        self.worker.commit()
        self.waiting = 0
        self.committed_at = time.monotonic()

    def tick(self) -> None:
        """What is due by time."""
        now = time.monotonic()
        if self.waiting and now - self.committed_at > BATCH_S:
            self.commit()
        if self.messages and now - self.reported_at > REPORT_S:
            self.reported_at = now
            rate = self.worker.readings / (now - self.begun)
            print(f"{self.messages} messages, {rate:.0f} readings/s", file=sys.stderr)


def new_client(name: str) -> mqtt.Client:
    """paho-mqtt 2 wants to be told which callbacks it meets."""
    versions = getattr(mqtt, "CallbackAPIVersion", None)
    return mqtt.Client(versions.VERSION1, name) if versions else mqtt.Client(name)


def main() -> None:
    parser = argparse.ArgumentParser(description="The gateway's work in straightforward Python.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=1883)
    parser.add_argument("--store", required=True, help="SQLite file, made when absent")
    parser.add_argument("--messages", type=int, help="end after so many (default: Ctrl-C)")
    options = parser.parse_args()

    worker = Worker(options.store)
    consumer = Consumer(worker, options.messages)
    client = new_client("python-consumer")
    client.on_connect = consumer.on_connect
    client.on_subscribe = consumer.on_subscribe
    client.on_message = consumer.on_message
    client.connect(options.host, options.port, KEEPALIVE_S)
    cpu = time.process_time()
    try:
        while not consumer.is_done and client.loop(BATCH_S) == mqtt.MQTT_ERR_SUCCESS:
            consumer.tick()
    except KeyboardInterrupt:
        pass
    consumer.commit()
    seconds = consumer.committed_at - consumer.begun
    figures = {
        "messages": consumer.messages,
        "readings": worker.readings,
        "rejected": worker.rejected,
        "near": len(worker.near),
        "seconds": round(seconds, 6),
        "cpu_seconds": round(time.process_time() - cpu, 6),
        "readings_per_second": round(worker.readings / seconds) if worker.readings else 0,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
