"""Read working hours, times of day and dates: '06:00-14:00', 'Mon-Fri 22:00-06:00', 'Sun 06:00', '2026-12-25'."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import date, timedelta
from typing import Annotated

from factory_sim.errors import did_you_mean
from factory_sim.plant.spec import EVERY_DAY, ClockTime, Hours
from factory_sim.plant.wall_clock import DAY_S
from factory_sim.plant.yaml.quantities import form, refuse, scalar

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_TIME = r"(\d{1,2}:\d{2}(?::\d{2})?)"
_ON_DAYS = r"\s*(?:([A-Za-z,\- ]+?)\s+)?"
_HOURS = re.compile(rf"{_ON_DAYS}{_TIME}\s*-\s*{_TIME}\s*")
_CLOCK_TIME = re.compile(rf"{_ON_DAYS}{_TIME}\s*")
_LONGEST_DAYS = 3700  # of a range of dates


def hours(value: object) -> Hours:
    """Return the hours of a text; raise ValueError."""
    text = str(scalar(value))
    match = _HOURS.fullmatch(text)
    if match is None:
        refuse("hours such as '06:00-14:00' or 'Mon-Fri 06:00-14:00'", text)
    begin, end = _seconds(match[2], text), _seconds(match[3], text)
    if begin == end:
        msg = f"{text!r} opens and closes at the same time; all day is '00:00-24:00'"
        raise ValueError(msg)
    return Hours(begin, end + (DAY_S if end < begin else 0.0), _days(match[1]))


def text_of(hours: Hours) -> str:
    """Return the text of hours, which `hours` reads."""
    days = ",".join(_DAYS[day] for day in hours.days)
    end_s = hours.end_s - DAY_S if hours.end_s > DAY_S else hours.end_s
    times = (f"{int(s // 3600):02}:{int(s // 60 % 60):02}:{int(s % 60):02}" for s in (hours.begin_s, end_s))
    return f"{days} {'-'.join(times)}"


def clock_time(value: object) -> ClockTime:
    """Return the time of a text, on some days of the week or on every day; raise ValueError."""
    text = str(scalar(value))
    match = _CLOCK_TIME.fullmatch(text)
    if match is None:
        refuse("a time of day such as '06:00' or 'Sun 06:00'", text)
    return ClockTime(_seconds(match[2], text), _days(match[1]))


def time_of_day(value: object) -> float:
    """Return the seconds after midnight of a text such as '06:00'; raise ValueError."""
    time = clock_time(value)
    if time.days != EVERY_DAY:
        refuse("a time of day such as '06:00'", value)
    return time.at_s


def distinct_times(value: object) -> object:
    """Return a mapping by time of day as it is; raise ValueError when two of its keys are the same time."""
    found: dict[float, object] = {}
    twice: list[tuple[object, object]] = []
    for key in value if isinstance(value, dict) else ():
        with suppress(ValueError):  # it is reported with the key
            at_s = time_of_day(key)
            twice += [(found[at_s], key)] if at_s in found else []
            found[at_s] = key
    if twice:
        msg = "{!r} and {!r} are the same time; give it one price".format(*twice[0])
        raise ValueError(msg)
    return value


def dates(value: object) -> tuple[date, ...]:
    """Return the dates of a text such as '2026-12-25' or '2026-12-24 to 2027-01-02'; raise ValueError."""
    text = str(scalar(value))
    parts = text.split(" to ")
    try:
        first, last = (date.fromisoformat(part.strip()) for part in (parts[0], parts[-1]))
    except ValueError as error:
        msg = f"expected a date such as '2026-12-25' or '2026-12-24 to 2027-01-02', got {text!r} ({error})"
        raise ValueError(msg) from None
    if not 0 <= (last - first).days <= _LONGEST_DAYS:
        msg = f"{text!r} is not a range of dates; the first comes first"
        raise ValueError(msg)
    return tuple(first + timedelta(days=n) for n in range((last - first).days + 1))


def _seconds(time: str, text: str) -> float:
    hour, minute, second = (*map(int, time.split(":")), 0)[:3]
    seconds = hour * 3600.0 + minute * 60.0 + second
    if seconds > DAY_S or minute > 59 or second > 59:
        msg = f"{text!r} is not a time of day"
        raise ValueError(msg)
    return seconds


def _days(text: str | None) -> tuple[int, ...]:
    if text is None:
        return EVERY_DAY
    days: list[int] = []
    for part in text.replace(" ", "").split(","):
        ends = [_day(name) for name in part.split("-")]
        first, last = ends[0], ends[-1]
        days += [day % 7 for day in range(first, last + 1 + (7 if last < first else 0))]
    return tuple(sorted(set(days)))


def _day(name: str) -> int:
    short = name[:3].capitalize()
    if short not in _DAYS:
        msg = f"{name!r} is not a day of the week. {did_you_mean(short, _DAYS)}"
        raise ValueError(msg)
    return _DAYS.index(short)


HoursText = Annotated[Hours, *form(hours, "Hours, also with days.", "06:00-14:00", "Mon-Fri 06:00-14:00")]
ClockTimeText = Annotated[ClockTime, *form(clock_time, "A time, also with days.", "06:00", "Sun 06:00")]
TimeOfDay = Annotated[float, *form(time_of_day, "A time of day.", "06:00")]
Dates = Annotated[tuple[date, ...], *form(dates, "A date, or the first and the last.", "2026-12-25")]
