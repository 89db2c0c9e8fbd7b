"""The only arithmetic between clocks.

Inside a run time is int64 microseconds since its start (`_us`), so sums are exact and ties are well defined.
Parameters and KPIs are float seconds (`_s`). What leaves the process is int64 nanoseconds since 1970 UTC (`_ns`).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

US_PER_S = 1_000_000
NS_PER_US = 1_000
NS_PER_MS = 1_000_000
NEVER_US = 2**62  # later than any instant of a run, and safe to add to one


def us_from_s(seconds: float) -> int:
    """Whole microseconds nearest to a duration in seconds; ties to even."""
    return round(seconds * US_PER_S)


def s_from_us(us: Any) -> Any:
    """Seconds (float) from microseconds: a number or an array of any shape."""
    return us / US_PER_S


def ns_from_us(us: Any, epoch_ns: int) -> Any:
    """Nanoseconds since 1970 UTC of a moment in the run; `epoch_ns` is the run's start."""
    return us * NS_PER_US + epoch_ns


def us_from_ns(ns: Any, epoch_ns: int) -> Any:
    """Microseconds since the run's start of a moment outside; inverse of `ns_from_us`, floored."""
    return (ns - epoch_ns) // NS_PER_US


def ms_from_ns(ns: Any) -> Any:
    """Return the nearest millisecond, ties up: a number or an array of any shape."""
    return (ns + NS_PER_MS // 2) // NS_PER_MS


def ns_from_datetime(moment: datetime, timezone: str) -> int:
    """Nanoseconds since 1970 UTC of a wall-clock time; naive ones are read in `timezone`."""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=ZoneInfo(timezone))
    whole = int(moment.replace(microsecond=0).timestamp())
    return whole * 1_000_000_000 + moment.microsecond * NS_PER_US


def datetime_from_ns(ns: int, timezone: str = "UTC") -> datetime:
    """Wall-clock time in `timezone`, to the microsecond."""
    whole, rest = divmod(ns, 1_000_000_000)
    return datetime.fromtimestamp(whole, tz=UTC).replace(microsecond=rest // NS_PER_US).astimezone(ZoneInfo(timezone))
