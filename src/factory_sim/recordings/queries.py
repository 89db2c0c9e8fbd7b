"""Queries by DuckDB, the one importer of it: signals and SQL over a recording, with names instead of ids."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any, TypeAlias

import duckdb
import numpy as np

from factory_sim.clock import NS_PER_US
from factory_sim.errors import ConfigError
from factory_sim.plant.states import Outcome, State
from factory_sim.recordings import parquet

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    column, period_ns, epoch = parquet.column(sensor.id), sensor.period_us * NS_PER_US, run.meta.epoch_ns
    ticks, counts = run.tail(sensor)
    connection.register("tail", {"tick": ticks, "count": counts})
    sources = ["SELECT tick, count FROM tail"]
    if paths := [str(path) for path in run.parts(sensor, first_ns, stop_ns)]:
        listed = ", ".join("'" + path.replace("'", "''") + "'" for path in paths)
        sources.append(f'SELECT tick, "{column}" AS count FROM read_parquet([{listed}]) WHERE "{column}" IS NOT NULL')  # noqa: S608 - a number and paths of our own
    first, stop = (-(-(ns - epoch) // period_ns) for ns in (first_ns, stop_ns))
    once = (
        f"SELECT tick, any_value(count) AS count FROM ({' UNION ALL '.join(sources)}) "  # noqa: S608 - as above
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


def connect(runs: Sequence[RecordedRun]) -> Connection:
    """Return a DuckDB connection with the views `events`, `sensors`, `units` and `samples_<run>_<period>`.

    `events` has names and times; `samples_...` has one column of raw counts per sensor, as in the files.
    """
    connection = duckdb.connect()
    events, sensors, units = [], [], []
    for number, run in enumerate(runs, 1):
        meta = run.meta
        events.append(_event_columns(run, number))
        units += [(number, each.name, each.role, each.kind, each.section) for each in meta.units]
        for s in meta.sensors:
            table, column = f"samples_{number}_{s.period_us}", parquet.column(s.id)
            sensors.append((number, meta.units[s.unit].name, s.name, s.unit_text, s.scale, s.offset, table, column))
        for period_us in sorted({s.period_us for s in meta.sensors}):
            paths = [str(part.path) for part in run.folder.sample_parts(period_us, -(2**62), 2**62)]
            if paths:
                listed = ", ".join("'" + path.replace("'", "''") + "'" for path in paths)
                connection.execute(
                    f"CREATE VIEW samples_{number}_{period_us} AS SELECT make_timestamp_ns(tick * "  # noqa: S608 - numbers and paths of our own
                    f"{period_us * NS_PER_US} + {meta.epoch_ns}) AS time, * FROM read_parquet([{listed}], "
                    "union_by_name=true)"
                )
    joined = {name: np.concatenate([each[name] for each in events]) for name in events[0]}
    connection.register("event_columns", joined)
    connection.execute("CREATE VIEW events AS SELECT make_timestamp_ns(t_ns) AS time, * FROM event_columns")
    _table(
        connection, "sensors", ("run", "unit", "sensor", "unit_text", "scale", "offset", "samples", "column"), sensors
    )
    _table(connection, "units", ("run", "unit", "role", "kind", "section"), units)
    return connection


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
    with closing(connect(runs)) as connection:
        try:
            found: dict[str, Any] = connection.sql(query).fetchnumpy()
        except duckdb.Error as error:
            raise ConfigError.of(query, str(error)) from None
    return found
