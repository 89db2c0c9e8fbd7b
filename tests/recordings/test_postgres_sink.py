"""The PostgreSQL sink stores every reading once: across duplicates, kills of either side, and a full buffer."""

from __future__ import annotations

import os
import signal
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

import numpy as np
import pytest

from factory_sim.cli import main
from factory_sim.errors import BufferFullError, ConfigError, DatabaseError
from factory_sim.live import recorded_kpis
from factory_sim.live.play import runs_of, store
from factory_sim.live.rolling.shift_spans import NAMES
from factory_sim.live.sinks.database_sink import DatabaseSink, SinkSetup
from factory_sim.recordings.postgres import database as statements
from factory_sim.recordings.postgres.database import check_url
from factory_sim.records import Readings, Rows
from factory_sim.validation.feed.processes import Program, listening, program, wait_for, wait_for_end
from factory_sim.wire.broker.embedded import Broker

if TYPE_CHECKING:
    from conftest import Server
    from factory_sim.recordings.recorded_run import RecordedRun

THREE = Path(__file__).parents[1] / "live" / "three.yaml"
ROOT = "test/site/sink"
EVENTS = "SELECT count(*), count(DISTINCT (unit, seq)), sum(part), sum(state) FROM factory_sim.event"
MINUTES = "SELECT sum(n), sum(total), min(low), max(high), count(*) FROM factory_sim.minute"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RecordedRun:
    """Two recorded hours of three stations."""
    folder = tmp_path_factory.mktemp("sink") / "recording"
    words = ["--warm-up", "0 s", "--duration", "2 h", "--start", "2026-01-05T06:00", "--root", ROOT]
    with program(folder.with_suffix(".log"), "run", str(THREE), "--record", str(folder), *words) as recording:
        wait_for_end("the recording", recording)
    (found,) = runs_of(folder)
    return found


def stored(server: Server, database: str) -> tuple[list[str], list[str]]:
    """Return sums over all events and over all minutes of a database."""
    return server.sql(EVENTS, database)[0], server.sql(MINUTES, database)[0]


def expected(run: RecordedRun) -> tuple[list[str], list[str]]:
    """Return the same sums of a recording."""
    rows, period = run.rows(), 1_000_000
    samples = run.samples(period, *run.span(period))
    there = np.ones_like(samples.raw, np.bool_) if samples.present is None else samples.present
    raw = samples.raw[there].astype(np.int64)
    minute = (np.arange(len(there)) + samples.first_tick) // 60
    cells = len({(int(minute[tick]), int(column)) for tick, column in np.argwhere(there)})
    events = [len(rows), len(rows), int(rows.part.sum()), int(rows.state.sum())]
    minutes = [len(raw), int(raw.sum()), int(raw.min()), int(raw.max()), cells]
    return [str(each) for each in events], [str(each) for each in minutes]


def sink_of(url: str, folder: Path, said: list[str], *, limit: int = 10**9, must_keep: bool = False) -> DatabaseSink:
    setup = SinkSetup(url=url, buffer=folder / "buffer", limit=limit, must_keep=must_keep)
    return DatabaseSink(setup, ROOT, said.append)


def test_the_database_has_what_the_recording_has_also_when_it_is_written_twice(
    server: Server, database: str, run: RecordedRun
) -> None:
    for _ in range(2):
        sink = DatabaseSink(SinkSetup(url=server.url(database)), ROOT, print)
        store(run, sink, stop=Event())
        assert stored(server, database) == expected(run)
    parts = recorded_kpis.table(run).kpis["line.good_parts"].values
    query = "SELECT value FROM factory_sim.kpis WHERE span = 'run' AND kpi = 'line.good_parts'"
    assert [float(value) for (value,) in server.sql(query, database)] == [float(parts)]
    shifts = server.sql("SELECT shift, started, ended FROM factory_sim.shift", database)
    assert [shift for shift, _, _ in shifts] == [each.name for each in recorded_kpis.shifts_of([run])]


def test_views_have_names_and_values_in_the_unit_of_the_sensor(server: Server, database: str, run: RecordedRun) -> None:
    store(run, DatabaseSink(SinkSetup(url=server.url(database)), ROOT, print), stop=Event())
    sensor = run.sensor("M002", "power")
    assert sensor is not None
    samples = run.samples(sensor.period_us, 0, 60, [sensor.id])
    mean = samples.raw.mean() * sensor.scale + sensor.offset
    query = "SELECT mean, n FROM factory_sim.signals WHERE unit = 'M002' AND sensor = 'power' ORDER BY time LIMIT 1"
    ((found, n),) = server.sql(query, database)
    assert (pytest.approx(float(found)), int(n)) == (mean, 60)
    states = server.sql("SELECT DISTINCT state FROM factory_sim.events WHERE unit = 'M002'", database)
    assert {"BUSY", "STARVED"} <= {state for (state,) in states}


