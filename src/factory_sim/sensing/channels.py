"""All sensors of a plant as arrays for the compiled walk: tables, noise, quantisation, and the carried state."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from factory_sim import random_streams
from factory_sim.plant.states import State
from factory_sim.sensing.kinds import KINDS
from factory_sim.sensing.kinds.sensor_kind import Response
from factory_sim.sensing.unit_load import MAX_STEPS, N_SLOTS, unit_loads

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from factory_sim.plant.spec import Plant, Sensor
    from factory_sim.records import B1, F8, I4, I8, U1
    from factory_sim.sensing.kinds.sensor_kind import Channel
    from factory_sim.sensing.unit_load import UnitLoad


class Channels(NamedTuple):
    """Every sensor, in the order of their units. Shapes (n,), tables (n, N_SLOTS); values in the sensor's `unit_text`.

    `value` and `mark_us` are carried from slice to slice: the reading of a LAG or INTEGRAL, or the sum of a MEAN since
    its last tick, at time `mark_us`.
    """

    sensor: I4  # position in Plant.sensors
    first: I8  # shape (n_units + 1,): the sensors of unit u are first[u] .. first[u + 1] - 1
    levels: F8
    worn: F8
    response: U1
    time_constant_s: F8
    decay: F8  # of a LAG over one period
    noise: F8
    scatter: F8
    name: NDArray[np.uint64]  # of the noise's stream
    scale: F8
    offset: F8
    low: F8
    high: F8
    least: F8  # counts
    most: F8
    period_us: I8
    value: F8
    mark_us: I8
    t0_us: int  # when readings begin


class Tracks(NamedTuple):
    """The activity of each unit, carried from row to row. Shapes (n_units,), steps (n_units, MAX_STEPS + 1)."""

    step_us: I8  # busy time since the cycle began at which each step begins
    wears: B1  # machines: the detail of their BUSY rows is wear
    state: U1
    slot: U1
    wear: F8  # share of life, at the last start of work
    since_us: I8  # begin of the present state
    busy_us: I8  # busy time of the cycle before that


def channels(plant: Plant, seed: int, replication: int, t0_us: int) -> Channels:
    """Return the plant's sensors, with readings that begin at `t0_us`."""
    loads = unit_loads(plant)
    order = sorted(range(len(plant.sensors)), key=lambda i: plant.sensors[i].unit)
    sensors = [plant.sensors[i] for i in order]
    physics = [_channel(s, loads[s.unit]) for s in sensors]
    period_us = np.array([s.period_us for s in sensors], np.int64)
    tau_s = _floats(physics, "time_constant_s")
    bounds = np.array([count_range(s) for s in sensors], np.float64).reshape(-1, 2)
    names = [random_streams.key(seed, replication, plant.units[s.unit], f"noise:{s.name}") for s in sensors]
    return Channels(
        sensor=np.array(order, np.int32),
        first=np.searchsorted(np.array([s.unit for s in sensors]), np.arange(len(plant.units) + 1)).astype(np.int64),
        levels=_floats(physics, "levels").reshape(-1, N_SLOTS),
        worn=_floats(physics, "worn").reshape(-1, N_SLOTS),
        response=np.array([c.response for c in physics], np.uint8),
        time_constant_s=tau_s,
        decay=np.exp(-period_us * 1e-6 / np.where(tau_s > 0, tau_s, 1.0)),
        **{name: _floats(physics, name) for name in ("noise", "scatter")},
        name=np.array(names, np.uint64),
        **{name: _floats(sensors, name) for name in ("scale", "offset", "low", "high")},
        least=bounds[:, 0].copy(),
        most=bounds[:, 1].copy(),
        period_us=period_us,
        # a LAG begins in balance with the unit's state, which is not known before its first row
        value=np.array([math.nan if c.response == Response.LAG else c.start for c in physics], np.float64),
        mark_us=np.full(len(sensors), t0_us, np.int64),
        t0_us=t0_us,
    )


def tracks(plant: Plant, t0_us: int) -> Tracks:
    """Return every unit as OFF until its first row."""
    n = len(plant.units)
    step_us = np.zeros((n, MAX_STEPS + 1), np.int64)
    for unit, load in unit_loads(plant).items():
        step_us[unit] = load.step_us
    wears, off = np.zeros(n, np.bool_), np.full(n, State.OFF, np.uint8)
    wears[[machine.unit for machine in plant.machines]] = True
    return Tracks(step_us, wears, off, off.copy(), np.zeros(n), np.full(n, t0_us, np.int64), np.zeros(n, np.int64))


def count_range(sensor: Sensor) -> tuple[int, int]:
    """Return the least and the greatest count: within the measuring range and the converter's width."""
    widest = 2 ** (sensor.bits - 1)
    low, high = ((bound - sensor.offset) / sensor.scale for bound in (sensor.low, sensor.high))
    return max(math.ceil(low - 1e-9), -widest), min(math.floor(high + 1e-9), widest - 1)


def _channel(sensor: Sensor, load: UnitLoad) -> Channel:
    kind = KINDS[sensor.kind]
    return kind.channel(load, {name: param.default for name, param in kind.params.items()} | dict(sensor.params))


def _floats(records: Sequence[Channel | Sensor], name: str) -> F8:
    return np.array([getattr(record, name) for record in records], np.float64)
