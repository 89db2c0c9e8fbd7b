"""Small pictures as SVG text: points with their intervals. Colours come from the page."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from factory_sim.views.text.kpi_text import number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from factory_sim.results.estimate import Estimate

WIDTH, HEIGHT = 320, 200
_LEFT, _RIGHT, _TOP, _BOTTOM = 54, 12, 10, 40
_TICKS = 4


@dataclass(frozen=True, slots=True)
class Dot:
    """A point of a picture."""

    x: float
    estimate: Estimate
    title: str = ""
    chosen: bool = False  # drawn in another colour


def scatter(
    dots: Sequence[Dot],
    x_label: str,
    y_label: str,
    levels: Sequence[str] = (),
    line: Sequence[tuple[float, float]] = (),
) -> str:
    """Return estimates over x; `levels` names x = 0, 1, ..., `line` connects means."""
    shown = [dot for dot in dots if dot.estimate.is_defined]
    if not shown:
        return '<p class="absent">No point has a value.</p>'
    ends = [end for dot in shown for end in _ends(dot)] + [y for _, y in line]
    xs = _Axis.of([dot.x for dot in shown], _LEFT, WIDTH - _RIGHT)
    ys = _Axis.of(ends, HEIGHT - _BOTTOM, _TOP)
    parts = [_frame(xs, ys, levels), _words(x_label, y_label)]
    parts += [_mark(dot, xs, ys) for dot in sorted(shown, key=lambda dot: dot.chosen)]
    if line:
        path = " ".join(f"{xs.at(x):.1f},{ys.at(y):.1f}" for x, y in line)
        parts.append(f'<polyline class="line" points="{path}"/>')
    label = escape(f"{y_label} over {x_label}")
    return f'<svg class="sketch" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">{"".join(parts)}</svg>'


@dataclass(frozen=True, slots=True)
class _Axis:
    low: float
    high: float
    start: float  # of the picture
    end: float

    @classmethod
    def of(cls, values: Sequence[float], start: float, end: float) -> _Axis:
        low, high = min(values), max(values)
        margin = 0.06 * (high - low) or 0.05 * abs(high) or 1.0
        return cls(low - margin, high + margin, start, end)

    def at(self, value: float) -> float:
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Return a few round numbers within the axis."""
        raw = (self.high - self.low) / _TICKS
        size = 10.0 ** math.floor(math.log10(raw))
        step = next(size * m for m in (1, 2, 5, 10) if size * m >= raw)
        first = math.ceil(self.low / step)
        return [round(n * step, 12) for n in range(first, math.floor(self.high / step) + 1)]


def _ends(dot: Dot) -> list[float]:
    found = dot.estimate
    return [value for value in (found.mean, found.low, found.high) if math.isfinite(value)]


def _frame(xs: _Axis, ys: _Axis, levels: Sequence[str]) -> str:
    marks = []
    for value in ys.ticks():
        y = ys.at(value)
        marks.append(f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        marks.append(f'<text x="{_LEFT - 6}" y="{y + 3.5:.1f}" text-anchor="end">{number(value)}</text>')
    named = list(enumerate(levels)) if levels else [(value, number(value)) for value in xs.ticks()]
    every = max(1, math.ceil(len(named) * max(len(text) for _, text in named) / 42)) if named else 1
    for value, text in named[::every]:
        marks.append(
            f'<text x="{xs.at(value):.1f}" y="{HEIGHT - _BOTTOM + 14}" text-anchor="middle">{escape(text)}</text>'
        )
    return "".join(marks)


def _words(x_label: str, y_label: str) -> str:
    x, y = (WIDTH + _LEFT) / 2, (HEIGHT - _BOTTOM) / 2
    below = f'<text class="name" x="{x:.0f}" y="{HEIGHT - 6}" text-anchor="middle">{escape(x_label)}</text>'
    turned = f'transform="translate(10 {y:.0f}) rotate(-90)"'
    return f'{below}<text class="name" {turned} text-anchor="middle">{escape(y_label)}</text>'


def _mark(dot: Dot, xs: _Axis, ys: _Axis) -> str:
    found = dot.estimate
    x, kind = xs.at(dot.x), "dot chosen" if dot.chosen else "dot"
    title = f"<title>{escape(dot.title)}</title>" if dot.title else ""
    reach = ""
    if math.isfinite(found.half_width):
        low, high = ys.at(found.low), ys.at(found.high)
        reach = f'<line class="reach" x1="{x:.1f}" x2="{x:.1f}" y1="{low:.1f}" y2="{high:.1f}"/>'
    return f'<g class="{kind}">{title}{reach}<circle cx="{x:.1f}" cy="{ys.at(found.mean):.1f}" r="3"/></g>'
