"""A connection to PostgreSQL and the statements of the sink; the one importer of psycopg."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any, NamedTuple

import psycopg
from psycopg.conninfo import conninfo_to_dict

from factory_sim.clock import NS_PER_US
from factory_sim.errors import ConfigError, DatabaseError
from factory_sim.plant.states import Outcome, State
from factory_sim.recordings import parquet
from factory_sim.recordings.postgres.minutes import Stored
from factory_sim.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from factory_sim.recordings.postgres.minutes import OpenMinutes
    from factory_sim.records import Meta, Rows

SCHEMA = 1
# From an older schema to the next: SQL that changes the tables in place. Schema 1 is the first.
MIGRATIONS: dict[int, str] = {}
CONNECT_S = 5  # the longest wait for a connection
STUCK_S = 30.0  # a server that does not answer for this long counts as lost
_OPTION = "sink"
_EXAMPLE = "Example: postgresql://grafana@127.0.0.1/factory; the password comes from PGPASSWORD or ~/.pgpass."


class KpiRow(NamedTuple):
    """One value of one KPI of a window."""

    span: str
    us: int  # end of the window, since 1970 UTC
    kpi: str
    name: str
    started_us: int
    value: float | None
    unit: str
    reason: str


class ShiftRow(NamedTuple):
    """A finished shift."""

    shift: str
    started_us: int
    ended_us: int
    kpis: str  # JSON


@dataclass(slots=True, kw_only=True)
class Batch:
    """What one transaction writes of one run."""

    meta: Meta
    root: str
    rows: Rows
    minutes: OpenMinutes
    kpis: Sequence[KpiRow] = ()
    shifts: Sequence[ShiftRow] = ()
    losses: tuple[int, int] | None = None  # readings received and lost; None: not known yet


def check_url(url: str) -> str:
    """Return the URL of a database without its password, for messages. Raises ConfigError."""
    try:
        parts = conninfo_to_dict(url)
    except psycopg.ProgrammingError as error:
        raise ConfigError.of(_OPTION, f"{url!r} is not the URL of a database: {error}", _EXAMPLE) from None
    if not url.startswith(("postgresql://", "postgres://")):
        raise ConfigError.of(_OPTION, f"expected postgresql://[user@]host[:port]/database, got {url!r}", _EXAMPLE)
    if parts.get("password"):
        hint = "Every user of this machine can read it there. Use PGPASSWORD or ~/.pgpass."
        raise ConfigError.of(_OPTION, "a password must not be part of the URL", hint)
    user = f"{parts['user']}@" if parts.get("user") else ""
    port = f":{parts['port']}" if parts.get("port") else ""
    return f"postgresql://{user}{parts.get('host') or 'localhost'}{port}/{parts.get('dbname') or ''}"


class Database:
    """An open connection. Every method raises DatabaseError."""

    def __init__(self, url: str) -> None:
        """Connect, and create the tables if they are missing."""
        self._shown = check_url(url)
        self._runs: dict[tuple[str, int], int] = {}
        self._is_stuck = False
        try:
            self._connection = psycopg.connect(url, connect_timeout=CONNECT_S, application_name="factory_sim")
        except psycopg.OperationalError as error:
            answers = psycopg.pq.PGconn.ping(url.encode()) == psycopg.pq.Ping.OK
            raise DatabaseError(self._shown, _first_line(error), is_lost=not answers) from None
        try:
            with self._transaction() as cursor:
                self._prepare(cursor)
        except DatabaseError:
            self.close()
            raise

    def write(self, batch: Batch) -> None:
        """Write a batch in one transaction. Writing it again, whole or in part, changes nothing."""
        with self._transaction() as cursor:
            key = (batch.meta.run_id, batch.meta.window.t0_us)
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (f"factory_sim {key}",))
            run = self._runs.get(key) or _describe(cursor, batch)
            _write_rows(cursor, run, batch.rows)
            _write_minutes(cursor, run, batch.minutes)
            _write_kpis(cursor, run, batch.kpis)
            _write_shifts(cursor, run, batch.shifts)
            _write_end(cursor, run, batch)
        self._runs[key] = run

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _prepare(self, cursor: psycopg.Cursor[Any]) -> None:
        """Create the tables, or check their version."""
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('factory_sim'))")
        cursor.execute("SELECT to_regclass('factory_sim.version')")
        if cursor.fetchone() == (None,):
            cursor.execute(_sql("schema.sql"))
            cursor.execute("INSERT INTO factory_sim.version VALUES (%s, %s)", (SCHEMA, f"factory_sim {VERSION}"))
            for table, words in (("state", State), ("outcome", Outcome)):
                values = [(int(each), each.name) for each in words]
                cursor.executemany(f"INSERT INTO factory_sim.{table} VALUES (%s, %s)", values)  # noqa: S608 - our own
        cursor.execute("SELECT version, program FROM factory_sim.version")
        version, program = cursor.fetchone() or (0, "another program")
        while version in MIGRATIONS:
            cursor.execute(MIGRATIONS[version].encode())
            version += 1
            cursor.execute(
                "UPDATE factory_sim.version SET version = %s, program = %s", (version, f"factory_sim {VERSION}")
            )
        if version != SCHEMA:
            reason = (
                f"its tables have schema {version}, written by {program}; factory_sim {VERSION} writes schema "
                f"{SCHEMA}. Name another database, or use that program."
            )
            raise DatabaseError(self._shown, reason)
        cursor.execute(_sql("stages.sql"))

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[psycopg.Cursor[Any]]:
        """Yield a cursor; commit at the end, or roll back."""
        timer = threading.Timer(STUCK_S, self._abort)
        timer.daemon = True
        timer.start()
        try:
            with self._failing(), self._connection.transaction(), self._connection.cursor() as cursor:
                yield cursor
        finally:
            timer.cancel()

    def _abort(self) -> None:
        """Shut down the socket, so that the thread that waits for an answer gets an error."""
        self._is_stuck = True
        with contextlib.suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(self._connection.fileno())) as s:
            s.shutdown(socket.SHUT_RDWR)

    @contextlib.contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except psycopg.OperationalError as error:
            reason = f"did not answer within {STUCK_S:g} s" if self._is_stuck else _first_line(error)
            raise DatabaseError(self._shown, reason, is_lost=True) from None
        except psycopg.Error as error:
            raise DatabaseError(self._shown, _first_line(error)) from None


def _sql(name: str) -> bytes:
    return files(__package__).joinpath(name).read_bytes()


def _first_line(error: psycopg.Error) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines and "Multiple connection attempts" in lines[0] else next(iter(lines), "no reason given")


def _copy(cursor: psycopg.Cursor[Any], table: str, columns: Sequence[Any]) -> None:
    with cursor.copy(f"COPY {table} FROM STDIN (FORMAT csv)".encode()) as copy:
        copy.write(parquet.csv_text(columns))


def _describe(cursor: psycopg.Cursor[Any], batch: Batch) -> int:
    """Return the number of a run; write its description if it is new."""
    meta, t0_us = batch.meta, batch.meta.window.t0_us
    cursor.execute("SELECT run FROM factory_sim.run WHERE run_id = %s AND t0_us = %s", (meta.run_id, t0_us))
    if (found := cursor.fetchone()) is not None:
        return int(found[0])
    epoch_us = meta.epoch_ns // NS_PER_US
    cursor.execute(
        "INSERT INTO factory_sim.run (run_id, t0_us, plant, root, timezone, started, ends) "
        "VALUES (%s, %s, %s, %s, %s, factory_sim.at(%s), factory_sim.at(%s)) RETURNING run",
        (meta.run_id, t0_us, meta.plant, batch.root, meta.timezone, epoch_us + t0_us, epoch_us + meta.window.t1_us),
    )
    (run,) = cursor.fetchone() or (0,)
    operations = [each.name for each in meta.operations]
    units = [
        (run, k, u.name, u.role, u.kind, u.section, operations[u.operation] if u.operation >= 0 else "")
        for k, u in enumerate(meta.units)
    ]
    sensors = [
        (run, s.id, s.unit, s.name, s.kind, s.unit_text, s.scale, s.offset, s.low, s.high, s.period_us)
        for s in meta.sensors
    ]
    modes = [(run, unit, k, name) for unit, names in enumerate(meta.failure_modes) for k, name in enumerate(names)]
    for table, rows in (("unit", units), ("sensor", sensors), ("failure_mode", modes)):
        if rows:
            _copy(cursor, f"factory_sim.{table}", list(zip(*rows, strict=True)))
    return int(run)


def _write_rows(cursor: psycopg.Cursor[Any], run: int, rows: Rows) -> None:
    if len(rows):
        us = rows.t_ns // NS_PER_US
        _copy(cursor, "new_event", (rows.unit, rows.seq, us, rows.state, rows.part, rows.outcome, rows.detail))
        cursor.execute(
            "INSERT INTO factory_sim.event SELECT %s, unit, seq, factory_sim.at(us), state, part, outcome, detail "
            "FROM new_event ON CONFLICT DO NOTHING",
            (run,),
        )


def _write_minutes(cursor: psycopg.Cursor[Any], run: int, minutes: OpenMinutes) -> None:
    """Merge samples into the minutes that the database has."""
    times_us = minutes.times_us()
    if not times_us:
        return
    cursor.execute(
        "SELECT (extract(epoch FROM time) * 1000000)::bigint, sensor, n, total, low, high, seen "
        "FROM factory_sim.minute "
        "WHERE run = %s AND time = ANY(ARRAY(SELECT factory_sim.at(us) FROM unnest(%s::bigint[]) AS us))",
        (run, times_us),
    )
    stored = {(us, sensor): Stored(*rest) for us, sensor, *rest in cursor.fetchall()}
    new = minutes.merged(stored)
    if len(new.sensor):
        _copy(cursor, "new_minute", (new.sensor, new.time_us, new.n, new.total, new.low, new.high, new.seen))
        cursor.execute(
            "INSERT INTO factory_sim.minute SELECT %s, sensor, factory_sim.at(us), n, total, low, high, seen "
            "FROM new_minute ON CONFLICT (run, sensor, time) DO UPDATE SET n = excluded.n, total = excluded.total, "
            "low = excluded.low, high = excluded.high, seen = excluded.seen",
            (run,),
        )


def _write_kpis(cursor: psycopg.Cursor[Any], run: int, kpis: Sequence[KpiRow]) -> None:
    if kpis:
        _copy(cursor, "new_kpi", list(zip(*kpis, strict=True)))
        cursor.execute(
            "INSERT INTO factory_sim.kpi SELECT %s, span, factory_sim.at(us), kpi, name, factory_sim.at(started_us), "
            "value, unit, reason FROM new_kpi ON CONFLICT (run, span, kpi, name, time) DO UPDATE SET "
            "started = excluded.started, value = excluded.value, unit = excluded.unit, reason = excluded.reason",
            (run,),
        )


def _write_shifts(cursor: psycopg.Cursor[Any], run: int, shifts: Sequence[ShiftRow]) -> None:
    for each in shifts:
        cursor.execute(
            "INSERT INTO factory_sim.shift VALUES (%s, %s, factory_sim.at(%s), factory_sim.at(%s), %s) "
            "ON CONFLICT DO NOTHING",
            (run, *each),
        )


def _write_end(cursor: psycopg.Cursor[Any], run: int, batch: Batch) -> None:
    """Write what the end of a run changes."""
    end_us = batch.meta.epoch_ns // NS_PER_US + batch.meta.window.t1_us
    received, lost = batch.losses or (None, None)
    cursor.execute(
        "UPDATE factory_sim.run SET ends = factory_sim.at(%s), ended = %s, received = coalesce(%s, received), "
        "lost = coalesce(%s, lost) WHERE run = %s",
        (end_us, bool(batch.meta.sent_rows), received, lost, run),
    )
