"""Samples and rows as Parquet files and Arrow streams; the one importer of pyarrow in this package."""

from __future__ import annotations

import os
import zlib
from contextlib import suppress
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from factory_sim.recordings import layout
from factory_sim.records import Rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path
    from types import TracebackType

    from factory_sim.recordings.hour_pages import Pages
    from factory_sim.records import B1, I2, I4, I8

Table: TypeAlias = pa.Table
DAMAGED = (pa.ArrowException, OSError, ValueError)  # what reading a damaged file raises
_SUM = b"crc32"  # of a batch of a stream; Arrow has none
_MESSAGE, _ALIGNED, _MOST_HEADER = b"\xff\xff\xff\xff", 8, 4096  # how a message of a stream begins; bytes
_NAMES = [f.name for f in fields(Rows)]
_KINDS = (np.int64, np.int16, np.int64, np.uint8, np.int32, np.uint8, np.int32)
_WIDE = 32
_ALL = (-(2**62), 2**62)


def column(sensor: int) -> str:
    """Return the name of a sensor's column."""
    return f"s{sensor}"


def sample_table(ticks: I8, raw: I4, present: B1, pages: Pages) -> Table:
    """Return ticks x sensors as a table: one column of whole numbers per sensor, null where there is no reading."""
    by_sensor = np.ascontiguousarray(raw.T)
    absent: B1 = np.logical_not(present.T)
    gaps: B1 = np.any(absent, axis=1)
    columns = [pa.array(ticks)]
    for j, bits in enumerate(pages.bits):
        values = by_sensor[j].astype(np.int32 if bits == _WIDE else np.int16)
        columns.append(pa.array(values, mask=absent[j] if gaps[j] else None))
    return pa.table(columns, names=["tick", *map(column, pages.sensor.tolist())])


def joined(tables: Sequence[Table]) -> Table:
    """Return one table of several, in one piece."""
    return pa.concat_tables(tables).combine_chunks()


def write_samples(path: Path, tables: Iterable[Table]) -> None:
    """Write tables of one schema to one file, each a row group; differences of counts take about a byte.

    A stronger compression of these saves hardly any space, and takes nearly as long as the rest.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    writer: pq.ParquetWriter | None = None
    with layout.replacing(path) as fresh:
        try:
            for table in tables:
                if writer is None:
                    writer = pq.ParquetWriter(
                        fresh,
                        table.schema,
                        compression="lz4",
                        use_dictionary=False,
                        column_encoding=dict.fromkeys(table.schema.names, "DELTA_BINARY_PACKED"),
                        write_statistics=["tick"],
                        write_page_checksum=True,
                    )
                writer.write_table(table)
        finally:
            if writer is not None:
                writer.close()


def read_samples(path: Path, sensors: Sequence[int], first: int = _ALL[0], stop: int = _ALL[1]) -> Table:
    """Return the row groups of a file with ticks in [first, stop), and in them the columns of some sensors."""
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        return file.read_row_groups(_groups(file, first, stop), columns=["tick", *map(column, sensors)])


def check_footer(path: Path) -> None:
    """Raise one of DAMAGED if the footer of a file cannot be read."""
    pq.read_metadata(path)


def salvaged_samples(path: Path, sensors: Sequence[int], first: int, stop: int) -> tuple[list[Table], str]:
    """Return what can be read of a damaged file, by row group, and in words what cannot. Raises one of DAMAGED."""
    found, lost, reason = [], 0, ""
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        groups = _groups(file, first, stop)
        for group in groups:
            columns = {}
            for name in ("tick", *map(column, sensors)):
                try:
                    columns[name] = file.read_row_group(group, columns=[name])[name]
                except DAMAGED as error:
                    lost, reason = lost + 1, str(error).splitlines()[0]
            if "tick" in columns:
                found.append(pa.table(columns))
    return found, f"{lost} of {len(groups) * (len(sensors) + 1)} columns cannot be read: {reason}"


def _groups(file: pq.ParquetFile, first: int, stop: int) -> list[int]:
    """Return the row groups with ticks in [first, stop)."""
    spans = [file.metadata.row_group(i).column(0).statistics for i in range(file.num_row_groups)]
    return [i for i, span in enumerate(spans) if span.min < stop and span.max >= first]


def cells(table: Table, sensors: Sequence[int]) -> tuple[I8, I4, B1]:
    """Return ticks (n,), counts (n, n_sensors) and presence of a table; a column that it lacks has no reading."""
    ticks = table["tick"].to_numpy()
    shape = (len(sensors), len(ticks))  # as the columns of the file are stored
    raw, present = np.zeros(shape, np.int32), np.zeros(shape, np.bool_)
    names = set(table.schema.names)
    for j, sensor in enumerate(sensors):
        if column(sensor) in names:
            found = table[column(sensor)].combine_chunks()
            present[j] = True if found.null_count == 0 else found.is_valid().to_numpy(zero_copy_only=False)
            raw[j] = (found if found.null_count == 0 else found.fill_null(0)).to_numpy(zero_copy_only=False)
    return ticks, np.ascontiguousarray(raw.T), np.ascontiguousarray(present.T)


def write_rows(path: Path, rows: Rows) -> None:
    """Write event rows to a Parquet file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with layout.replacing(path) as fresh:
        pq.write_table(_row_table(rows), fresh, compression="zstd", write_page_checksum=True)


