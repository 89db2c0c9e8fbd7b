"""The past of a line, from its recording: a picture of any instant, older signals, the chart of any stretch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from factory_sim.clock import NS_PER_MS, us_from_ns
from factory_sim.errors import FactoryError
from factory_sim.live.page.page_answers import CHART_STRETCHES, Refusal, shift_at, us_of
from factory_sim.live.page.picture import Picture
from factory_sim.live.page.unit_past import stretches
from factory_sim.live.play import runs_of
from factory_sim.plant.states import Outcome
from factory_sim.records import Readings, Rows

if TYPE_CHECKING:
    from pathlib import Path

    from factory_sim.recordings.recorded_run import RecordedRun
    from factory_sim.records import F8, I8, Meta, Samples, SensorInfo

HOUR_MS = 3_600_000
NEAR_MS = 2 * HOUR_MS  # before an instant, at first, to look for the states of units
LONGEST_MS = 7 * 24 * HOUR_MS  # of a chart
MOST_TICKS = 200_000  # of a signal that is read at once
_NOT_PAST = "It is computed while the line runs; factory-sim kpis gives it for a whole shift."


class LookBack:
    """Reads one run of a recording, which may still be written."""

    def __init__(self, folder: Path, run_id: str) -> None:
        self._folder, self._run_id = folder, run_id

    def at(self, t_ms: int) -> dict[str, object]:
        """Return the picture of an instant."""
        picture = self.picture(t_ms)
        meta = picture.meta
        begin_ms, end_ms = shift_at(meta, t_ms)
        hour_ms = max(t_ms - HOUR_MS, self._begin_ms(meta))
        left_us = self._left_us(self._run(), min(begin_ms, hour_ms), t_ms)
        parts, in_hour = (int((left_us >= us_of(meta, ms)).sum()) for ms in (begin_ms, hour_ms))
        top = {
            "t_ms": t_ms,
            "shift": {"name": _name(meta, t_ms), "from_ms": begin_ms, "to_ms": end_ms},
            "good_parts": parts,
            "plan_parts": meta.plan_parts or None,
            "rate_per_h": in_hour / max((t_ms - hour_ms) / HOUR_MS, 1e-9),
            "constraint": None,
            "path": [],
            "stopped": [],
            "oee": None,
            "energy_kwh_per_part": None,
            "reasons": dict.fromkeys(("constraint", "stopped", "oee", "energy_kwh_per_part"), _NOT_PAST),
        }
        return picture.full() | {"t_ms": t_ms, "live": False, "ended": False, "top": top}

    def picture(self, t_ms: int, unit: int = -1) -> Picture:
        """Return the state of the line at an instant; with `unit` of this unit alone, with the whole shift."""
        run = self._run()
        if t_ms < self._begin_ms(run.meta):
            raise Refusal(404, "The recording begins later.")
        picture, t_ns = Picture(run.meta), t_ms * NS_PER_MS
        near_ms = t_ms - NEAR_MS if unit < 0 else shift_at(run.meta, t_ms)[0]
        rows = self._rows(run, near_ms, t_ms)
        rows = rows if unit < 0 else rows.take(rows.unit == unit)
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

    def _left_us(self, run: RecordedRun, from_ms: int, to_ms: int) -> I8:
        """Return when good parts left the line [µs since the run's start]."""
        rows = run.rows(from_ms * NS_PER_MS, to_ms * NS_PER_MS + 1)
        left_us: I8 = us_from_ns(rows.t_ns[rows.outcome == Outcome.LEFT], run.meta.epoch_ns)
        return left_us

    def _rows(self, run: RecordedRun, from_ms: int, to_ms: int) -> Rows:
        """Return the rows of a stretch, and before it the last row of each unit that has none at its begin."""
        begin_ns, from_ns, stop_ns = run.meta.epoch_ns, from_ms * NS_PER_MS, to_ms * NS_PER_MS + 1
        far_ns = max(stop_ns - from_ns, HOUR_MS * NS_PER_MS)
        while True:
            first_ns = max(from_ns - far_ns, begin_ns)
            before = run.rows(first_ns, from_ns)
            units, last = np.unique(before.unit[::-1], return_index=True)
            if first_ns <= begin_ns or len(units) == len(run.meta.units):
                last_rows = before.take(np.sort(len(before) - 1 - last))
                return Rows.join([last_rows, run.rows(from_ns, stop_ns)])
            far_ns *= 4

    def _batteries(self, run: RecordedRun, t_ns: int) -> list[Samples]:
        """Return the latest reading of the batteries of vehicles."""
        found, t_us = [], (t_ns - run.meta.epoch_ns) // 1000
        periods = {s.period_us for s in run.meta.sensors if s.kind == "battery"}
        for period in periods:
            tick = min(t_us // period, run.span(period)[1] - 1)
            ids = [s.id for s in run.meta.sensors if s.kind == "battery" and s.period_us == period]
            found.append(run.samples(period, tick, tick + 1, ids))
        return found


def _name(meta: Meta, t_ms: int) -> str:
    t_us = us_of(meta, t_ms)
    return next((name for name, begin, end in meta.shifts if begin <= t_us < end), "")