def pieces(run: RecordedRun, *, seed: int) -> list[Readings]:
    """Return a run in small pieces, some of them twice, in random order and with random gaps to be filled later."""
    random, found = np.random.default_rng(seed), []
    rows = run.rows()
    for first in range(0, len(rows), 100):
        found += [Readings(rows.take(slice(first, first + 100)))]
    samples = run.samples(1_000_000, *run.span(1_000_000))
    for first in range(0, len(samples.raw), 90):
        at = slice(first, first + 90)
        mask = random.random(samples.raw[at].shape) < 0.5
        piece = replace(samples, first_tick=first, raw=samples.raw[at])
        found += [Readings(Rows.empty(), (replace(piece, present=present),)) for present in (mask, ~mask)]
    again = [found[i] for i in random.integers(0, len(found), len(found) // 3)]
    return [(found + again)[i] for i in random.permutation(len(found) + len(again))]


@pytest.mark.parametrize("seed", [1, 2])
def test_readings_in_any_order_and_any_number_of_times_are_stored_once(
    server: Server, database: str, run: RecordedRun, tmp_path: Path, seed: int
) -> None:
    sink = sink_of(server.url(database), tmp_path, [])
    sink.describe(run.meta)
    for number, readings in enumerate(pieces(run, seed=seed)):
        sink.add(readings)
        if number % 7 == 0:
            sink.flush()
        if number % 31 == 0:  # a new process knows nothing of what was stored
            sink.close(None)
            sink = sink_of(server.url(database), tmp_path, [])
            sink.describe(run.meta)
    sink.close(None)
    assert stored(server, database) == expected(run)


@pytest.mark.long(reason="starts the database ten times")
def test_ten_kills_of_the_database_lose_nothing_and_store_nothing_twice(
    server: Server, database: str, run: RecordedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("factory_sim.live.sinks.database_sink.RETRY_S", 0.05)
    said: list[str] = []
    sink = sink_of(server.url(database), tmp_path, said)
    sink.describe(run.meta)
    parts = pieces(run, seed=3)
    for kill in range(10):
        begin, end = (len(parts) * k // 10 for k in (kill, kill + 1))
        for number, readings in enumerate(parts[begin:end]):
            if number == (end - begin) // 2:
                server.kill()
            sink.add(readings)
            sink.flush()
        server.start()
        time.sleep(0.1)
    sink.close(None)
    assert stored(server, database) == expected(run)
    assert sum("readings wait in" in text for text in said) == 10
    assert sum(text.endswith("is back.") for text in said) == 10
    assert not list((tmp_path / "buffer").iterdir())


def test_a_database_that_is_away_at_the_start_gets_the_buffer_of_the_process_before(
    server: Server, database: str, run: RecordedRun, tmp_path: Path
) -> None:
    said: list[str] = []
    sink = sink_of("postgresql://factory@127.0.0.1:1/nowhere", tmp_path, said)
    store(run, sink, stop=Event())
    assert "wait in" in said[-1]
    later = sink_of(server.url(database), tmp_path, said)
    later.describe(run.meta)
    later.close(None)
    assert stored(server, database) == expected(run)
    assert "are in the database" in said[-1]
    shifts = server.sql("SELECT shift FROM factory_sim.shift", database)
    assert [shift for (shift,) in shifts] == [each.name for each in recorded_kpis.shifts_of([run])]


def test_a_full_buffer_drops_and_counts_or_refuses_to_acknowledge(run: RecordedRun, tmp_path: Path) -> None:
    said: list[str] = []
    sink = sink_of("postgresql://factory@127.0.0.1:1/nowhere", tmp_path, said, limit=1)
    sink.describe(run.meta)
    rows = Readings(run.rows())
    for _ in range(3):
        sink.add(rows)
        sink.flush()
    assert sink.dropped == 2 * rows.count()
    assert "readings are dropped" in said[-1]
    sink.close(None)
    careful = sink_of("postgresql://factory@127.0.0.1:1/nowhere", tmp_path, said, limit=1, must_keep=True)
    careful.describe(run.meta)
    with pytest.raises(BufferFullError, match="waits at the publisher"):
        careful.add(rows)


def test_tables_of_another_version_are_refused_in_one_sentence(server: Server, database: str, tmp_path: Path) -> None:
    sink_of(server.url(database), tmp_path, []).close(None)
    server.sql("UPDATE factory_sim.version SET version = 9, program = 'factory_sim 4.0'", database)
    with pytest.raises(DatabaseError, match=r"schema 9, written by factory_sim 4\.0; factory_sim .* writes schema 1"):
        sink_of(server.url(database), tmp_path, [])


def test_a_database_that_refuses_is_an_error_at_the_start(server: Server, database: str, tmp_path: Path) -> None:
    server.sql("DROP ROLE IF EXISTS reader")
    server.sql("CREATE ROLE reader LOGIN")
    for url, reason in (
        (server.url("missing"), 'database "missing" does not exist'),
        (server.url(database).replace("factory@", "reader@"), "permission denied"),
    ):
        with pytest.raises(DatabaseError, match=reason):
            sink_of(url, tmp_path, [])


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("postgresql://me:secret@host/db", "a password must not be part of the URL"),
        ("mysql://host/db", "is not the URL of a database"),
        ("host=here dbname=db", "expected postgresql://"),
    ],
)
def test_a_url_with_a_password_or_of_another_program_is_refused(url: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        check_url(url)


@pytest.mark.parametrize("words", [["listen"], ["record", "r"]])
def test_a_password_on_the_command_line_is_refused_before_a_broker_is_sought(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--broker", "mqtt://127.0.0.1:1", "--sink", "postgresql://me:secret@host/db"]) == 2
    assert "--sink: a password must not be part of the URL" in capsys.readouterr().err


def test_a_server_that_stops_answering_counts_as_away(
    server: Server, database: str, run: RecordedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statements, "STUCK_S", 0.5)
    said: list[str] = []
    sink = sink_of(server.url(database), tmp_path, said)
    sink.describe(run.meta)
    backend = int(server.sql("SELECT pid FROM pg_stat_activity WHERE application_name = 'factory_sim'", database)[0][0])
    os.kill(backend, signal.SIGSTOP)
    try:
        sink.add(Readings(run.rows()))
        sink.flush()
    finally:
        os.kill(backend, signal.SIGCONT)
    assert "did not answer within 0.5 s" in said[0]
    assert "readings wait in" in said[0]
    sink.close(None)
    assert stored(server, database)[0] == expected(run)[0]


class _Pending:
    """A sink that counts the KPI tables it has to write at once."""

    def __init__(self) -> None:
        self.waiting: list[tuple[str, object]] = []
        self.most = 0

    def describe(self, meta: object) -> None:
        """Take a description."""

    def add(self, readings: object) -> None:
        """Take readings."""

    def kpis(self, span: str, table: object) -> None:
        """Count a table that waits."""
        self.waiting.append((span, table))
        self.most = max(self.most, len(self.waiting))

    def close_shift(self, name: str, table: object) -> None:
        """Take a shift."""

    def flush(self) -> None:
        """Write what waits."""
        self.waiting.clear()

    def close(self, losses: object) -> None:
        """End."""


def test_a_long_recording_is_written_hour_by_hour(run: RecordedRun) -> None:
    """The KPIs of 26 hours in one transaction took longer than a server may take to answer."""
    sink = _Pending()
    store(run, sink, stop=Event())
    assert 0 < sink.most <= len(NAMES)


def test_the_growing_tables_become_hypertables_where_timescaledb_is_installed(
    server: Server, database: str, tmp_path: Path
) -> None:
    server.sql("CREATE TABLE calls (relation text, axis text)", database)
    server.sql(  # TimescaleDB itself is not in Debian: this stands for its function
        "CREATE FUNCTION create_hypertable(relation regclass, time_column_name name, chunk_time_interval interval) "
        "RETURNS void LANGUAGE sql AS 'INSERT INTO public.calls VALUES ($1::text, $2)'",
        database,
    )
    sink_of(server.url(database), tmp_path, []).close(None)
    calls = {tuple(call) for call in server.sql("SELECT * FROM calls", database)}
    assert calls == {(f"factory_sim.{table}", "time") for table in ("event", "minute", "kpi")}


@pytest.mark.long(reason="starts and kills eighteen programs")
def test_kills_of_listener_and_database_with_acknowledgements_lose_nothing(
    server: Server, database: str, run: RecordedRun, tmp_path: Path
) -> None:
    words = ["run", str(THREE), "--warm-up", "0 s", "--duration", "2 h", "--start", "2026-01-05T06:00", "--root", ROOT]
    journal = ["--journal", str(tmp_path / "journal"), "--ack", "consumer:database", "--speed", "90"]
    sink = ["--ack-as", "database", "--sink", server.url(database), "--sink-buffer", str(tmp_path / "buffer")]
    with Broker() as broker, ExitStack() as last:
        publisher = last.enter_context(
            program(tmp_path / "run.log", *words, *journal, "--format", "bulk", "--broker", broker.url)
        )
        for kill in range(10):
            with listening(tmp_path / f"heard{kill}.json", ROOT, broker.url, *sink):
                before = _count(server, database) if kill % 2 else 0
                time.sleep(1.5)
                if kill % 2:
                    server.kill()
                    time.sleep(0.5)
                    server.start()
                    _wait_for_more(server, database, before, publisher)
            # leaving the block has killed the listener with SIGKILL
        listener = last.enter_context(listening(tmp_path / "heard.json", ROOT, broker.url, *sink))
        wait_for_end("the run", publisher)
        wait_for_end("the listener", listener)
    assert stored(server, database) == expected(run)


def _count(server: Server, database: str) -> int:
    return int(server.sql("SELECT count(*) FROM factory_sim.event", database)[0][0])


def _wait_for_more(server: Server, database: str, before: int, publisher: Program) -> None:
    wait_for("a commit", lambda: publisher.has_ended() or _count(server, database) > before, publisher.log)
