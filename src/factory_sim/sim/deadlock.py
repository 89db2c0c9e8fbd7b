"""Operations and sources that can never move again, because they wait for each other in a circle.

What can close one: parts that go back for rework, and cards that run out before a join or a furnace has its parts.
Vehicles cannot (a place is reserved before they load), nor can robots and people: a machine calls its robot before its
operator, a blocked machine holds neither, and an operator leaves a machine that stops (docs/design.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet

    from factory_sim.plant.spec import Plant

Waits = dict[int, str]  # whom one waits for, and what to say of it

_NO_ROOM = "holds a finished part for {}, which has no room"
_LACKS = "lacks parts from {}"
_NO_CARD = "has all its cards out, with parts that wait at {}"
_ON_THE_WAY = "has all its cards out, with parts on their way to {}"


@dataclass(frozen=True, slots=True)
class Plight:
    """How an operation stands when all moves have been made, as far as that says whether it can ever move again."""

    works: bool  # some machine has work, or its part is on its way
    targets: AbstractSet[int]  # operations for which finished parts wait
    idle: bool  # some machine waits for parts
    lacks: Sequence[int]  # inputs that hold too few parts to begin
    origins: AbstractSet[int]  # sources of the parts here


def blocked(plant: Plant, plights: Sequence[Plight], out_of_cards: AbstractSet[int]) -> dict[int, Waits]:
    """Those that can never move again, each with those it waits for: what is left when all others are taken away.

    Numbers: operations as in the plant, then sources. out_of_cards: sources whose next part needs a card that is out.
    """
    n, feeders = len(plights), _feeders(plant)

    def waits_for(node: int, stuck: AbstractSet[int]) -> Waits | None:
        if node >= n:
            return _of_source(node - n, plights, feeders, stuck) if node - n in out_of_cards else None
        return _of_operation(plights[node], feeders[node], stuck)

    stuck = set(range(n + len(plant.sources)))
    while free := {node for node in stuck if waits_for(node, stuck) is None}:
        stuck -= free
    return {node: waits_for(node, stuck) or {} for node in stuck}


def _of_source(
    source: int, plights: Sequence[Plight], feeders: Sequence[Sequence[AbstractSet[int]]], stuck: AbstractSet[int]
) -> Waits | None:
    if not stuck >= set(range(len(plights))):
        return None  # one of its parts may leave
    if here := {i: _NO_CARD for i, plight in enumerate(plights) if source in plight.origins}:
        return here
    led_to = {
        len(plights) + source
    }  # its parts are on conveyors or vehicles, to joins that lack parts of another input
    for i, each in enumerate(feeders):
        led_to |= {i} if any(led_to & feeder for feeder in each) else set()
    return {i: _ON_THE_WAY for i, p in enumerate(plights) if i in led_to and 0 < len(p.lacks) < len(feeders[i])}


def _of_operation(plight: Plight, feeders: Sequence[AbstractSet[int]], stuck: AbstractSet[int]) -> Waits | None:
    starves = [feeders[i] for i in plight.lacks if stuck >= feeders[i]]
    if plight.works or not stuck >= plight.targets or (plight.idle and not starves):
        return None
    waits = dict.fromkeys(set[int]().union(*starves), _LACKS) if plight.idle else {}
    return waits | dict.fromkeys(plight.targets, _NO_ROOM)


def _feeders(plant: Plant) -> list[list[set[int]]]:
    """By operation and input: the operations, or the source, that parts come from."""
    n = len(plant.operations)
    found = [[{n + i.source if i.source >= 0 else i.operation} for i in o.inputs] for o in plant.operations]
    for operation, feeders in zip(plant.operations, found, strict=True):
        feeders[0].update(operation.rework_from)
    return found


def circle_text(now_us: int, waits: dict[int, Waits], plant: Plant) -> str:
    """What to say of a circle among those that can never move again."""
    names = [*(operation.name for operation in plant.operations), *(source.name for source in plant.sources)]
    path = [min(waits)]
    while (following := min(waits[path[-1]])) not in path:
        path.append(following)
    circle = [*path[path.index(following) :], following]
    told = [f"  {names[i]} {waits[i][j].format(names[j])}." for i, j in pairwise(circle)]
    return "\n".join(
        (
            f"blocked in a circle at {now_us / 1e6:.1f} s: {' -> '.join(names[i] for i in circle)}.",
            *told,
            "  Nothing in it will ever move again. " + _advice(any(i >= len(plant.operations) for i in circle)),
        )
    )


def _advice(cards: bool) -> str:
    if cards:
        return "Give the source more cards, or let the operation that lacks parts begin with fewer."
    return "Give the rework's buffer more places, or let fewer parts into the loop (cards)."
