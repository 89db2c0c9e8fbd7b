"""Flow of parts: the inputs of each operation, the order of operations, and mistakes in both."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, TypeVar

from factory_sim.errors import did_you_mean
from factory_sim.plant.resolve.derived import BATCHING
from factory_sim.plant.spec import UNLIMITED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from factory_sim.plant.resolve.context import Context
    from factory_sim.plant.yaml import shapes
    from factory_sim.plant.yaml.tree import Path

T = TypeVar("T")
_RACK_KEYS = {"rework_places", "rework_first", "rework_components"}


@dataclass(slots=True)
class Feed:
    """One input of a station."""

    origin: str  # a source or a station
    path: Path  # in the file
    shape: shapes.Input


@dataclass(slots=True)
class Station:
    """An operation of the file with its inputs."""

    name: str
    path: Path
    section: str
    shape: shapes.Operation
    feeds: list[Feed] = field(default_factory=list)
    index: int = -1  # in flow order


def reached(begin: T, next_of: Callable[[T], Iterable[T]]) -> set[T]:
    """Return `begin` and all that follows from it, where `next_of` returns what follows directly."""
    seen, todo = set[T](), [begin]
    while todo:
        at = todo.pop()
        if at not in seen:
            seen.add(at)
            todo += next_of(at)
    return seen


def stations(context: Context) -> list[Station]:
    """Return all operations in flow order, source to sink; report mistakes in the flow."""
    found: dict[str, Station] = {}
    before = len(context.report.problems)
    for section, shape in context.plant.sections.items():
        previous: Station | None = None
        for name, operation in shape.operations.items():
            path: Path = ("sections", section, "operations", name)
            if name in found:
                what = f"is also in section {found[name].section}; names of operations are unique in a plant"
                context.report.add(path, what, "Give one of the two another name.", at_key=True)
                continue
            station = found[name] = Station(name, path, section, operation)
            station.feeds = _feeds(station, previous, context)
            previous = station
    _check_origins(found, context)
    if len(context.report.problems) == before:  # else it may follow from a wrong `from`
        _check_sources(found, context)
    order = _ordered(found, context)
    for n, station in enumerate(order):
        station.index = n
    for station in order:
        _check_buffers(station, context)
        _check_batch(station, context)
        _check_rework(station, found, context)
    _check_racks(found, context)
    return order


def _feeds(station: Station, previous: Station | None, context: Context) -> list[Feed]:
    shape, report, feeds = station.shape, context.report, list[Feed]()
    if shape.inputs and (shape.from_ or shape.buffer is not None or shape.by or shape.quantity != 1):
        what = "cannot be combined with from, buffer, quantity or by"
        report.add((*station.path, "inputs"), what, "Write these keys in each of the inputs.")
    several: list[tuple[Path, shapes.Input]] = [((*station.path, "inputs", n), i) for n, i in enumerate(shape.inputs)]
    for path, each in several or [(station.path, shape)]:
        origin = each.from_ or (previous.name if previous is not None and not shape.inputs else None)
        if origin is None:
            hint = f"Name a source or operation: {did_you_mean('', [*context.plant.sources, *context.names])}"
            report.add((*path, "from"), "is missing: nothing feeds this operation", hint)
        else:
            feeds.append(Feed(origin, path, each))
        if each.buffer is None:
            report.missing((*path, "buffer"), "4, or 0 for none", "how many parts can wait in front of the operation?")
    return feeds


def _check_origins(found: Mapping[str, Station], context: Context) -> None:
    """Check that every origin exists and feeds one operation only."""
    taken: dict[str, Station] = {}
    sources = context.plant.sources
    for station, feed in ((each, feed) for each in found.values() for feed in each.feeds):
        at = (*feed.path, "from")
        if feed.origin not in found and feed.origin in context.names:
            continue  # an operation that cannot be read, which is reported already
        if feed.origin not in found and feed.origin not in sources:
            near = did_you_mean(feed.origin, [*found, *sources])
            context.report.add(at, f"{feed.origin!r} is neither an operation nor a source", near)
        elif feed.origin in taken:
            hint = "Chain the two, or give each its own origin."
            if feed.shape.from_ is None:
                hint = f"{station.name} has no from, so its parts come from the operation before it, {feed.origin}."
            what = f"{feed.origin} already feeds {taken[feed.origin].name}; it can feed only one operation"
            context.report.add(at, what, hint)
        taken.setdefault(feed.origin, station)


def _check_sources(found: Mapping[str, Station], context: Context) -> None:
    used = {feed.origin for station in found.values() for feed in station.feeds}
    for name in context.plant.sources:
        if name not in used:
            hint = f"Write from: {name} at the first operation."
            context.report.add(("sources", name), "feeds no operation", hint, at_key=True)


def _ordered(found: Mapping[str, Station], context: Context) -> list[Station]:
    """Return the stations in topological order, in file order where that is one (rule UNIT-2)."""
    rank = {name: n for n, name in enumerate(found)}
    sorter = TopologicalSorter(
        {name: [feed.origin for feed in station.feeds if feed.origin in found] for name, station in found.items()}
    )
    with suppress(CycleError):  # stations outside the cycle are ordered all the same
        sorter.prepare()
    order, ready = list[Station](), [(rank[name], name) for name in sorter.get_ready()]
    heapify(ready)
    while ready:
        name = heappop(ready)[1]
        order.append(found[name])
        sorter.done(name)
        for taker in sorter.get_ready():
            heappush(ready, (rank[taker], taker))
    done = {station.name for station in order}
    left = [name for name in found if name not in done]
    if left:
        _report_cycle(left, found, context)
    return order + [found[name] for name in left]


def _report_cycle(left: Sequence[str], found: Mapping[str, Station], context: Context) -> None:
    seen: list[str] = []
    name = left[0]
    while name not in seen:
        seen.append(name)
        name = next(feed.origin for feed in found[name].feeds if feed.origin in left)
    cycle = list(reversed(seen[seen.index(name) :]))
    first = cycle.index(min(cycle, key=left.index))
    cycle = cycle[first:] + cycle[:first]
    feed = next(f for f in found[cycle[0]].feeds if f.origin == cycle[-1])
    what = f"parts would move in a cycle: {' -> '.join([*cycle, cycle[0]])}"
    hint = "Feed one of them from a source; to send parts back use inspection: {rework: 2 %, rework_to: NAME}."
    context.report.add((*feed.path, "from"), what, hint)


def _check_buffers(station: Station, context: Context) -> None:
    for feed in station.feeds:
        room = UNLIMITED if feed.shape.buffer is None else feed.shape.buffer
        needed = feed.shape.quantity if len(station.feeds) > 1 or feed.shape.quantity > 1 else 0
        if room < needed:
            what = f"the join takes {needed} of {feed.origin} at once, but only {room} can wait"
            context.report.add((*feed.path, "buffer"), what, f"Write at least buffer: {needed}.")


def _check_batch(station: Station, context: Context) -> None:
    report, batch, path = context.report, station.shape.batch, (*station.path, "batch")
    if batch is None:
        kind = context.plant.kinds.get(station.shape.kind or "")
        if (station.shape.behaviour or (kind.behaviour if kind else None)) == BATCHING:
            report.add((*station.path, "behaviour"), "batching needs a batch", "Write batch: {size: 8}.")
        return
    if batch.minimum > batch.size and report.clean((*path, "size")):
        report.add((*path, "minimum"), f"{batch.minimum} is more than the size {batch.size}")
    if len(station.feeds) > 1 or any(feed.shape.quantity > 1 for feed in station.feeds):
        report.add(path, "a batch takes single parts from one input")
    rooms = [feed.shape.buffer for feed in station.feeds if feed.shape.buffer is not None]
    if rooms and batch.size > rooms[0] and report.clean((*path, "size")):
        what = f"{batch.size} parts are more than the {rooms[0]} that can wait in the buffer"
        report.add((*path, "size"), what, f"Write at least buffer: {batch.size}.")


def _check_rework(station: Station, found: Mapping[str, Station], context: Context) -> None:
    inspection, path, report = station.shape.inspection, (*station.path, "inspection"), context.report
    if inspection is None:
        return
    total, target = inspection.scrap + inspection.rework, inspection.rework_to
    if total > 1:
        report.add((*path, "rework"), f"scrap and rework together are {total:.4g}, more than 1")
    if target is None:
        if inspection.rework > 0:
            report.missing((*path, "rework_to"), station.name, "to which operation do parts go back?")
        return
    if target not in found:
        report.add((*path, "rework_to"), f"{target!r} is not an operation", did_you_mean(target, found))
    elif target not in _between(found[target], station, found):
        what = f"{target} does not lead to {station.name}: the part would never come back"
        report.add((*path, "rework_to"), what, f"Name {station.name} or an operation before it.")
    if inspection.rework >= 1 and inspection.max_loops == UNLIMITED:
        report.add((*path, "rework"), "every part would go back forever", "Limit it: max_loops: 1.")


def _between(first: Station, last: Station, found: Mapping[str, Station]) -> set[str]:
    """Return the names of the last station and of all stations from the first one on that lead to it."""

    def before(name: str) -> list[str]:
        origins = (found.get(feed.origin) for feed in found[name].feeds)
        return [each.name for each in origins if each is not None and each.index >= first.index]

    return reached(last.name, before)


def _check_racks(found: Mapping[str, Station], context: Context) -> None:
    """Check the rework racks: an inspection sends parts there, and they have a place."""
    senders = {station.shape.inspection.rework_to for station in found.values() if station.shape.inspection}
    for station in found.values():
        given = sorted(_RACK_KEYS & station.shape.model_fields_set)
        if given and station.name not in senders:
            hint = (
                f"Write inspection: {{rework: 2 %, rework_to: {station.name}}} at the operation that sends them back."
            )
            context.report.add((*station.path, given[0]), f"no inspection sends parts back to {station.name}", hint)
        elif station.shape.rework_places == 0:
            what = "a part that comes back needs a place"
            context.report.add(
                (*station.path, "rework_places"), what, "Write rework_places: 1 or more, or leave it out."
            )
