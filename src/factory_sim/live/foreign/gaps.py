"""What a foreign feed leaves open: missing reports, times between polls, restarts of counters, clocks set back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from factory_sim.analysis.facts import machine_units
from factory_sim.analysis.kpis.bounds import Gaps
from factory_sim.intake import unit_events
from factory_sim.intake.mapping import COUNTERS, UNKNOWN, Item
from factory_sim.intake.tally import Tally
from factory_sim.plant.states import State

if TYPE_CHECKING:
    from factory_sim.intake.series import Series, Store
    from factory_sim.intake.unit_events import UnitEvents
    from factory_sim.records import B1, F8, I8, Meta, Window

_POLLED = 3  # observations per change of a state that is sent without being asked for
_SIGMAS = 3.0
_RARE = 0.01  # chance that more reports in a row are missing
_SHORTEST_CYCLE = 5  # percentile of the times between parts


@dataclass(frozen=True, slots=True, kw_only=True)
class _Feed:
    """A feed, and the stretch of time whose gaps are asked for [ns]."""

    events: dict[int, UnitEvents]
    store: Store
    meta: Meta
    begin_ns: int
    end_ns: int

    def inside(self, t_ns: I8) -> B1:
        """Return which times lie in the stretch."""
        found: B1 = (t_ns >= self.begin_ns) & (t_ns < self.end_ns)
        return found

    def back_ns(self, series: Series) -> int:
        """Return the time that passed in the stretch while a clock, set back, had not caught up."""
        return sum(by_ns for at_ns, by_ns in series.back if self.begin_ns <= at_ns < self.end_ns)


def of_feed(events: dict[int, UnitEvents], store: Store, meta: Meta, window: Window) -> Gaps:
    """Return what the feed leaves open about each machine in a window."""
    begin_ns, end_ns = (meta.epoch_ns + t_us * 1000 for t_us in (window.t0_us, window.t1_us))
    feed = _Feed(events=events, store=store, meta=meta, begin_ns=begin_ns, end_ns=end_ns)
    machines = machine_units(meta).tolist()
    own = {unit: _missing(unit, events.get(unit), store, meta) for unit in machines}
    missing, parts_seen = (sum(each[k] for each in own.values()) for k in (0, 1))
    of_all = _share(missing, parts_seen)  # they travel together; a batch or a slow machine alone shows nothing
    found = [_of_unit(unit, feed, max(of_all, _share(*own[unit]))) for unit in machines]
    lost, vague, parts, kwh = zip(*found, strict=True) if found else ((),) * 4
    outside_ns = max(map(feed.back_ns, store.series.values()), default=0)  # a unit without news shows none
    return Gaps(
        lost=np.array(lost, np.float64),
        vague_us=np.array(vague, np.int64),
        outside_us=np.full(len(found), outside_ns // 1000),
        parts=np.array(parts, np.int64),
        kwh=np.array(kwh, np.float64),
    )


def _is_polled(state: Series | None) -> bool:
    return state is not None and state.heard >= _POLLED * max(state.changes, 1)


def _of_unit(unit: int, feed: _Feed, lost: float) -> tuple[float, int, int, float]:
    events = feed.events.get(unit)
    if events is None:
        return 0.0, 0, 0, 0.0
    series = {item: each for (owner, item), each in feed.store.series.items() if owner == unit}
    state = series.get(Item.STATE)
    is_polled = _is_polled(state)
    lost = 0.0 if state is None else lost
    vague_ns = _vague_ns(state, feed) if state is not None and is_polled else 0
    spans_ns = _unknown_ns(events, feed)
    vague_ns += _held_ns(feed.store.units_heard()[unit], state, feed)
    given_ns = events.given_ns[feed.inside(events.given_ns)]
    shortest_ns = _shortest_ns(events.given_ns)
    parts = 0
    for item in (each for each in COUNTERS if each in series):
        silent_ns, first = _restarts(series[item], feed)
        parts += int((1 + silent_ns // shortest_ns + first).sum())
        vague_ns += int(silent_ns[(silent_ns <= series[item].stale_ns) | (series[item].stale_ns == 0)].sum())
    behind_ns = max(map(feed.back_ns, series.values()))
    if behind_ns and (not events.has_counter or any(series[item].late[0] for item in COUNTERS if item in series)):
        parts += 1 + int(behind_ns // shortest_ns)  # no later reading of a counter contains them
    if lost:  # reports at both ends of the feed, each of as many parts as leave at once
        at_once = int(np.unique(given_ns, return_counts=True)[1].max(initial=1))
        parts += 2 * at_once * int(np.ceil(np.log(_RARE) / np.log(min(lost, 0.9))))
    if not events.has_counter:
        parts += sum(1 + int(span // shortest_ns) for span in spans_ns)
    return lost, vague_ns // 1000, parts, _kwh(series, sum(spans_ns) + vague_ns, feed)


def _share(missing: int, parts: int) -> float:
    """Return a share with three standard deviations added, 0 if nothing is missing."""
    return float(min((missing + _SIGMAS * missing**0.5) / max(parts, 1), 1.0))


def _missing(unit: int, events: UnitEvents | None, store: Store, meta: Meta) -> tuple[int, int]:
    """Return how many parts left a unit that had not been busy, so that a report is missing, and of how many parts.

    A unit that counts several parts at once does not report each of them, and yields nothing.
    """
    state = store.series.get((unit, Item.STATE))
    is_single = meta.operations[meta.units[unit].operation].batch == 1
    if events is None or not events.has_counter or state is None or _is_polled(state) or not is_single:
        return 0, 0
    given, by = np.unique(events.given_ns, return_counts=True)
    if len(given) < 2 or np.median(by) > 1:
        return 0, 0
    edges = np.searchsorted(events.t_ns, given, "right")
    busy = np.concatenate(([0], np.cumsum(events.state == State.BUSY)))
    unknown = np.concatenate(([0], np.cumsum(events.state == UNKNOWN)))
    begin, end = edges[:-1], edges[1:]
    before = np.maximum(np.searchsorted(events.t_ns, given[1:], "left"), begin)
    held = events.state[np.maximum(begin - 1, 0)]
    worked = (busy[before] - busy[begin] > 0) | (held == State.BUSY)
    known = (unknown[end] - unknown[begin] == 0) & (held != UNKNOWN)
    missing = int((~worked & known).sum() + (by[1:] - 1)[known].sum())
    return missing, int(by[1:][known].sum())


def _vague_ns(state: Series, feed: _Feed) -> int:
    gaps = state.gaps()
    return int(gaps[feed.inside(state.arrays()[0]) & ((gaps <= state.stale_ns) | (state.stale_ns == 0))].sum())


def _held_ns(heard: list[tuple[int, int]], state: Series | None, feed: _Feed) -> int:
    """Return the time for which the last state was taken to hold before a silence."""
    if state is None:
        return 0
    return state.stale_ns * sum(feed.begin_ns < end <= feed.end_ns for _, end in heard)


def _unknown_ns(events: UnitEvents, feed: _Feed) -> list[int]:
    """Return the lengths of the stretches in which the state is unknown."""
    ends = np.minimum(np.append(events.t_ns[1:], feed.end_ns), feed.end_ns)
    spans = (ends - np.maximum(events.t_ns, feed.begin_ns))[events.state == UNKNOWN]
    found: list[int] = spans[spans > 0].tolist()
    return found


def _shortest_ns(given_ns: I8) -> float:
    times = np.diff(np.unique(given_ns))
    return float(np.percentile(times, _SHORTEST_CYCLE)) if len(times) else float("inf")


def _restarts(counter: Series, feed: _Feed) -> tuple[I8, F8]:
    """Return the times between the last reading before a restart and the first after it, and those first readings."""
    (t, value), gaps = counter.arrays(), counter.gaps()
    fell = np.flatnonzero(np.diff(value) < 0) + 1
    only_wraps = counter.spec is not None and counter.spec.wraps and not counter.spec.resets
    fell = fell[:0] if only_wraps else fell[feed.inside(t[fell])]
    return gaps[fell], value[fell]


def _kwh(series: dict[int, Series], open_ns: int, feed: _Feed) -> float:
    """Return the energy that a meter or integrated power may have missed: the greatest power during the open time.

    open_ns : the time in which the state is open
    """
    if Item.ENERGY in series:
        return _metered_kwh(series[Item.ENERGY], feed)
    power = series.get(Item.POWER)
    if power is None:
        return 0.0
    open_ns = max(open_ns, _silent_ns(power, feed))
    t, joules = power.arrays()
    rate: F8 = np.diff(joules) / np.maximum(np.diff(t), 1)  # J per ns
    return float(rate.max(initial=0.0)) * open_ns / 3.6e6


def _metered_kwh(meter: Series, feed: _Feed) -> float:
    """Return the energy that a meter may have counted before its first reading, after its last, and at restarts."""
    t, joules = meter.arrays()
    if len(t) < 2 or meter.spec is None:
        return 0.0
    outside_ns = (meter.runs[0][0] - feed.begin_ns, feed.end_ns - meter.runs[-1][1])
    silent_ns, first = _restarts(meter, feed)
    open_ns = sum(each for each in outside_ns if each > meter.longest_gap_ns) + int(silent_ns.sum())
    wraps = round(meter.spec.wraps * meter.spec.factor)
    steps = unit_events.steps_of(joules, wraps, resets=meter.spec.resets, tally=Tally())
    missed = 0.0 if meter.spec.resets else float(first.sum())
    return (float((steps / np.diff(t)).max()) * open_ns + missed) / 3.6e6


def _silent_ns(power: Series, feed: _Feed) -> int:
    """Return the time without readings of power: before the first, after the last, and where they became stale."""
    if not power.runs:
        return 0
    usual_ns = power.stale_ns or power.longest_gap_ns
    begins, ends = zip(*power.runs, strict=True)
    stretches = zip((feed.begin_ns, *ends), (*begins, feed.end_ns), strict=True)
    silent = [min(until_ns, feed.end_ns) - max(since_ns, feed.begin_ns) for since_ns, until_ns in stretches]
    return sum(each for each in silent if each > usual_ns)
