"""Decodes a device's messages, `kind device hex` a line, with PyPI's mqtt-spb-wrapper; in an environment of its own."""

import json
import sys

from mqtt_spb_wrapper import SpbPayloadParser  # type: ignore[import-not-found]

found = []
for line in sys.stdin:
    decoded = SpbPayloadParser(bytes.fromhex(line.split()[2])).as_dict()
    metrics = decoded.get("metrics", [])
    found.append([[m.get("name"), int(m["alias"]), int(m["timestamp"]), m.get("value")] for m in metrics])
json.dump(found, sys.stdout)
