"""The order of files of one feed: by their first time stamps, since names such as day10.csv come before day2.csv."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from factory_sim.errors import ConfigError
from factory_sim.intake.feed_context import Context
from factory_sim.intake.sources import FILE_SOURCES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from factory_sim.intake.mapping import Mapping, SourceMap
    from factory_sim.records import Meta

_HEAD_BYTES = 1 << 20
_WHOLE = ("parquet", "xes")  # cannot be read from their first bytes alone; a part of them is
_UNKNOWN_NS = 0


def in_order(
    files: Sequence[Path], mapping: Mapping, meta: Meta, sources_of: Callable[[Path], Sequence[SourceMap]]
) -> list[Path]:
    """Return each file once, in order of their first observations; what cannot be read comes first, to be refused."""
    once = list(dict.fromkeys(files))
    if len(once) < 2:
        return once
    return sorted(once, key=lambda file: _begin_ns(file, mapping, meta, sources_of))


def _begin_ns(file: Path, mapping: Mapping, meta: Meta, sources_of: Callable[[Path], Sequence[SourceMap]]) -> int:
    try:
        found = [_first_ns(file, source, Context(mapping, meta)) for source in sources_of(file)]
    except (ConfigError, OSError):
        return _UNKNOWN_NS
    return min((each for each in found if each is not None), default=_UNKNOWN_NS)


def _first_ns(file: Path, source: SourceMap, context: Context) -> int | None:
    """Return the time of the first observations of a source; rows of our own event logs need no order."""
    if source.kind not in FILE_SOURCES:
        return None
    with file.open("rb") as stream:
        part = stream if source.kind in _WHOLE else io.BytesIO(stream.read(_HEAD_BYTES).rpartition(b"\n")[0])
        chunks = FILE_SOURCES[source.kind](part, str(file), source, context)
        return next((int(chunk.t_ns.min()) for chunk in chunks if len(chunk)), None)
