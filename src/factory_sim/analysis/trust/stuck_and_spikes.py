"""Stuck sensors and spikes, each sensor by itself, minute by minute, knowing what its machine did."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from factory_sim.analysis.blocks import BLOCK_US
from factory_sim.analysis.trust.doubt import Doubt
from factory_sim.units import UNITS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from factory_sim.analysis.blocks import Blocks
    from factory_sim.analysis.trust.unit_minutes import Minutes
    from factory_sim.records import B1, F8, I8, SensorInfo

_FEWEST = 10  # readings of a minute that say something of its spread
_CHANGES, _WORK = 3, 0.05  # of state, and share of time at work, within which a sound sensor shows a difference
_RISE = 20.0  # counts by which a meter should have risen
_MINUTES = 2  # a shorter standstill may be chance
_MINUTES_KNOWN = 10  # fewer, and nothing is known of what is usual
_WORKS = 0.2  # share of a minute at work, from which on it counts as one
_SIGMAS, _STEPS = 8.0, 3.0  # a spike's height over the noise, and in counts
_SPAN = 0.2  # and as a share of what the sensor shows in all
_WEAR_SPAN = 1.0  # the same of what rises with wear, most in the last minutes before a failure
WEARING = ("vibration", "joint_current")
_USUAL = 0.9  # share of minutes that are without a spike


def is_counter(info: SensorInfo) -> bool:
    """Whether it only rises: a meter, an odometer."""
    return info.unit_text in UNITS["energy"] or info.kind == "distance"


def stuck(blocks: Blocks, k: int, info: SensorInfo, minutes: Minutes) -> Iterator[Doubt]:
    """Minutes without any change while the machine worked and changed its state. k : column of `blocks`."""
    still = (blocks.low[:, k] == blocks.high[:, k]) & (blocks.count[:, k] >= _FEWEST)
    if not still.any():
        return
    kwh_per_count = info.scale * UNITS["energy"].get(info.unit_text, 0.0) / 3.6e6
    for a, b in _runs(still, blocks.block):
        moved = minutes.changes[a:b].sum() >= _CHANGES and minutes.working[a:b].mean() >= _WORK
        if is_counter(info):
            same = blocks.first_raw[a, k] == blocks.last_raw[b - 1, k]
            due = minutes.kwh[a:b].sum() >= _RISE * kwh_per_count if kwh_per_count else moved
            moved = bool(same and due)
        if b - a >= _MINUTES and moved:
            t0, t1 = int(blocks.block[a]) * BLOCK_US, (int(blocks.block[b - 1]) + 1) * BLOCK_US
            reason = f"not one count of change in {b - a} min while the machine worked and changed its state"
            yield Doubt("stuck", info.unit, info.id, t0, t1, float(b - a), reason, excluded=True)


def _runs(mask: B1, block: I8) -> list[tuple[int, int]]:
    """Stretches [a, b) of minutes that follow each other and in which `mask` holds."""
    edge = np.flatnonzero(np.diff(np.concatenate(([False], mask, [False])).astype(np.int8)))
    found = []
    for a, b in edge.reshape(-1, 2).tolist():
        cuts = [a, *(np.flatnonzero(np.diff(block[a:b]) != 1) + a + 1).tolist(), b]
        found += list(pairwise(cuts))
    return found


def spikes(blocks: Blocks, k: int, info: SensorInfo, minutes: Minutes) -> Iterator[Doubt]:
    """Minutes whose highest or lowest reading stands out from the minutes around it and from all others."""
    there = np.flatnonzero(blocks.count[:, k] >= _FEWEST)
    if len(there) < _MINUTES_KNOWN:
        return
    counter = is_counter(info)
    if counter:
        height = _falls(blocks, k, there, info.bits)
    else:
        height = _peaks(blocks, k, there, minutes, wears=info.kind in WEARING)
    where = there[height != 0]
    if not len(where):
        return
    largest = float(height[np.argmax(np.abs(height))]) * info.scale
    t0, t1 = int(blocks.block[where[0]]) * BLOCK_US, (int(blocks.block[where[-1]]) + 1) * BLOCK_US
    what = "the counter fell" if counter else f"up to {largest:+.3g} {info.unit_text} beyond all others"
    yield Doubt("spike", info.unit, info.id, t0, t1, largest, f"{what}, in {len(where)} min", excluded=counter)


def _peaks(blocks: Blocks, k: int, there: I8, minutes: Minutes, *, wears: bool) -> F8:
    """How far each minute stands out [counts], above or below (negative); 0 where it does not. Shape as `there`."""
    high, low = blocks.high[there, k].astype(np.float64), blocks.low[there, k].astype(np.float64)
    odd = minutes.odd[there]
    usual = (minutes.working[there] >= _WORKS) & ~odd
    if usual.sum() < _MINUTES_KNOWN:
        usual = np.ones(len(there), np.bool_)
    above, below = _above(high, usual), _above(-low, usual)
    below[odd] = 0.0  # who stops lets pressure go, and power
    found = np.where(above >= below, above, -below)
    if found.any():
        span = share_of(high[usual], _USUAL) - share_of(low[usual], 1 - _USUAL)
        found[np.abs(found) <= span * (_WEAR_SPAN if wears else _SPAN)] = 0.0
    return found


def _above(peak: F8, usual: B1) -> F8:
    """Robust: the noise is the median change from minute to minute, so a few spikes do not hide each other."""
    n, padded = len(peak), np.pad(peak, 2, mode="reflect")
    before, after = np.minimum(padded[1 : n + 1], padded[3 : n + 3]), np.maximum(padded[:n], padded[4 : n + 4])
    out = peak - np.maximum(before, after)  # one neighbour may be high too: a spike that crosses a minute
    changes = np.abs(np.diff(peak[usual]))
    limit = max(_SIGMAS * 1.4826 * share_of(changes, 0.5), _STEPS)
    if out.max() <= limit:
        return np.zeros(n)
    top = share_of(peak[usual], _USUAL)
    found: F8 = np.where((out > limit) & (peak - top > limit), np.minimum(out, peak - top), 0.0)
    return found


def share_of(values: F8, share: float) -> float:
    """The value below which that share of all lies; ten times quicker than np.quantile on a few hundred."""
    place = round(share * (len(values) - 1))
    return float(np.partition(values, place)[place])


def _falls(blocks: Blocks, k: int, there: I8, bits: int) -> F8:
    """By how much a counter fell in or after each minute [counts, negative]; a wrap-around is no fall.

    Less than it rises in a busy minute is none either: a meter that runs slow may creep back, which is a drift.
    """
    first, last = (column[there, k].astype(np.int64) for column in (blocks.first_raw, blocks.last_raw))
    high, low = (column[there, k].astype(np.int64) for column in (blocks.high, blocks.low))
    step = np.append(first[1:] - last[:-1], 0)
    step[step < -(1 << (bits - 1))] = 0
    found: F8 = np.minimum(np.minimum(step, last - high), low - first).astype(np.float64)
    found[found >= -share_of((last - first).astype(np.float64), _USUAL)] = 0.0
    return found
