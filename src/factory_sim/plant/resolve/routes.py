"""Conveyors and fleets: the inputs that they serve and the distances between stops."""

from __future__ import annotations

from typing import TYPE_CHECKING

from factory_sim.errors import did_you_mean
from factory_sim.plant import spec
from factory_sim.plant.resolve.equipment import power_by_state

if TYPE_CHECKING:
    from collections.abc import Sequence

    from factory_sim.plant.resolve.context import Context
    from factory_sim.plant.resolve.flow import Feed, Station
    from factory_sim.plant.yaml import shapes
    from factory_sim.plant.yaml.tree import Path


def carriers(feed: Feed, context: Context) -> tuple[int, int]:
    """Return the indexes of the conveyor and of the fleet that bring this input, -1 for none."""
    by, at = feed.shape.by, (*feed.path, "by")
    if by is None:
        return -1, -1
    fleets, conveyors = context.index["fleets"], context.index["conveyors"]
    broken = context.report.reported(("fleets", by)) or context.report.reported(("conveyors", by))
    if by not in fleets and by not in conveyors and not broken:
        near = did_you_mean(by, [*fleets, *conveyors]) or "Describe it under fleets or conveyors."
        context.report.add(at, f"{by!r} is neither a fleet nor a conveyor", near)
    if by in fleets and feed.origin in context.plant.sources:
        what = f"vehicles fetch parts from operations, and {feed.origin} is a source"
        context.report.add(at, what, "Leave out by here.")
    return conveyors.get(by, -1), fleets.get(by, -1)


def check_conveyors(order: Sequence[Station], context: Context) -> None:
    """Check that each conveyor serves one input."""
    users: dict[str, str] = {}
    for station, feed in ((each, feed) for each in order for feed in each.feeds):
        by = feed.shape.by
        if by in context.index["conveyors"] and users.setdefault(by, station.name) != station.name:
            what = f"conveyor {by} already leads to {users[by]}"
            context.report.add((*feed.path, "by"), what, "Describe one conveyor for each input.")


def fleet(name: str, shape: shapes.Fleet, order: Sequence[Station], context: Context) -> spec.Fleet:
    """Return the fleet, without unit ids and sensors."""
    path, report = ("fleets", name), context.report
    if shape.trip is None:
        report.require(path, shape, speed="1.2 m/s")
    report.check_known((*path, "policy"), shape.policy, "a dispatch policy", context.catalogue.policies)
    battery = shape.battery
    if battery is not None and not (battery.moving_time > 0 and battery.charge_time > 0):
        hint = "For a vehicle that never charges leave out battery."
        report.add((*path, "battery"), "needs moving_time and charge_time above 0 s", hint)
    distances = _distances(path, shape, _stops(name, order, context), context)
    return spec.Fleet(
        name=name,
        units=(),
        policy=shape.policy,
        speed_mps=shape.speed or 1.0,
        load=shape.load,
        unload=shape.unload or shape.load,
        distance_m=distances,
        battery_s=battery.moving_time if battery else 0.0,
        charge_below=battery.charge_below if battery else 0.2,
        charge_s=battery.charge_time if battery else 0.0,
        trip=shape.trip,
        power_w=power_by_state(shape.power),
    )


def _stops(name: str, order: Sequence[Station], context: Context) -> list[str]:
    """Return the sections that the vehicles of a fleet visit, and the first section, where they start."""
    section = {station.name: station.section for station in order}
    ends = {
        s
        for station in order
        for feed in station.feeds
        if feed.shape.by == name
        for s in (station.section, section.get(feed.origin, station.section))
    }
    sections = list(context.plant.sections)
    return [s for s in sections if s in ends or s == sections[0]]


def _distances(path: Path, shape: shapes.Fleet, stops: list[str], context: Context) -> tuple[tuple[float, ...], ...]:
    sections, given = list(context.plant.sections), shape.distances
    if (same := context.one_for_all((*path, "distances"), given, "sections")) is not None:
        return same

    def length(a: str, b: str) -> float | None:
        there, back = given.get(a, {}).get(b), given.get(b, {}).get(a)
        return there if there is not None else back if back is not None else 0.0 if a == b else None

    holes = [f"{a} to {b}" for n, a in enumerate(stops) for b in stops[n + 1 :] if length(a, b) is None]
    if holes and shape.trip is None and context.report.clean((*path, "distances")):
        more = f" and {len(holes) - 4} more" if len(holes) > 4 else ""
        hint = "Write the distance between every two sections that vehicles visit, the first section included."
        context.report.add((*path, "distances"), f"has holes: {', '.join(holes[:4])}{more}", hint)
    return tuple(tuple(length(a, b) or 0.0 for b in sections) for a in sections)
