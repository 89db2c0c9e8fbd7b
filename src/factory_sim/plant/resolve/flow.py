"""How parts flow: who takes from whom, in which order operations stand, and what cannot work."""

from __future__ import annotations

from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import TYPE_CHECKING

from factory_sim.errors import did_you_mean
from factory_sim.plant.spec import UNLIMITED
from factory_sim.plant.yaml import shapes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from factory_sim.plant.resolve.context import Context
    from factory_sim.plant.yaml.tree import Path


@dataclass(slots=True)
class Feed:
    """One input of a station."""

    origin: str  # a source or a station
    path: Path  # where it is written
    shape: shapes.Input


@dataclass(slots=True)
class Station:
    """An operation of the file with its inputs found."""

    name: str
    path: Path
    section: str
    shape: shapes.Operation
    feeds: list[Feed] = field(default_factory=list)
    index: int = -1  # in flow order


def stations(context: Context) -> list[Station]:
    """All operations in flow order, source to sink; what is wrong with the flow is reported."""
    found: dict[str, Station] = {}
    told = len(context.report.problems)
    for section, shape in context.plant.sections.items():
        before: Station | None = None
        for name, operation in shape.operations.items():
            path: Path = ("sections", section, "operations", name)
            if name in found:
                message = (
                    f"stands in section {found[name].section} too; operation names are unique over the whole plant"
                )
                context.report.add(path, message, "Give one of the two another name.", at_key=True)
                continue
            station = found[name] = Station(name, path, section, operation)
            station.feeds = _feeds(station, before, context)
            before = station
    _check_origins(found, context)
    if len(context.report.problems) == told:  # else it may follow from a wrong `from`
        _check_sources(found, context)
    order = _ordered(found, context)
    for n, station in enumerate(order):
        station.index = n
        _check_buffers(station, context)
    _check_rework(found, context)
    return order


def _feeds(station: Station, before: Station | None, context: Context) -> list[Feed]:
    shape, report = station.shape, context.report
    single = shapes.Input.model_construct(from_=shape.from_, quantity=shape.quantity, buffer=shape.buffer, by=shape.by)
    if shape.inputs and (shape.from_ or shape.buffer is not None or shape.by or shape.quantity != 1):
        report.add(
            (*station.path, "inputs"),
            "stands beside from, buffer, quantity or by; these belong into each of the inputs",
        )
    pairs = [((*station.path, "inputs", n), each) for n, each in enumerate(shape.inputs)] or [(station.path, single)]
    feeds = []
    for path, each in pairs:
        origin = each.from_ or (before.name if before is not None and not shape.inputs else None)
        if origin is None:
            report.add(
                (*path, "from"),
                "is missing: nobody feeds this operation",
                f"Name a source or an operation: {did_you_mean('', [*context.plant.sources, *context.names])}",
            )
        else:
            feeds.append(Feed(origin, path, each))
        if each.buffer is None:
            report.add(
                (*path, "buffer"),
                "is missing: how many parts can wait in front of the operation?",
                "Write buffer: 4, or 0 for none.",
            )
    return feeds


def _check_origins(found: Mapping[str, Station], context: Context) -> None:
    """Every origin exists and feeds one operation only."""
    taken: dict[str, Station] = {}
    for station in found.values():
        for feed in station.feeds:
            sources = context.plant.sources
            at = (*feed.path, "from")
            if feed.origin not in found and feed.origin in context.names:
                continue  # an operation that cannot be read is told already
            if feed.origin not in found and feed.origin not in sources:
                context.report.add(
                    at,
                    f"{feed.origin!r} is neither an operation nor a source",
                    did_you_mean(feed.origin, [*found, *sources]),
                )
            elif feed.origin in taken:
                context.report.add(
                    at,
                    f"{feed.origin} feeds {taken[feed.origin].name} already; it can feed only one operation",
                    _two_takers(feed.origin, station, written=feed.shape.from_ is not None),
                )
            taken.setdefault(feed.origin, station)


def _check_sources(found: Mapping[str, Station], context: Context) -> None:
    taken = {feed.origin for station in found.values() for feed in station.feeds}
    for name in context.plant.sources:
        if name not in taken:
            context.report.add(
                ("sources", name), "feeds no operation", f"Write from: {name} at the first operation.", at_key=True
            )


def _two_takers(origin: str, station: Station, *, written: bool) -> str:
    if written:
        return "Chain the two, or give each its own origin."
    return f"{station.name} says no from, so it takes from the operation before it, {origin}."


