"""The rework rack: parts that go back are taken first, and never block a line unless the rack has a limit."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from factory_sim import registry
from factory_sim.distributions import constant
from factory_sim.errors import ModelError
from factory_sim.plant.resolve.derived import with_derived
from factory_sim.plant.spec import Batch, Input, Inspection, Source
from factory_sim.plant.states import Outcome, State
from factory_sim.sim.run import Simulation, simulate
from factory_sim.sim.snapshot import unpacked
from factory_sim.validation.exact.lines import Stop, exponential, line

if TYPE_CHECKING:
    from factory_sim.plant.spec import Plant
    from factory_sim.records import EventLog

S = 1_000_000
HOUR_US = 3600 * S
ENGINES = ("simpy", "calendar")
both = pytest.mark.parametrize("engine", ENGINES)
ALWAYS_ONCE = Inspection(rework=0.999_999_999, rework_to=0, max_loops=1)  # every part goes back, then is scrapped
TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial.md"


def changed(plant: Plant, index: int, **changes: Any) -> Plant:
    """The plant with an operation changed."""
    operations = list(plant.operations)
    operations[index] = replace(operations[index], **changes)
    return with_derived(replace(plant, operations=tuple(operations)))


def two(**changes: Any) -> Plant:
    """Two operations of 10 s; the second sends each part back once, and the first takes rework as `changes` state."""
    stops = [Stop(constant(10), 1, 9), Stop(constant(10), 1, 9, inspection=ALWAYS_ONCE)]
    return changed(line(stops, Source("in", 0)), 0, **changes)


def taken(log: EventLog, unit: int) -> list[int]:
    """The parts that a unit took, in order."""
    return log.part[(log.unit == unit) & (log.outcome == Outcome.TOOK)].tolist()


@both
def test_parts_that_come_back_are_taken_before_new_ones(engine: str) -> None:
    log = simulate(two(), until_us=61 * S, engine=engine).log
    assert taken(log, 1) == [0, 1, 0, 1, 2, 3, 2]


@both
def test_in_the_order_of_arrival_new_parts_that_wait_longer_come_first(engine: str) -> None:
    log = simulate(two(rework_first=False), until_us=61 * S, engine=engine).log
    assert taken(log, 1) == [0, 1, 2, 3, 4, 5, 6]


@both
@pytest.mark.parametrize("first", [True, False])
def test_an_unlimited_rack_never_blocks_the_inspecting_machine(first: bool, engine: str) -> None:
    stops = [
        Stop(exponential(10), 1, 1),
        Stop(exponential(3), 2, 1, inspection=Inspection(rework=0.6, rework_to=0, max_loops=9)),
    ]
    log = simulate(changed(line(stops, Source("in", 0)), 0, rework_first=first), until_us=HOUR_US, engine=engine).log
    back = log.outcome == Outcome.REWORK
    assert back.sum() > 100
    for row in np.flatnonzero(back):
        before = np.flatnonzero((log.unit == log.unit[row]) & (np.arange(len(log)) < row))[-1]
        assert log.state[before] == State.BUSY


@both
def test_a_part_that_comes_back_keeps_its_card_and_its_variant(engine: str) -> None:
    again = Inspection(rework=0.5, rework_to=0, max_loops=4)
    stops = [Stop(constant(10), 1, 9), Stop(constant(5), 1, 9, inspection=again)]
    plant = line(stops, Source("in", 0, cards=2, mix=(0.5, 0.5)), variants=("a", "b"))
    plant = changed(plant, 0, setup_s=((0.0, 30.0), (30.0, 0.0)))
    log = simulate(plant, until_us=HOUR_US, engine=engine).log
    is_entry = log.outcome == Outcome.ENTERED
    inside = np.cumsum(is_entry) - np.cumsum(np.isin(log.outcome, (Outcome.LEFT, Outcome.SCRAPPED)))
    assert inside.max() == 2
    variant = dict(zip(log.part[is_entry].tolist(), log.detail[is_entry].tolist(), strict=True))
    parts = taken(log, 1)
    setups = ((log.unit == 1) & (log.state == State.SETUP)).sum()
    assert setups == sum(variant[a] != variant[b] for a, b in pairwise(parts))


def join(**changes: Any) -> Plant:
    """A join of three parts of `in` and two of `other`; its inspection sends the product back to it once."""
    plant = line([Stop(constant(10), 1, 9, inspection=ALWAYS_ONCE)], Source("in", 0), names=("other",))
    inputs = (Input(source=0, quantity=3, capacity=9), Input(source=1, quantity=2, capacity=9))
    plant = replace(plant, sources=(*plant.sources, Source("other", 2)))
    return changed(plant, 0, inputs=inputs, **changes)


@both
@pytest.mark.parametrize(("components", "merged"), [(True, [4, 2, 4, 2]), (False, [4, 0, 4, 0])])
def test_at_a_join_it_stands_for_the_parts_of_the_first_input(components: bool, merged: list[int], engine: str) -> None:
    log = simulate(join(rework_components=components), until_us=39 * S, engine=engine).log
    starts = np.flatnonzero(log.outcome == Outcome.TOOK)
    found = [
        int((log.outcome[a:b] == Outcome.MERGED).sum()) for a, b in zip(starts, [*starts[1:], len(log)], strict=True)
    ]
    assert (taken(log, 1)[0], taken(log, 1)[1]) == (0, 0)
    assert found == merged


@both
def test_at_a_batch_it_counts_towards_the_minimum_and_its_waiting_starts_the_timeout(engine: str) -> None:
    stops = [Stop(constant(10), 1, 9, batch=Batch(4, 4, 25.0), inspection=replace(ALWAYS_ONCE, max_loops=1))]
    log = simulate(line(stops, Source("in", 0, arrivals_s=(0, 0, 0, 0, 30))), until_us=100 * S, engine=engine).log
    times = log.t_us[(log.unit == 1) & (log.outcome == Outcome.TOOK)] // S
    # four parts return at 10 s and start at once; the fifth starts after 25 s, returns at 65 s and waits 25 s again
    assert times.tolist() == [0] * 4 + [10] * 4 + [55, 90]


@both
def test_a_finite_rack_blocks_and_the_deadlock_names_its_places(engine: str) -> None:
    with pytest.raises(ModelError, match="whose rework_places are full") as reported:
        simulate(two(rework_places=1, rework_first=False), until_us=HOUR_US, engine=engine)
    assert "OP1 -> OP2 -> OP1" in str(reported.value)


@both
def test_a_batch_that_passes_one_part_and_blocks_with_the_next_closes_a_deadlock_beside_a_working_line(
    engine: str,
) -> None:
    """The furnace stays BLOCKED between its parts, so it writes no new row when the deadlock closes."""
    sometimes = Inspection(rework=0.5, rework_to=0, max_loops=99)
    stops = [
        Stop(constant(10), 1, 2),
        Stop(constant(10), 1, 2, batch=Batch(2, 1), inspection=sometimes),
        Stop(constant(7), 1, 2),
    ]
    plant = line(stops, Source("in", 0), names=("other",))
    alone = replace(plant.operations[2], inputs=(Input(source=1, capacity=2),))
    operations = (
        replace(plant.operations[0], rework_places=1, rework_first=False),
        replace(plant.operations[1], destination=-1),
        alone,
    )
    plant = with_derived(replace(plant, operations=operations, sources=(*plant.sources, Source("other", 4))))
    for seed in range(12):
        with pytest.raises(ModelError, match="Deadlock at") as reported:
            simulate(plant, seed=seed, until_us=24 * HOUR_US, engine=engine)
        at_us = round(float(str(reported.value).split()[2]) * S)
        log = Simulation(plant, seed=seed, until_us=24 * HOUR_US, engine=engine).advance(at_us)
        assert at_us - int(log.t_us[log.unit < 3].max()) <= 20 * S  # when it closes, not hours later


@both
def test_the_line_of_the_tutorial_runs_twenty_shifts_without_a_deadlock(engine: str, tmp_path: Path) -> None:
    text = TUTORIAL.read_text(encoding="utf-8")
    block = next(part for part in text.split("```yaml\n")[1:] if "LEAK_TEST" in part).split("```")[0]
    path = tmp_path / "tutorial.yaml"
    path.write_text(block, encoding="utf-8")
    plant = registry.load(str(path))
    for seed in (1, 77):
        goods = [
            simulate(plant, seed=seed, replication=r, until_us=8 * HOUR_US, engine=engine).truth.good_parts
            for r in range(20)
        ]
        assert min(goods) > 500


SAME_OPERATION = """
plant: selfrw
sources: {s: {interarrival: saturated}}
sections:
  x:
    operations:
      A: {cycle_time: 20 s, buffer: 2, from: s}
      B: {cycle_time: 20 s, buffer: 2, inspection: {rework: 10 %, rework_to: B, max_loops: unlimited}}