def read_rows(path: Path) -> Rows:
    """Return the event rows of a Parquet file."""
    return _rows(pq.read_table(path, page_checksum_verification=True))


def row_span(path: Path) -> tuple[int, int]:
    """Return the first and the last time of a file of rows [ns since 1970 UTC], from its footer."""
    meta = pq.read_metadata(path)
    spans = [meta.row_group(i).column(0).statistics for i in range(meta.num_row_groups)]
    return min(each.min for each in spans), max(each.max for each in spans)


def _row_table(rows: Rows) -> Table:
    return pa.table([pa.array(getattr(rows, name)) for name in _NAMES], names=_NAMES)


def _rows(table: Table) -> Rows:
    columns = zip(_NAMES, _KINDS, strict=True)
    return Rows(*(table[name].to_numpy().astype(kind, copy=False) for name, kind in columns))


def csv_text(columns: Sequence[Any]) -> memoryview:
    """Return columns of equal length as CSV without a header; None and NaN become empty."""
    arrays = [pa.array(column, from_pandas=True) for column in columns]
    sink = pa.BufferOutputStream()
    table = pa.table(arrays, names=[str(j) for j in range(len(arrays))])
    pyarrow.csv.write_csv(table, sink, pyarrow.csv.WriteOptions(include_header=False))
    return memoryview(sink.getvalue())


