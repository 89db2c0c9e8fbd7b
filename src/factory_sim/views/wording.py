"""Filters of the report: numbers and names as text."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from factory_sim.results.estimate import Estimate
    from factory_sim.views.html.report_data import Row

MINUS = "−"
WIDEST_PCT = 100.0  # larger changes leave the chart of intervals, not the table


def number(value: float, digits: int = 3) -> str:
    """Return a number with `digits` significant digits: 1,234; 63.1; 0.512; an en dash where it is not defined."""
    if not math.isfinite(value):
        return "–"
    places = max(0, digits - 1 - math.floor(math.log10(abs(value)))) if value else 0
    return f"{value:,.{min(places, 6)}f}".replace("-", MINUS)


def counted(n: int, thing: str) -> str:
    """Return a number of things: 1 message, 1,200 messages."""
    return f"{n:,} {thing}{'s' * (n != 1)}"


def signed(value: float, places: int = 1) -> str:
    """Return a number with its sign: +29.8; 0 has none."""
    if not math.isfinite(value):
        return "–"
    text = f"{value:+.{places}f}"
    return text.lstrip("+-") if float(text) == 0 else text.replace("-", MINUS)


def span(estimate: Estimate, places: int = 1) -> str:
    """Return the interval of a change: +28.9 … +30.7."""
    if not (math.isfinite(estimate.low) and math.isfinite(estimate.high)):
        return "too few replications for an interval"
    return f"{signed(estimate.low, places)} … {signed(estimate.high, places)}"


def share(value: float) -> str:
    """Return a share as a percentage."""
    return f"{100 * value:.1f} %" if math.isfinite(value) else "–"


def hours(seconds: float) -> str:
    """Return a duration: 8 h, 30 min, 45 s."""
    for size, word in ((3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.3g}\N{NO-BREAK SPACE}{word}"
    return f"{seconds:.3g}\N{NO-BREAK SPACE}s"


def date_time(text: str) -> str:
    """Return a time by the plant's clock: Monday 5 January 2026, 12:05."""
    found = datetime.fromisoformat(text)
    return f"{found:%A} {found.day} {found:%B %Y, %H:%M}"


def words(name: str) -> str:
    """Return a name of a file as words."""
    return name.replace("_", " ")


def money(value: float) -> str:
    """Return an amount in millions or thousands."""
    for size, word in ((1e6, " million"), (1e3, ",000")):
        if abs(value) >= size:
            return f"{value / size:g}{word}"
    return f"{value:g}"


def verdict(row: Row, side: int) -> str:
    """Return `better`, `worse`, `changed` (no direction is better) or `unclear` (the interval contains 0)."""
    change = row.changes[side]
    if not math.isfinite(change.mean) or change.low <= 0 <= change.high:
        return "unclear"
    if not row.better:
        return "changed"
    return "better" if change.mean * row.better > 0 else "worse"


@dataclass(frozen=True, slots=True)
class Scale:
    """A mapping of percent to a position in a chart of width 100."""

    low: float
    high: float

    def at(self, value: float) -> float:
        """Return the position of a value, within the chart."""
        if math.isnan(value):
            return self.zero
        place = 100 * (value - self.low) / (self.high - self.low)
        return round(min(max(place, 0.0), 100.0), 2)

    @property
    def zero(self) -> float:
        """The position of no change."""
        return self.at(0.0)


def scale(rows: Sequence[Row]) -> Scale:
    """Return one scale for the changes of all rows."""
    ends = [end for row in rows for change in row.changes for end in (change.low, change.high, change.mean)]
    known = [min(max(end, -WIDEST_PCT), WIDEST_PCT) for end in ends if math.isfinite(end)]
    low, high = min([0.0, *known]), max([0.0, *known])
    margin = 0.06 * (high - low) or 1.0
    return Scale(low - margin, high + margin)


@dataclass(frozen=True, slots=True)
class Group:
    """Assumptions about one part of the plant: those with an explanation, and the addresses of the others."""

    name: str
    explained: list[tuple[str, str]]
    bare: list[str]


def grouped(assumptions: Sequence[str]) -> list[Group]:
    """Return assumptions by the first word of their address, in their order."""
    groups: dict[str, Group] = {}
    for each in assumptions:
        address, _, text = each.partition(" ")
        first, _, rest = address.partition(".")
        group = groups.setdefault(first, Group(words(first), [], []))
        if text in {"(assumed)", ""}:
            group.bare.append(rest or address)
        else:
            group.explained.append((rest or address, text.removeprefix("= ")))
    return list(groups.values())


FILTERS: dict[str, Callable[..., str]] = {
    each.__name__: each for each in (number, signed, span, share, hours, date_time, words, money, verdict)
}
