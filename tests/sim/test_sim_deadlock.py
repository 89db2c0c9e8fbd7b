"""A deadlock is reported at once with its cycle; operators never cause one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from factory_sim.distributions import constant
from factory_sim.errors import ModelError
from factory_sim.plant.resolve.derived import with_derived
from factory_sim.plant.spec import Batch, Conveyor, Crew, FailureMode, Fleet, Input, Inspection, Plant, Shift, Source
from factory_sim.plant.states import Outcome, State
from factory_sim.plant.wall_clock import repeated
from factory_sim.sim.run import Simulation, simulate
from factory_sim.validation.exact.lines import Stop, line

if TYPE_CHECKING:
    from factory_sim.records import EventLog

S = 1_000_000
ENGINES = ("simpy", "calendar")
AGAIN = Inspection(rework=1.0, rework_to=0, max_loops=9)
FAST = constant(1)


def with_rack(plant: Plant, places: int = 1) -> Plant:
    """The plant whose first operation has a rework rack of a few places, and takes parts in the order of arrival."""
    first = replace(plant.operations[0], rework_places=places, rework_first=False)
    return with_derived(replace(plant, operations=(first, *plant.operations[1:])))


def with_input(plant: Plant, index: int, **changes: object) -> Plant:
    """The plant with the first input of an operation changed."""
    operation = plant.operations[index]
    changed = replace(operation, inputs=(replace(operation.inputs[0], **changes), *operation.inputs[1:]))
    return with_derived(replace(plant, operations=tuple(changed if o is operation else o for o in plant.operations)))


def straight() -> Plant:
    """Two operations in each other's way: the second sends every part back."""
    stops = [Stop(constant(10), 1, 1), Stop(constant(10), 1, 1, inspection=AGAIN)]
    return with_rack(line(stops, Source("in", 0)))


def over_a_conveyor() -> Plant:
    plant = straight()
    plant = replace(plant, conveyors=(Conveyor("belt", 3, 5.0, 2),), units=(*plant.units, "belt"))
    return with_input(plant, 1, conveyor=0)


def by_vehicles() -> Plant:
    fleet = Fleet("agv", (3, 4), "first_come", 1.0, FAST, FAST, ((0.0, 10.0), (10.0, 0.0)))
    stops = [Stop(FAST, 1, 1), Stop(FAST, 1, 1, fleet=0, section=1, inspection=AGAIN)]
    return with_rack(line(stops, Source("in", 0), fleets=(fleet,), names=("agv-1", "agv-2")))


def furnace_out_of_cards(timeout_s: float = 0.0) -> Plant:
    stops = [Stop(FAST, 1, 1), Stop(FAST, 1, 6, batch=Batch(6, 4, timeout_s)), Stop(FAST, 1, 2)]
    return line(stops, Source("in", 0, cards=3))


def join_out_of_cards() -> Plant:
    return with_input(line([Stop(FAST, 1, 6)], Source("in", 0, cards=1)), 0, quantity=2)


def branch_out_of_cards() -> Plant:
    """A join of two branches: a furnace on one of them waits forever, the other one fills up."""
    plant = line([Stop(FAST, 1, 4, batch=Batch(4, 4)), Stop(FAST, 1, 2), Stop(FAST, 1, 2)], Source("in", 0, cards=3))
    furnace, side, join = plant.operations
    side = replace(side, inputs=(Input(source=1, capacity=2),), destination=2)
    join = replace(join, inputs=(Input(operation=0, capacity=2), Input(operation=1, capacity=2)))
    furnace = replace(furnace, destination=2)
    plant = replace(plant, operations=(furnace, side, join), units=(*plant.units, "other"))
    return with_derived(replace(plant, sources=(*plant.sources, Source("other", 4))))


def join_of_carried_parts() -> Plant:
    """A join that needs two parts of a source with one card, while the part of its other input is on a conveyor."""
    plant = line([Stop(FAST, 1, 1), Stop(FAST, 1, 1), Stop(FAST, 1, 2)], Source("in", 0, cards=1))
    long, side, join = plant.operations
    side = replace(side, inputs=(Input(source=1, capacity=1),), destination=2)
    pair, other = Input(operation=1, quantity=2, capacity=2), Input(operation=0, capacity=1, conveyor=0)
    belt, sources = Conveyor("belt", 5, 9.0, 2), (*plant.sources, Source("other", 4, cards=1))
    join = replace(join, inputs=(pair, other))
    operations, units = (replace(long, destination=2), side, join), (*plant.units, "other", "belt")
    return with_derived(replace(plant, operations=operations, sources=sources, conveyors=(belt,), units=units))