class Stream:
    """An Arrow stream on disk that is appended to; after a kill it is read up to its last complete batch."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self._schema = path, schema
        self._file = path.open("wb")
        self._writer = pa.ipc.new_stream(self._file, schema)

    def append(self, columns: Sequence[Any]) -> None:
        """Append a batch; it is safe once `sync` has returned."""
        batch = pa.record_batch(list(columns), schema=self._schema)
        self._writer.write_batch(batch, custom_metadata={_SUM: str(_sum_of(batch))})

    def sync(self) -> None:
        """Wait until everything appended is on the disk."""
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file without ending the stream, as a kill would leave it."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def sample_stream(path: Path, n_sensors: int) -> Stream:
    """Return a new stream of ticks."""
    return Stream(path, _tick_schema(n_sensors))


def _tick_schema(n_sensors: int) -> pa.Schema:
    """Return the columns: counts and presence as bytes, without one buffer per sensor."""
    kinds = [("tick", pa.int64()), ("raw", pa.binary(4 * n_sensors)), ("present", pa.binary((n_sensors + 7) // 8))]
    return pa.schema(kinds)


def append_samples(stream: Stream, ticks: I8, raw: I4, present: B1) -> None:
    """Append ticks to a stream of samples."""
    n, bits = raw.shape[1], np.packbits(present, axis=1)
    packed = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(4 * n), len(ticks), [None, pa.py_buffer(raw.astype("<i4").tobytes())]
    )
    mask = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(bits.shape[1]), len(ticks), [None, pa.py_buffer(bits.tobytes())]
    )
    stream.append([pa.array(ticks), packed, mask])


def read_sample_stream(path: Path, sensor: I2, report: Callable[[str], None]) -> Iterable[tuple[I8, I4, B1]]:
    """Yield ticks, counts and presence of each complete batch; report : receives a sentence about damage."""
    n = len(sensor)
    for batch in _batches(path, _tick_schema(n), report):
        raw = np.frombuffer(batch["raw"].buffers()[1], "<i4", len(batch) * n).reshape(-1, n).astype(np.int32)
        width = (n + 7) // 8
        bits = np.frombuffer(batch["present"].buffers()[1], np.uint8, len(batch) * width).reshape(-1, width)
        yield batch["tick"].to_numpy(), raw, np.unpackbits(bits, axis=1, count=n).astype(np.bool_)


def row_stream(path: Path) -> Stream:
    """Return a new stream of event rows."""
    return Stream(path, _row_schema())


def _row_schema() -> pa.Schema:
    return _row_table(Rows.empty()).schema


def append_rows(stream: Stream, rows: Rows) -> None:
    """Append rows to a stream of rows."""
    stream.append([pa.array(getattr(rows, name)) for name in _NAMES])


def read_row_stream(path: Path, report: Callable[[str], None]) -> Iterable[Rows]:
    """Yield the rows of each complete batch; report : receives a sentence about damage."""
    for batch in _batches(path, _row_schema(), report):
        yield _rows(pa.Table.from_batches([batch]))


def _batches(path: Path, schema: pa.Schema, report: Callable[[str], None]) -> Iterable[pa.RecordBatch]:
    """Yield the batches whose checksum is right; what a kill has cut off at the end is no damage."""
    data, at = path.read_bytes(), 0
    while at >= 0:
        head = schema.serialize().to_pybytes() if at else b""
        source, is_wrong, last, done = pa.BufferReader(head + data[at:]), False, at, at
        with suppress(*DAMAGED):
            stream = pa.ipc.open_stream(source)
            last = done = at - len(head) + source.tell()
            for batch, found in stream.iter_batches_with_custom_metadata() if stream.schema == schema else ():
                is_wrong = found is None or found.get(_SUM) != b"%d" % _sum_of(batch)
                if is_wrong:
                    break
                yield batch
                last, done = done, at - len(head) + source.tell()
        at = _next_batch(data, last + _ALIGNED)
        at = _next_batch(data, done + _ALIGNED) if at == done else at
        if is_wrong or at >= 0:
            report("ticks or rows without their checksum are left out")


def _next_batch(data: bytes, start: int) -> int:
    """Return where the next batch of a stream seems to begin; -1: nowhere."""
    while (start := data.find(_MESSAGE, start)) >= 0:
        size = int.from_bytes(data[start + 4 : start + 8], "little")
        if start % _ALIGNED == 0 and size < _MOST_HEADER and _SUM in data[start + 8 : start + 8 + size]:
            return start
        start += 1
    return -1


def _sum_of(batch: pa.RecordBatch) -> int:
    """Return the CRC-32 of the values of a batch, which are of fixed size and never null; -1 where they are not."""
    found = 0
    for values in batch.columns:
        size, content = values.type.bit_width // 8 * len(values), values.buffers()[1]
        if values.null_count or content is None:
            return -1
        found = zlib.crc32(memoryview(content)[:size], found)
    return found
