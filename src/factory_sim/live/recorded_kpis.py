"""KPIs of a stretch of a recording, by the one implementation that a live feed uses."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from factory_sim.analysis import kpis, trust
from factory_sim.analysis.rebuild import Feed
from factory_sim.clock import NS_PER_US
from factory_sim.errors import ConfigError, did_you_mean
from factory_sim.live.rolling import shift_spans
from factory_sim.live.rolling.descriptions import clipped, since
from factory_sim.live.rolling.first_readings import LATE_US
from factory_sim.live.rolling.shift_spans import MINUTE_US
from factory_sim.live.rolling.windows import Windows
from factory_sim.records import Readings, Rows, Window
from factory_sim.results.simulate import KpiValues
from factory_sim.views.kpi_dict import kpi_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from factory_sim.recordings.recorded_run import RecordedRun
    from factory_sim.records import KpiTable, Meta


class RecordedShift(NamedTuple):
    """One shift of a run."""

    name: str  # "2026-01-05/early"; an unnamed one by its opening time, "2026-01-05/0600"
    run: int  # position of its run
    window: Window


def shifts_of(runs: Sequence[RecordedRun]) -> list[RecordedShift]:
    """Return every shift of which something was recorded, and every closed one, in order of time."""
    found = []
    for number, run in enumerate(runs):
        spans = {each.name: each.window for each in shift_spans.shifts_of(_recorded_part(run))}
        for name in run.folder.closed_shifts:
            if name not in spans and (closed := closed_table(run, name)) is not None:
                spans[name] = closed.window
        found += [RecordedShift(name, number, window) for name, window in spans.items()]
    return sorted(found, key=lambda each: (each.run, each.window.t0_us))


def shift(runs: Sequence[RecordedRun], name: str) -> RecordedShift:
    """Return the shift called `name`. Raises ConfigError that names the nearest one."""
    known = {span.name: span for span in shifts_of(runs)}
    if name not in known:
        where = "--shift"
        raise ConfigError.of(where, f"{name!r} is not a shift of this recording. {did_you_mean(name, known)}")
    return known[name]


def whole_window(run: RecordedRun, name: str = "") -> Window | None:
    """Return the window of a run or of one of its shifts, recorded or not; None: its description has no such shift."""
    if not name:
        return run.meta.window
    return next((each.window for each in shift_spans.shifts_of(run.meta) if each.name == name), None)


def closed_table(run: RecordedRun, name: str) -> KpiTable | None:
    """Return the KPIs of a shift as it was closed; None: it was not."""
    entry = run.closed_shift(name)
    if entry is None:
        return None
    return kpi_table(Window(*entry["window_us"]), {key: KpiValues(**found) for key, found in entry["kpis"].items()})


def shift_table(run: RecordedRun, span: RecordedShift) -> KpiTable:
    """Return every KPI of a shift: as it was closed when it was over, or else computed from the readings."""
    return closed_table(run, span.name) or table(run, span.window)


def rebuilt(run: RecordedRun, window: Window | None = None, *, rows_from_us: int | None = None) -> Feed:
    """Return the feed of a window of a recorded run; None: of all that was recorded.

    rows_from_us : of earlier rows only the last one of each unit is read, so that a run of months takes no longer.
    """
    meta = run.meta
    window = window or meta.window
    first_us, stop_ns = max(meta.window.t0_us, rows_from_us or 0), meta.epoch_ns + window.t1_us * NS_PER_US
    feed = Feed(replace(meta, window=Window(first_us, meta.window.t1_us), sent_rows=(), sent_ticks=()))
    is_whole = first_us == meta.window.t0_us
    rows = run.rows(stop_ns=stop_ns) if is_whole else run.rows_since(meta.epoch_ns + first_us * NS_PER_US, stop_ns)
    feed.add(Readings(rows))
    for period in sorted({s.period_us for s in meta.sensors}):
        first, stop = (-(-t_us // period) for t_us in (window.t0_us - MINUTE_US, window.t1_us + MINUTE_US))
        for samples in run.hours(period, max(first, 0), stop):  # a meter is also read beside the window
            feed.add(Readings(Rows.empty(), (samples,)))
    return feed


def as_received(run: RecordedRun) -> RecordedRun:
    """Return a run whose window begins with its first readings, if its recorder joined late."""
    heard_us, t0_us = run.heard_us(), run.meta.window.t0_us
    is_late = heard_us is not None and heard_us[0] > t0_us + LATE_US
    return replace(run, meta=since(run.meta, heard_us[0])) if heard_us is not None and is_late else run


def _recorded_part(run: RecordedRun) -> Meta:
    """Return the description of what was recorded: up to the last readings, if the run's end was not."""
    meta, heard_us = as_received(run).meta, run.heard_us()
    return meta if run.meta.sent_rows or heard_us is None else clipped(meta, heard_us[1])


def table(run: RecordedRun, window: Window | None = None) -> KpiTable:
    """Return every KPI of a window of a recorded run; None: of all that was recorded, as its listener would."""
    received = as_received(run)
    feed = rebuilt(received, window)
    if window is None:
        windows = Windows(feed)
        windows.ended = bool(run.meta.sent_rows)
        return kpis.of_facts(windows.whole())
    log, blocks = feed.log(), feed.blocks()
    found = trust.judge(log, received.meta, blocks, feed.losses())
    return kpis.table(log, received.meta, found.usable(blocks), window, found.findings)
