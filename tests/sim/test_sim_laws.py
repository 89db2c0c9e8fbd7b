"""Laws that hold on every plant: random small plants with all features mixed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from referee import Referee

from factory_sim.analysis import kpis
from factory_sim.distributions import Distribution
from factory_sim.errors import ModelError
from factory_sim.plant.describe import describe
from factory_sim.plant.spec import FailureMode, Source
from factory_sim.plant.states import Outcome
from factory_sim.records import EventLog, Window
from factory_sim.sim.run import Simulation, simulate
from factory_sim.validation.exact.lines import Stop, exponential, line
from factory_sim.validation.random_plants import plants

if TYPE_CHECKING:
    from factory_sim.plant.spec import Plant

END_US = 3_600_000_000


def run(plant: Plant, seed: int = 1) -> tuple[Simulation, EventLog]:
    """Run an hour; discard plants that deadlock."""
    simulation = Simulation(plant, seed=seed, until_us=END_US)
    try:
        return simulation, simulation.advance(END_US)
    except ModelError as error:
        assume("Deadlock at" not in str(error))
        raise


@settings(max_examples=80)
@given(plant=plants(), seed=st.integers(0, 3))
def test_every_row_keeps_the_rules_and_no_move_is_left_undone(plant: Plant, seed: int) -> None:
    _, log = run(plant, seed)
    Referee(plant, seed).check(log, END_US)


@settings(max_examples=25)
@given(plant=plants())
def test_parts_in_are_parts_out_scrapped_merged_and_inside(plant: Plant) -> None:
    simulation, log = run(plant)
    entered, left, scrapped, merged, inside = simulation.balance()
    counted = [
        np.count_nonzero(log.outcome == o) for o in (Outcome.ENTERED, Outcome.LEFT, Outcome.SCRAPPED, Outcome.MERGED)
    ]
    assert [entered, left, scrapped, merged] == counted
    ended = np.isin(log.outcome, (Outcome.LEFT, Outcome.SCRAPPED, Outcome.MERGED))
    assert len(np.unique(log.part[ended])) == ended.sum()
    assert inside == len(np.unique(log.part[log.part >= 0])) - ended.sum()


@settings(max_examples=25)
@given(plant=plants(), warm_up_s=st.integers(0, 1800))
def test_littles_law_holds(plant: Plant, warm_up_s: int) -> None:
    """Work in progress is what part by part adds up to; and from an empty start, rate times time inside."""
    _, log = run(plant)
    t0 = warm_up_s * 1_000_000
    rows = list(zip(log.part.tolist(), log.t_us.tolist(), log.outcome.tolist(), strict=True))
    entered, gone = (
        {part: t for part, t, outcome in rows if outcome in kinds}
        for kinds in ((Outcome.ENTERED,), (Outcome.LEFT, Outcome.SCRAPPED, Outcome.MERGED))
    )
    inside_us = sum(max(0, gone.get(part, END_US) - max(t, t0)) for part, t in entered.items())
    table = kpis.table(log, describe(plant, "", 0, Window(t0, END_US)))
    assert float(table.kpis["line.wip"].values) == pytest.approx(inside_us / (END_US - t0), rel=1e-12, abs=1e-12)
    left = sum(t >= t0 for t in gone.values())
    if left:
        assert float(table.kpis["line.lead_time_s"].values) == pytest.approx(inside_us / 1e6 / left, rel=1e-12)


@settings(max_examples=25)
@given(plant=plants())
def test_state_times_of_every_unit_add_up_to_the_run(plant: Plant) -> None:
    _, log = run(plant)
    for unit in range(len(plant.units)):
        times = log.t_us[log.unit == unit]
        assert times[0] == 0, "every unit writes its first state"
        assert np.diff(np.append(times, END_US)).sum() == END_US


@settings(max_examples=25)
@given(plant=plants(), cuts=st.lists(st.integers(1, END_US - 1), max_size=6))
def test_slicing_is_invisible(plant: Plant, cuts: list[int]) -> None:
    whole, log = run(plant)
    sliced = Simulation(plant, seed=1, until_us=END_US)
    pieces = EventLog.join([sliced.advance(t) for t in (*sorted(cuts), END_US)])
    for name in log.__slots__:
        assert np.array_equal(getattr(log, name), getattr(pieces, name)), name
    assert sliced.balance() == whole.balance()


@settings(max_examples=25)
@given(plant=plants())
def test_the_counters_of_the_simulator_agree_with_the_log(plant: Plant) -> None:
    simulation, log = run(plant)
    truth = simulation.truth()
    gave = np.isin(log.outcome, (Outcome.PASSED, Outcome.LEFT, Outcome.SCRAPPED, Outcome.REWORK))
    per_unit = np.bincount(log.unit[gave], minlength=len(plant.units))
    for machine in plant.machines:
        assert truth.parts[machine.unit] == per_unit[machine.unit]
    assert truth.good_parts == np.count_nonzero(log.outcome == Outcome.LEFT)


@settings(max_examples=25)
@given(plant=plants(max_operations=4), data=st.data())
def test_neighbours_are_invisible(plant: Plant, data: st.DataObject) -> None:
    """Editing one operation changes no draw of another: k-th cycles, lives and repairs are the named ones."""
    operation = data.draw(st.sampled_from(plant.operations))
    slower = replace(operation, cycle_time=Distribution("gamma", operation.cycle_time.mean_s * 1.3, 0.7))
    changed = replace(plant, operations=tuple(slower if o is operation else o for o in plant.operations))
    _, log = run(changed)
    Referee(changed).check(log, END_US)
    same = [m.unit for m in plant.machines if plant.operations[m.operation] is not operation]
    laws, drawn = ({m.unit: Referee(p).cycles[m.unit] for m in p.machines} for p in (plant, changed))
    assert all([next(laws[u]) for _ in range(20)] == [next(drawn[u]) for _ in range(20)] for u in same)


@pytest.mark.parametrize(
    ("column", "outcome"),
    [
        ("t_us", Outcome.TOOK),
        ("part", Outcome.TOOK),
        ("state", Outcome.TOOK),
        ("detail", Outcome.PASSED),
        ("part", Outcome.PASSED),
    ],
)
def test_the_referee_rejects_a_changed_log(column: str, outcome: Outcome) -> None:
    plant = _pair()
    log = simulate(plant, until_us=END_US).log
    Referee(plant).check(log, END_US)
    values = getattr(log, column).copy()
    row = int(np.flatnonzero((log.outcome == outcome) & (log.unit == 1))[5])
    values[row] += 1
    with pytest.raises(AssertionError):
        Referee(plant).check(replace(log, **{column: values}), END_US)


def _pair() -> Plant:
    mode = FailureMode("jam", exponential(300), exponential(30))
    return line([Stop(exponential(20), 1, 0), Stop(exponential(20), 1, 2, failures=(mode,))], Source("in", 0))
