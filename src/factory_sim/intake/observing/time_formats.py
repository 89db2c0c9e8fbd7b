"""The form of time stamps, from examples."""

from __future__ import annotations

import re
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_DATES = (
    *("%d.%m.%Y", "%d.%m.%y", "%Y/%m/%d", "%Y.%m.%d", "%d/%m/%Y", "%m/%d/%Y", "%d/%m/%y", "%m/%d/%y"),
    *("%d-%m-%Y", "%m-%d-%Y", "%d-%b-%Y", "%d %b %Y", "%Y%m%d"),
)
_TIMES = (*("%H:%M:%S", "%H:%M", "%H:%M:%S.%f", "%H:%M:%S,%f", "%I:%M:%S %p", "%I:%M %p", "%H%M%S"),)
FORMATS = tuple(f"{date}{between}{time}" for date in _DATES for between in (" ", "T", ", ", "") for time in _TIMES)
_OF_DAY = re.compile(r"\d{1,2}:\d\d(:\d\d([.,]\d+)?)?( ?[AaPp][Mm])?")


def format_of(samples: Sequence[str]) -> tuple[str, bool] | None:
    """Return the format of time stamps, "" for ISO 8601, and whether it is the only one; None if they are none."""
    if not samples:
        return None
    if all(_is_iso(text) for text in samples):
        return "", True
    found = [form for form in FORMATS if _fits(samples[0], form) and all(_fits(text, form) for text in samples)]
    if not found:
        return None
    american = next((form for form in found if form.startswith("%m")), "")
    if american.endswith("%p"):
        return american, True
    return found[0], not american or len(found) == 1


def are_falling(samples: Sequence[str], form: str) -> bool:
    """Return whether time stamps of a format, "" for ISO 8601 and numbers of one length, run backwards."""
    times = [datetime.strptime(text, form).isoformat() if form else text for text in samples]  # noqa: DTZ007 - one zone
    return all(late >= early for late, early in pairwise(times)) and len(set(times)) > 2


def is_date(samples: Sequence[str]) -> bool:
    """Return whether texts are dates without a time of day."""
    return bool(samples) and any(all(_fits(text, form) for text in samples) for form in ("%Y-%m-%d", *_DATES))


def is_time_of_day(samples: Sequence[str]) -> bool:
    """Return whether texts are times of day without a date."""
    return bool(samples) and all(_OF_DAY.fullmatch(text) for text in samples)


def _is_iso(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return not text.isdigit() and len(text) > len("2026-05-04")


def _fits(text: str, form: str) -> bool:
    try:
        datetime.strptime(text, form)  # noqa: DTZ007 - only the form matters
    except ValueError:
        return False
    return True
