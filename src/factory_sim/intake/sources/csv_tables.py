"""CSV files, read in blocks of a few megabytes, so that their size does not matter."""

from __future__ import annotations

import csv
from typing import IO, TYPE_CHECKING

import pyarrow as pa
from pyarrow import csv as arrow_csv

from factory_sim.errors import ConfigError
from factory_sim.intake.sources.column_tables import Long, Wide

if TYPE_CHECKING:
    from collections.abc import Iterator

    from factory_sim.intake.feed_context import Context
    from factory_sim.intake.mapping import SourceMap
    from factory_sim.records import Observations

BROKEN_ROW = "row with another number of columns"
_BLOCK_BYTES = 8 << 20
_HEADER_BYTES = 1 << 20


def observations(stream: IO[bytes], name: str, source: SourceMap, context: Context) -> Iterator[Observations]:
    """Yield the observations of a file."""
    header = stream.read(_HEADER_BYTES)
    stream.seek(0)
    if b"\0" in header:
        raise ConfigError.of(name, "is a binary file; expected CSV text", "Parquet files need a source `parquet:`.")
    first = header.split(b"\n", 1)[0].decode("utf-8-sig", "replace").rstrip("\r")
    if not first.strip():
        raise ConfigError.of(name, "is empty, or its first line is; expected a header with the names of columns")
    delimiter = max(",;\t", key=first.count)
    names = next(csv.reader([first], delimiter=delimiter))
    table = (Long if source.layout == "long" else Wide)(source, context, names, name)

    def skip(row: arrow_csv.InvalidRow) -> str:
        context.tally.add(BROKEN_ROW, f"{name}: expected {row.expected_columns}, got {row.actual_columns}: {row.text}")
        return "skip"

    reader = arrow_csv.open_csv(
        stream,
        arrow_csv.ReadOptions(block_size=_BLOCK_BYTES),
        arrow_csv.ParseOptions(delimiter=delimiter, invalid_row_handler=skip),
        arrow_csv.ConvertOptions(
            include_columns=table.columns,
            column_types={column: pa.string() for column in table.columns},
            strings_can_be_null=True,
            null_values=["", "NaN", "nan", "null", "NULL"],
            check_utf8=False,
        ),
    )
    for batch in reader:
        context.tally.where = name
        yield from table.read(batch)
