"""The kinds of files that a feed may come from. A new kind is a module and one line here."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Protocol

from factory_sim.intake.sources import csv_tables, json_lines, parquet_tables, shdr, xes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from factory_sim.intake.feed_context import Context
    from factory_sim.intake.mapping import SourceMap
    from factory_sim.records import Observations


class FileReader(Protocol):
    """Yields the observations of one open file in order of its rows."""

    def __call__(self, stream: IO[bytes], name: str, source: SourceMap, context: Context) -> Iterator[Observations]:
        """Yield the observations."""


FILE_SOURCES: dict[str, FileReader] = {
    "csv": csv_tables.observations,
    "jsonl": json_lines.observations,
    "parquet": parquet_tables.observations,
    "shdr": shdr.observations,
    "xes": xes.observations,
}
