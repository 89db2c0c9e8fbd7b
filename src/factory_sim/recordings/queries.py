"""Queries by DuckDB, the one importer of it: signals and SQL over a recording, with names instead of ids."""

from __future__ import annotations

import re
from contextlib import closing
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

import duckdb
import numpy as np

from factory_sim.clock import NS_PER_US
from factory_sim.errors import ConfigError
from factory_sim.plant.states import Outcome, State
from factory_sim.recordings import parquet

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from factory_sim.recordings.recorded_run import RecordedRun
    from factory_sim.records import Rows, SensorInfo

Connection: TypeAlias = "duckdb.DuckDBPyConnection"


def signal(
    runs: Sequence[tuple[RecordedRun, SensorInfo]], first_ns: int, stop_ns: int, every_us: int = 0
) -> dict[str, Any]:
    """Return the readings of one sensor in [first_ns, stop_ns), from all runs that have it.

    Parameters
    ----------
    runs : the runs, each with its description of the sensor
    every_us : length of the buckets [µs]; 0: every reading

    Returns
    -------
    Columns `t_ns` (n,) and `value` (n,) in the sensor's unit; with buckets `mean`, `low`, `high` and `n` instead.
    """
    with closing(duckdb.connect()) as connection:
        pieces = [_one_run(connection, run, sensor, first_ns, stop_ns, every_us) for run, sensor in runs]
    return {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}


def _one_run(
    connection: Connection, run: RecordedRun, sensor: SensorInfo, first_ns: int, stop_ns: int, every_us: int
) -> dict[str, Any]:
    """Return the readings of a sensor in one run. DuckDB checks no sums of pages, so it does not read the files."""
    first, stop = run.ticks(sensor, first_ns, stop_ns)
    period_ns, epoch = sensor.period_us * NS_PER_US, run.meta.epoch_ns
    ticks, counts = run.counts(sensor, first, stop)
    connection.register("counts", {"tick": ticks, "count": counts})
    once = (
        "SELECT tick, any_value(count) AS count FROM counts "  # noqa: S608 - numbers of our own
        f"WHERE tick >= {first} AND tick < {stop} GROUP BY tick"
    )
    value = f"count * {sensor.scale!r}::DOUBLE + {sensor.offset!r}::DOUBLE"
    time = f"tick * {period_ns} + {epoch}"
    if not every_us:
        text = f"SELECT {time} AS t_ns, {value} AS value FROM ({once}) ORDER BY tick"  # noqa: S608 - as above
    else:
        every = every_us * NS_PER_US
        text = (
            f"SELECT ({time}) // {every} * {every} AS t_ns, avg({value}) AS mean, min({value}) AS low, "  # noqa: S608 - as above
            f"max({value}) AS high, count(*) AS n FROM ({once}) GROUP BY 1 ORDER BY 1"
        )
    found: dict[str, Any] = connection.sql(text).fetchnumpy()
    return found


def _files(paths: Sequence[Path]) -> str:
    """Return files as a table of SQL."""
    listed = ", ".join("'" + str(path).replace("'", "''") + "'" for path in paths)
    return f"read_parquet([{listed}], union_by_name=true)"


