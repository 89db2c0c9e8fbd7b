"""Stuck sensors and spikes, judged for each sensor alone, minute by minute, given the activity of its machine."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from factory_sim.analysis.trust.sensor_minutes import quantile, stretches
from factory_sim.analysis.unit_energy import kwh_per_count

if TYPE_CHECKING:
    from collections.abc import Iterator

    from factory_sim.analysis.trust.finding import Finding
    from factory_sim.analysis.trust.sensor_minutes import SensorMinutes
    from factory_sim.records import B1, F8, I8

WEARING = ("vibration", "joint_current")  # kinds whose readings rise with wear
_FEWEST = 10  # readings of a minute whose spread means something
_CHANGES, _WORK = 3, 0.05  # changes of state, and share of time at work, that must move a sound sensor
_RISE = 20.0  # counts by which a meter should have risen
_MINUTES = 2  # a shorter constant stretch may be chance
_MINUTES_KNOWN = 30  # fewer minutes do not show what is usual: of ten, one in fifty sound sensors seems to have a spike
_MINUTES_COUNTED = 10  # that show what a counter rises by
_WORKS = 0.2  # share of a minute at work from which on the machine counts as working
_SIGMAS, _STEPS = 8.0, 3.0  # a spike's height over the noise, and in counts
_SPAN, _WEAR_SPAN = 0.2, 1.0  # and as a share of the sensor's usual span; of what rises with wear
_USUAL = 0.9  # share of minutes without a spike


def stuck(s: SensorMinutes) -> Iterator[Finding]:
    """Yield the stretches without any change while the machine worked and changed its state."""
    still = (s.low == s.high) & (s.count >= _FEWEST)
    for begin, end in stretches(still) if still.any() else ():
        gaps = (np.flatnonzero(np.diff(s.minute[begin:end]) != 1) + begin + 1).tolist()
        for a, b in pairwise((begin, *gaps, end)):
            if b - a >= _MINUTES and _should_move(s, a, b):
                reason = f"no change of a single count in {b - a} min while the machine worked and changed its state"
                yield s.finding("stuck", (a, b - 1), float(b - a), reason, excluded=True)


def _should_move(s: SensorMinutes, a: int, b: int) -> bool:
    moved = bool(s.unit.changes[a:b].sum() >= _CHANGES and s.unit.working[a:b].mean() >= _WORK)
    if not s.is_counter:
        return moved
    per_count = kwh_per_count(s.info)
    due = s.unit.kwh[a:b].sum() >= _RISE * per_count if per_count else moved
    return bool(s.first_raw[a] == s.last_raw[b - 1] and due)


def spikes(s: SensorMinutes) -> Iterator[Finding]:
    """Yield the minutes whose highest or lowest reading differs from those of its neighbours and of all minutes."""
    known = np.flatnonzero(s.count >= _FEWEST)
    if len(known) < (_MINUTES_COUNTED if s.is_counter else _MINUTES_KNOWN):
        return
    height = _falls(s, known) if s.is_counter else _peaks(s, known)
    where = known[height != 0]
    if len(where):
        largest = float(height[np.argmax(np.abs(height))]) * s.info.scale
        what = "the counter fell" if s.is_counter else f"up to {largest:+.3g} {s.info.unit_text} beyond all others"
        yield s.finding("spike", where, largest, f"{what}, in {len(where)} min", excluded=s.is_counter)


def _peaks(s: SensorMinutes, known: I8) -> F8:
    """Return how far each minute exceeds the others [counts], negative below; 0 where it does not. Shape as `known`."""
    high, low = s.high[known].astype(np.float64), s.low[known].astype(np.float64)
    odd = s.unit.odd[known]
    usual = (s.unit.working[known] >= _WORKS) & ~odd
    if usual.sum() < _MINUTES_KNOWN:
        usual = np.ones(len(known), np.bool_)
    above, below = _above(high, usual), _above(-low, usual)
    below[odd] = 0.0  # pressure and power fall when the machine stops
    found = np.where(above >= below, above, -below)
    if found.any():
        span = quantile(high[usual], _USUAL) - quantile(low[usual], 1 - _USUAL)
        found[np.abs(found) <= span * (_WEAR_SPAN if s.info.kind in WEARING else _SPAN)] = 0.0
    return found


def _above(peak: F8, usual: B1) -> F8:
    """Return the height of each peak over its neighbours; the noise is the median change from minute to minute."""
    n, padded = len(peak), np.pad(peak, 2, mode="reflect")
    before, after = np.minimum(padded[1 : n + 1], padded[3 : n + 3]), np.maximum(padded[:n], padded[4 : n + 4])
    out = peak - np.maximum(before, after)  # one neighbour may be high too: a spike can cross a minute
    limit = max(_SIGMAS * 1.4826 * quantile(np.abs(np.diff(peak[usual])), 0.5), _STEPS)
    if out.max() <= limit:
        return np.zeros(n)
    top = quantile(peak[usual], _USUAL)
    found: F8 = np.where((out > limit) & (peak - top > limit), np.minimum(out, peak - top), 0.0)
    return found


def _falls(s: SensorMinutes, known: I8) -> F8:
    """Return by how much a counter fell in or after each minute [counts, negative]; a wrap-around is not a fall.

    Less than it rises in a busy minute is not a fall either: a meter that runs slow, which is a drift, may creep back.
    """
    first, last, high, low = (each[known].astype(np.int64) for each in (s.first_raw, s.last_raw, s.high, s.low))
    step = np.append(first[1:] - last[:-1], 0)
    step[step < -(1 << (s.info.bits - 1))] = 0
    found: F8 = np.minimum(np.minimum(step, last - high), low - first).astype(np.float64)
    found[found >= -quantile((last - first).astype(np.float64), _USUAL)] = 0.0
    return found
