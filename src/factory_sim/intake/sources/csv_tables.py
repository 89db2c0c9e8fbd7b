"""CSV files, read in blocks of a few megabytes, so that their size does not matter."""

from __future__ import annotations

import csv
from typing import IO, TYPE_CHECKING

import numpy as np
import pyarrow as pa
from pyarrow import csv as arrow_csv

from factory_sim.errors import ConfigError
from factory_sim.intake.sources.column_tables import Long, Places, Wide

if TYPE_CHECKING:
    from collections.abc import Iterator

    from factory_sim.intake.feed_context import Context
    from factory_sim.intake.mapping import SourceMap
    from factory_sim.records import I8, Observations

BROKEN_ROW = "row with another number of columns"
_BLOCK_BYTES = 32 << 20
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

    broken: list[int] = []  # numbers of skipped lines, in order

    def skip(row: arrow_csv.InvalidRow) -> str:
        context.tally.where = f"{name}, line {row.number}"
        context.tally.add(BROKEN_ROW, f"expected {row.expected_columns}, got {row.actual_columns}: {row.text}")
        broken.append(row.number)
        return "skip"

    words = pa.dictionary(pa.int32(), pa.string())
    reader = arrow_csv.open_csv(
        stream,
        arrow_csv.ReadOptions(block_size=_BLOCK_BYTES, use_threads=False),  # only then broken rows have numbers
        arrow_csv.ParseOptions(delimiter=delimiter, invalid_row_handler=skip, ignore_empty_lines=False),
        arrow_csv.ConvertOptions(
            include_columns=table.columns,
            column_types={each: words if each in table.repeated else pa.string() for each in table.columns},
            strings_can_be_null=True,
            null_values=["", "NaN", "nan", "null", "NULL"],
            check_utf8=False,
        ),
    )
    rows = 0
    for batch in reader:
        places = Places(name, "line", _lines(rows, batch.num_rows, broken))
        rows += batch.num_rows
        yield from table.read(*_without_empty(batch, places))


def _without_empty(batch: pa.RecordBatch, places: Places) -> tuple[pa.RecordBatch, Places]:
    """Return a batch without empty lines, which are read because they count."""
    if not batch.column(0).null_count:
        return batch, places
    empty = np.logical_and.reduce([each.is_null().to_numpy(zero_copy_only=False) for each in batch.columns])
    full = np.flatnonzero(~empty)
    return batch.take(pa.array(full)), places.take(full)


def _lines(first: int, n: int, broken: list[int]) -> I8:
    """Return the numbers of the lines of rows, shape (n,): line 1 is the header, and broken ones are not rows."""
    free = np.array(broken, np.int64) - np.arange(len(broken))  # what the line after each would have without them
    lines = np.arange(first + 2, first + 2 + n)
    found: I8 = lines + np.searchsorted(free, lines, "right")
    return found
