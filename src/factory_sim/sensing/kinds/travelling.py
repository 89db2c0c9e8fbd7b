"""What a vehicle shows."""

from __future__ import annotations

import numpy as np

from factory_sim.plant.states import State
from factory_sim.sensing.kinds.sensor_kind import Channel, Param, Params, Response, SensorKind, noise, scatter
from factory_sim.sensing.unit_load import MOVING, N_SLOTS, UnitLoad


def _speed(unit: UnitLoad, params: Params) -> Channel:
    """Return the fleet's speed while moving, else zero."""
    return Channel(np.where(MOVING, unit.speed_mps, 0.0), noise=params["noise"], scatter=params["scatter"])


SPEED = SensorKind(
    unit_text="m/s",
    low=-0.2,
    high=10.0,
    params={"noise": noise("speed", 0.005), "scatter": scatter(0.02)},
    help="travelling speed of a vehicle",
    roles=("vehicle",),
    channel=_speed,
)


def _distance(unit: UnitLoad, _params: Params) -> Channel:
    """Return the integral of the fleet's speed while moving, from 0 when readings begin."""
    return Channel(np.where(MOVING, unit.speed_mps, 0.0), response=Response.INTEGRAL)


DISTANCE = SensorKind(
    unit_text="m",
    low=0.0,
    high=2e7,
    scale=0.01,
    bits=32,
    help="odometer of a vehicle",
    roles=("vehicle",),
    channel=_distance,
)


def _position(_unit: UnitLoad, params: Params) -> Channel:
    """Return only the noise: the position depends on the trip and is added by `sensing/unit_position.py`."""
    return Channel(np.zeros(N_SLOTS), noise=params["noise"])


POSITION = SensorKind(
    unit_text="m",
    low=-10.0,
    high=10_000.0,
    scale=0.01,
    bits=32,
    params={"noise": noise("length", 0.02)},
    help="distance of a vehicle from the plant's first section",
    roles=("vehicle",),
    channel=_position,
)


def _load(_unit: UnitLoad, params: Params) -> Channel:
    """Return `weight` while moving loaded, half of it while loading or unloading."""
    levels = np.zeros(N_SLOTS)
    levels[State.MOVING_LOADED], levels[State.LOADING] = params["weight"] / 1e3, params["weight"] / 2e3
    return Channel(levels, response=Response.LAG, time_constant_s=1.0, noise=params["noise"] / 1e3)


LOAD = SensorKind(
    unit_text="kN",
    low=-0.5,
    high=20.0,
    params={"weight": Param("force", 2e3, "of a full load"), "noise": noise("force", 10.0)},
    help="load cell of a vehicle",
    roles=("vehicle",),
    channel=_load,
)


def _battery(unit: UnitLoad, params: Params) -> Channel:
    """Return a charge that falls while moving and rises while charging, both steadily; full when readings begin."""
    percent_per_s = np.where(MOVING, -100 / unit.battery_s if unit.battery_s > 0 else 0.0, 0.0)
    percent_per_s[State.CHARGING] = 100 / unit.charge_s if unit.charge_s > 0 else 0.0
    return Channel(percent_per_s, response=Response.INTEGRAL, start=100.0, noise=100 * params["noise"])


BATTERY = SensorKind(
    unit_text="%",
    low=0.0,
    high=100.0,
    params={"noise": noise("share", 0.001)},
    help="state of charge of a vehicle",
    roles=("vehicle",),
    channel=_battery,
)
