"""The past of a line, from its recording: a picture of any instant, older signals, the chart of any stretch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from factory_sim.clock import NS_PER_MS
from factory_sim.live.page.page_answers import CHART_STRETCHES, Refusal, shift_at, us_of
from factory_sim.live.page.picture import Picture
from factory_sim.live.page.unit_past import stretches
from factory_sim.live.play import runs_of
from factory_sim.recordings.layout import RecordingError
from factory_sim.records import Readings, Rows

if TYPE_CHECKING:
    from pathlib import Path

    from factory_sim.recordings.recorded_run import RecordedRun
    from factory_sim.records import F8, I8, Meta, Samples, SensorInfo

HOUR_MS = 3_600_000
FARTHEST_MS = 8 * HOUR_MS  # before an instant, at first, to look for the states of units
LONGEST_MS = 7 * 24 * HOUR_MS  # of a chart
MOST_TICKS = 200_000  # of a signal that is read at once
_NOT_PAST = "It is computed while the line runs; factory-sim kpis gives it for a whole shift."


class LookBack:
    """Reads one run of a recording, which may still be written."""

    def __init__(self, folder: Path, run_id: str) -> None:
        self._folder, self._run_id = folder, run_id

    def at(self, t_ms: int) -> dict[str, object]:
        """Return the picture of an instant."""
        run = self._run()
        meta, t_ns = run.meta, t_ms * NS_PER_MS
        self._check(meta, t_ms)
        picture = Picture(meta)
        begin_ms, end_ms = shift_at(meta, t_ms)
        rows = self._rows(run, min(begin_ms, t_ms - FARTHEST_MS), t_ms)
        picture.take([Readings(rows, tuple(self._batteries(run, t_ns)))])
        line, begin_us, to_us = picture.line, us_of(meta, begin_ms), us_of(meta, t_ms)
        hour_us = max(to_us - 3_600_000_000, meta.window.t0_us)
        rate = line.good_parts(hour_us, to_us) / max((to_us - hour_us) / 3.6e9, 1e-9)
        top = {
            "t_ms": t_ms,
            "shift": {"name": _name(meta, t_ms), "from_ms": begin_ms, "to_ms": end_ms},
            "good_parts": line.good_parts(begin_us, to_us),
            "plan_parts": meta.plan_parts or None,
            "rate_per_h": rate,
            "constraint": None,
            "path": [],
            "stopped": [],
            "oee": None,
            "energy_kwh_per_part": None,
            "reasons": dict.fromkeys(("constraint", "stopped", "oee", "energy_kwh_per_part"), _NOT_PAST),
        }
        return picture.full() | {"t_ms": t_ms, "live": False, "ended": False, "top": top}

    def begin_ms(self) -> int:
        """Return the first instant of the recording."""
        meta = self._run().meta
        return (meta.window.t0_us * 1000 + meta.epoch_ns) // NS_PER_MS

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
        except RecordingError as error:
            raise Refusal(503, str(error).splitlines()[0]) from None
        own = [run for run in runs if run.meta.run_id == self._run_id]
        return own[-1] if own else runs[-1]

    def _check(self, meta: Meta, t_ms: int) -> None:
        begin_ms = (meta.epoch_ns + meta.window.t0_us * 1000) // NS_PER_MS
        if t_ms < begin_ms:
            raise Refusal(404, "The recording begins later.")

    def _rows(self, run: RecordedRun, from_ms: int, to_ms: int) -> Rows:
        """Return the rows of a stretch, and enough before it for every unit to have a state."""
        begin_ns = run.meta.epoch_ns
        far_ms = max(to_ms - from_ms, HOUR_MS)
        while True:
            first_ns = max((to_ms - far_ms) * NS_PER_MS, begin_ns)
            rows = run.rows(first_ns, to_ms * NS_PER_MS + 1)
            early = rows.unit[rows.t_ns <= from_ms * NS_PER_MS]
            if first_ns <= begin_ns or len(np.unique(early)) == len(run.meta.units):
                return rows
            far_ms *= 4

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
