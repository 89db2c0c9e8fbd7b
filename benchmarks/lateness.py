"""How late the samples of a `machine` feed arrive: lateness.py URL ROOT. Says "COUNT P99_MS" when the run has ended."""

from __future__ import annotations

import sys
import time

import numpy as np
import orjson

from factory_sim.wire import topics
from factory_sim.wire.mqtt.client import Client


def main(url: str, root: str) -> None:
    """Listens until the closing description."""
    late_ns: list[int] = []
    with Client(url) as client:
        client.subscribe([f"{root}/#"])
        print("ready", flush=True)
        while True:
            for message in client.messages(1.0):
                if message.topic.endswith("/data"):
                    late_ns.append(time.time_ns() - orjson.loads(message.payload)["t_ns"])
                elif message.topic == topics.meta_topic(root) and orjson.loads(message.payload)["sent_rows"]:
                    print(len(late_ns), float(np.percentile(late_ns, 99)) / 1e6, flush=True)
                    return


if __name__ == "__main__":
    main(*sys.argv[1:])
