"""Finding operations that block each other in a circle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from factory_sim.errors import ModelError
from factory_sim.sim.machine import DONE
from factory_sim.sim.station import Buffer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from factory_sim.sim.station import Station


def find_circle(stations: list[Station]) -> None:
    """Raise ModelError if some operations can never move again, because each waits for room at the next.

    An operation is stuck when every machine of it holds a finished part for a full buffer of a stuck operation; taking
    away those that are not leaves the circle. Only a part that goes back for rework can close one.
    """
    if not any(machine.place is s.rework and machine.held for s in stations if s.rework for machine in s.machines):
        return
    stuck = {station.index: _waits_for(station) for station in stations}
    while True:
        free = [i for i, targets in stuck.items() if not targets or not targets <= stuck.keys()]
        if not free:
            break
        for i in free:
            del stuck[i]
    if stuck:
        raise ModelError(circle_text(stations[0].line.now, stuck, [station.spec.name for station in stations]))


def circle_text(now_us: int, stuck: dict[int, set[int]], names: Sequence[str]) -> str:
    """What to say of a circle among stuck operations, each with those it waits for."""
    path = [min(stuck)]
    while (following := min(stuck[path[-1]])) not in path:
        path.append(following)
    circle = " -> ".join(names[i] for i in [*path[path.index(following) :], following])
    return (
        f"blocked in a circle at {now_us / 1e6:.1f} s: {circle}.\n"
        "  Every machine in it holds a finished part for a full buffer. Give the rework's buffer more places, "
        "or let fewer parts into the loop (cards)."
    )


def _waits_for(station: Station) -> set[int]:
    targets = set()
    for machine in station.machines:
        place = machine.place
        if machine.phase != DONE or not isinstance(place, Buffer) or place.room() > 0:
            return set()
        targets.add(place.index)
    return targets
