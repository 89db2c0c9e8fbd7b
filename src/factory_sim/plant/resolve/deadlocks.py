"""Checks for plants that would stop forever, or whose clock would never advance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from factory_sim.plant.resolve.flow import reached
from factory_sim.plant.spec import UNLIMITED
from factory_sim.plant.wall_clock import usual_week

if TYPE_CHECKING:
    from collections.abc import Sequence

    from factory_sim.plant import spec
    from factory_sim.plant.resolve.flow import Feed, Station
    from factory_sim.plant.yaml.problems import Report


def check(plant: spec.Plant, order: Sequence[Station], report: Report) -> None:
    """Report what cannot work; `order` has the stations of the plant's operations."""
    shifts = {machine.unit: machine.shift for machine in plant.machines}
    for index, (operation, station) in enumerate(zip(plant.operations, order, strict=True)):
        for number, feed in enumerate(station.feeds):
            _check_room(plant, operation.inputs[number], feed, report)
            _check_cards(plant, (index, number), feed, report)
        _check_inspection(operation, station, report)
        _check_operators(plant, operation, {shifts[unit] for unit in operation.machines}, station, report)


def _check_room(plant: spec.Plant, made: spec.Input, feed: Feed, report: Report) -> None:
    if made.fleet >= 0 and not made.capacity:
        what = "vehicles need a place to unload at, and no part can wait here"
        report.add((*feed.path, "buffer"), what, "Write buffer: 1.")
    source = plant.sources[made.source] if made.source >= 0 else None
    endless = source is not None and source.interarrival is None and not source.arrivals_s and not source.cards
    if endless and made.capacity == UNLIMITED and made.conveyor < 0:
        what = f"a part is always waiting at {feed.origin}: an unlimited buffer would grow forever within one instant"
        hint = "Write how many parts can wait, such as buffer: 10, or give the source cards."
        report.add((*feed.path, "buffer"), what, hint)


def _check_cards(plant: spec.Plant, at: tuple[int, int], feed: Feed, report: Report) -> None:
    needed = plant.operations[at[0]].inputs[at[1]].starts_with
    if needed <= min((source.cards for source in plant.sources if source.cards), default=needed):
        return
    sources = _sources(plant, at)
    cards = [plant.sources[s].cards for s in sorted(sources)]
    if all(cards) and sum(cards) < needed:
        names = " and ".join(plant.sources[s].name for s in sorted(sources))
        what = f"starts with {needed} parts of {feed.origin}, but the cards of {names} let only {sum(cards)} in"
        hint = "Give the source more cards, or start with fewer parts (quantity; batch minimum or timeout)."
        report.add(feed.path, what, hint)


def _sources(plant: spec.Plant, begin: tuple[int, int]) -> set[int]:
    """Return the sources whose parts can reach an input, given as (operation, number)."""

    def inputs_before(at: tuple[int, int]) -> list[tuple[int, int]]:
        operation = plant.operations[at[0]]
        reworked = operation.rework_from if at[1] == 0 else ()
        senders = {operation.inputs[at[1]].operation, *reworked} - {-1}
        return [(i, n) for i in senders for n in range(len(plant.operations[i].inputs))]

    inputs = (plant.operations[i].inputs[n] for i, n in reached(begin, inputs_before))
    return {each.source for each in inputs} - {-1}


def _check_inspection(operation: spec.Operation, station: Station, report: Report) -> None:
    inspection = operation.inspection
    if inspection is not None and inspection.rework and inspection.scrap + inspection.rework >= 1:
        report.add(
            (*station.path, "inspection", "rework"),
            "lets no good part out: every part goes back, and is scrapped after its loops",
            "Leave a share that passes, such as rework: 5 %.",
        )


def _check_operators(
    plant: spec.Plant, operation: spec.Operation, shifts: set[int], station: Station, report: Report
) -> None:
    for key, crew in (("operator", operation.operator), ("setup_operator", operation.setup_operator)):
        people = plant.crews[crew].shift if crew >= 0 else -1
        for shift in shifts - {-1} if people >= 0 else ():
            own, theirs = plant.shifts[shift], plant.shifts[people]
            if own.at_end == "pause" and not own.exceptions and not theirs.exceptions and not _meet(own, theirs):
                what = f"the crew {plant.crews[crew].name} works in the shift {theirs.name}, the machines in {own.name}"
                hint = "Give the crew hours in which the machines work."
                report.add((*station.path, key), f"{what}: they never work at the same time", hint)


def _meet(one: spec.Shift, other: spec.Shift) -> bool:
    return any(a < d and c < b for a, b in usual_week(one) for c, d in usual_week(other))
