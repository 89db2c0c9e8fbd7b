"""The compiled walk agrees with naive twins that follow the definitions, and with hand calculations."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from sensing_line import CYCLE_S, POWER_W, S, log_of, plant, read, sensor, shift, values, with_vehicle

from factory_sim.plant.states import N_STATES, Outcome, State
from factory_sim.sensing.programs import PROGRAMS, program_of
from factory_sim.sensing.unit_load import MAX_STEPS, unit_loads

if TYPE_CHECKING:
    from factory_sim.plant.spec import Plant
    from factory_sim.records import EventLog

QUIET = {"noise": 0.0, "scatter": 0.0}


def quiet(kind: str, machine: str = "cnc", period_s: float = 1.0, **params: float) -> Plant:
    """One machine with one sensor that has no noise."""
    line = plant([machine], sensors=())
    return replace(line, sensors=(sensor(0, 1, kind, period_s, **{**QUIET, **params}),))


def true_power_w(line: Plant, log: EventLog, t_us: int) -> float:
    """By the definition: the state's power, within a cycle times the step's factor, more when worn."""
    program = program_of(line.machines[0].kind)
    total = sum(s.share for s in program.steps)
    mean = sum(s.share * s.power for s in program.steps) / total
    ends = np.cumsum([s.share / total for s in program.steps]).tolist()
    state, since, busy, wear = State.OFF, 0, 0, 0.0
    for i in range(len(log)):
        if log.t_us[i] > t_us:
            break
        busy += int(log.t_us[i] - since) if state == State.BUSY else 0
        if log.outcome[i] == Outcome.TOOK or log.state[i] == State.STARVED:
            busy = 0
        state, since = State(log.state[i]), int(log.t_us[i])
        wear = float(log.detail[i]) / 1e6 if state == State.BUSY else wear
    if state != State.BUSY:
        return POWER_W.get(state, 0.0)
    phase = (busy + t_us - since) / (CYCLE_S * 1e6)
    step = min(bisect_right(ends[:-1], phase), len(ends) - 1)
    late = phase >= 1 + program.steps[-1].share / total
    factor = 1.0 if late else program.steps[step].power / mean
    return POWER_W[State.BUSY] * factor * (1 + program.wear_power * wear**2)


@pytest.fixture(scope="module")
def truth() -> tuple[EventLog, np.ndarray]:
    """Six minutes of one machine, and its true power at the middle of every 10 ms."""
    line, log = quiet("power"), shift(1, 0.1, seed=5)
    return log, np.array([true_power_w(line, log, t) for t in range(5_000, 360 * S, 10_000)])


def test_power_is_the_mean_of_the_true_power_since_the_last_tick(truth: tuple[EventLog, np.ndarray]) -> None:
    line, (log, power_w) = quiet("power"), truth
    reading = values(line, read(line, log, [360 * S]), 1, "power")
    mean_kw = power_w.reshape(360, 100).mean(axis=1)[:-1] / 1e3
    assert np.allclose(reading[1:], mean_kw, atol=0.06)  # the twin misses changes between its 10 ms
    assert np.abs(reading[1:] - mean_kw).mean() < 0.005


def test_the_meter_counts_the_integral_of_the_true_power(truth: tuple[EventLog, np.ndarray]) -> None:
    line, (log, power_w) = quiet("energy"), truth
    counted = values(line, read(line, log, [360 * S]), 1, "energy")
    exact = np.concatenate([[0.0], np.cumsum(power_w.reshape(360, 100).sum(axis=1))[:-1] * 0.01 / 3.6e6])
    assert np.allclose(counted, exact, atol=2e-4)


def test_temperature_solves_its_differential_equation(truth: tuple[EventLog, np.ndarray]) -> None:
    line, (log, power_w) = quiet("temperature", ambient=20.0, rise=40.0, time_constant=90.0), truth
    reading = values(line, read(line, log, [360 * S]), 1, "temperature")
    solved = [20 + 40 * POWER_W[State.STARVED] / POWER_W[State.BUSY]]
    for power in power_w:
        solved.append(solved[-1] + 0.01 / 90 * (20 + 40 * power / POWER_W[State.BUSY] - solved[-1]))
    assert np.allclose(reading, solved[:-1:100], atol=0.03)


def test_current_follows_power_by_the_formula_of_three_phases() -> None:
    log = log_of([(0.0, 1, State.BLOCKED, 1, Outcome.NONE, 0)])
    line = quiet("current", voltage=400.0, power_factor=0.8)
    reading = values(line, read(line, log, [10 * S]), 1, "current")
    assert np.allclose(reading, 2200 / (math.sqrt(3) * 400 * 0.8), atol=0.011)


@pytest.mark.parametrize("kind", [*PROGRAMS, "unknown"])
def test_mean_power_over_a_planned_cycle_is_the_busy_level(kind: str) -> None:
    line = plant([kind], sensors=())
    load = unit_loads(line)[1]
    begins = load.step_us[: int(np.searchsorted(load.step_us, round(CYCLE_S * S)))]
    lengths = np.diff([*begins, CYCLE_S * S])
    power = load.power_w[N_STATES : N_STATES + len(lengths)]
    assert power @ lengths / (CYCLE_S * S) == pytest.approx(POWER_W[State.BUSY], rel=1e-6)
    assert load.power_w[State.BUSY] == POWER_W[State.BUSY]
    assert len(program_of(kind).steps) < MAX_STEPS


@pytest.mark.parametrize("spread", ["a tenth", "exponential"])
@pytest.mark.parametrize("kind", ["cnc", "press", "tightening", "test_bench"])
def test_mean_power_at_work_is_the_busy_level_for_any_cycle_time(kind: str, spread: str) -> None:
    rng = np.random.default_rng(1)
    cycle_s = rng.normal(CYCLE_S, CYCLE_S / 10, 4000) if spread == "a tenth" else rng.exponential(CYCLE_S, 4000)
    begin_s = np.concatenate([[0.0], np.cumsum(cycle_s)])
    log = log_of([(t, 1, State.BUSY, i, Outcome.TOOK, 0) for i, t in enumerate(begin_s[:-1])])
    line = quiet("energy", kind)
    end_s = math.floor(begin_s[-1])
    energy_kwh = values(line, read(line, log, [end_s * S]), 1, "energy")[-1]
    assert energy_kwh == pytest.approx(9.0 * end_s / 3600, rel=0.005 if spread == "a tenth" else 0.06)


def test_an_interrupted_cycle_resumes_where_it_stopped() -> None:
    line = quiet("force", "press", peak=40e3)
    smooth = log_of([(0.0, 1, State.BUSY, 1, Outcome.TOOK, 0)])
    broken = log_of(
        [
            (0.0, 1, State.BUSY, 1, Outcome.TOOK, 0),
            (15.0, 1, State.REPAIR, 1, Outcome.NONE, 0),
            (115.0, 1, State.BUSY, 1, Outcome.NONE, 0),
        ]
    )
    curve, stopped = (values(line, read(line, log, [200 * S]), 1, "force") for log in (smooth, broken))
    assert curve.max() == pytest.approx(40.0, abs=0.01)
    assert np.array_equal(np.delete(stopped, slice(15, 115)), curve[:100])
    assert not stopped[15:115].any()


def test_a_robot_restarts_its_program_after_each_rest() -> None:
    line = with_vehicle(plant(sensors=()))
    line = replace(line, sensors=(sensor(0, 2, "joint_current", **QUIET),))
    log = log_of(
        [
            (100.0 * i + 37 * j, 2, state, -1, Outcome.NONE, 0)
            for i in range(2)
            for j, state in enumerate((State.BUSY, State.IDLE))
        ]
    )
    reading = values(line, read(line, log, [137 * S]), 2, "joint_current")
    assert np.array_equal(reading[102:137], reading[2:37])


def test_a_lag_begins_in_balance_with_its_state_rather_than_a_step() -> None:
    line = quiet("temperature", ambient=20.0, rise=40.0, time_constant=600.0)
    log = log_of([(0.0, 1, State.BUSY, 1, Outcome.TOOK, 0)])
    assert values(line, read(line, log, [20 * S], t0_us=10 * S), 1, "temperature")[0] == pytest.approx(60.0, abs=0.01)


def test_vibration_quadruples_until_failure_and_is_zero_when_down() -> None:
    line = quiet("vibration", running=1e-3, wear_gain=3.0)
    log = log_of(
        [
            (0.0, 1, State.BUSY, 1, Outcome.TOOK, 0),
            (37.0, 1, State.BUSY, 2, Outcome.TOOK, 1_000_000),
            (74.0, 1, State.DOWN, 2, Outcome.NONE, 1),
        ]
    )
    reading = values(line, read(line, log, [100 * S]), 1, "vibration")
    assert np.allclose(reading[37:74], 4 * reading[:37], atol=0.005)
    assert not reading[74:].any()
    assert reading[:37].mean() == pytest.approx(1.0, abs=0.05)


def test_pressure_is_vented_in_repair_and_builds_up_again() -> None:
    line = quiet("pressure", "press", standby=60e5, working=160e5, time_constant=2.0)
    log = log_of(
        [
            (0.0, 1, State.STARVED, -1, Outcome.NONE, 0),
            (10.0, 1, State.REPAIR, -1, Outcome.NONE, 0),
            (60.0, 1, State.STARVED, -1, Outcome.NONE, 0),
        ]
    )
    reading = values(line, read(line, log, [100 * S]), 1, "pressure")
    assert np.allclose(reading[:10], 60, atol=0.01)
    assert reading[12] == pytest.approx(60 * math.exp(-1), abs=0.02)
    assert reading[59] == 0
    assert reading[99] == pytest.approx(60, abs=0.01)


def test_noise_has_the_stated_deviation_and_no_bias() -> None:
    line = plant(sensors=())
    line = replace(line, sensors=(sensor(0, 1, "pressure", 1.0, noise=0.5e5),))
    log = log_of([(0.0, 1, State.STARVED, -1, Outcome.NONE, 0)])
    reading = values(line, read(line, log, [20_000 * S]), 1, "pressure")
    assert reading.std() == pytest.approx(0.5, rel=0.02)
    assert reading.mean() == pytest.approx(6.3, abs=0.02)
    assert abs(np.corrcoef(reading[1:], reading[:-1])[0, 1]) < 0.03
    z = (reading - 6.3) / 0.5
    assert (np.abs(z) < 1).mean() == pytest.approx(0.683, abs=0.02)


def test_readings_stay_within_range_and_converter() -> None:
    log = log_of([(0.0, 1, State.BUSY, 1, Outcome.TOOK, 0)])
    strong = quiet("force", "press", peak=400e3)
    reading = values(strong, read(strong, log, [37 * S]), 1, "force")
    assert (reading.min(), reading.max()) == (0.0, 150.0)
    narrow = replace(strong, sensors=(replace(strong.sensors[0], scale=0.001),))
    assert read(narrow, log, [37 * S]).samples[0].raw.max() == 32767


def test_robots_and_vehicles_carry_sensors_too() -> None:
    line = with_vehicle(plant(["press"], sensors=()))
    kinds = {"joint_current": 2, "speed": 3, "distance": 3, "battery": 3, "load": 3, "energy": 3}
    line = replace(line, sensors=tuple(sensor(i, unit, kind, **QUIET) for i, (kind, unit) in enumerate(kinds.items())))
    served = 900_000  # in a robot's row, not its wear
    log = log_of(
        [
            (0.0, 2, State.IDLE, -1, Outcome.NONE, 0),
            (10.0, 2, State.BUSY, 1, Outcome.NONE, served),
            (0.0, 3, State.MOVING_LOADED, 1, Outcome.TOOK, 0),
            (100.0, 3, State.CHARGING, -1, Outcome.NONE, 0),
        ]
    )
    readings = read(line, log, [200 * S])
    value = {kind: values(line, readings, unit, kind) for kind, unit in kinds.items()}
    assert value["joint_current"][5] == pytest.approx(1.2, abs=0.01)
    assert value["joint_current"].max() == pytest.approx(9.0, abs=0.01)
    assert value["speed"][[50, 150]] == pytest.approx([1.5, 0.0], abs=0.001)
    assert value["distance"][-1] == pytest.approx(150.0, abs=0.02)
    assert value["battery"][[0, 100, 120, 199]] == pytest.approx([100.0, 90.0, 94.0, 100.0], abs=0.01)
    assert value["load"][[50, 150]] == pytest.approx([2.0, 0.0], abs=0.002)
    assert value["energy"][-1] == pytest.approx(0.8 * 100 / 3600, abs=1e-4)