def connect(runs: Sequence[RecordedRun], query: str) -> Connection:
    """Return a DuckDB connection with the views that a query names.

    `events`, `sensors`, `units`; for each unit a view of its name, with a column per sensor in the sensor's unit; and
    `samples_<run>_<period>`, with one column of raw counts per sensor, as in the files.
    """
    connection = duckdb.connect()
    events, sensors, units = [], [], []
    named: dict[str, list[str]] = {}  # by unit: what selects its signals from one run and period
    for number, run in enumerate(runs, 1):
        meta = run.meta
        events.append(_event_columns(run, number))
        units += [(number, each.name, each.role, each.kind, each.section) for each in meta.units]
        chosen = {k for k, each in enumerate(meta.units) if re.search(rf"\b{re.escape(each.name)}\b", query)}
        for period_us in sorted({s.period_us for s in meta.sensors}):
            samples = f"samples_{number}_{period_us}"
            group = [s for s in meta.sensors if s.period_us == period_us]
            sensors += [
                (number, meta.units[s.unit].name, s.name, s.unit_text, s.scale, s.offset, samples, parquet.column(s.id))
                for s in group
            ]
            own = [s for s in group if s.unit in chosen]
            if (samples in query or own) and _create_samples(connection, run, period_us, samples):
                for unit in sorted({s.unit for s in own}):
                    columns = ", ".join(_value(s) for s in own if s.unit == unit)
                    text = f"SELECT {number} AS run, time, {columns} FROM {samples}"  # noqa: S608 - names of our own
                    named.setdefault(meta.units[unit].name, []).append(text)
    for unit_name, texts in named.items():
        connection.execute(f'CREATE VIEW "{unit_name}" AS {" UNION ALL BY NAME ".join(texts)}')
    joined = {name: np.concatenate([each[name] for each in events]) for name in events[0]}
    connection.register("event_columns", joined)
    connection.execute("CREATE VIEW events AS SELECT make_timestamp_ns(t_ns) AS time, * FROM event_columns")
    names = ("run", "unit", "sensor", "unit_text", "scale", "offset", "samples", "column")
    _table(connection, "sensors", names, sensors)
    _table(connection, "units", ("run", "unit", "role", "kind", "section"), units)
    return connection


def _value(sensor: SensorInfo) -> str:
    """Return the column of a sensor's values."""
    count = parquet.column(sensor.id)
    return f'"{count}" * {sensor.scale!r}::DOUBLE + {sensor.offset!r}::DOUBLE AS "{sensor.name}"'


def _create_samples(connection: Connection, run: RecordedRun, period_us: int, name: str) -> bool:
    """Create the view of the counts of one period, each tick once; return False if there are none."""
    parts = [part for part in run.folder.sample_parts(period_us, -(2**62), 2**62) if run.opens(part.path)]
    sources = [f"SELECT * FROM {_files([part.path for part in parts])}"] if parts else []  # noqa: S608 - paths of our own
    tail = run.tail_columns(period_us)
    if len(tail["tick"]):
        connection.register(f"{name}_tail", tail)
        sources.append(f"SELECT * FROM {name}_tail")  # noqa: S608 - a name of our own
    if not sources:
        return False
    overlap = len(sources) > 1 or any(b.first < a.stop for a, b in pairwise(parts))
    counts = " UNION ALL BY NAME ".join(sources)
    if overlap:
        counts = f"SELECT tick, any_value(COLUMNS(* EXCLUDE tick)) FROM ({counts}) GROUP BY tick"  # noqa: S608 - as above
    connection.execute(
        f"CREATE VIEW {name} AS SELECT make_timestamp_ns(tick * {period_us * NS_PER_US} + {run.meta.epoch_ns}) "  # noqa: S608 - as above
        f"AS time, * FROM ({counts})"
    )
    return True


def _event_columns(run: RecordedRun, number: int) -> dict[str, Any]:
    rows: Rows = run.rows()
    units = np.array([each.name for each in run.meta.units])
    states, outcomes = np.array([s.name for s in State]), np.array([o.name for o in Outcome])
    return {
        "run": np.full(len(rows), number),
        "t_ns": rows.t_ns,
        "unit": units[rows.unit],
        "state": states[rows.state],
        "part": rows.part,
        "outcome": outcomes[rows.outcome],
        "detail": rows.detail,
    }


def _table(connection: Connection, name: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    listed = dict(zip(columns, (np.array(each) for each in zip(*rows, strict=True)), strict=True)) if rows else {}
    if listed:
        connection.register(f"{name}_columns", listed)
        connection.execute(f"CREATE VIEW {name} AS SELECT * FROM {name}_columns")  # noqa: S608 - names of our own


def sql(runs: Sequence[RecordedRun], query: str) -> dict[str, Any]:
    """Return the columns of a query over the views of `connect`. Raises ConfigError for invalid SQL."""
    with closing(connect(runs, query)) as connection:
        try:
            found: dict[str, Any] = connection.sql(query).fetchnumpy()
        except duckdb.Error as error:
            raise ConfigError.of(query, str(error)) from None
    return found
