"""Conversions between the clocks of a run, of parameters and of telemetry.

Times inside a run are int64 microseconds since its start (`_us`): sums are exact and ties are well defined.
Parameters and KPIs are float seconds (`_s`). Times in telemetry are int64 nanoseconds since 1970 UTC (`_ns`).
"""

from __future__ import annotations

from bisect import bisect_left
from datetime import UTC, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

US_PER_S = 1_000_000
NS_PER_S = 1_000_000_000
NS_PER_US = 1_000
NS_PER_MS = 1_000_000
_LONGEST_CHANGE_S = 25 * 3600  # of a local clock; Samoa once skipped a day
NEVER_US = 2**62  # later than any instant of a run; adding it to one does not overflow


def us_from_s(seconds: float) -> int:
    """Return a duration in whole microseconds, rounded half to even."""
    return round(seconds * US_PER_S)


def s_from_us(us: Any) -> Any:
    """Return seconds from microseconds, a number or an array of any shape."""
    return us / US_PER_S


def ns_from_us(us: Any, epoch_ns: int) -> Any:
    """Return nanoseconds since 1970 UTC of an instant of a run that started at `epoch_ns`."""
    return us * NS_PER_US + epoch_ns


def us_from_ns(ns: Any, epoch_ns: int) -> Any:
    """Return microseconds since the start of a run, rounded down: the inverse of `ns_from_us`."""
    return (ns - epoch_ns) // NS_PER_US


def ms_from_ns(ns: Any) -> Any:
    """Return the nearest millisecond, ties up: a number or an array of any shape."""
    return (ns + NS_PER_MS // 2) // NS_PER_MS


def ns_from_datetime(moment: datetime, timezone: str) -> int:
    """Return nanoseconds since 1970 UTC of a wall-clock time, in `timezone` if it has no zone of its own (CAL-5).

    A time that the clock skips stands for the first instant after it; of two equal times the first counts.
    """
    local = moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(timezone))
    whole = int(local.replace(microsecond=0).timestamp())
    if is_skipped(moment, timezone):
        return _change_after(whole - _LONGEST_CHANGE_S, local.tzinfo) * NS_PER_S
    return whole * NS_PER_S + moment.microsecond * NS_PER_US


def is_timezone(name: str) -> bool:
    """Return whether a text is the IANA name of a time zone."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def is_skipped(moment: datetime, timezone: str) -> bool:
    """Return whether no instant in `timezone` has this wall-clock time: the clock is set forward over it."""
    if moment.tzinfo is not None:
        return False
    whole = int(moment.replace(microsecond=0, tzinfo=ZoneInfo(timezone)).timestamp())
    there = datetime.fromtimestamp(whole, tz=UTC).astimezone(ZoneInfo(timezone))
    return there.replace(tzinfo=None) != moment.replace(microsecond=0)


def is_repeated(moment: datetime, timezone: str) -> bool:
    """Return whether two instants in `timezone` have this wall-clock time: the clock is set back over it."""
    first, second = (moment.replace(tzinfo=ZoneInfo(timezone), fold=fold).utcoffset() for fold in (0, 1))
    return moment.tzinfo is None and first != second and not is_skipped(moment, timezone)


def _change_after(since: int, zone: tzinfo | None) -> int:
    """Return the first second since 1970 UTC after `since` at which a zone's offset differs, found by bisection."""
    offset = datetime.fromtimestamp(since, tz=zone).utcoffset()

    def has_changed(after: int) -> bool:
        return datetime.fromtimestamp(since + after, tz=zone).utcoffset() != offset

    return since + bisect_left(range(2 * _LONGEST_CHANGE_S), x=True, key=has_changed)


def datetime_from_ns(ns: int, timezone: str = "UTC") -> datetime:
    """Return the wall-clock time in `timezone`, to the microsecond."""
    whole, rest = divmod(ns, NS_PER_S)
    return datetime.fromtimestamp(whole, tz=UTC).replace(microsecond=rest // NS_PER_US).astimezone(ZoneInfo(timezone))
