"""The slope of the last day at every reading, by DuckDB: what a backtest needs, in one query.

    windowed.py lines.jsonl

A line is one reading, {"vehicle","signal","ts","value"}. One thread, as one replay has. Nothing is
stored and no rule is judged. Prints one JSON line.
"""

import argparse
import json
import time

import duckdb

SLOPES = """
    SELECT count(*), count(slope) FROM (
        SELECT regr_slope(value, epoch(ts)) OVER (
            PARTITION BY vehicle, signal ORDER BY ts
            RANGE BETWEEN INTERVAL 1 DAY PRECEDING AND CURRENT ROW
        ) AS slope
        FROM read_json(?, format = 'newline_delimited', columns = {
            vehicle: 'VARCHAR', signal: 'VARCHAR', ts: 'TIMESTAMP', value: 'DOUBLE'
        })
    )
"""


def main() -> None:
    parser = argparse.ArgumentParser(description="DuckDB's windowed slope over a recording.")
    parser.add_argument("file", help="JSON Lines, one reading a line")
    options = parser.parse_args()

    connection = duckdb.connect(config={"threads": 1})
    begun = time.monotonic()
    readings, slopes = connection.execute(SLOPES, [options.file]).fetchone()
    seconds = time.monotonic() - begun
    figures = {
        "readings": readings,
        "slopes": slopes,
        "seconds": round(seconds, 6),
        "readings_per_second": round(readings / seconds),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
