"""Recordings keep every reading, survive kills and damage, and play back as the feed that was recorded."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from factory_sim import registry
from factory_sim.api.recorded.history import History
from factory_sim.clock import ns_from_datetime
from factory_sim.live import recorded_kpis
from factory_sim.live.listen import Listener, listen
from factory_sim.live.play import PlaySetup, play, runs_of
from factory_sim.live.publish import RunSetup, dated, publish
from factory_sim.live.record import record_run
from factory_sim.live.rolling.resuming import Memory
from factory_sim.live.sinks.recording_store import Store
from factory_sim.plant.describe import describe
from factory_sim.plant.states import State
from factory_sim.recordings import layout, queries
from factory_sim.recordings.layout import RecordingError
from factory_sim.recordings.recorder import Recorder, compact
from factory_sim.recordings.retention import Retention, forget
from factory_sim.records import Message, Readings, Rows, Samples, Window
from factory_sim.sim.run import Simulation
from factory_sim.wire import meta as description
from factory_sim.wire.loopback import Exchange, Loopback

if TYPE_CHECKING:
    from factory_sim.plant.spec import Plant
    from factory_sim.records import KpiTable, Meta

ROOT = "test/site/area"
ORDER = RunSetup(warm_up_s=1800.0, duration_s=7200.0, payload_format="bulk", root=ROOT)
THREE = Path(__file__).parents[1] / "live" / "three.yaml"


@pytest.fixture(scope="module")
def plant() -> Plant:
    return registry.load(THREE)


def recorded(plant: Plant, folder: Path, order: RunSetup = ORDER) -> tuple[Listener, list[Message]]:
    """Publish a run, listen to it and record it; return the listener and every message."""
    exchange = Exchange()
    sender, receiver, tap = Loopback(exchange), Loopback(exchange), Loopback(exchange)
    listener = Listener(ROOT, store=Store(folder, ROOT))
    for each in (receiver, tap):
        each.subscribe([f"{ROOT}/#"])
    publish(plant, order, sender)
    listen(listener, receiver)
    listener.close()
    return listener, [message for message in tap.messages() if message.payload]


def same(found: KpiTable, wanted: KpiTable) -> None:
    for name, kpi in wanted.kpis.items():
        np.testing.assert_array_equal(found.kpis[name].values, kpi.values, err_msg=name)


@pytest.mark.parametrize("payload_format", ["bulk", "machine", "uns"])
def test_a_played_recording_is_the_feed_but_for_its_run_id(plant: Plant, tmp_path: Path, payload_format: str) -> None:
    listener, original = recorded(plant, tmp_path / "r", replace(ORDER, payload_format=payload_format))
    (run,) = runs_of(tmp_path / "r")
    exchange = Exchange()
    tap, again = Loopback(exchange), Listener(ROOT)
    tap.subscribe([f"{ROOT}/#"])
    setup = PlaySetup(root=run.folder.root, run_id=run.meta.run_id, payload_format=payload_format)
    play(run, setup, Loopback(exchange), stop=Event())
    played = [message for message in tap.messages() if message.payload]
    alarms = payload_format == "uns"  # whose other time stamps are whole milliseconds: only alarms have more digits
    wanted = [message for message in original if not (alarms and message.topic.endswith("/alarm"))]
    found = [message for message in played if not (alarms and message.topic.endswith("/alarm"))]
    assert Counter(found) == Counter(wanted)  # a link may deliver messages of different topics in another order
    assert len(played) == len(original)
    for message in played:
        again.take(message)
    assert again.ended
    same(again.table(), listener.table())
    same(recorded_kpis.table(run), listener.table())


@pytest.mark.parametrize("is_complete", [True, False], ids=["to the end", "stopped early"])
def test_a_recording_of_a_part_of_the_run_has_the_kpis_of_this_part(
    plant: Plant, tmp_path: Path, *, is_complete: bool
) -> None:
    _, messages = recorded(plant, tmp_path / "whole")
    readings = messages[1:-1]
    third = len(readings) // 3
    heard = readings[third:] + messages[-1:] if is_complete else readings[third : 2 * third]
    late = Listener(ROOT, store=Store(tmp_path / "late", ROOT))
    for message in (messages[0], *heard):
        late.take(message)
    table = late.table()
    late.close()
    (run,) = runs_of(tmp_path / "late")
    assert late.joined_us is not None
    answer = History(tmp_path / "late").answer()
    assert answer.window_us == (table.window.t0_us, table.window.t1_us)
    assert not answer.complete
    assert History(tmp_path / "whole").answer().complete
    assert recorded_kpis.table(run).window == table.window
    same(recorded_kpis.table(run), table)
    shifts = recorded_kpis.shifts_of([run])
    assert shifts[0].window.t0_us == table.window.t0_us
    assert shifts[-1].window.t1_us - table.window.t1_us < 60_000_000
    again = Listener(ROOT, store=Store(tmp_path / "late", ROOT), memory=Memory(tmp_path / "late"))
    again.take(messages[0])
    again.close()
    assert again.joined_us == late.joined_us


def test_a_recording_played_now_has_other_times_and_equal_kpis(plant: Plant, tmp_path: Path) -> None:
    listener, _ = recorded(plant, tmp_path / "r")
    (run,) = runs_of(tmp_path / "r")
    exchange, again = Exchange(), Listener(ROOT)
    tap = Loopback(exchange)
    tap.subscribe([f"{ROOT}/#"])
    start_ns = run.meta.epoch_ns + 10**17
    play(run, PlaySetup(root=ROOT, run_id="again", start_ns=start_ns), Loopback(exchange), stop=Event())
    for message in tap.messages():
        again.take(message)
    assert again.meta is not None
    assert again.meta.epoch_ns + again.meta.window.t0_us * 1000 == start_ns
    for name in ("line.good_parts", "operation.cycle_time_s", "machine.parts"):
        np.testing.assert_array_equal(again.table().kpis[name].values, listener.table().kpis[name].values)


def test_what_a_feed_sent_before_it_fell_silent_is_on_the_disk(
    plant: Plant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, messages = recorded(plant, tmp_path / "whole")
    (whole,) = runs_of(tmp_path / "whole")
    monkeypatch.setattr("factory_sim.live.listen.FLUSH_S", 0.05)
    exchange, stop, folder = Exchange(), Event(), tmp_path / "r"
    listener, receiver, sender = Listener(ROOT, store=Store(folder, ROOT)), Loopback(exchange), Loopback(exchange)
    receiver.subscribe([f"{ROOT}/#"])
    sender.publish(messages[:-1])  # the last one is the end of the run
    listening = Thread(target=listen, args=(listener, receiver), kwargs={"stop": stop})
    listening.start()
    end_s = time.monotonic() + 60
    while (found := on_disk(folder)) != len(whole.rows()) and time.monotonic() < end_s:
        time.sleep(0.05)
    stop.set()
    listening.join()
    listener.close()
    assert found == len(whole.rows())


def on_disk(folder: Path) -> int:
    """Return the number of rows of a recording that is being written."""
    return sum(len(run.rows()) for run in runs_of(folder)) if layout.runs(folder) else 0


def small_meta(n_sensors: int = 3) -> Meta:
    full = describe(registry.load(THREE), "small", 1_767_600_000_000_000_000, Window(0, 86_400_000_000))
    return replace(full, sensors=full.sensors[:n_sensors])


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # files that a kill leaves open
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_every_reading_is_returned_whatever_the_order_and_the_restarts(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    meta, folder = small_meta(), tmp_path_factory.mktemp("r")
    encoded = description.encode(meta)
    period = meta.sensors[0].period_us
    ids = np.array([s.id for s in meta.sensors if s.period_us == period], np.int16)
    wanted: dict[tuple[int, int], int] = {}
    recorder = Recorder(folder, meta, encoded, ROOT)
    ticks = data.draw(st.lists(st.integers(0, 5 * 3600 * 1_000_000 // period - 5), min_size=1, max_size=12))
    for number, first in enumerate(ticks):
        n = data.draw(st.integers(1, 5))
        some = np.array(data.draw(st.permutations(ids.tolist())), np.int16)[: data.draw(st.integers(1, len(ids)))]
        raw = (7 * (first + np.arange(n))[:, None] + some) % 30_000  # what arrives again is the same reading
        recorder.add(Readings(Rows.empty(), (Samples(period, first, some, raw.astype(np.int32)),)))
        wanted |= {(first + i, int(k)): int(raw[i, j]) for i in range(n) for j, k in enumerate(some)}
        if data.draw(st.booleans()):
            recorder.flush()
            if number % 3 == 0:  # as after a kill
                recorder = Recorder(folder, meta, encoded, ROOT)
    if data.draw(st.booleans()):
        recorder.close()
    else:
        recorder.flush()
    (run,) = runs_of(folder)
    for sensor in ids.tolist():
        info = next(s for s in meta.sensors if s.id == sensor)
        found = queries.signal([(run, info)], -(2**62), 2**62)
        expected = sorted(tick for tick, k in wanted if k == sensor)
        assert ((found["t_ns"] - meta.epoch_ns) // (period * 1000)).tolist() == expected
        samples = run.samples(period, 0, max(ticks) + 6)
        column = samples.sensor.tolist().index(sensor)
        for tick in expected:
            assert samples.present is None or samples.present[tick, column]
            assert samples.raw[tick, column] == wanted[tick, sensor]


def test_a_page_restarted_from_its_tail_and_written_twice_contains_each_tick_once(tmp_path: Path) -> None:
    meta = small_meta()
    period, ids = meta.sensors[0].period_us, np.array([s.id for s in meta.sensors], np.int16)
    hour = 3_600_000_000 // period
    for first in (0, hour // 2, 0):  # the third repeats the first
        recorder = Recorder(tmp_path / "r", meta, description.encode(meta), ROOT)
        raw = np.full((hour // 2, len(ids)), first % 1000, np.int32)
        recorder.add(Readings(Rows.empty(), (Samples(period, first, ids, raw),)))
        recorder.close()
    (run,) = runs_of(tmp_path / "r")
    assert compact(run.folder, meta, before="9999") == 0  # closing has merged them
    found = queries.signal([(run, meta.sensors[0])], -(2**62), 2**62)
    assert len(found["t_ns"]) == hour == len(set(found["t_ns"].tolist()))


KILLED = """
import os, sys, numpy as np
sys.path[:0] = {path!r}
from pathlib import Path
import test_recordings as here
from factory_sim.recordings.recorder import Recorder
from factory_sim.records import Readings, Rows, Samples
from factory_sim.wire import meta as description
meta = here.small_meta()
period, ids = meta.sensors[0].period_us, np.array([s.id for s in meta.sensors], np.int16)
recorder = Recorder(Path({folder!r}), meta, description.encode(meta), here.ROOT)
for tick in range({first}, {first} + 100_000):
    recorder.add(Readings(Rows.empty(), (Samples(period, tick, ids, np.full((1, len(ids)), tick % 30_000, np.int32)),)))
    if tick % 500 == 499:
        recorder.flush()
        print(tick + 1, flush=True)