DEADLOCKS = {
    "rework": (straight(), "OP1 -> OP2 -> OP1"),
    "rework over a conveyor": (over_a_conveyor(), "OP1 -> OP2 -> OP1"),
    "rework and vehicles": (by_vehicles(), "OP1 -> OP2 -> OP1"),
    "a furnace that no card can fill": (furnace_out_of_cards(), "OP1 -> in -> OP2 -> OP1"),
    "a join that no card can fill, before any event": (join_out_of_cards(), "OP1 -> in -> OP1"),
    "a branch that no card can fill": (branch_out_of_cards(), "OP1 -> in -> OP1"),
    "a join whose other part is on a conveyor": (join_of_carried_parts(), "OP3 -> OP2 -> other -> OP3"),
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("kind", DEADLOCKS)
def test_a_deadlock_of_each_kind_is_reported_with_its_cycle(kind: str, engine: str) -> None:
    plant, cycle = DEADLOCKS[kind]
    with pytest.raises(ModelError) as reported:
        Simulation(plant, until_us=3600 * S, engine=engine).advance(3600 * S)
    assert f"s: {cycle}." in str(reported.value)
    assert "can ever move again" in str(reported.value)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_deadlock_is_reported_when_it_arises(engine: str) -> None:
    with pytest.raises(ModelError, match=r"Deadlock at 50.0 s"):
        Simulation(straight(), until_us=3600 * S, engine=engine).advance(3600 * S)
    Simulation(straight(), until_us=50 * S, engine=engine).advance(50 * S)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_plant_that_can_continue_is_not_a_deadlock(engine: str) -> None:
    """Parts wait for a timeout, after the end of a schedule, or during a closed shift: none is a deadlock."""
    night, half = Shift("day", repeated(100, (0, 30))), Inspection(rework=0.5, rework_to=0)
    stop = Stop(constant(20), 1, 4, shift=0, inspection=half)
    closed = line([stop], Source("in", 0, cards=2), shifts=(night,))
    ended = with_input(line([Stop(FAST, 1, 6)], Source("in", 0, arrivals_s=(1, 2, 3), cards=5)), 0, quantity=2)
    for plant, least in ((furnace_out_of_cards(20.0), 20), (ended, 1), (closed, 1)):
        assert simulate(plant, until_us=2000 * S, engine=engine).truth.good_parts >= least


def states(log: EventLog, unit: int) -> list[tuple[int, str]]:
    """(s, state) of a unit, rows of zero length left out."""
    mine = log.take((log.unit == unit) & (log.outcome != Outcome.PASSED))
    seen = [(int(t) // S, State(state).name) for t, state in zip(mine.t_us, mine.state, strict=True)]
    return [row for row, after in zip(seen, [*seen[1:], (-1, "")], strict=True) if row[0] != after[0]]


@pytest.mark.parametrize("engine", ENGINES)
def test_one_person_repairs_the_machine_that_they_operate_and_continues_with_the_part(engine: str) -> None:
    jam = FailureMode("jam", constant(25), constant(7), crew=0)
    crew = Crew("all", (2,))
    plant = line([Stop(constant(20), 1, 1, failures=(jam,))], Source("in", 0), crews=(crew,), names=("Bo",))
    plant = with_derived(replace(plant, operations=(replace(plant.operations[0], operator=0),)))
    log = simulate(plant, until_us=60 * S, engine=engine).log
    assert states(log, 1) == [(0, "BUSY"), (20, "BUSY"), (25, "REPAIR"), (32, "BUSY"), (47, "BUSY"), (57, "REPAIR")]
    assert (log.t_us[log.outcome == Outcome.LEFT] // S).tolist() == [20, 47]


@pytest.mark.parametrize("engine", ENGINES)
def test_two_machines_whose_operators_repair_the_other_do_not_wait_for_each_other(engine: str) -> None:
    crews = Crew("a", (3,)), Crew("b", (4,))
    modes = [FailureMode("f", constant(5), constant(3), crew=crew) for crew in (1, 0)]
    stops = [Stop(constant(10), 1, 1, failures=(mode,)) for mode in modes]
    plant = line(stops, Source("in", 0), crews=crews, names=("A", "B"))
    first, second = plant.operations
    plant = with_derived(replace(plant, operations=(replace(first, operator=0), replace(second, operator=1))))
    assert simulate(plant, until_us=1000 * S, engine=engine).truth.good_parts > 30


@pytest.mark.parametrize("engine", ENGINES)
def test_an_operator_leaves_a_machine_whose_shift_has_ended(engine: str) -> None:
    shift, crew = Shift("day", repeated(100, (0, 30))), Crew("all", (3,))
    stops = [Stop(constant(20), 1, 9, shift=0), Stop(constant(50), 1, 9)]
    plant = line(stops, Source("in", 0), crews=(crew,), shifts=(shift,), names=("Bo",))
    plant = with_derived(replace(plant, operations=tuple(replace(o, operator=0) for o in plant.operations)))
    log = simulate(plant, until_us=130 * S, engine=engine).log
    assert states(log, 1) == [(0, "BUSY"), (20, "WAITING"), (30, "OFF"), (100, "BUSY"), (120, "WAITING")]
    assert states(log, 2)[1:] == [(20, "BUSY"), (70, "STARVED"), (120, "BUSY")]
