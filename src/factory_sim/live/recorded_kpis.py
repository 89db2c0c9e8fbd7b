"""KPIs of a stretch of a recording, by the one implementation that a live feed uses."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from factory_sim.analysis import kpis, trust
from factory_sim.analysis.rebuild import Feed
from factory_sim.clock import NS_PER_US, datetime_from_ns
from factory_sim.errors import ConfigError, did_you_mean
from factory_sim.records import Readings, Rows, Window

if TYPE_CHECKING:
    from collections.abc import Sequence

    from factory_sim.recordings.recorded_run import RecordedRun
    from factory_sim.records import KpiTable, Meta


class ShiftSpan(NamedTuple):
    """One shift of a run."""

    name: str  # "2026-01-05/early"; an unnamed one by its opening time, "2026-01-05/0600"
    run: int  # position of its run
    window: Window


def shifts_of(runs: Sequence[RecordedRun]) -> list[ShiftSpan]:
    """Return every shift that the recorded windows touch, in order of time."""
    found = []
    for number, run in enumerate(runs):
        meta = run.meta
        for name, t0_us, t1_us in _named(meta):
            opens = datetime_from_ns(t0_us * NS_PER_US + meta.epoch_ns, meta.timezone)
            label = f"{opens.date().isoformat()}/{name or opens.strftime('%H%M')}"
            window = Window(max(t0_us, meta.window.t0_us), min(t1_us, meta.window.t1_us))
            if window.t0_us < window.t1_us:
                found.append(ShiftSpan(label, number, window))
    return found


def _named(meta: Meta) -> tuple[tuple[str, int, int], ...]:
    """Return (name, from, to) of the shifts; without any, each stretch of planned time is one."""
    return meta.shifts or tuple(("", *span) for span in meta.planned_us)


def shift(runs: Sequence[RecordedRun], name: str) -> ShiftSpan:
    """Return the shift called `name`. Raises ConfigError that names the nearest one."""
    known = {span.name: span for span in shifts_of(runs)}
    if name not in known:
        where = "--shift"
        raise ConfigError.of(where, f"{name!r} is not a shift of this recording. {did_you_mean(name, known)}")
    return known[name]


def rebuilt(run: RecordedRun, window: Window | None = None) -> Feed:
    """Return the feed of a window of a recorded run; None: of all that was recorded."""
    meta = run.meta
    window = window or meta.window
    feed = Feed(replace(meta, sent_rows=(), sent_ticks=()))
    feed.add(Readings(run.rows(stop_ns=meta.epoch_ns + window.t1_us * NS_PER_US)))
    for period in sorted({s.period_us for s in meta.sensors}):
        for samples in run.hours(period, -(-window.t0_us // period), -(-window.t1_us // period)):
            feed.add(Readings(Rows.empty(), (samples,)))
    return feed


def table(run: RecordedRun, window: Window | None = None) -> KpiTable:
    """Return every KPI of a window of a recorded run; None: of all that was recorded."""
    meta, feed = run.meta, rebuilt(run, window)
    log, blocks = feed.log(), feed.blocks()
    found = trust.judge(log, meta, blocks, feed.losses())
    return kpis.table(log, meta, found.usable(blocks), window or meta.window, found.findings)