"""


@both
@pytest.mark.parametrize("loops", ["unlimited", "1"])
def test_an_operation_reworks_its_own_parts(loops: str, engine: str, tmp_path: Path) -> None:
    path = tmp_path / "selfrw.yaml"
    path.write_text(SAME_OPERATION.replace("unlimited", loops), encoding="utf-8")
    log = simulate(registry.load(str(path)), until_us=8 * HOUR_US, engine=engine).log
    visits = len(taken(log, 2)) / np.isin(log.outcome, (Outcome.LEFT, Outcome.SCRAPPED)).sum()
    assert visits == pytest.approx(1 / 0.9 if loops == "unlimited" else 1.1, abs=0.03)


def test_a_snapshot_contains_the_rack() -> None:
    plant = two(rework_places=7)
    run = Simulation(plant, until_us=HOUR_US, engine="calendar", savable=True)
    run.advance(45 * S)
    saved = unpacked(run.save().packed("two")).saved
    rest = run.advance(900 * S)
    resumed = Simulation.resumed(plant, saved, until_us=HOUR_US).advance(900 * S)
    assert resumed.part.tolist() == rest.part.tolist()
    assert resumed.t_us.tolist() == rest.t_us.tolist()
    wider = Simulation.resumed(two(rework_places=9), saved, until_us=HOUR_US).advance(900 * S)
    assert len(wider) > 0
