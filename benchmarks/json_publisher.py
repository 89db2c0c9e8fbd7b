"""The machines of the JSON benchmark: publish COUNT messages for each line on standard input.

json_publisher.py URL COUNT
"""

from __future__ import annotations

import sys

import orjson

from factory_sim.records import Message
from factory_sim.wire.mqtt.client import Client

UNITS = 300


def messages(count: int) -> list[Message]:
    """Return messages of 300 units at 1 Hz: state word, counter and time."""
    return [
        Message(
            f"plant/M{i % UNITS}/status",
            orjson.dumps(
                {
                    "timestamp": f"2026-05-04T{6 + t // 3600:02}:{t // 60 % 60:02}:{t % 60:02}.000Z",
                    "state": "RUNNING" if t % 40 > 8 else "IDLE",
                    "count": t // 40,
                }
            ),
        )
        for i in range(count)
        for t in (i // UNITS,)
    ]


def main(url: str, count: str) -> None:
    """Run until standard input ends."""
    found = messages(int(count))
    with Client(url) as client:
        print("ready", flush=True)
        for _ in sys.stdin:
            client.publish(found)
            client.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
