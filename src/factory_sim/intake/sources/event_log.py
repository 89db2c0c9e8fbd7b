"""Event logs of `factory-sim run --log` and recordings: rows with names, which need no mapping of items."""

from __future__ import annotations

from dataclasses import replace
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from pyarrow import csv as arrow_csv
from pyarrow import parquet

from factory_sim.errors import ConfigError, did_you_mean
from factory_sim.intake import time_stamps
from factory_sim.intake.mapping import MAPPED_STATES
from factory_sim.plant.states import Outcome, State
from factory_sim.records import Rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from factory_sim.intake.feed_context import Context
    from factory_sim.intake.mapping import SourceMap
    from factory_sim.records import I8, Meta

_COLUMNS = ("unit", "state", "part", "outcome", "detail")
_STATES = {state.name: int(state) for state in State} | {name.upper(): code for name, code in MAPPED_STATES.items()}


def rows(stream: IO[bytes], name: str, source: SourceMap, context: Context, meta: Meta) -> Rows:
    """Return the rows of a file; times are those of `time`, else `t_us` after the start of the plant file."""
    table = _table(stream, name)
    missing = [column for column in _COLUMNS if column not in table.column_names]
    if missing or not {"time", "t_us"} & set(table.column_names):
        what = ", ".join(missing) or "time or t_us"
        raise ConfigError.of(name, f"is not an event log: it has no column {what}", "Write one: run --log FILE.")
    if "time" in table.column_names:
        t_ns = time_stamps.column(_flat(table.column("time")), source.clock, context.tally)
    else:
        t_ns = _numbers(table, "t_us") * 1000 + meta.epoch_ns
    unit = _coded(table, "unit", {info.name: i for i, info in enumerate(meta.units)}, name)
    seq = _numbered(unit)
    state = _coded(table, "state", _STATES, name).astype(np.uint8)
    outcome = _coded(table, "outcome", {each.name: int(each) for each in Outcome}, name).astype(np.uint8)
    part, detail = (_numbers(table, column).astype(np.int32) for column in ("part", "detail"))
    return Rows(t_ns, unit.astype(np.int16), seq, state, part, outcome, detail)


def renamed(rows: Rows, names: Sequence[str], meta: Meta, file: str) -> Rows:
    """Return the rows of a recording with the units of `meta`, numbered again; names are those of the rows' units."""
    known = {info.name: i for i, info in enumerate(meta.units)}
    used = [names[unit] for unit in np.unique(rows.unit)]
    strange = next((name for name in used if name not in known), None)
    if strange is not None:
        raise ConfigError.of(file, f"unit {strange!r} is not known here", did_you_mean(strange, known))
    unit = np.array([known.get(name, -1) for name in names], np.int64)[rows.unit]
    return replace(rows, unit=unit.astype(np.int16), seq=_numbered(unit))


def _numbered(unit: I8) -> I8:
    """Return the number of each row among those of its unit, from 0."""
    seq, order = np.empty(len(unit), np.int64), np.argsort(unit, kind="stable")
    seq[order] = np.arange(len(unit)) - np.searchsorted(unit[order], unit[order], "left")
    return seq


def _table(stream: IO[bytes], name: str) -> pa.Table:
    try:
        if stream.read(4) == b"PAR1":
            stream.seek(0)
            return parquet.read_table(stream)
        stream.seek(0)
        return arrow_csv.read_csv(stream)
    except (pa.ArrowInvalid, OSError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError.of(name, f"is not a readable Parquet or CSV file: {reason}") from None


def _flat(column: pa.ChunkedArray) -> pa.Array:
    return pa.concat_arrays(column.chunks) if column.num_chunks != 1 else column.chunk(0)


def _numbers(table: pa.Table, name: str) -> I8:
    found: I8 = table.column(name).to_numpy().astype(np.int64)
    return found


def _coded(table: pa.Table, column: str, codes: dict[str, int], file: str) -> I8:
    values: Any = _flat(table.column(column))
    encoded = values if pa.types.is_dictionary(values.type) else values.dictionary_encode()
    words = encoded.dictionary.to_pylist()
    for word in words:
        if word not in codes:
            raise ConfigError.of(file, f"{column} {word!r} is not known here", did_you_mean(str(word), codes))
    found: I8 = np.array([codes[word] for word in words], np.int64)[encoded.indices.to_numpy()]
    return found
