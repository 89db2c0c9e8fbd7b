"""Conversions between the clocks of a run, of parameters and of telemetry.

Times inside a run are int64 microseconds since its start (`_us`): sums are exact and ties are well defined.
Parameters and KPIs are float seconds (`_s`). Times in telemetry are int64 nanoseconds since 1970 UTC (`_ns`).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

US_PER_S = 1_000_000
NS_PER_US = 1_000
NS_PER_MS = 1_000_000
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
    """Return nanoseconds since 1970 UTC of a wall-clock time, in `timezone` if it has no zone of its own."""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=ZoneInfo(timezone))
    whole = int(moment.replace(microsecond=0).timestamp())
    return whole * 1_000_000_000 + moment.microsecond * NS_PER_US


def datetime_from_ns(ns: int, timezone: str = "UTC") -> datetime:
    """Return the wall-clock time in `timezone`, to the microsecond."""
    whole, rest = divmod(ns, 1_000_000_000)
    return datetime.fromtimestamp(whole, tz=UTC).replace(microsecond=rest // NS_PER_US).astimezone(ZoneInfo(timezone))
