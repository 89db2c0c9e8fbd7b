"""A plant as a picture: sections in flow order, operations with machines and buffers, and the transport."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from factory_sim.plant.spec import Plant

CONVEYOR, VEHICLE, HAND = "conveyor", "vehicle", ""
CELL_W, CELL_H, GAP, PAD, HEAD = 64, 41, 6, 12, 22  # of an operation; between; around; title of a section
ASPECT = 2.2  # of the drawing, about
ROOM = 1.6  # area of the drawing per area of its operations, about
LANE = 30  # between columns, for the lines
KEY_W = 360  # of the key below the drawing
LETTER_W = 6.4  # of a section's title
_STYLE = """
.fs-plant { font: 10px system-ui, "DejaVu Sans", sans-serif; color: #1c2329; }
.fs-plant text { fill: currentColor; }
.fs-plant .fs-soft { opacity: .65; font-size: 8.5px; }
.fs-plant .fs-title { font-size: 11px; font-weight: 600; }
.fs-plant .fs-section { fill: #ffffff; stroke: #b8bfc4; }
.fs-plant .fs-operation { fill: #eef1f2; stroke: #b8bfc4; }
.fs-plant .fs-pacing { stroke: #1668a8; stroke-width: 2; }
.fs-plant .fs-machine { fill: #237a60; }
.fs-plant .fs-line { fill: none; stroke: #5a6670; stroke-width: 1.4; }
.fs-plant .fs-vehicle { stroke-dasharray: 5 3; }
.fs-plant .fs-conveyor { stroke-width: 3; }
@media screen and (prefers-color-scheme: dark) {
.fs-plant { color: #e6e9eb; } .fs-plant .fs-section { fill: #1b2126; stroke: #4a545c; }
.fs-plant .fs-operation { fill: #262e34; stroke: #4a545c; } .fs-plant .fs-machine { fill: #57c39e; }
.fs-plant .fs-line { stroke: #9aa6b0; } .fs-plant .fs-pacing { stroke: #7fbdf0; }
}"""


class Feed(NamedTuple):
    """An input of an operation."""

    operation: int  # it comes from; -1: a source
    capacity: int  # of the buffer
    by: str  # CONVEYOR, VEHICLE or HAND


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """What is drawn of a plant; every tuple but `sections` has one entry per operation."""

    title: str
    operations: tuple[str, ...]
    titles: tuple[str, ...]
    sections: tuple[str, ...]  # name of the section of each operation
    machines: tuple[int, ...]  # how many
    feeds: tuple[tuple[Feed, ...], ...]
    pacing: int = -1


class Box(NamedTuple):
    """The place of a section or an operation."""

    x: float
    y: float
    width: float
    height: float


def outline(plant: Plant) -> Outline:
    """Return what is drawn of a plant."""
    return Outline(
        title=plant.title,
        operations=tuple(each.name for each in plant.operations),
        titles=tuple(each.title for each in plant.operations),
        sections=tuple(plant.sections[each.section] for each in plant.operations),
        machines=tuple(len(each.machines) for each in plant.operations),
        feeds=feeds(plant),
        pacing=plant.pacing,
    )


def feeds(plant: Plant) -> tuple[tuple[Feed, ...], ...]:
    """Return the inputs of each operation."""
    return tuple(
        tuple(
            Feed(i.operation, i.capacity, CONVEYOR if i.conveyor >= 0 else VEHICLE if i.fleet >= 0 else HAND)
            for i in each.inputs
        )
        for each in plant.operations
    )


def svg(plan: Outline) -> str:
    """Return the drawing as one SVG element; it adapts to light and dark screens."""
    names = list(dict.fromkeys(plan.sections))
    members = {name: [i for i, section in enumerate(plan.sections) if section == name] for name in names}
    layers = section_columns(
        plan.sections, [[each.operation for each in inputs if each.operation >= 0] for inputs in plan.feeds]
    )
    sections, per_row = _section_boxes(names, members, layers)
    places = {
        i: _operation_box(sections[name], k, per_row[name]) for name in names for k, i in enumerate(members[name])
    }
    width = max(KEY_W, *(box.x + box.width for box in sections.values())) + PAD
    height = max(box.y + box.height for box in sections.values()) + PAD + HEAD
    parts = [_line(plan, places, sections, i, feed) for i, inputs in enumerate(plan.feeds) for feed in inputs]
    parts += [_section(name, sections[name]) for name in names]
    parts += [_operation(plan, i, box) for i, box in places.items()]
    counts = f"{len(plan.operations)} operations in {len(names)} sections, {sum(plan.machines)} machines"
    about = f"{escape(plan.title)}: {counts}"
    size = f'width="{width:g}" height="{height:g}" viewBox="0 0 {width:g} {height:g}"'
    return (
        f'<svg class="fs-plant" xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{about}">'
        f"<style>{_STYLE}</style>{''.join(parts)}{_key(height)}</svg>"
    )


def section_columns(sections: Sequence[str], sources: Sequence[Sequence[int]]) -> dict[str, int]:
    """Return the column of each section: one more than the last section that feeds it.

    sections, sources : by operation: its section, and the operations that feed it.
    """
    names = list(dict.fromkeys(sections))
    before: dict[str, set[str]] = {name: set() for name in names}
    for section, feeding in zip(sections, sources, strict=True):
        before[section] |= {sections[each] for each in feeding} - {section}
    column = dict.fromkeys(names, 0)
    for _ in names:  # longer than any path without a cycle; a cycle of sections ends here
        for name in names:
            column[name] = min(max([column[name], *(column[each] + 1 for each in before[name])]), len(names) - 1)
    return column


def _section_boxes(
    names: Sequence[str], members: dict[str, list[int]], layers: dict[str, int]
) -> tuple[dict[str, Box], dict[str, int]]:
    """Return the box of each section and the operations in one of its rows: as few as the height allows."""
    area = sum(map(len, members.values())) * (CELL_W + GAP) * (CELL_H + GAP)
    tall = math.sqrt(ROOM * area / ASPECT)
    boxes: dict[str, Box] = {}
    per_row: dict[str, int] = {}
    x = float(PAD)
    for layer in sorted(set(layers.values())):
        here = [name for name in names if layers[name] == layer]
        largest = max(len(members[name]) for name in here)
        columns = next(n for n in range(1, largest + 1) if n == largest or _height(here, members, n) <= tall)
        widest = max(columns * (CELL_W + GAP) + GAP, *(LETTER_W * len(name) + 2 * GAP for name in here))
        y = PAD + max(0.0, (tall - _height(here, members, columns)) / 2)
        for name in here:
            height = _height([name], members, columns)
            boxes[name], per_row[name] = Box(x, y, widest, height), columns
            y += height + PAD
        x += widest + LANE
    return boxes, per_row


def _height(here: Sequence[str], members: dict[str, list[int]], columns: int) -> float:
    rows = [-(-len(members[name]) // columns) for name in here]
    return sum(HEAD + n * (CELL_H + GAP) + GAP / 2 for n in rows) + PAD * (len(here) - 1)


def _operation_box(section: Box, k: int, per_row: int) -> Box:
    row, column = divmod(k, per_row)
    return Box(section.x + GAP + column * (CELL_W + GAP), section.y + HEAD + row * (CELL_H + GAP), CELL_W, CELL_H)


def _line(plan: Outline, places: dict[int, Box], sections: dict[str, Box], i: int, feed: Feed) -> str:
    """Return the line between two sections; within a section the order of the boxes shows the flow."""
    if feed.operation < 0 or plan.sections[feed.operation] == plan.sections[i]:
        return ""
    start, end = sections[plan.sections[feed.operation]], places[i]
    x0, y0 = start.x + start.width, start.y + start.height / 2
    x1, y1 = end.x, end.y + end.height / 2
    bend = max((x1 - x0) / 2, 12)
    path = f"M{x0:g} {y0:g}C{x0 + bend:g} {y0:g} {x1 - bend:g} {y1:g} {x1:g} {y1:g}"
    kind = f" fs-{feed.by}" if feed.by else ""
    what = f"{plan.operations[feed.operation]} to {plan.operations[i]}" + (f" by {feed.by}" if feed.by else "")
    return f'<path class="fs-line{kind}" d="{path}"><title>{escape(what)}</title></path>'


def _section(name: str, box: Box) -> str:
    return (
        f'<rect class="fs-section" x="{box.x:g}" y="{box.y:g}" width="{box.width:g}" height="{box.height:g}" rx="5"/>'
        f'<text class="fs-title" x="{box.x + GAP:g}" y="{box.y + 15:g}">{escape(name.replace("_", " "))}</text>'
    )


def _operation(plan: Outline, i: int, box: Box) -> str:
    """Return an operation: name, one square per machine, and the places of its buffers."""
    n, buffers = plan.machines[i], ", ".join(str(feed.capacity) for feed in plan.feeds[i] if feed.operation >= 0)
    size = min(8.0, (CELL_W - 12) / max(n, 1) - 2)
    squares = "".join(
        f'<rect class="fs-machine" x="{box.x + 6 + k * (size + 2):g}" y="{box.y + 19:g}" width="{size:g}" height="8"/>'
        for k in range(n)
    )
    text = f"buffer {buffers}" if buffers else ""
    title = f"{plan.operations[i]} {plan.titles[i]}: {n} machines" + (f", buffer of {buffers}" if buffers else "")
    mark = " fs-pacing" if i == plan.pacing else ""
    return (
        f'<g><title>{escape(title)}</title><rect class="fs-operation{mark}" x="{box.x:g}" y="{box.y:g}" '
        f'width="{box.width:g}" height="{box.height:g}" rx="3"/>'
        f'<text x="{box.x + 6:g}" y="{box.y + 13:g}">{escape(_short(plan.operations[i]))}</text>{squares}'
        f'<text class="fs-soft" x="{box.x + 6:g}" y="{box.y + 36:g}">{text}</text></g>'
    )


def _key(height: float) -> str:
    y, x, parts = height - 8, float(PAD), []
    for kind, word in (
        ("", "machine"),
        ("fs-vehicle", "vehicles"),
        ("fs-conveyor", "conveyor"),
        ("fs-direct", "direct"),
    ):
        if kind:
            parts.append(f'<path class="fs-line {kind}" d="M{x:g} {y - 3:g}h26"/>')
        else:
            parts.append(f'<rect class="fs-machine" x="{x + 18:g}" y="{y - 7:g}" width="8" height="8"/>')
        parts.append(f'<text x="{x + 31:g}" y="{y:g}">{word}</text>')
        x += 90
    return f'<g class="fs-soft">{"".join(parts)}</g>'


def _short(name: str) -> str:
    return name if len(name) <= 10 else f"{name[:9]}…"
