"""Vehicles, a robot and a warm-up, on a plant from a file and the log of the simulator."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import sensing_line as line

from factory_sim import registry
from factory_sim.plant.states import Outcome, State
from factory_sim.sensing.sample import Sensing
from factory_sim.sim.run import Simulation

if TYPE_CHECKING:
    from pathlib import Path

    from factory_sim.plant.spec import Plant
    from factory_sim.records import EventLog, Readings

S = line.S
END_US, WARM_US = 3 * 3600 * S, 4321 * S + 7
TEXT = """
plant: carried
kinds:
  cnc:
    power: {starved: 1 kW, busy: 6 kW}
    failures: {jam: {after: exponential(30 min), repair: 5 min}, tool: {after: 1 h, repair: 3 min, wear: yes}}
    sensors:
      power: {kind: power}
      energy: {kind: energy}
      temperature: {kind: temperature}
      vibration: {kind: vibration}
robots:
  arm: {power: {idle: 200 W, busy: 2 kW}, sensors: {joint_1: {kind: joint_current}, power: {kind: power}}}
fleets:
  agv:
    count: 2
    speed: 1.5 m/s
    load: 10 s
    distances: {a: {b: 60 m, c: 90 m}, b: {c: 45 m}}
    battery: {moving_time: 20 min, charge_below: 30 %, charge_time: 8 min}
    power: {idle: 50 W, moving_empty: 400 W, moving_loaded: 600 W, loading: 100 W, charging: 1 kW}
    sensors:
      position: {kind: position}
      distance: {kind: distance}
      speed: {kind: speed}
      load: {kind: load}
      battery: {kind: battery}
      energy: {kind: energy}
sources: {blanks: {interarrival: saturated}}
sections:
  a:
    operations:
      OP10: {kind: cnc, machines: 2, cycle_time: "lognormal(90 s, cv 0.2)", buffer: 3, from: blanks, robot: arm}
  b: {operations: {OP20: {kind: cnc, cycle_time: 50 s, buffer: 3, from: OP10, by: agv}}}
  c: {operations: {OP30: {kind: cnc, cycle_time: 40 s, buffer: 3, from: OP20, by: agv}}}
