"""Decodes a device's messages, `kind hex` a line, with PyPI's pysparkplug; in an environment of its own (paho < 2)."""

import json
import sys

import pysparkplug  # type: ignore[import-not-found]

births: dict[str, object] = {}
found = []
for line in sys.stdin:
    kind, device, payload = line.split()
    decoded = getattr(pysparkplug, kind).decode(bytes.fromhex(payload), birth=births.get(device))
    if kind.endswith("Birth"):
        births[device] = decoded
    metrics = decoded.metrics if hasattr(decoded, "metrics") else [decoded.bd_seq_metric]
    found.append(
        {
            "seq": getattr(decoded, "seq", None),
            "metrics": [[m.name, m.alias, m.timestamp, m.datatype.name, m.value, m.is_historical] for m in metrics],
        }
    )
json.dump(found, sys.stdout)
