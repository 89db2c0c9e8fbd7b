"""Shifts, prices and planned time follow the plant's local clock on the dates of the run, in both engines."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from factory_sim import registry
from factory_sim.analysis import facts
from factory_sim.distributions import Distribution
from factory_sim.plant.describe import describe
from factory_sim.plant.spec import ClockTime, Maintenance
from factory_sim.plant.states import State
from factory_sim.plant.wall_clock import epoch_ns
from factory_sim.sim.run import Simulation, simulate

if TYPE_CHECKING:
    from factory_sim.plant.spec import Plant

CASES = Path(__file__).parents[1] / "cases" / "calendar"
ENGINES = ("simpy", "calendar")
HOUR = 3_600_000_000


def case(name: str, **changes: str) -> Plant:
    return replace(registry.load(CASES / f"{name}.yaml"), **changes)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", ["spring", "autumn"])
def test_a_shift_opens_at_its_local_time_after_a_change_of_the_clock(name: str, engine: str) -> None:
    plant = case(name)
    run = simulate(plant, until_us=48 * HOUR, engine=engine)
    found = facts.collect(run.log, describe(plant, "", epoch_ns(plant), run.window))
    assert found.planned_us == 16 * HOUR
    assert found.energy_cost == pytest.approx(960.0, rel=1e-3)  # 16 h at 60 kW and 1 EUR/kWh
    shut = run.log.t_us[(run.log.unit == 1) & (run.log.state == State.OFF)]
    second = {"spring": 24 + 13, "autumn": 24 + 15}[name]  # 14:00 local time
    assert (shut / HOUR).tolist() == [0, 14, second]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_shift_from_monday_to_friday_does_not_work_on_a_saturday(engine: str) -> None:
    assert simulate(case("weekend"), until_us=2 * HOUR, engine=engine).truth.good_parts > 0
    saturday = case("weekend", start="2026-01-10T08:00")
    assert simulate(saturday, until_us=2 * HOUR, engine=engine).truth.good_parts == 0


@pytest.mark.parametrize("engine", ENGINES)
def test_a_run_of_months_keeps_the_calendar_in_slices_of_any_length(engine: str) -> None:
    plant = case("spring", start="2026-03-20 00:00")
    plan = Maintenance("oil", Distribution("constant", 600.0), at=(ClockTime(8 * 3600.0, (6,)),))
    plant = replace(plant, machines=tuple(replace(each, maintenance=(plan,)) for each in plant.machines))
    run = Simulation(plant, until_us=30 * 24 * HOUR, engine=engine)
    logs = [run.advance(t) for t in range(9 * 24 * HOUR + 7, 30 * 24 * HOUR, 9 * 24 * HOUR + 7)]
    whole = simulate(plant, until_us=30 * 24 * HOUR, engine=engine).log
    sliced = np.concatenate([log.t_us for log in logs])
    assert sliced.tolist() == whole.t_us[: len(sliced)].tolist()
    serviced = whole.t_us[whole.state == State.MAINTENANCE] / HOUR / 24
    assert serviced.tolist() == pytest.approx([2 + 8 / 24, *(day + 7 / 24 for day in (9, 16, 23))], abs=0.001)
