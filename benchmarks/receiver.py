"""The other end of the end-to-end benchmark: decode until COUNT readings have arrived, print a line, and start again.

receiver.py URL ROOT COUNT
"""

from __future__ import annotations

import sys

from factory_sim.wire import meta as description
from factory_sim.wire import topics
from factory_sim.wire.formats import FORMATS
from factory_sim.wire.mqtt.client import Client


def main(url: str, root: str, count: str) -> None:
    """Runs until it is stopped."""
    with Client(url) as client:
        client.subscribe([f"{root}/#"])
        meta = next(m for _ in range(100) for m in client.messages(0.1) if m.topic == topics.meta_topic(root))
        decoder = FORMATS["bulk"].decoder(description.decode(meta.payload), root)
        print("ready", flush=True)
        heard = 0
        while True:
            for message in client.messages(1.0):
                heard += decoder.feed(message).count()
                if heard >= int(count):
                    print(heard, flush=True)
                    heard = 0


if __name__ == "__main__":
    main(*sys.argv[1:])
