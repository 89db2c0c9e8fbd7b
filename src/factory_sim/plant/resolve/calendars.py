"""Convert texts with working hours into open intervals in seconds since the start of a run."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from factory_sim.errors import did_you_mean
from factory_sim.plant.yaml.quantities import refuse

if TYPE_CHECKING:
    from datetime import datetime

DAY_S, WEEK_S = 86_400.0, 604_800.0
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_HOURS = re.compile(r"\s*(?:([A-Za-z,\- ]+?)\s+)?(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})\s*")
_CLOCK = re.compile(r"\s*(\d{1,2}):(\d{2})\s*")

Interval = tuple[float, float]
N = TypeVar("N", int, float)


def clock_s(text: str) -> float:
    """Return the seconds after midnight of a time such as '06:00'; raise ValueError for another text."""
    match = _CLOCK.fullmatch(text)
    if match is None:
        refuse("a time of day such as '06:00'", text)
    return _seconds(match[1], match[2], text)


def hours(text: str) -> tuple[list[Interval], bool]:
    """Return the intervals of one week [s since Monday 00:00] and whether the text names days; raise ValueError."""
    match = _HOURS.fullmatch(text)
    if match is None:
        refuse("hours such as '06:00-14:00' or 'Mon-Fri 06:00-14:00'", text)
    begin, end = _seconds(match[2], match[3], text), _seconds(match[4], match[5], text)
    if begin == end:
        msg = f"{text!r} opens and closes at the same time; all day is '00:00-24:00'"
        raise ValueError(msg)
    end += DAY_S if end < begin else 0.0
    return [(day * DAY_S + begin, day * DAY_S + end) for day in _days(match[1])], match[1] is not None


def schedule(open_: list[str], breaks: list[str], start: datetime) -> tuple[float, tuple[Interval, ...]]:
    """Return the length of the cycle [s] and its open intervals [s] since `start`, the start of a run (CAL-1)."""
    texts = [hours(text) for text in open_]
    closed = [hours(text) for text in breaks]
    cycle = WEEK_S if any(named for _, named in texts + closed) else DAY_S
    monday = (start - timedelta(days=start.weekday())).replace(hour=0, minute=0, second=0, microsecond=0)
    since_monday = (start - monday).total_seconds()
    opened = _wrapped([i for intervals, _ in texts for i in intervals], since_monday, cycle)
    for begin, end in _wrapped([i for intervals, _ in closed for i in intervals], since_monday, cycle):
        opened = [piece for a, b in opened for piece in ((a, min(b, begin)), (max(a, end), b)) if piece[0] < piece[1]]
    return cycle, tuple(merged(opened))


def _wrapped(intervals: list[Interval], offset: float, cycle: float) -> list[Interval]:
    """Return the intervals moved by -offset into [0, cycle), split at its end."""
    pieces = []
    for begin, end in intervals:
        a = (begin - offset) % cycle
        b = a + min(end - begin, cycle)
        pieces += [(a, min(b, cycle)), (0.0, b - cycle)] if b > cycle else [(a, b)]
    return merged(pieces)


def merged(intervals: list[tuple[N, N]]) -> list[tuple[N, N]]:
    """Return the intervals in ascending order, overlapping and adjacent ones joined."""
    joined: list[tuple[N, N]] = []
    for begin, end in sorted(intervals):
        if joined and begin <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((begin, end))
    return joined


def _seconds(hour: str, minute: str, text: str) -> float:
    seconds = int(hour) * 3600.0 + int(minute) * 60.0
    if seconds > DAY_S or int(minute) > 59:
        msg = f"{text!r} is not a time of day"
        raise ValueError(msg)
    return seconds


def _days(text: str | None) -> list[int]:
    if text is None:
        return list(range(7))
    days: list[int] = []
    for part in text.replace(" ", "").split(","):
        ends = [_day(name) for name in part.split("-")]
        first, last = ends[0], ends[-1]
        days += [day % 7 for day in range(first, last + 1 + (7 if last < first else 0))]
    return sorted(set(days))


def _day(name: str) -> int:
    short = name[:3].capitalize()
    if short not in _DAYS:
        msg = f"{name!r} is not a day of the week. {did_you_mean(short, _DAYS)}"
        raise ValueError(msg)
    return _DAYS.index(short)
