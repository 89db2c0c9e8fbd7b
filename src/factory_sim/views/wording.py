"""Numbers and names as a reader of the report sees them."""

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
WIDEST_PCT = 100.0  # a change beyond runs off the picture of intervals, not out of the table


def number(value: float, digits: int = 3) -> str:
    """`digits` figures that matter, thousands apart: 1,234; 63.1; 0.512; an en dash where there is none."""
    if not math.isfinite(value):
        return "–"
    places = max(0, digits - 1 - math.floor(math.log10(abs(value)))) if value else 0
    return f"{value:,.{min(places, 6)}f}".replace("-", MINUS)


def signed(value: float, places: int = 1) -> str:
    """With its sign: +29.8; no sign at 0."""
    if not math.isfinite(value):
        return "–"
    text = f"{value:+.{places}f}"
    return text.lstrip("+-") if float(text) == 0 else text.replace("-", MINUS)


def span(estimate: Estimate, places: int = 1) -> str:
    """The interval of a change: +28.9 … +30.7."""
    if not (math.isfinite(estimate.low) and math.isfinite(estimate.high)):
        return "too few replications for an interval"
    return f"{signed(estimate.low, places)} … {signed(estimate.high, places)}"


def share(value: float) -> str:
    """A share as a percentage."""
    return f"{100 * value:.1f} %" if math.isfinite(value) else "–"


def hours(seconds: float) -> str:
    """A duration: 8 h, 30 min, 45 s."""
    for size, word in ((3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.3g}\N{NO-BREAK SPACE}{word}"
    return f"{seconds:.3g}\N{NO-BREAK SPACE}s"


def moment(text: str) -> str:
    """A moment by the plant's clock: Monday 5 January 2026, 12:05."""
    found = datetime.fromisoformat(text)
    return f"{found:%A} {found.day} {found:%B %Y, %H:%M}"


def words(name: str) -> str:
    """A name from a file as words."""
    return name.replace("_", " ")


def money(value: float) -> str:
    """An amount in millions or thousands."""
    for size, word in ((1e6, " million"), (1e3, ",000")):
        if abs(value) >= size:
            return f"{value / size:g}{word}"
    return f"{value:g}"


def verdict(row: Row, side: int) -> str:
    """`better`, `worse`, `changed` (neither is better) or `unclear`: what the interval of the change says."""
    change = row.changes_pct[side]
    if not math.isfinite(change.mean) or change.low <= 0 <= change.high:
        return "unclear"
    if not row.better:
        return "changed"
    return "better" if change.mean * row.better > 0 else "worse"


@dataclass(frozen=True, slots=True)
class Scale:
    """Percent -> place in a picture of width 100."""

    low: float
    high: float

    def at(self, value: float) -> float:
        """Place of a value, held within the picture."""
        if math.isnan(value):
            return self.zero
        place = 100 * (value - self.low) / (self.high - self.low)
        return round(min(max(place, 0.0), 100.0), 2)

    @property
    def zero(self) -> float:
        """Place of no change."""
        return self.at(0.0)


def scale(rows: Sequence[Row]) -> Scale:
    """One scale for the changes of all rows."""
    ends = [end for row in rows for change in row.changes_pct for end in (change.low, change.high, change.mean)]
    known = [min(max(end, -WIDEST_PCT), WIDEST_PCT) for end in ends if math.isfinite(end)]
    low, high = min([0.0, *known]), max([0.0, *known])
    margin = 0.06 * (high - low) or 1.0
    return Scale(low - margin, high + margin)


@dataclass(frozen=True, slots=True)
class Group:
    """Assumptions about one part of the plant: what is told of each, and those of which only the address is."""

    name: str
    told: list[tuple[str, str]]
    bare: list[str]


def grouped(assumptions: Sequence[str]) -> list[Group]:
    """Assumptions by the first word of their address, in their order."""
    groups: dict[str, Group] = {}
    for each in assumptions:
        address, _, said = each.partition(" ")
        first, _, rest = address.partition(".")
        group = groups.setdefault(first, Group(words(first), [], []))
        if said in {"(assumed)", ""}:
            group.bare.append(rest or address)
        else:
            group.told.append((rest or address, said.removeprefix("= ")))
    return list(groups.values())


FILTERS: dict[str, Callable[..., str]] = {
    each.__name__: each for each in (number, signed, span, share, hours, moment, words, money, verdict)
}
