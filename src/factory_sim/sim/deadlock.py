"""Deadlocks: operations and sources that wait for each other and can never move again (DEAD-1 to DEAD-7).

The causes are full rework racks, and cards that run out before a join or a batch is complete. Vehicles
reserve a place before they load, and pools cannot take part (POOL-6).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet

    from factory_sim.plant.spec import Plant

    Feeders = Sequence[AbstractSet[int]]  # by input of an operation

Waits = dict[int, str]  # what an operation or source waits for, and a text that describes it

_NO_ROOM = "holds a finished part for {}, which has no room"
_NO_PLACE = "holds a part for rework at {}, whose rework_places are full"
_LACKS = "lacks parts from {}"
_NO_CARD = "has all its cards out, with parts that wait at {}"
_ON_THE_WAY = "has all its cards out, with parts on their way to {}"


@dataclass(frozen=True, slots=True)
class OperationStatus:
    """The state of an operation after all moves of an instant, as far as it decides whether it can ever move again."""

    works: bool  # some machine has work, or its part is on its way
    targets: AbstractSet[int]  # operations for which finished parts wait
    rework_targets: AbstractSet[int]  # operations for whose rework rack finished parts wait
    idle: bool  # some machine waits for parts
    lacks: Sequence[int]  # inputs that hold too few parts to begin
    origins: AbstractSet[int]  # sources of the parts here


def blocked(plant: Plant, statuses: Sequence[OperationStatus], out_of_cards: AbstractSet[int]) -> dict[int, Waits]:
    """Return the operations and sources that can never move again, each with those it waits for (DEAD-4, DEAD-5).

    Operations are numbered as in the plant, sources follow. out_of_cards: sources whose next part lacks a card.
    """
    n, feeders = len(statuses), _feeders(plant)

    def waits_for(node: int, stuck: AbstractSet[int]) -> Waits | None:
        if node >= n:
            return _of_source(node - n, statuses, feeders, stuck) if node - n in out_of_cards else None
        return _of_operation(statuses[node], feeders[node], stuck)

    stuck = set(range(n + len(plant.sources)))
    while free := {node for node in stuck if waits_for(node, stuck) is None}:
        stuck -= free
    return {node: waits_for(node, stuck) or {} for node in stuck}


def _of_source(
    source: int, statuses: Sequence[OperationStatus], feeders: Sequence[Feeders], stuck: AbstractSet[int]
) -> Waits | None:
    if not stuck >= set(range(len(statuses))):
        return None  # one of its parts may leave
    if here := {i: _NO_CARD for i, status in enumerate(statuses) if source in status.origins}:
        return here
    led_to = {len(statuses) + source}  # by conveyors or vehicles, to joins that lack parts of another input
    for i, each in enumerate(feeders):
        led_to |= {i} if any(led_to & feeder for feeder in each) else set()
    return {i: _ON_THE_WAY for i, p in enumerate(statuses) if i in led_to and 0 < len(p.lacks) < len(feeders[i])}


def _of_operation(status: OperationStatus, feeders: Feeders, stuck: AbstractSet[int]) -> Waits | None:
    starves = [feeders[i] for i in status.lacks if stuck >= feeders[i]]
    if status.works or not stuck >= status.targets | status.rework_targets or (status.idle and not starves):
        return None
    waits = dict.fromkeys(set[int]().union(*starves), _LACKS) if status.idle else {}
    return waits | dict.fromkeys(status.targets, _NO_ROOM) | dict.fromkeys(status.rework_targets, _NO_PLACE)


def _feeders(plant: Plant) -> list[list[set[int]]]:
    """Return, by operation and input, the operations or the source that parts come from (DEAD-6)."""
    n = len(plant.operations)
    found = [[{n + i.source if i.source >= 0 else i.operation} for i in o.inputs] for o in plant.operations]
    for operation, feeders in zip(plant.operations, found, strict=True):
        feeders[0].update(operation.rework_from)
    return found


def cycle_message(now_us: int, waits: dict[int, Waits], plant: Plant) -> str:
    """Return the error message: one cycle of those that can never move again, and what each waits for (DEAD-7)."""
    names = [*(operation.name for operation in plant.operations), *(source.name for source in plant.sources)]
    path = [min(waits)]
    while (following := min(waits[path[-1]])) not in path:
        path.append(following)
    cycle = [*path[path.index(following) :], following]
    reasons = [f"  {names[i]} {waits[i][j].format(names[j])}." for i, j in pairwise(cycle)]
    return "\n".join(
        (
            f"Deadlock at {now_us / 1e6:.1f} s: {' -> '.join(names[i] for i in cycle)}.",
            *reasons,
            "  None of them can ever move again. " + _advice(any(i >= len(plant.operations) for i in cycle)),
        )
    )


def _advice(cards: bool) -> str:
    if cards:
        return "Give the source more cards, or let the operation that lacks parts begin with fewer."
    return "Leave out rework_places (unlimited) or raise it, or let fewer parts into the loop (cards)."