"""


@pytest.mark.long(reason="starts ten processes: twenty seconds")
def test_ten_kills_lose_nothing_that_was_flushed(tmp_path: Path) -> None:
    folder, meta, safe = tmp_path / "r", small_meta(), 0
    for kill in range(10):
        code = KILLED.format(path=[*sys.path, str(Path(__file__).parent)], folder=str(folder), first=safe)
        child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        for _ in range(1 + kill % 3):
            line = child.stdout.readline()
            assert line, "the recorder ended early"
            safe = int(line)
        os.kill(child.pid, signal.SIGKILL)
        child.communicate()
    (run,) = runs_of(folder)
    found = queries.signal([(run, meta.sensors[0])], -(2**62), 2**62)
    ticks = (found["t_ns"] - meta.epoch_ns) // (meta.sensors[0].period_us * 1000)
    assert ticks[:safe].tolist() == list(range(safe))


def test_a_damaged_file_is_skipped_and_reported_and_the_rest_is_read(plant: Plant, tmp_path: Path) -> None:
    recorded(plant, tmp_path / "r", replace(ORDER, payload_format="bulk"))
    (run,) = runs_of(tmp_path / "r")
    whole = len(run.rows())
    victim = run.folder.row_parts()[0]
    content = bytearray(victim.read_bytes())
    content[len(content) // 3 : len(content) // 3 + 200] = os.urandom(200)
    content[-4:] = b"????"
    victim.write_bytes(content)
    (again,) = runs_of(tmp_path / "r")
    assert len(again.rows()) < whole
    assert str(victim) in again.damaged[0]
    assert "damaged" in again.damaged[0]


def test_of_a_file_that_is_damaged_in_the_middle_all_other_columns_are_read(plant: Plant, tmp_path: Path) -> None:
    recorded(plant, tmp_path / "r", replace(ORDER, payload_format="bulk"))
    (run,) = runs_of(tmp_path / "r")
    period = run.meta.sensors[0].period_us
    whole = run.samples(period, *run.span(period))
    (victim,) = (part.path for part in run.folder.sample_parts(period, -(2**62), 2**62))
    content = bytearray(victim.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 500] = os.urandom(500)
    victim.write_bytes(content)
    (again,) = runs_of(tmp_path / "r")
    rest = again.samples(period, *run.span(period))
    assert rest.present is not None
    readable = rest.present.all(axis=0)
    assert 0 < (~readable).sum() <= 3
    np.testing.assert_array_equal(rest.raw[:, readable], whole.raw[:, readable])
    assert "columns cannot be read" in again.damaged[0]
    for sensor in run.meta.sensors:
        found = queries.signal([(again, sensor)], -(2**62), 2**62)
        if readable[sensor.id]:
            np.testing.assert_array_equal(found["value"], whole.raw[:, sensor.id] * sensor.scale + sensor.offset)


def test_sql_over_a_unit_has_its_signals_in_their_units_also_of_an_open_recording(plant: Plant, tmp_path: Path) -> None:
    recorded(plant, tmp_path / "r")
    (run,) = runs_of(tmp_path / "r")
    meta = replace(small_meta(), run_id="second")
    recorder = Recorder(tmp_path / "r", meta, description.encode(meta), ROOT)
    ids = np.array([s.id for s in meta.sensors], np.int16)
    recorder.add(Readings(Rows.empty(), (Samples(meta.sensors[0].period_us, 0, ids, np.full((5, 3), 100, np.int32)),)))
    recorder.flush()
    runs = runs_of(tmp_path / "r")
    found = queries.sql(runs, "SELECT run, count(*) AS n, min(power) AS low FROM M001 GROUP BY run ORDER BY run")
    power = run.sensor("M001", "power")
    assert power is not None
    assert found["run"].tolist() == [1, 2]
    assert found["n"].tolist() == [7200, 5]
    assert found["low"][1] == pytest.approx(100 * power.scale + power.offset)
    recorder.close()


@pytest.mark.parametrize(
    ("content", "expected", "exit_code"),
    [
        ('{"format": 9, "program": "factory_sim 3.1.0"}', "format 9, written by factory_sim 3.1.0", 1),
        ("{", "cannot be read", 1),
        (None, "is not a recording", 2),
    ],
)
def test_another_folder_is_refused_in_one_sentence(
    tmp_path: Path, content: str | None, expected: str, exit_code: int
) -> None:
    if content is not None:
        (tmp_path / layout.MARK).write_text(content, encoding="utf-8")
    with pytest.raises(RecordingError, match=expected) as refused:
        runs_of(tmp_path)
    assert refused.value.exit_code == exit_code


def test_a_full_folder_that_is_not_a_recording_is_not_written_to(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work", encoding="utf-8")
    with pytest.raises(RecordingError, match="not empty"):
        Recorder(tmp_path, small_meta(), b"{}", ROOT)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_old_days_are_forgotten_and_closed_shifts_stay(tmp_path: Path) -> None:
    meta = replace(small_meta(), window=Window(0, 4 * 86_400_000_000))
    period, ids = meta.sensors[0].period_us, np.array([s.id for s in meta.sensors], np.int16)
    recorder = Recorder(tmp_path / "r", meta, description.encode(meta), ROOT)
    for day in range(4):
        raw = np.full((100, len(ids)), day, np.int32)
        recorder.add(Readings(Rows.empty(), (Samples(period, day * 86_400_000_000 // period, ids, raw),)))
    recorder.close_shift({"shift": "2026-01-05/early", "good_parts": 7})
    recorder.close_shift({"shift": "2026-01-05/early", "good_parts": 7})
    recorder.close()
    gone = forget(tmp_path / "r", Retention(days=2))
    (run,) = runs_of(tmp_path / "r")
    assert len(gone) == 2
    assert [each["shift"] for each in run.closed_shifts()] == ["2026-01-05/early"]
    first, stop = run.span(period)
    assert (first * period // 86_400_000_000, (stop - 1) * period // 86_400_000_000) == (2, 3)


def test_sql_has_names(plant: Plant, tmp_path: Path) -> None:
    recorded(plant, tmp_path / "r")
    runs = runs_of(tmp_path / "r")
    found = queries.sql(runs, "SELECT unit, count(*) AS n FROM events WHERE state = 'BUSY' GROUP BY unit ORDER BY unit")
    rows = runs[0].rows()
    assert set(found["unit"].tolist()) <= {unit.name for unit in runs[0].meta.units}
    assert int(found["n"].sum()) == int((rows.state == State.BUSY).sum()) > 0
    assert json.loads(layout.runs(tmp_path / "r")[0].source.read_text(encoding="utf-8")) == {"root": ROOT}


def test_a_recorded_run_has_the_planned_hours_of_its_window_not_of_its_warm_up(tmp_path: Path) -> None:
    calendar = 'start: 2026-01-05 06:00\nshift: day\nshifts: {day: {open: 00:00-24:00, breaks: ["08:00-08:10"]}}\n'
    (tmp_path / "line.yaml").write_text(THREE.read_text(encoding="utf-8") + calendar, encoding="utf-8")
    line = registry.load(tmp_path / "line.yaml")
    begins = ns_from_datetime(datetime.fromisoformat("2026-01-05T06:00"), line.timezone)
    order = replace(ORDER, warm_up_s=3600.0, duration_s=5400.0, start_ns=begins)
    run = Simulation(dated(line, order), seed=1, warm_up_us=3_600_000_000, until_us=9_000_000_000)
    sent = record_run(line, order, run, tmp_path / "r", stop=Event())
    assert sent.meta.planned_us == ((3_600_000_000, 9_000_000_000),)  # from 06:00 to 07:30: no break
