"""Fields of a plant that follow from its others and that both engines read."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from factory_sim.plant.spec import UNLIMITED, Pool
from factory_sim.plant.states import Wait

if TYPE_CHECKING:
    from collections.abc import Sequence

    from factory_sim.plant.spec import Input, Operation, Plant

MACHINING, JOINING, BATCHING = "machining", "joining", "batching"


def with_derived(plant: Plant) -> Plant:
    """Return the plant with all its derived fields computed anew; call it after a change of operations or pools."""
    senders = defaultdict[int, list[int]](list)  # of reworked parts, by operation
    for n, each in enumerate(plant.operations):
        if each.inspection is not None and each.inspection.rework:
            senders[each.inspection.rework_to].append(n)
    operations = tuple(_operation(plant, each, senders.get(n, [])) for n, each in enumerate(plant.operations))
    robots = [Pool(Wait.ROBOT, robot.units) for robot in plant.robots]
    crews = [Pool(Wait.OPERATOR, crew.units, crew.shift) for crew in plant.crews]
    return replace(
        plant,
        operations=operations,
        pools=(*robots, *crews),
        can_deadlock=_can_deadlock(operations, cards=any(source.cards for source in plant.sources)),
    )


def _behaviour(operation: Operation) -> str:
    """Return the behaviour that inputs and batch require (rule TAKE-2)."""
    if operation.behaviour != MACHINING:
        return operation.behaviour
    if operation.batch is not None:
        return BATCHING
    return JOINING if len(operation.inputs) > 1 or operation.inputs[0].quantity > 1 else MACHINING


def _operation(plant: Plant, operation: Operation, senders: Sequence[int]) -> Operation:
    needs = [operation.robot] if operation.robot >= 0 else []
    needs += [plant.crew_pool(operation.operator)] if operation.operator >= 0 else []
    return replace(
        operation,
        behaviour=_behaviour(operation),
        inputs=tuple(_input(plant, operation, each) for each in operation.inputs),
        pools=tuple(needs),
        setup_pool=plant.crew_pool(operation.setup_operator),
        rework_from=tuple(senders),
    )


def _input(plant: Plant, operation: Operation, given: Input) -> Input:
    batch = operation.batch
    origin = plant.operations[given.operation] if given.operation >= 0 else operation
    return replace(
        given,
        starts_with=given.quantity if batch is None else 1 if batch.timeout_s else batch.minimum,
        pace_s=operation.unit_time_s / len(operation.machines) / given.quantity,
        pickup=origin.section,
    )


def _can_deadlock(operations: Sequence[Operation], *, cards: bool) -> bool:
    """Return whether full rework racks, or cards that run out before a start is possible, can deadlock (DEAD-1)."""
    collects = any(each.starts_with > 1 for operation in operations for each in operation.inputs)
    return (cards and collects) or any(
        operation.rework_from and operation.rework_places < UNLIMITED for operation in operations
    )
