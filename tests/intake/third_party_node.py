"""Publishes changes of a machine as a Sparkplug edge node, with PyPI's pysparkplug; in an environment of its own."""

import sys
import time

import pysparkplug as spb  # type: ignore[import-not-found]

BEGIN_MS = int(time.time() * 1000) - 1_000_000


def metrics(i: int) -> tuple[object, ...]:
    """Return state and counter at step i, ten seconds after the one before."""
    state, at = ("RUN" if i % 10 >= 2 else "STOP"), BEGIN_MS + 10_000 * i
    return (
        spb.Metric(timestamp=at, name="State/Current", datatype=spb.DataType.STRING, value=state),
        spb.Metric(timestamp=at, name="Count", datatype=spb.DataType.INT64, value=i // 10),
    )


node = spb.EdgeNode("Plant1", "edge", metrics=())
device = spb.Device("M1", metrics=metrics(0))
node.register(device)
node.connect("127.0.0.1", port=int(sys.argv[1]))
time.sleep(1)
for step in range(1, 60):
    node.update_device("M1", metrics(step))
time.sleep(0.5)