"""


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Plant:
    path: Path = tmp_path_factory.mktemp("plants") / "carried.yaml"
    path.write_text(TEXT)
    return registry.load(path)


@pytest.fixture(scope="module")
def log(plant: Plant) -> EventLog:
    return Simulation(plant, seed=3, until_us=END_US).advance(END_US)


@pytest.fixture(scope="module")
def whole(plant: Plant, log: EventLog) -> Readings:
    return line.read(plant, log, [END_US])


def vehicles(plant: Plant) -> list[int]:
    return list(plant.fleets[0].units)


def rows_of(log: EventLog, unit: int) -> EventLog:
    return log.take(log.unit == unit)


def test_batteries_are_low_when_charging_begins_and_full_when_it_ends(
    plant: Plant, log: EventLog, whole: Readings
) -> None:
    charged = 0
    for unit in vehicles(plant):
        level, own = line.values(plant, whole, unit, "battery"), rows_of(log, unit)
        for i in np.flatnonzero(own.state[:-1] == State.CHARGING).tolist():
            begin, end = (int(own.t_us[i + k] // S) for k in (0, 1))
            assert level[begin] < 30.5
            assert abs(level[end + 1] - 100) < 1
            charged += 1
    assert charged >= 4


def test_the_distance_is_the_sum_of_the_trips(plant: Plant, log: EventLog, whole: Readings) -> None:
    for unit in vehicles(plant):
        own = rows_of(log, unit)
        moving = np.isin(own.state, (State.MOVING_EMPTY, State.MOVING_LOADED))
        spans = np.minimum(np.append(own.t_us[1:], END_US), (len(line.values(plant, whole, unit, "distance")) - 1) * S)
        travelled = 1.5 * np.maximum(spans - own.t_us, 0)[moving].sum() / S
        assert line.values(plant, whole, unit, "distance")[-1] == pytest.approx(travelled, abs=0.02)
        assert travelled > 1000


def test_position_is_at_the_stop_while_loading_and_else_moves_at_the_fleet_s_speed(
    plant: Plant, log: EventLog, whole: Readings
) -> None:
    stops = {0.0, 60.0, 90.0}
    for unit in vehicles(plant):
        at, own = line.values(plant, whole, unit, "position"), rows_of(log, unit)
        state = own.state[np.searchsorted(own.t_us, np.arange(len(at)) * S, side="right") - 1]
        for k in np.flatnonzero(np.isin(state, (State.LOADING, State.CHARGING, State.IDLE))).tolist():
            assert min(abs(at[k] - stop) for stop in stops) < 0.1
        moving = np.isin(state[:-1], (State.MOVING_EMPTY, State.MOVING_LOADED)) & (state[1:] == state[:-1])
        step = np.abs(np.diff(at))[moving]
        assert step.max() < 1.5 * 60 / 45 + 0.2  # b to c is 45 m long, and 30 m farther from a
        assert np.median(step) > 0.5


def test_a_vehicle_unloads_at_the_section_of_the_destination(plant: Plant, log: EventLog, whole: Readings) -> None:
    where = {0: 0.0, 1: 60.0, 2: 90.0}  # of the operations' sections
    for unit in vehicles(plant):
        at, own = line.values(plant, whole, unit, "position"), rows_of(log, unit)
        given = np.flatnonzero((own.outcome == Outcome.PASSED) & (own.t_us < END_US - 2 * S))
        assert len(given) > 20
        for i in given.tolist():
            assert abs(at[own.t_us[i] // S] - where[int(own.detail[i])]) < 0.1


def test_the_load_follows_the_parts_on_the_vehicle(plant: Plant, log: EventLog, whole: Readings) -> None:
    for unit in vehicles(plant):
        weight, own = line.values(plant, whole, unit, "load"), rows_of(log, unit)
        tick = np.arange(10, len(weight)) * S
        now, before = (own.state[np.searchsorted(own.t_us, tick - back, side="right") - 1] for back in (0, 8 * S))
        for state, expected in ((State.MOVING_LOADED, 2.0), (State.IDLE, 0.0), (State.MOVING_EMPTY, 0.0)):
            steady = weight[10:][(now == state) & (before == state)]
            assert len(steady) == 0 or abs(steady - expected).max() < 0.1


def test_a_robot_s_joint_current_follows_its_work(plant: Plant, log: EventLog, whole: Readings) -> None:
    unit = plant.robots[0].units[0]
    amps, own = line.values(plant, whole, unit, "joint_1"), rows_of(log, unit)
    tick = np.arange(5, len(amps)) * S
    now, before = (own.state[np.searchsorted(own.t_us, tick - back, side="left") - 1] for back in (0, S))
    busy, idle = (amps[5:][(now == state) & (before == state)] for state in (State.BUSY, State.IDLE))
    assert busy.mean() > 3 * idle.mean()
    assert abs(idle - 1.2).max() < 0.5


def test_a_warm_up_changes_only_the_first_mean(plant: Plant, whole: Readings) -> None:
    simulation = Simulation(plant, seed=3, warm_up_us=WARM_US, until_us=END_US)
    sensors, pieces = Sensing(plant, seed=7, replication=0, epoch_ns=line.EPOCH_NS, t0_us=WARM_US), []
    for piece in simulation.slices(1000 * S):
        if piece.t0_us == WARM_US:
            sensors.remember(simulation.before)
        pieces.append(sensors.sample(piece.log, piece.t1_us))
    [late], [early] = line.joined(pieces).samples, whole.samples
    first = late.first_tick - early.first_tick
    means = [i for i, s in enumerate(plant.sensors) if s.kind in {"power", "joint_current"}]
    others = [i for i in range(len(plant.sensors)) if i not in means]
    off = np.abs(late.raw.astype(np.int64) - early.raw[first:])
    assert off[:, others].max() <= 1  # sums of the same stretches, cut elsewhere
    assert off[1:, means].max() <= 1


def test_history_is_remembered_only_before_the_first_sample(plant: Plant, log: EventLog) -> None:
    sensors = Sensing(plant, seed=7, replication=0, epoch_ns=line.EPOCH_NS, t0_us=WARM_US)
    with pytest.raises(ValueError, match="remembered"):
        sensors.remember(log)
    sensors.sample(line.between(log, 0, WARM_US), WARM_US)
    with pytest.raises(ValueError, match="remembered"):
        sensors.remember(line.between(log, 0, WARM_US))
