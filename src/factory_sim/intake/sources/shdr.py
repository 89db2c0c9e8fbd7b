"""SHDR, the lines of MTConnect adapters: `time|item|value|item|value`; with devices `device:item`."""

from __future__ import annotations

import re
from typing import IO, TYPE_CHECKING

import numpy as np
import pyarrow as pa

from factory_sim.errors import ConfigError
from factory_sim.intake.sources.column_tables import Long, Places

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from factory_sim.intake.feed_context import Context
    from factory_sim.intake.mapping import SourceMap
    from factory_sim.records import Observations

NOT_SHDR = "line that is not SHDR"
_BLOCK_BYTES = 4 << 20
_COLUMNS = ("time", "item", "value")
_BETWEEN = re.compile(r"(?<!\\)\|")  # a | within a quoted value has a backslash before it


def observations(stream: IO[bytes], name: str, source: SourceMap, context: Context) -> Iterator[Observations]:
    """Yield the observations of a file."""
    table = Long(source, context, _COLUMNS, name)
    devices = _Devices(source, name)
    number, good = 0, 0
    while lines := stream.readlines(_BLOCK_BYTES):
        if b"\0" in lines[0]:
            raise ConfigError.of(name, "is a binary file; expected lines such as 2026-05-04T06:00:00Z|execution|ACTIVE")
        rows: list[tuple[str, str, str, int]] = []
        for line in lines:
            number += 1
            if not _parse(line, number, rows) and line.strip() and not line.startswith(b"*"):
                context.tally.where = f"{name}, line {number}"
                context.tally.add(NOT_SHDR, line.decode("utf-8", "replace").strip())
        good += len(rows)
        if rows:
            time, keys, value, places = zip(*rows, strict=True)
            columns = (time, devices.items(keys, places), value)
            batch = pa.RecordBatch.from_arrays([pa.array(each) for each in columns], names=list(_COLUMNS))
            yield from table.read(batch, Places(name, "line", np.array(places)))
    if not good:
        raise ConfigError.of(name, "has no SHDR line; expected lines such as 2026-05-04T06:00:00Z|execution|ACTIVE")


def _parse(line: bytes, number: int, rows: list[tuple[str, str, str, int]]) -> bool:
    """Add the pairs of a line; return whether it is SHDR. A condition has more fields, which no item matches."""
    time, *fields = _BETWEEN.split(line.decode("utf-8", "replace").rstrip("\r\n"))
    if len(fields) < 2 or not time[:1].isdigit():
        return False
    time = time.partition("@")[0].strip()
    for key, value in zip(fields[::2], fields[1::2], strict=False):
        rows.append((time, key.strip(), value.strip(), number))
    return True


class _Devices:
    """Names of items without the device before them, unless the feed file has names with devices."""

    def __init__(self, source: SourceMap, name: str) -> None:
        self._wanted, self._name = {each.where for each in source.items}, name
        self._is_named = any(":" in each for each in self._wanted)
        self._device: dict[str, str] = {}  # of each item that is wanted
        self._items: dict[str, str] = {}

    def items(self, keys: Sequence[str], lines: Sequence[int]) -> list[str]:
        """Return the item of each key. Raises ConfigError where two devices have one that is wanted."""
        for key in dict.fromkeys(key for key in keys if key not in self._items):
            device, _, item = ("", "", key) if self._is_named else key.rpartition(":")
            first = self._device.setdefault(item, device) if item in self._wanted else device
            if first != device:
                found = (
                    f"{item} is that of two devices, {first or 'one without name'} and {device or 'one without name'}"
                )
                where = f"{self._name}, line {lines[keys.index(key)]}"
                raise ConfigError.of(where, found, f'Write "{{unit}}:{item}" for each of them, or {key} for one.')
            self._items[key] = item
        return [self._items[key] for key in keys]
