"""Files with one JSON object a line."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

import orjson

from factory_sim.errors import ConfigError
from factory_sim.intake.buffer import FULL, Buffer
from factory_sim.intake.sources import json_records

if TYPE_CHECKING:
    from collections.abc import Iterator

    from factory_sim.intake.feed_context import Context
    from factory_sim.intake.mapping import SourceMap
    from factory_sim.records import Observations

NOT_JSON = "line that is not JSON"


def observations(stream: IO[bytes], name: str, source: SourceMap, context: Context) -> Iterator[Observations]:
    """Yield the observations of a file."""
    buffer = Buffer(source, context)
    is_named = bool(source.unit) and not source.unit.startswith("$")
    target = json_records.target(source, context, buffer, context.unit(source.unit) if is_named else -1)
    good = 0
    for number, line in enumerate(stream, 1):
        if not line.strip():
            continue
        where = f"{name}, line {number}"
        context.tally.where = where
        try:
            document = orjson.loads(line)
        except orjson.JSONDecodeError:
            context.tally.add(NOT_JSON, line[:80].decode("utf-8", "replace").strip())
            continue
        good += 1
        target.read(where, document, 0)
        if len(buffer) >= FULL:
            yield buffer.flush()
    if not good:
        expected = 'expected lines such as {"time": "2026-05-04T06:00:00Z", "state": "RUNNING"}'
        raise ConfigError.of(name, f"has no line with a JSON object; {expected}")
    if len(buffer):
        yield buffer.flush()
