"""Publish a recording again, as the feed that was recorded."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from factory_sim.analysis import kpis
from factory_sim.analysis.rebuild import Feed
from factory_sim.clock import NS_PER_US, us_from_s
from factory_sim.live.pacing import AHEAD_S, MAX, Pace, rest
from factory_sim.live.rolling.shift_spans import HOUR_US
from factory_sim.live.rolling.windows import Windows
from factory_sim.recordings.recorded_run import open_runs
from factory_sim.records import Readings, Window
from factory_sim.wire import meta as description
from factory_sim.wire.formats import FORMATS, clear

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from threading import Event

    from factory_sim.live.publish import Sender
    from factory_sim.live.sinks.sink import Sink
    from factory_sim.recordings.recorded_run import RecordedRun
    from factory_sim.records import Meta

SLICE_S = 60.0


def runs_of(folder: Path) -> list[RecordedRun]:
    """Return the runs of a recording. Raises RecordingError."""
    return open_runs(folder, description.decode)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaySetup:
    """How a recording is published."""

    root: str
    run_id: str
    payload_format: str = "bulk"
    speed: float = MAX  # recorded seconds per real second
    start_ns: int | None = None  # of the window [ns since 1970 UTC]; None: as recorded
    begun_ns: int = 0
    settle_s: float = 0.0
    heartbeat_s: float = 0.0  # stated in the description


@dataclass(slots=True)
class Played:
    """What has been published so far."""

    meta: Meta
    t_us: int  # the recording is published up to this time
    readings: int = 0
    messages: int = 0


def play(
    run: RecordedRun, setup: PlaySetup, sender: Sender, *, stop: Event, watch: Callable[[Played], None] = lambda _: None
) -> Played:
    """Publish a recorded run; end between two slices once `stop` is set.

    The messages are those of the recorded feed but for the run id, and the time stamps if `start_ns` is set.
    """
    shift_ns = 0
    if setup.start_ns is not None:
        shift_ns = setup.start_ns - (run.meta.epoch_ns + run.meta.window.t0_us * NS_PER_US)
    closing = replace(run.meta, run_id=setup.run_id, epoch_ns=run.meta.epoch_ns + shift_ns)
    opening = replace(closing, heartbeat_s=setup.heartbeat_s, sent_rows=(), sent_ticks=())
    closing = replace(closing, heartbeat_s=setup.heartbeat_s)
    encoder = FORMATS[setup.payload_format].encoder(opening, setup.root)
    pace = Pace(setup.speed, opening.window.t0_us, setup.begun_ns, stop, sender.wait)
    played, sent = Played(opening, opening.window.t0_us), _Counts(opening)
    sender.publish([description.message(opening, setup.root), *clear(opening, setup.root)])
    sender.flush()
    rest(setup.settle_s, stop, sender.wait)
    for t1_us, readings in run.slices(us_from_s(min(SLICE_S, max(1.0, setup.speed)))):
        shifted = _shifted(readings, shift_ns)
        encoded = encoder.data(shifted)
        due_us = np.array([_due_us(message.ready_ns, opening, t1_us) for message in encoded], np.int64)
        order = np.argsort(due_us, kind="stable")  # as a link without delay delivers them
        messages = [encoded[i] for i in order]
        pace.send(messages, due_us[order], sender.publish)
        sent.add(shifted)
        played.t_us, played.messages = t1_us, played.messages + len(messages)
        played.readings += readings.count()
        watch(played)
        if not pace.wait(t1_us, AHEAD_S):
            break
    played.meta = closing if closing.sent_rows and played.t_us >= closing.window.t1_us else sent.closing(played.t_us)
    sender.publish([description.message(played.meta, setup.root)])
    sender.flush()
    return played


def store(run: RecordedRun, sink: Sink, *, stop: Event, watch: Callable[[Played], None] = lambda _: None) -> Played:
    """Write a recorded run to a sink, with the KPIs that a listener has each hour; end early once `stop` is set."""
    played = Played(run.meta, run.meta.window.t0_us)
    sink.describe(run.meta)
    for readings in run.pieces():
        sink.add(readings)
        played.readings += readings.count()
        for samples in readings.samples:
            played.t_us = max(played.t_us, samples.first_tick * samples.period_us)
        watch(played)
        if stop.is_set():
            break
    else:
        _conclude(run, sink)
    sink.close(run.losses)
    return played


def _conclude(run: RecordedRun, sink: Sink) -> None:
    """Write the KPIs of the rolling windows at each hour, of the finished shifts, and of the whole."""
    windows = Windows(Feed(replace(run.meta, sent_rows=(), sent_ticks=())), sink.close_shift)
    for _, readings in run.slices(HOUR_US):
        windows.add(readings)
        _show(windows, sink)
    windows.ended = bool(run.meta.sent_rows)
    _show(windows, sink)
    windows.finish()
    if not windows.is_rolling:
        sink.kpis("run", kpis.of_facts(windows.whole()))


def _show(windows: Windows, sink: Sink) -> None:
    windows.refresh()
    for name in windows.names:
        if (table := windows.table(name)) is not None:
            sink.kpis(name, table)
    sink.flush()  # those of all hours are too many for one transaction


class _Counts:
    """The numbers of rows and ticks sent, for the closing description of a run that was recorded in part."""

    def __init__(self, meta: Meta) -> None:
        self._meta, self._rows = meta, np.zeros(len(meta.units), np.int64)

    def add(self, readings: Readings) -> None:
        """Count the rows of a slice."""
        self._rows += np.bincount(readings.rows.unit, minlength=len(self._rows))

    def closing(self, t1_us: int) -> Meta:
        """Return the description of the window up to `t1_us`."""
        t0 = self._meta.window.t0_us
        ticks = tuple(
            (period, -(-t0 // period), -(-t1_us // period) - -(-t0 // period))
            for period in sorted({s.period_us for s in self._meta.sensors})
        )
        planned = tuple((a, min(b, t1_us)) for a, b in self._meta.planned_us if a < t1_us)
        rows = tuple(self._rows.tolist())
        return replace(
            self._meta, window=Window(t0, max(t1_us, t0 + 1)), planned_us=planned, sent_rows=rows, sent_ticks=ticks
        )


def _shifted(readings: Readings, shift_ns: int) -> Readings:
    if not shift_ns:
        return readings
    return Readings(replace(readings.rows, t_ns=readings.rows.t_ns + shift_ns), readings.samples)


def _due_us(ready_ns: int, meta: Meta, t1_us: int) -> int:
    return (ready_ns - meta.epoch_ns) // NS_PER_US if ready_ns else t1_us
