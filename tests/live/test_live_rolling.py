"""A listener that runs for long: rolling windows in bounded memory, shifts closed once, restarts without loss."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

import numpy as np
import pytest

from factory_sim import registry
from factory_sim.analysis import kpis
from factory_sim.analysis.rebuild import Feed
from factory_sim.live import recorded_kpis
from factory_sim.live.listen import Listener
from factory_sim.live.play import runs_of
from factory_sim.live.publish import AHEAD_US, FOREVER_S, RunSetup, described, publish
from factory_sim.live.rolling.resuming import Memory
from factory_sim.live.rolling.shift_spans import DAY_US, HOUR_US, shifts_of
from factory_sim.live.sinks.recording_store import Store
from factory_sim.records import Readings, Window
from factory_sim.wire import meta as description
from factory_sim.wire.formats import FORMATS
from factory_sim.wire.loopback import Exchange, Loopback

if TYPE_CHECKING:
    from factory_sim.plant.spec import Plant
    from factory_sim.records import KpiTable, Message, Meta

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # files a kill leaves open
ROOT = "test/site/area"
ENDLESS = RunSetup(duration_s=FOREVER_S, payload_format="bulk", root=ROOT, slice_s=600.0)
THREE = Path(__file__).parent / "three.yaml"


@pytest.fixture(scope="module")
def plant() -> Plant:
    return registry.load(THREE)


def endless(plant: Plant, until_us: int, setup: RunSetup = ENDLESS) -> list[Message]:
    """The messages of a run without end that is stopped at a time."""
    exchange, stop = Exchange(), Event()
    tap = Loopback(exchange)
    tap.subscribe([f"{ROOT}/#"])
    publish(plant, setup, Loopback(exchange), lambda sent: stop.set() if sent.t_us >= until_us else None, stop)
    return [message for message in tap.messages() if message.payload]


@pytest.fixture(scope="module")
def three_days(plant: Plant) -> list[Message]:
    return endless(plant, 3 * DAY_US)


def heard(messages: list[Message], listener: Listener | None = None) -> Listener:
    """A listener that has received these messages."""
    listener = listener or Listener(ROOT)
    for message in messages:
        listener.take(replace(message, retain=False))
    return listener


def killed(messages: list[Message], folder: Path) -> None:
    """A listener that records these messages and does not end."""
    store = Store(folder, ROOT)
    heard(messages, Listener(ROOT, store=store, memory=Memory(folder)))
    store.flush()  # as before every acknowledgement


def same(found: KpiTable | None, wanted: KpiTable | None) -> None:
    assert found is not None
    assert wanted is not None
    assert found.window == wanted.window
    for name, kpi in wanted.kpis.items():
        np.testing.assert_array_equal(found.kpis[name].values, kpi.values, err_msg=name)


def whole(messages: list[Message], meta: Meta) -> Feed:
    """All readings of a run, none forgotten."""
    feed, decoder = Feed(meta), FORMATS["bulk"].decoder(meta, ROOT)
    for message in messages:
        if not message.topic.endswith("/meta"):
            feed.add(decoder.feed(message))
    return feed


def metas(messages: list[Message]) -> list[Meta]:
    return [description.decode(each.payload) for each in messages if each.topic.endswith("/meta")]


def test_a_run_without_end_is_described_again_before_its_window_ends(plant: Plant) -> None:
    messages = endless(plant, AHEAD_US + 2 * DAY_US)
    first, *later, last = metas(messages)
    assert [each.window.t1_us for each in (first, *later)] == sorted({each.window.t1_us for each in (first, *later)})
    assert len(later) == 2
    assert not any(each.sent_rows for each in (first, *later))
    assert last.sent_rows
    assert last.window == Window(0, AHEAD_US + 2 * DAY_US)
    listener = heard(messages)
    counts = listener.windows.feed.losses() if listener.windows else None
    assert counts is not None
    assert (listener.ended, listener.conflicts, counts.lost, counts.late, counts.foreign) == (True, {}, 0, 0, 0)
    assert listener.joined_us is None


@pytest.mark.parametrize("payload_format", ["machine", "uns", "bulk"])
def test_rows_from_before_the_window_count_although_samples_arrive_first(
    plant: Plant, payload_format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("factory_sim.live.rolling.windows._LOOK_EVERY", 1)
    setup = replace(ENDLESS, warm_up_s=7200.0, payload_format=payload_format)
    listener = heard(endless(plant, 3 * HOUR_US, setup)[:-1])
    assert listener.windows is not None
    counts = listener.windows.feed.losses()
    assert (counts.lost, counts.late) == (0, 0)


@pytest.mark.parametrize("seed", range(6))
def test_every_kpi_of_every_window_is_that_of_the_whole_run(three_days: list[Message], seed: int) -> None:
    cut = int(np.random.default_rng(seed).integers(20, len(three_days) - 2))
    listener = heard(three_days[:cut])
    windows = listener.windows
    assert windows is not None
    assert windows.is_rolling
    windows.refresh()
    meta = metas(three_days)[-1]
    feed = whole(three_days, meta)
    log, blocks = feed.log(), windows.trust.usable(feed.blocks())
    for name in windows.names:
        found = windows.table(name)
        assert found is not None
        same(found, kpis.table(log, meta, blocks, found.window))


def test_rows_and_samples_that_no_window_needs_are_dropped(three_days: list[Message]) -> None:
    listener = heard(three_days)
    windows = listener.windows
    assert windows is not None
    all_rows = len(whole(three_days, metas(three_days)[-1]).log())
    log = windows.feed.log()
    assert len(log) < 0.5 * all_rows
    assert all(len(each.block) < 26 * 60 for each in windows.feed.blocks())
    assert windows.feed.losses().lost == 0


def test_finished_shifts_are_closed_once_and_stored(three_days: list[Message], tmp_path: Path) -> None:
    folder = tmp_path / "r"
    listener = Listener(ROOT, store=Store(folder, ROOT), memory=Memory(folder))
    heard(three_days, listener)
    listener.close()
    (run,) = runs_of(folder)
    spans = shifts_of(run.meta)
    assert [each.name for each in spans] == [each.name for each in recorded_kpis.shifts_of([run])]
    assert len(spans) == 9
    feed = whole(three_days, run.meta)
    log, blocks = feed.log(), feed.blocks()
    for name, number, window in recorded_kpis.shifts_of([run]):
        closed = recorded_kpis.closed_table(run, name)
        same(closed, kpis.table(log, run.meta, blocks, window))
        assert number == 0
    file = run.folder.closed_shift(spans[0].name)
    before = file.read_bytes()
    Store(folder, ROOT).describe(run.meta)
    assert file.read_bytes() == before
    same(
        recorded_kpis.shift_table(run, recorded_kpis.shift([run], spans[0].name)),
        recorded_kpis.closed_table(run, spans[0].name),
    )


def test_a_listener_killed_ten_times_continues_from_its_recording(three_days: list[Message], tmp_path: Path) -> None:
    folder, pieces = tmp_path / "r", np.array_split(np.arange(len(three_days)), 11)
    opening = three_days[0]
    for number, piece in enumerate(pieces):
        store = Store(folder, ROOT)
        listener = Listener(ROOT, store=store, memory=Memory(folder))
        if number:
            listener.take(opening)  # retained
        heard([three_days[i] for i in piece.tolist()], listener)
        store.flush()  # as before every acknowledgement; then the process is killed
    never = heard(three_days)
    assert listener.windows is not None
    assert never.windows is not None
    listener.windows.refresh()
    never.windows.refresh()
    assert listener.windows.names == never.windows.names
    for name in never.windows.names:
        same(listener.windows.table(name), never.windows.table(name))
    counts = listener.windows.feed.losses()
    assert (counts.lost, counts.damaged, listener.joined_us, listener.ended) == (0, 0, None, True)
    assert counts.received == never.windows.feed.losses().received


def test_readings_that_no_process_received_are_reported_as_lost(three_days: list[Message], tmp_path: Path) -> None:
    folder, n = tmp_path / "r", len(three_days)
    killed(three_days[: n // 2], folder)
    listener = Listener(ROOT, store=Store(folder, ROOT), memory=Memory(folder))
    listener.take(three_days[0])
    missed = three_days[n // 2 : n // 2 + 3]
    heard(three_days[n // 2 + 3 :], listener)
    assert listener.windows is not None
    decoder = FORMATS["bulk"].decoder(metas(three_days)[-1], ROOT)
    assert listener.windows.feed.losses().lost == sum(decoder.feed(message).count() for message in missed)


def test_a_kill_that_loses_samples_does_not_make_the_listener_late(three_days: list[Message], tmp_path: Path) -> None:
    """Rows reach the disk earlier than samples."""
    folder, n = tmp_path / "r", len(three_days)
    rows = [each for each in three_days[1 : n // 24] if each.topic.endswith("/rows")]
    killed([three_days[0], *rows], folder)
    killed([three_days[0], *three_days[n // 24 : n // 12]], folder)
    assert not list(folder.rglob("checkpoint.npz"))
    listener = Listener(ROOT, store=Store(folder, ROOT), memory=Memory(folder))
    listener.take(three_days[0])
    heard(three_days[n // 12 :], listener)
    assert listener.joined_us is None
    assert listener.windows is not None
    decoder = FORMATS["bulk"].decoder(metas(three_days)[-1], ROOT)
    missed = [each for each in three_days[1 : n // 24] if each not in rows]
    assert listener.windows.feed.losses().lost == sum(decoder.feed(message).count() for message in missed)


def test_a_listener_that_joined_late_is_still_late_after_a_restart(three_days: list[Message], tmp_path: Path) -> None:
    folder, n = tmp_path / "r", len(three_days)
    killed([three_days[0], *three_days[n // 8 : n // 2]], folder)
    found = []
    for _ in range(2):  # the second begins from a checkpoint
        listener = Listener(ROOT, store=Store(folder, ROOT), memory=Memory(folder))
        heard([three_days[0], *three_days[n // 2 : n - 1]], listener)
        assert listener.windows is not None
        found.append((listener.joined_us, listener.windows.feed.losses().lost))
        listener.close()
        assert next(folder.rglob("checkpoint.npz"))
    assert found[0][0] is not None
    assert found[0][0] > HOUR_US
    assert found == [(found[0][0], 0)] * 2
    listener.take(three_days[-1])
    assert listener.windows is not None
    assert (listener.ended, listener.windows.feed.losses().lost) == (True, 0)


def test_a_run_that_ended_while_no_listener_ran_is_concluded(three_days: list[Message], tmp_path: Path) -> None:
    folder, half = tmp_path / "r", len(three_days) // 2
    killed(three_days[:half], folder)
    closing = replace(three_days[-1], retain=True)
    listener = Listener(ROOT, store=Store(folder, ROOT), memory=Memory(folder))
    listener.take(closing)
    assert listener.windows is not None
    assert listener.ended
    decoder = FORMATS["bulk"].decoder(metas(three_days)[-1], ROOT)
    missed = [message for message in three_days[half:] if not message.topic.endswith("/meta")]
    assert listener.windows.feed.losses().lost == sum(decoder.feed(message).count() for message in missed)
    listener.close()
    again = Listener(ROOT, store=Store(folder, ROOT), memory=Memory(folder))
    again.take(closing)
    assert again.meta is None


def test_windows_begin_with_the_feed_and_a_shift_with_its_begin(three_days: list[Message]) -> None:
    listener = heard(three_days[:12])
    assert listener.windows is not None
    listener.windows.refresh()
    begins = {name: listener.windows.window(name) for name in listener.windows.names}
    assert set(begins) == {"15 min", "1 h", "shift", "today"}
    end_us = next(iter(begins.values())).t1_us  # type: ignore[union-attr]
    assert begins["15 min"] == Window(end_us - HOUR_US // 4, end_us)
    assert begins["shift"] == begins["today"] == Window(0, end_us)
    assert listener.windows.shift_name == shifts_of(metas(three_days)[0])[0].name


def test_a_listener_that_joined_late_names_shifts_as_every_other(three_days: list[Message]) -> None:
    early, late = heard(three_days), heard([three_days[0], *three_days[9:]])
    names = []
    for listener in (early, late):
        assert listener.windows is not None
        listener.windows.refresh()
        names.append(listener.windows.shift_names)
    assert late.joined_us is not None
    assert late.joined_us % (8 * HOUR_US) > 0  # within a shift: a plant without shifts has one every eight hours
    assert names[0] == names[1]


def test_shifts_of_a_run_without_end_keep_their_names_after_a_month(plant: Plant) -> None:
    until_us = 45 * DAY_US + HOUR_US
    later = described(plant, ENDLESS, "run", until_us)
    t0_us, t1_us = later.window.t0_us, later.window.t1_us
    assert later.planned_us[0][0] > t0_us  # the description no longer contains the first shifts
    kept = replace(later, planned_us=((t0_us, t1_us),))  # as a listener has it that was there from the start
    assert shifts_of(later, until_us - DAY_US, until_us) == shifts_of(kept, until_us - DAY_US, until_us)


def test_the_readings_of_a_bounded_run_are_all_kept(plant: Plant) -> None:
    setup = replace(ENDLESS, duration_s=36 * 3600.0)
    exchange = Exchange()
    tap = Loopback(exchange)
    tap.subscribe([f"{ROOT}/#"])
    publish(plant, setup, Loopback(exchange))
    messages = [message for message in tap.messages() if message.payload]
    listener = heard(messages)
    assert listener.windows is not None
    assert not listener.windows.is_rolling
    meta = metas(messages)[-1]
    feed = whole(messages, meta)
    same(listener.table(), kpis.table(feed.log(), meta, listener.trust.usable(feed.blocks())))
    listener.windows.feed.add(Readings(feed.state().rows))
    assert listener.windows.feed.losses().late == 0


def test_an_ended_run_is_assessed_once_and_again_when_more_arrives(plant: Plant) -> None:
    window_s = 3 * 3600.0
    messages = endless(plant, 3 * HOUR_US, replace(ENDLESS, duration_s=window_s))
    *early, last = [each for each in messages if not each.topic.endswith("/meta")]
    describing, closing = [each for each in messages if each.topic.endswith("/meta")]
    listener = heard([describing, *early, closing])
    windows, assessed = listener.windows, []
    assert windows is not None
    listener.table()
    assessed.append(windows.trust)
    windows.refresh()
    assessed.append(windows.trust)
    heard([last], listener)
    listener.table()
    assessed.append(windows.trust)
    assert assessed[0] is assessed[1]
    assert assessed[1] is not assessed[2]
