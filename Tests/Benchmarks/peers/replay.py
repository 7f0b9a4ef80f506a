#!/usr/bin/python3
"""The same work as consumer.py from a file of JSON Lines, plain or gzip, without MQTT.

    replay.py recording.jsonl --store rows.sqlite

A line is one reading, {"vehicle","signal","ts","value"}, or one packet,
{"vehicle","ts","readings":{...}}. Prints one JSON line.
"""

import argparse
import gzip
import json
import time

from work import Worker

# Nobody waits for a commit here, so few and large ones.
BATCH_ROWS = 10_000


def main() -> None:
    parser = argparse.ArgumentParser(description="The gateway's replay in straightforward Python.")
    parser.add_argument("file", help="JSON Lines; .gz is unpacked")
    parser.add_argument("--store", required=True, help="SQLite file, made when absent")
    options = parser.parse_args()

    worker = Worker(options.store)
    begun, cpu = time.monotonic(), time.process_time()
    opened = gzip.open if options.file.endswith(".gz") else open
    with opened(options.file, "rb") as lines:
        for line in lines:
            try:
                item = json.loads(line)
                if "readings" in item:
                    readings = item["readings"]
                else:
                    readings = {item["signal"]: item["value"]}
                worker.take(item["vehicle"], item["ts"], readings)
            except (ValueError, KeyError, TypeError, AttributeError):
                worker.rejected += 1
            if len(worker.rows) >= BATCH_ROWS:
                worker.commit()
    worker.commit()
    seconds = time.monotonic() - begun
    figures = {
        "readings": worker.readings,
        "rejected": worker.rejected,
        "near": len(worker.near),
        "seconds": round(seconds, 6),
        "cpu_seconds": round(time.process_time() - cpu, 6),
        "readings_per_second": round(worker.readings / seconds),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
