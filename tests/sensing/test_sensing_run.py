"""Sensing on the log of the reference engine: three machines, breakdowns, wear, a warm-up."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from sensing_line import POWER_W, S, joined, plant, sensing, values

from factory_sim.distributions import Distribution
from factory_sim.plant.spec import FailureMode, Plant
from factory_sim.plant.states import N_STATES, State
from factory_sim.sim.run import Simulation, simulate

if TYPE_CHECKING:
    from factory_sim.records import EventLog, Readings

WARM_UP_S, UNTIL_S = 3600, 4 * 3600


@pytest.fixture(scope="module")
def line() -> Plant:
    small = plant(["cnc", "press", "test_bench"])
    jam = FailureMode("jam", Distribution("exponential", 1800.0), Distribution("exponential", 120.0))
    life, repair = Distribution("weibull", 5000.0, 4.0), Distribution("exponential", 900.0)
    modes, cycle = (jam, FailureMode("bearing", life, repair, wear=True)), Distribution("lognormal", 37.0, 0.1)
    return replace(
        small,
        machines=tuple(replace(m, failures=modes) for m in small.machines),
        operations=tuple(replace(o, cycle_time=cycle) for o in small.operations),
    )


def sliced(line: Plant, slice_s: int) -> Readings:
    sensors = sensing(line, t0_us=WARM_UP_S * S)
    run = Simulation(line, warm_up_us=WARM_UP_S * S, until_us=UNTIL_S * S)
    return joined([sensors.sample(piece.log, piece.t1_us) for piece in run.slices(slice_s * S)])


def test_slices_of_a_simulation_do_not_change_readings(line: Plant) -> None:
    whole, pieces = sliced(line, UNTIL_S), sliced(line, 11)
    assert np.array_equal(whole.samples[0].raw, pieces.samples[0].raw)
    assert np.array_equal(whole.rows.seq, pieces.rows.seq)


def test_opening_rows_give_the_same_readings_as_the_whole_log(line: Plant) -> None:
    log = simulate(line, until_us=UNTIL_S * S).log
    whole = joined([sensing(line, WARM_UP_S * S).sample(log, UNTIL_S * S)])
    assert np.array_equal(whole.samples[0].raw, sliced(line, UNTIL_S).samples[0].raw)


def test_meters_agree_with_state_times_power(line: Plant) -> None:
    log, readings = simulate(line, until_us=UNTIL_S * S).log, sliced(line, 600)
    power_kw = np.array([POWER_W.get(State(s), 0.0) for s in range(N_STATES)]) / 1e3
    for machine in line.machines:
        expected_kwh = state_hours(log, machine.unit) @ power_kw
        counted = values(line, readings, machine.unit, "energy")
        assert counted[-1] - counted[0] == pytest.approx(expected_kwh, rel=0.02)


def state_hours(log: EventLog, unit: int) -> np.ndarray:
    """Hours in each state between the warm-up and the last tick."""
    own = log.take(log.unit == unit)
    t_us = np.clip(np.append(own.t_us, UNTIL_S * S), WARM_UP_S * S, (UNTIL_S - 1) * S)
    return np.bincount(own.state, np.diff(t_us) / 3.6e9, N_STATES)