def _ordered(found: Mapping[str, Station], context: Context) -> list[Station]:
    """Topological order, file order where that is one [Kahn 1962]."""
    rank = {name: n for n, name in enumerate(found)}
    missing = {name: sum(feed.origin in found for feed in station.feeds) for name, station in found.items()}
    takers: dict[str, list[str]] = {}
    for name, station in found.items():
        for feed in station.feeds:
            takers.setdefault(feed.origin, []).append(name)
    ready = [(rank[name], name) for name, n in missing.items() if n == 0]
    order = []
    while ready:
        name = heappop(ready)[1]
        order.append(found[name])
        for taker in takers.get(name, ()):
            missing[taker] -= 1
            if missing[taker] == 0:
                heappush(ready, (rank[taker], taker))
    left = [name for name in found if missing[name] > 0]
    if left:
        _tell_circle(left, found, context)
    return order + [found[name] for name in left]


def _tell_circle(left: Sequence[str], found: Mapping[str, Station], context: Context) -> None:
    seen: list[str] = []
    name = left[0]
    while name not in seen:
        seen.append(name)
        name = next(feed.origin for feed in found[name].feeds if feed.origin in left)
    circle = list(reversed(seen[seen.index(name) :]))
    circle = circle[circle.index(min(circle, key=left.index)) :] + circle[: circle.index(min(circle, key=left.index))]
    feed = next(f for f in found[circle[0]].feeds if f.origin == circle[-1])
    context.report.add(
        (*feed.path, "from"),
        f"parts would go in a circle: {' -> '.join([*circle, circle[0]])}",
        "Feed one of them from a source; for going back use inspection: {rework: 2 %, rework_to: NAME}.",
    )


def _check_buffers(station: Station, context: Context) -> None:
    report, batch = context.report, station.shape.batch
    for feed in station.feeds:
        room = UNLIMITED if feed.shape.buffer is None else feed.shape.buffer
        needed = feed.shape.quantity if len(station.feeds) > 1 or feed.shape.quantity > 1 else 0
        if room < needed:
            what = f"the join takes {needed} of {feed.origin} at once, but only {room} can wait"
            report.add((*feed.path, "buffer"), what, f"Write at least buffer: {needed}.")
    if batch is None:
        return
    path = (*station.path, "batch")
    if batch.size is None:
        report.add((*path, "size"), "is missing", "Write how many parts go in at once: size: 8.")
    elif batch.minimum > batch.size:
        report.add((*path, "minimum"), f"{batch.minimum} is more than the size {batch.size}")
    if len(station.feeds) > 1 or any(feed.shape.quantity > 1 for feed in station.feeds):
        report.add(path, "a batch takes single parts from one input")
    rooms = [feed.shape.buffer for feed in station.feeds if feed.shape.buffer is not None]
    if batch.size is not None and rooms and batch.size > rooms[0]:
        report.add(
            (*path, "size"),
            f"{batch.size} parts are more than the {rooms[0]} that can wait in the buffer",
            f"Write at least buffer: {batch.size}.",
        )


def _check_rework(found: Mapping[str, Station], context: Context) -> None:
    for station in found.values():
        inspection, path = station.shape.inspection, (*station.path, "inspection")
        if inspection is None:
            continue
        if inspection.scrap + inspection.rework > 1:
            context.report.add(
                (*path, "rework"),
                f"scrap and rework together are {inspection.scrap + inspection.rework:.4g}, more than 1",
            )
        target = inspection.rework_to
        if target is None:
            if inspection.rework > 0:
                context.report.add((*path, "rework_to"), "is missing: where do parts go back to?")
            continue
        if target not in found:
            context.report.add((*path, "rework_to"), f"{target!r} is not an operation", did_you_mean(target, found))
        elif target not in set(_upstream(station, found)):
            context.report.add(
                (*path, "rework_to"),
                f"{target} does not lead to {station.name}: the part would never come back",
                f"Name {station.name} or an operation before it.",
            )
        if inspection.rework >= 1 and inspection.max_loops == UNLIMITED:
            context.report.add((*path, "rework"), "every part goes back for ever", "Limit it: max_loops: 1.")


def _upstream(station: Station, found: Mapping[str, Station]) -> Iterator[str]:
    """The station and all that lead to it."""
    seen, todo = set[str](), [station.name]
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        yield name
        todo.extend(feed.origin for feed in found[name].feeds if feed.origin in found)
