"""The past of a line, from its recording: a picture of any instant, older signals, the chart of any stretch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from factory_sim.clock import NS_PER_MS
from factory_sim.errors import FactoryError
from factory_sim.live.page.page_answers import CHART_STRETCHES, Refusal, shift_at, us_of
from factory_sim.live.page.past_figures import PastFigures
from factory_sim.live.page.picture import Picture
from factory_sim.live.page.unit_past import stretches
from factory_sim.live.play import runs_of
from factory_sim.live.rolling.shift_spans import DAY_US, hours_of, open_before
from factory_sim.records import Readings, Rows

if TYPE_CHECKING:
    from pathlib import Path

    from factory_sim.recordings.recorded_run import RecordedRun
    from factory_sim.records import B1, F8, I8, Meta, Samples, SensorInfo

HOUR_MS = 3_600_000
NEAR_MS = 2 * HOUR_MS  # before an instant: all rows are used
PART_ROWS = 6  # of a part: passed on, loaded, unloaded, taken, with a change of state between
LONGEST_MS = 7 * 24 * HOUR_MS  # of a chart
MOST_TICKS = 200_000  # of a signal that is read at once
_COMPUTED = "It is being computed from the recording."
_FIGURES = ("good_parts", "rate_per_h", "constraint", "stopped", "oee", "energy_kwh_per_part", "pareto")


class LookBack:
    """Reads one run of a recording, which may still be written."""

    def __init__(self, folder: Path, run_id: str, figures: PastFigures | None = None) -> None:
        self._folder, self._run_id, self._figures = folder, run_id, figures or PastFigures()

    def at(self, t_ms: int) -> dict[str, object]:
        """Return the picture of an instant; its figures, which take longer, follow with `figures`."""
        picture = self.picture(t_ms)
        begin_ms, end_ms = shift_at(picture.meta, t_ms)
        shift = {"name": _name(picture.meta, t_ms), "from_ms": begin_ms, "to_ms": end_ms}
        top = {"t_ms": t_ms, "shift": shift, "path": [], "stopped": [], "reasons": dict.fromkeys(_FIGURES, _COMPUTED)}
        shown = {key: value for key, value in picture.full().items() if key != "health"}
        return shown | {"t_ms": t_ms, "live": False, "ended": False, "top": top}

    def figures(self, t_ms: int) -> dict[str, object]:
        """Return what the analysis concludes at an instant: figures, losses, alarms and the health of the feed."""
        run, picture = self._run(), self.picture(t_ms)
        found = self._figures.at(run, us_of(run.meta, t_ms))
        picture.conclude(found)
        picture.readings = found.feed.readings
        full = picture.full()
        return {"t_ms": t_ms} | {key: full[key] for key in ("top", "pareto", "pareto_total_s", "alarms", "health")}

    def distrusted(self, unit: int, t_ms: int) -> list[dict[str, object]]:
        """Return what was distrusted of a unit at an instant whose figures have been computed."""
        meta = self._run().meta
        found = self._figures.known(meta.run_id, us_of(meta, t_ms))
        return found.distrusted(unit) if found is not None else []

    def picture(self, t_ms: int, unit: int = -1) -> Picture:
        """Return the state of the line at an instant; with `unit` of this unit alone, with the whole shift."""
        run = self._run()
        if t_ms < self._begin_ms(run.meta):
            raise Refusal(404, "The recording begins later.")
        picture, t_ns = Picture(run.meta), t_ms * NS_PER_MS
        if unit < 0:
            rows = self._line(run, t_ms)
        else:
            rows = self._rows(run, shift_at(run.meta, t_ms)[0], t_ms)
            rows = rows.take(rows.unit == unit)
        picture.take([Readings(rows, tuple(self._batteries(run, t_ns)))])
        return picture

    def latest(self) -> Picture | None:
        """Return the state of the line at the end of what has been recorded of this very run; None: nothing has."""
        run = self._run()
        end_us = max((run.span(q)[1] * q for q in {s.period_us for s in run.meta.sensors}), default=0)
        if run.meta.run_id != self._run_id or not end_us:
            return None
        picture = self.picture((run.meta.epoch_ns + end_us * 1000) // NS_PER_MS)
        picture.begin_ms = picture.t_ms  # what is older is read from the recording
        return picture

    def begin_ms(self) -> int:
        """Return the first instant of the recording."""
        return self._begin_ms(self._run().meta)

    def strips(self, from_ms: int, to_ms: int) -> dict[str, list[list[int]]]:
        """Return the stretches [from, to, state] of each machine."""
        run = self._run()
        if to_ms - from_ms > LONGEST_MS:
            raise Refusal(400, "A chart covers at most seven days: name a later from_ms.")
        rows, found = self._rows(run, from_ms, to_ms), {}
        t_ms = rows.t_ns // NS_PER_MS
        for number, unit in enumerate(run.meta.units):
            if unit.role == "machine":
                own = rows.unit == number
                states = rows.state[own].astype(np.int64)
                found[unit.name] = stretches(t_ms[own], states, from_ms, to_ms, CHART_STRETCHES)
        return found

    def signal(self, sensor: SensorInfo, from_us: int, to_us: int) -> tuple[I8, F8]:
        """Return times [µs since the run's start] and values of a sensor in [from_us, to_us)."""
        run, period = self._run(), sensor.period_us
        low, high = run.span(period)
        first, stop = max(-(-from_us // period), low), min(-(-to_us // period), high)
        if stop - first > MOST_TICKS:
            raise Refusal(400, f"{stop - first:,} readings are too many for a curve: at most {MOST_TICKS:,}.")
        if stop <= first:
            return np.zeros(0, np.int64), np.zeros(0)
        samples = run.samples(period, first, stop, [sensor.id])
        there = np.ones(stop - first, np.bool_) if samples.present is None else samples.present[:, 0]
        values = samples.raw[there, 0].astype(np.float64) * sensor.scale + sensor.offset
        return np.arange(first, stop)[there] * period, values

    def _run(self) -> RecordedRun:
        """Return the run as far as it has been recorded."""
        try:
            runs = runs_of(self._folder)
        except FactoryError as error:
            raise Refusal(503, str(error).splitlines()[0]) from None
        own = [run for run in runs if run.meta.run_id == self._run_id]
        return own[-1] if own else runs[-1]

    def _begin_ms(self, meta: Meta) -> int:
        return (meta.window.t0_us * 1000 + meta.epoch_ns) // NS_PER_MS

    def _rows(self, run: RecordedRun, from_ms: int, to_ms: int) -> Rows:
        """Return the rows of a stretch, and before it the last row of each unit."""
        return run.rows_since(from_ms * NS_PER_MS, to_ms * NS_PER_MS + 1)

    def _line(self, run: RecordedRun, t_ms: int) -> Rows:
        """Return the rows that show the line at an instant: the latest, and of earlier ones those that place a part.

        A part that has waited for longer than a day of open time is not looked for.
        """
        meta, near_ns = run.meta, (t_ms - NEAR_MS) * NS_PER_MS
        day_ms = (meta.epoch_ns + open_before(meta, us_of(meta, t_ms), DAY_US) * 1000) // NS_PER_MS
        rows = self._rows(run, min(day_ms, t_ms - NEAR_MS), t_ms)
        is_near = rows.t_ns >= near_ns
        early = rows.take(~is_near)
        return Rows.join([early.take(_last_of_units(early) | _last_of_parts(rows)[~is_near]), rows.take(is_near)])

    def _batteries(self, run: RecordedRun, t_ns: int) -> list[Samples]:
        """Return the latest reading of the batteries of vehicles."""
        found, t_us = [], (t_ns - run.meta.epoch_ns) // 1000
        periods = {s.period_us for s in run.meta.sensors if s.kind == "battery"}
        for period in periods:
            tick = min(t_us // period, run.span(period)[1] - 1)
            ids = [s.id for s in run.meta.sensors if s.kind == "battery" and s.period_us == period]
            found.append(run.samples(period, tick, tick + 1, ids))
        return found


def _last_of_units(rows: Rows) -> B1:
    _, last = np.unique(rows.unit[::-1], return_index=True)
    found = np.zeros(len(rows), np.bool_)
    found[len(rows) - 1 - last] = True
    return found


def _last_of_parts(rows: Rows) -> B1:
    """Return which rows are among the last ones of a part, which show where it is and where it came from."""
    by_part = np.argsort(rows.part, kind="stable")
    part = rows.part[by_part]
    ends = np.searchsorted(part, part, side="right")
    found = np.zeros(len(rows), np.bool_)
    found[by_part] = (ends - np.arange(len(part)) <= PART_ROWS) & (part >= 0)
    return found


def _name(meta: Meta, t_ms: int) -> str:
    t_us = us_of(meta, t_ms)
    return next((name for name, _, _ in hours_of(meta, t_us, t_us + 1)), "")
