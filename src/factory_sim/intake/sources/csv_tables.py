"""CSV files, read in blocks of a few megabytes, so that their size does not matter."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from pyarrow import csv as arrow_csv

from factory_sim.errors import ConfigError
from factory_sim.intake.sources import encodings
from factory_sim.intake.sources.column_tables import Long, Places, Wide

if TYPE_CHECKING:
    from collections.abc import Iterator

    from factory_sim.intake.feed_context import Context
    from factory_sim.intake.mapping import SourceMap
    from factory_sim.records import Observations

BROKEN_ROW = "row with another number of columns"
_BLOCK_BYTES = 32 << 20
_HEADER_BYTES = 1 << 20


def observations(stream: encodings.Stream, name: str, source: SourceMap, context: Context) -> Iterator[Observations]:
    """Yield the observations of a file."""
    header = stream.read(_HEADER_BYTES)
    stream.seek(0)
    encoding = source.encoding or encodings.by_mark(header)
    if encoding:
        stream = encodings.Recoded(stream, encoding, name)
        header = stream.read(_HEADER_BYTES)
        stream.seek(0)
    if b"\0" in header:
        raise ConfigError.of(name, "is a binary file; expected CSV text", "Parquet files need a source `parquet:`.")
    first = header.split(b"\n", 1)[0].decode("utf-8-sig", "replace").rstrip("\r")
    if not first.strip():
        raise ConfigError.of(name, "is empty, or its first line is; expected a header with the names of columns")
    delimiter = max(",;\t|", key=first.count)
    encodings.check(header, name)
    names = next(csv.reader([first], delimiter=delimiter))
    table = (Long if source.layout == "long" else Wide)(source, context, names, name)

    stream.readline()
    first_line = 2
    for block in _blocks(stream):
        encodings.check(block, name, first_line)
        broken: list[int] = []  # numbers of lines within the block

        def skip(row: arrow_csv.InvalidRow, first_line: int = first_line, broken: list[int] = broken) -> str:
            context.tally.where = f"{name}, line {first_line + row.number - 1}"
            context.tally.add(BROKEN_ROW, f"expected {row.expected_columns}, got {row.actual_columns}: {row.text}")
            broken.append(row.number - 1)
            return "skip"

        batch = _parsed(block, names, table, arrow_csv.ParseOptions(delimiter=delimiter, invalid_row_handler=skip))
        lines = np.delete(np.arange(batch.num_rows + len(broken)), broken) + first_line
        yield from table.read(*_without_empty(batch, Places(name, "line", lines)))
        first_line += block.count(b"\n")


def _parsed(block: bytes, names: list[str], table: Long | Wide, options: arrow_csv.ParseOptions) -> pa.RecordBatch:
    options.ignore_empty_lines = False  # they count
    words = pa.dictionary(pa.int32(), pa.string())
    found = arrow_csv.read_csv(
        pa.BufferReader(block),
        # only one thread gives broken rows their numbers
        arrow_csv.ReadOptions(column_names=names, block_size=len(block) + 1, use_threads=False),
        options,
        arrow_csv.ConvertOptions(
            include_columns=table.columns,
            column_types={each: words if each in table.repeated else pa.string() for each in table.columns},
            strings_can_be_null=True,
            null_values=["", "NaN", "nan", "null", "NULL"],
            check_utf8=False,
        ),
    )
    empty = pa.RecordBatch.from_pylist([], schema=found.schema)
    return next(iter(found.combine_chunks().to_batches()), empty)


def _blocks(stream: encodings.Stream) -> Iterator[bytes]:
    """Yield whole lines. The reader of Arrow for streams would read 32 blocks ahead."""
    rest = b""
    while data := stream.read(_BLOCK_BYTES):
        end = data.rfind(b"\n") + 1
        if end:
            yield rest + data[:end]
        rest = data[end:] if end else rest + data
    if rest:
        yield rest


def _without_empty(batch: pa.RecordBatch, places: Places) -> tuple[pa.RecordBatch, Places]:
    """Return a batch without empty lines, which are read because they count."""
    if not batch.column(0).null_count:
        return batch, places
    empty = np.logical_and.reduce([each.is_null().to_numpy(zero_copy_only=False) for each in batch.columns])
    full = np.flatnonzero(~empty)
    return batch.take(pa.array(full)), places.take(full)
