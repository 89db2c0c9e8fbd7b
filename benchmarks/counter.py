"""Print a line whenever COUNT messages below a filter have arrived: counter.py URL FILTER QOS COUNT."""

from __future__ import annotations

import sys

from factory_sim.wire.mqtt.client import Client


def main(url: str, topic_filter: str, qos: str, count: str) -> None:
    """Runs until it is stopped."""
    with Client(url) as client:
        client.subscribe([topic_filter], qos=int(qos))
        print("ready", flush=True)
        heard = 0
        while True:
            for _ in client.messages(1.0):
                heard += 1
                if heard == int(count):
                    print(heard, flush=True)
                    heard = 0


if __name__ == "__main__":
    main(*sys.argv[1:])
