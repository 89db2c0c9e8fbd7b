"""Small pictures of points with their intervals; page/sketch.html draws them, colours come from the page."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from factory_sim.views.text.kpi_text import number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from factory_sim.results.estimate import Estimate

WIDTH, HEIGHT = 320, 200
LEFT, RIGHT, TOP, BOTTOM = 54, WIDTH - 12, 10, HEIGHT - 40  # of the plot
_TICKS = 4
_CHARACTERS = 42  # that fit below the plot


@dataclass(frozen=True, slots=True)
class Dot:
    """A point of a picture."""

    x: float
    estimate: Estimate
    title: str = ""
    kind: str = ""  # "chosen" or "present": drawn in another colour


@dataclass(frozen=True, slots=True)
class Axis:
    """A scale from values to places in a picture."""

    low: float
    high: float
    start: float  # place of `low`
    end: float

    def at(self, value: float) -> float:
        """Return the place of a value."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self) -> list[tuple[float, str]]:
        """Return the places of a few round numbers and their texts."""
        raw = (self.high - self.low) / _TICKS
        size = 10.0 ** math.floor(math.log10(raw))
        step = next(size * m for m in (1, 2, 5, 10) if size * m >= raw)
        numbers = range(math.ceil(self.low / step), math.floor(self.high / step) + 1)
        return [(self.at(n * step), number(round(n * step, 12))) for n in numbers]


def axis(values: Sequence[float], start: float, end: float) -> Axis:
    """Return an axis that shows all values with a margin."""
    low, high = min(values), max(values)
    margin = 0.06 * (high - low) or 0.05 * abs(high) or 1.0
    return Axis(low - margin, high + margin, start, end)


@dataclass(frozen=True, slots=True)
class Sketch:
    """Estimates over x; `levels` names x = 0, 1, ..., `line` connects means."""

    points: Sequence[Dot]
    x_label: str
    y_label: str
    levels: Sequence[str] = ()
    line: Sequence[tuple[float, float]] = ()

    @property
    def dots(self) -> list[Dot]:
        """The points with a value, chosen ones last."""
        return sorted((dot for dot in self.points if dot.estimate.is_defined), key=lambda dot: dot.kind == "chosen")

    @property
    def x(self) -> Axis:
        """The horizontal axis."""
        return axis([dot.x for dot in self.dots], LEFT, RIGHT)

    @property
    def y(self) -> Axis:
        """The vertical axis."""
        ends = [end for dot in self.dots for end in (dot.estimate.mean, dot.estimate.low, dot.estimate.high)]
        return axis([*filter(math.isfinite, ends), *(y for _, y in self.line)], BOTTOM, TOP)

    @property
    def x_ticks(self) -> list[tuple[float, str]]:
        """Places and texts below the plot, as many as fit."""
        x = self.x
        named = [(x.at(n), text) for n, text in enumerate(self.levels)] or x.ticks()
        return named[:: max(1, math.ceil(len(named) * max(len(text) for _, text in named) / _CHARACTERS))]
