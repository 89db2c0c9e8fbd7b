"""The live page looks back into a recording and into changed futures."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import factory_sim as fs
from factory_sim import registry
from factory_sim.api.page.what_if import SnapshotWhatIf
from factory_sim.live import recorded_kpis
from factory_sim.live.listen import Listener, listen
from factory_sim.live.page import past_figures
from factory_sim.live.page.conclusions import concluded
from factory_sim.live.page.line_now import LineNow
from factory_sim.live.page.live_page import LivePage, Recording
from factory_sim.live.page.look_back import LookBack
from factory_sim.live.page.page_answers import PageAnswers, Refusal, us_of
from factory_sim.live.play import runs_of
from factory_sim.live.publish import RunSetup, publish
from factory_sim.live.rolling.shift_spans import MINUTE_US, open_before, windows_at
from factory_sim.live.sinks.recording_store import Store
from factory_sim.plant.states import State
from factory_sim.wire.loopback import Exchange, Loopback

if TYPE_CHECKING:
    from factory_sim.plant.spec import Plant
    from factory_sim.recordings.recorded_run import RecordedRun

ROOT = "test/site/area"
THREE = Path(__file__).parent / "three.yaml"
ORDER = RunSetup(warm_up_s=1800.0, duration_s=7200.0, payload_format="bulk", root=ROOT)
MINUTE_MS = 60_000


@pytest.fixture(scope="module")
def plant() -> Plant:
    return registry.load(THREE)


@pytest.fixture(scope="module")
def recording(plant: Plant, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, LivePage, RecordedRun]:
    """A recorded run, the page that saw it live, and the run as it is read again."""
    folder = tmp_path_factory.mktemp("past") / "r"
    exchange, page = Exchange(), LivePage(ROOT, recording=Recording(folder))
    receivers = [Loopback(exchange), Loopback(exchange)]
    listeners = [Listener(ROOT, store=Store(folder, ROOT)), Listener(ROOT, store=page)]
    for receiver in receivers:
        receiver.subscribe([f"{ROOT}/#"])
    publish(plant, ORDER, Loopback(exchange))
    for receiver, listener in zip(receivers, listeners, strict=True):
        listen(listener, receiver)
        listener.close()
    page.conclude(concluded(listeners[1]))
    page.turn()
    return folder, page, runs_of(folder)[-1]


def begin_ms(run: RecordedRun) -> int:
    return (run.meta.epoch_ns + run.meta.window.t0_us * 1000) // 1_000_000


@pytest.mark.parametrize("minute", [1, 37, 90])
def test_a_picture_of_the_past_is_that_of_its_rows(recording: tuple[Path, LivePage, RecordedRun], minute: int) -> None:
    folder, _, run = recording
    t_ms = begin_ms(run) + minute * MINUTE_MS
    line = LineNow(run.meta)
    rows = run.rows(stop_ns=t_ms * 1_000_000 + 1)
    line.take(rows)
    found = LookBack(folder, run.meta.run_id).at(t_ms)
    wanted = {unit.name: now.state for unit, now in zip(run.meta.units, line.units, strict=True)}
    assert {name: unit[0] for name, unit in found["units"].items()} == wanted  # type: ignore[attr-defined]
    assert found["levels"] == {place.id: n for place, n in zip(line.places, line.levels, strict=True)}
    assert found["t_ms"] == t_ms
    assert found["live"] is False
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize("minute", [2, 37, 61, 90, 119])
def test_the_figures_of_a_past_instant_are_those_of_the_whole_log_over_its_window(
    recording: tuple[Path, LivePage, RecordedRun], minute: int
) -> None:
    folder, page, run = recording
    assert page.picture is not None
    t_ms = begin_ms(run) + minute * MINUTE_MS + 20_000
    figures = past_figures.PastFigures()
    past = LookBack(folder, run.meta.run_id, figures)
    found: Any = past.figures(t_ms)
    end_us = us_of(run.meta, t_ms) // MINUTE_US * MINUTE_US
    table = recorded_kpis.table(run, windows_at(run.meta, run.meta.window.t0_us, end_us)["shift"])
    known = figures.known(run.meta.run_id, end_us)
    assert known is not None
    for name, kpi in table.kpis.items():
        np.testing.assert_array_equal(known.table.kpis[name].values, kpi.values, err_msg=name)
    down = {run.meta.units[unit].name for unit, _ in past.picture(t_ms).line.failures()}
    assert {each["unit"] for each in found["alarms"] if each["what"] == "failure"} == down
    assert found["top"]["t_ms"] == t_ms - 20_000
    json.dumps(found, allow_nan=False)


def test_the_figures_of_the_last_instant_are_the_live_ones(recording: tuple[Path, LivePage, RecordedRun]) -> None:
    folder, page, run = recording
    live = page.full()
    end_ms = begin_ms(run) + 120 * MINUTE_MS
    found = LookBack(folder, run.meta.run_id).figures(end_ms)
    assert found["top"] == live["top"]
    assert found["pareto"] == live["pareto"]
    assert found["alarms"] == live["alarms"]
    assert live["top"]["oee"] > 0  # type: ignore[index]
    assert live["top"]["constraint"] is not None  # type: ignore[index]


def test_the_figures_of_a_recorder_that_joined_late_begin_with_its_first_readings(
    recording: tuple[Path, LivePage, RecordedRun], tmp_path: Path
) -> None:
    _, _, run = recording
    store = Store(tmp_path / "late", ROOT)
    store.describe(replace(run.meta, sent_rows=(), sent_ticks=()))
    for t_us, readings in run.slices(10 * MINUTE_US):
        if t_us > run.meta.window.t0_us + 20 * MINUTE_US:
            store.add(readings)
    store.close(None)
    found: Any = LookBack(tmp_path / "late", run.meta.run_id).figures(begin_ms(run) + 100 * MINUTE_MS)
    assert found["top"]["shift"]["from_ms"] == begin_ms(run) + 20 * MINUTE_MS
    assert found["top"]["oee"] is not None


def test_a_long_run_is_read_from_a_day_before_the_shift(
    recording: tuple[Path, LivePage, RecordedRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, _, run = recording
    t_ms = begin_ms(run) + 110 * MINUTE_MS
    whole: Any = LookBack(folder, run.meta.run_id).figures(t_ms)
    monkeypatch.setattr("factory_sim.live.page.past_figures.WHOLE_US", 0)
    monkeypatch.setattr("factory_sim.live.page.past_figures.DAY_US", -30 * MINUTE_US)  # half an hour after its begin
    part: Any = LookBack(folder, run.meta.run_id).figures(t_ms)
    assert 0 < part["top"]["good_parts"] < whole["top"]["good_parts"]


@pytest.mark.parametrize("minute", [20, 60, 110])
def test_parts_that_wait_for_long_are_in_the_buffers_of_the_past(
    recording: tuple[Path, LivePage, RecordedRun], minute: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, _, run = recording
    past, t_ms = LookBack(folder, run.meta.run_id), begin_ms(run) + minute * MINUTE_MS
    whole = past.picture(t_ms).full()["levels"]
    monkeypatch.setattr("factory_sim.live.page.look_back.NEAR_MS", 1000)
    assert past.picture(t_ms).full()["levels"] == whole
    assert any(whole.values())  # type: ignore[attr-defined]


def test_closed_time_does_not_count_as_time_before(recording: tuple[Path, LivePage, RecordedRun]) -> None:
    meta = replace(recording[2].meta, planned_us=((0, 100), (200, 250), (400, 500)))
    assert open_before(meta, 450, 30) == 420
    assert open_before(meta, 450, 80) == 220
    assert open_before(meta, 390, 60) == 90
    assert open_before(meta, 450, 300) == -100
    assert open_before(meta, 450, -20) == 470


def test_what_was_read_of_a_shift_is_kept_and_dropped(
    recording: tuple[Path, LivePage, RecordedRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, _, run = recording
    read: list[object] = []
    before = past_figures.rebuilt
    monkeypatch.setattr(past_figures, "rebuilt", lambda *a, **k: read.append(a) or before(*a, **k))
    figures = past_figures.PastFigures()
    past = LookBack(folder, run.meta.run_id, figures)
    for minute in (100, 70, 100, 101):
        past.figures(begin_ms(run) + minute * MINUTE_MS)
    assert len(read) == 1
    run_id, t_us = run.meta.run_id, run.meta.window.t0_us + 101 * MINUTE_US
    figures.rest()
    assert figures.known(run_id, t_us - MINUTE_US) is None
    assert figures.known(run_id, t_us) is not None
    monkeypatch.setattr(past_figures, "KEPT_S", -1.0)
    figures.rest()
    assert figures.known(run_id, t_us) is None


def test_a_unit_of_the_past_has_its_shift(recording: tuple[Path, LivePage, RecordedRun]) -> None:
    _, page, run = recording
    t_ms, name = begin_ms(run) + 100 * MINUTE_MS, run.meta.units[2].name
    found = page.answers().unit(name, t_ms)
    now = PageAnswers(page.picture).unit(name)
    assert found["t_ms"] == found["strip"][-1][1] == t_ms  # type: ignore[index]
    assert [each for each in now["strip"] if each[1] <= t_ms] == found["strip"][:-1]  # type: ignore[attr-defined,index]
    with pytest.raises(Refusal, match="--record"):
        PageAnswers(page.picture).unit(name, t_ms)


def test_memory_and_recording_agree(recording: tuple[Path, LivePage, RecordedRun]) -> None:
    folder, page, run = recording
    assert page.picture is not None
    answers, past = PageAnswers(page.picture), LookBack(folder, run.meta.run_id)
    first_ms, last_ms = begin_ms(run), page.picture.t_ms
    chart = answers.chart(first_ms, last_ms)
    assert {row["name"]: row["strip"] for row in chart["rows"]} == past.strips(first_ms, last_ms)  # type: ignore[attr-defined]
    sensor = run.meta.sensors[2]
    t0_us, t1_us = run.meta.window.t0_us, run.meta.window.t1_us
    t_us, values = past.signal(sensor, t0_us, t1_us)
    kept_us, kept = page.picture.signals.values(sensor, t0_us, t1_us)
    assert len(kept) == 3600 < len(values) == 7200
    np.testing.assert_array_equal(values[-3600:], kept)
    np.testing.assert_array_equal(t_us[-3600:], kept_us)


def test_an_older_signal_continues_into_memory_without_a_gap(recording: tuple[Path, LivePage, RecordedRun]) -> None:
    _, page, run = recording
    sensor, answers = run.meta.sensors[0], page.answers()
    name = f"{run.meta.units[sensor.unit].name}.{sensor.name}"
    found = answers.signals(name, begin_ms(run), None, 5000)["signals"][sensor.name]  # type: ignore[index]
    assert found["t_ms"][0] == begin_ms(run)
    assert found["t_ms"][-1] > begin_ms(run) + 7100 * 1000
    assert max(np.diff(found["t_ms"])) < 10_000
    timeline = answers.timeline()
    assert timeline["from_ms"] == begin_ms(run)


def test_a_plant_without_shifts_has_one_every_eight_hours(recording: tuple[Path, LivePage, RecordedRun]) -> None:
    _, page, run = recording
    shift = {"name": "", "from_ms": begin_ms(run), "to_ms": begin_ms(run) + 480 * MINUTE_MS}
    assert page.answers().timeline()["shifts"] == [shift]
    assert page.full()["top"]["shift"] == shift  # type: ignore[index]
    assert page.answers().figures(begin_ms(run) + 90 * MINUTE_MS)["top"]["shift"] == shift  # type: ignore[index]
    assert page.answers().at(begin_ms(run) + 90 * MINUTE_MS)["top"]["shift"] == shift  # type: ignore[index]


def test_a_page_that_is_started_again_continues_with_the_recorded_state(
    recording: tuple[Path, LivePage, RecordedRun],
) -> None:
    folder, page, run = recording
    assert page.picture is not None
    again, other = LivePage(ROOT, recording=Recording(folder)), LivePage(ROOT, recording=Recording(folder))
    again.describe(run.meta)
    again.turn()
    assert again.picture is not None
    for key in ("units", "levels"):
        assert again.picture.full()[key] == page.picture.full()[key]
    other.describe(replace(run.meta, run_id="another"))
    other.turn()
    assert other.picture is not None
    assert {unit[0] for unit in other.picture.full()["units"].values()} == {State.UNKNOWN}  # type: ignore[attr-defined]


def test_what_is_not_recorded_is_refused(recording: tuple[Path, LivePage, RecordedRun], tmp_path: Path) -> None:
    folder, _, run = recording
    with pytest.raises(Refusal, match="begins later") as early:
        LookBack(folder, run.meta.run_id).at(begin_ms(run) - MINUTE_MS)
    assert early.value.status == 404
    with pytest.raises(Refusal, match="is not a recording") as missing:
        LookBack(tmp_path, run.meta.run_id).at(begin_ms(run))
    assert missing.value.status == 503
    with pytest.raises(Refusal, match="seven days"):
        LookBack(folder, run.meta.run_id).strips(begin_ms(run), begin_ms(run) + 8 * 24 * 60 * MINUTE_MS)


@pytest.mark.slow
def test_a_change_on_the_page_is_a_what_if_from_the_snapshot(plant: Plant, tmp_path: Path) -> None:
    file = tmp_path / "run.npz"
    what_if = SnapshotWhatIf(plant, file)
    offered = what_if.offered("CUT")
    assert offered == [("CUT.cycle_time*0.972973", "one second less at CUT")]
    assert what_if.offered("")[0][1] == "one second less at WASH"
    with pytest.raises(Refusal, match="not been saved yet"):
        asyncio.run(what_if.evaluate(offered[0][0], "CUT"))
    with pytest.raises(Refusal, match="not offered"):
        asyncio.run(what_if.evaluate("CUT.cycle_time=1 s", "CUT"))
    fs.snapshot(str(THREE), at="1 h").save(file)
    change = what_if.offered("WASH")[0][0]
    found = asyncio.run(what_if.evaluate(change, "WASH"))
    asyncio.run(what_if.evaluate(change, "CUT"))  # the constraint has moved: what was offered before stays valid
    study = fs.whatif(str(file), change, replications=32, workers=1, study=tmp_path / "own.jsonl", progress=False)
    rate = study.change["line_rate_pct"]
    per_shift = found["parts_per_shift"]
    assert per_shift["low"] < per_shift["mean"] < per_shift["high"]  # type: ignore[index]
    assert per_shift["mean"] / found["base"]["mean"] == pytest.approx(rate.mean / 100)  # type: ignore[index]
