"""When shifts are open and maintenance falls due: rules by the local wall clock, placed on the dates of a run (CAL-1).

Times are microseconds since the start of the run, `plant.start`.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from itertools import count
from typing import TYPE_CHECKING

from factory_sim.clock import NEVER_US, datetime_from_ns, ns_from_datetime, ns_from_us, us_from_ns, us_from_s
from factory_sim.plant.spec import Hours

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from factory_sim.plant.spec import ClockTime, Plant, Shift

Span = tuple[int, int]

DAY_S = 86_400.0
CHUNK_US = 7 * 86_400_000_000  # of the calendar that engines read at once
_QUIET_US = 400 * 86_400_000_000  # without an edge: a weekly calendar has none later either
_LAST = date.max.toordinal() - 3


def epoch_ns(plant: Plant) -> int:
    """Return the start of a run [ns since 1970 UTC]."""
    return ns_from_datetime(datetime.fromisoformat(plant.start), plant.timezone)


def open_spans(plant: Plant, shift: Shift, t0_us: int, t1_us: int) -> tuple[Span, ...]:
    """Return the intervals within [t0_us, t1_us) in which a shift is open, ascending and apart from each other."""
    return _open_spans(plant.start, plant.timezone, shift, t0_us, t1_us)


def is_open(plant: Plant, shift: Shift, t_us: int) -> bool:
    """Return whether a shift is open at an instant."""
    return bool(open_spans(plant, shift, t_us, t_us + 1))


def edges(plant: Plant, shift: Shift, t0_us: int, t1_us: int, *, was_open: bool) -> list[int]:
    """Return the times within [t0_us, t1_us) at which a shift that `was_open` before opens and closes in turn."""
    spans = open_spans(plant, shift, t0_us, t1_us)
    opens_at_once = bool(spans) and spans[0][0] == t0_us
    first = [t0_us] if opens_at_once != was_open else []
    return first + [edge for span in spans for edge in span if t0_us < edge < t1_us]


def all_edges(plant: Plant, shift: Shift) -> Iterator[int]:
    """Yield all times after the start of the run at which a shift opens and closes in turn."""
    was_open, dates = is_open(plant, shift, 0), Dates(plant.start, plant.timezone)
    last_us = max((dates.us(day, 0.0) for day, _ in shift.exceptions), default=0)
    for t0_us in count(0, CHUNK_US):
        for edge_us in edges(plant, shift, t0_us, t0_us + CHUNK_US, was_open=was_open):
            yield edge_us
            was_open, last_us = not was_open, max(last_us, edge_us)
        if t0_us > last_us + _QUIET_US:
            return


def alarms(plant: Plant, at: Sequence[ClockTime], t0_us: int, t1_us: int) -> list[int]:
    """Return the times within [t0_us, t1_us) at which maintenance by the clock falls due, ascending."""
    dates = Dates(plant.start, plant.timezone)
    found = {
        t_us
        for day in dates.between(t0_us, t1_us)
        for each in at
        if day.weekday() in each.days and t0_us <= (t_us := dates.us(day, each.at_s)) < t1_us
    }
    return sorted(found)


def all_alarms(plant: Plant, at: Sequence[ClockTime]) -> Iterator[int]:
    """Yield all times from the start of the run at which maintenance by the clock falls due."""
    for t0_us in count(0, CHUNK_US):
        yield from alarms(plant, at, t0_us, t0_us + CHUNK_US)


def named_hours(plant: Plant, shift: Shift, t0_us: int, t1_us: int) -> list[tuple[str, int, int]]:
    """Return name, begin and end of the hours of a shift, breaks included, that overlap [t0_us, t1_us)."""
    dates = Dates(plant.start, plant.timezone)
    placed = [
        (each.name, dates.us(day, each.begin_s), dates.us(day, each.end_s))
        for day in dates.between(t0_us, t1_us)
        for each in hours_on(shift, day)
    ]
    overlapping = [each for each in placed if each[1] < t1_us and each[2] > t0_us and each[1] < each[2]]
    return sorted(overlapping, key=lambda each: each[1])


def always_closed(shift: Shift) -> bool:
    """Return whether a shift opens neither in a week without exceptions nor on a date of its own."""
    return not usual_week(shift) and not any(hours for _, hours in shift.exceptions)


def usual_week(shift: Shift) -> tuple[Span, ...]:
    """Return the open intervals of a week from Monday on without exceptions or changes of the clock [µs]."""
    return _open_spans("2026-01-05", "UTC", replace(shift, exceptions=()), 0, 7 * us_from_s(DAY_S))


def repeated(cycle_s: float, *open_s: tuple[float, float]) -> tuple[Hours, ...]:
    """Return the hours of a day that consists of whole cycles; `open_s` are begin and end within a cycle."""
    cycles = range(round(DAY_S / cycle_s))
    return tuple(Hours(n * cycle_s + begin, n * cycle_s + end) for n in cycles for begin, end in open_s)


def merged(spans: Iterable[Span]) -> list[Span]:
    """Return intervals in ascending order, overlapping and adjacent ones joined."""
    joined: list[Span] = []
    for begin, end in sorted(spans):
        if joined and begin <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((begin, end))
    return joined


class Dates:
    """Local dates and times of a run."""

    def __init__(self, start: str, timezone: str) -> None:
        self.timezone, self.epoch_ns = timezone, ns_from_datetime(datetime.fromisoformat(start), timezone)
        self._midnights: dict[date, int | None] = {}  # None: the clock changes within two days

    def us(self, day: date, seconds: float) -> int:
        """Return the instant of a wall-clock time, in seconds after midnight of `day`."""
        if day not in self._midnights:
            length_us = self._us(day, 2 * DAY_S) - self._us(day, 0.0)
            self._midnights[day] = self._us(day, 0.0) if length_us == us_from_s(2 * DAY_S) else None
        midnight = self._midnights[day]
        return self._us(day, seconds) if midnight is None else midnight + us_from_s(seconds)

    def _us(self, day: date, seconds: float) -> int:
        local = datetime.combine(day, time()) + timedelta(seconds=seconds)
        return int(us_from_ns(ns_from_datetime(local, self.timezone), self.epoch_ns))

    def between(self, t0_us: int, t1_us: int) -> Iterator[date]:
        """Yield the dates of which hours may reach into [t0_us, t1_us)."""
        first, last = (self._ordinal(t_us) for t_us in (t0_us, t1_us))
        yield from map(date.fromordinal, range(max(1, first - 2), min(last + 1, _LAST) + 1))

    def _ordinal(self, t_us: int) -> int:
        try:
            return datetime_from_ns(int(ns_from_us(t_us, self.epoch_ns)), self.timezone).toordinal()
        except (OverflowError, ValueError):  # after the year 9999
            return _LAST


@lru_cache(maxsize=1024)
def _open_spans(start: str, timezone: str, shift: Shift, t0_us: int, t1_us: int) -> tuple[Span, ...]:
    dates = Dates(start, timezone)
    days = list(dates.between(t0_us, t1_us))

    def placed(hours: Iterable[tuple[date, Hours]]) -> list[Span]:
        spans = ((max(t0_us, dates.us(day, h.begin_s)), min(t1_us, dates.us(day, h.end_s))) for day, h in hours)
        return merged(span for span in spans if span[0] < span[1])

    opened = placed((day, each) for day in days for each in hours_on(shift, day))
    closed = placed((day, each) for day in days for each in shift.breaks if day.weekday() in each.days)
    return tuple(_without(opened, closed))


def hours_on(shift: Shift, day: date) -> list[Hours]:
    """Return the hours that begin on a date."""
    for exception, hours in shift.exceptions:
        if exception == day:
            return list(hours)
    return [each for each in shift.hours if day.weekday() in each.days]


def _without(spans: list[Span], closed: list[Span]) -> Iterator[Span]:
    """Yield what is left of ascending intervals without other ascending intervals."""
    gaps = iter([*closed, (NEVER_US, NEVER_US)])
    gap = next(gaps)
    for begin, end in spans:
        at = begin
        while at < end:
            while gap[1] <= at:
                gap = next(gaps)
            if at < gap[0]:
                yield at, min(end, gap[0])
            at = max(at, gap[1]) if gap[0] < end else end
