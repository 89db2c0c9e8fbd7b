"""State of charge of a vehicle's battery."""

from __future__ import annotations

import numpy as np

from factory_sim.plant.states import State
from factory_sim.sensing.kinds.sensor_kind import Channel, Params, Response, SensorKind, noise
from factory_sim.sensing.unit_load import MOVING, UnitLoad


def _channel(unit: UnitLoad, params: Params) -> Channel:
    """Return a charge that falls while moving and rises while charging, both steadily; full when readings begin."""
    percent_per_s = np.where(MOVING, -100 / unit.battery_s if unit.battery_s > 0 else 0.0, 0.0)
    percent_per_s[State.CHARGING] = 100 / unit.charge_s if unit.charge_s > 0 else 0.0
    return Channel(percent_per_s, response=Response.INTEGRAL, start=100.0, noise=100 * params["noise"])


KIND = SensorKind(
    unit_text="%",
    low=0.0,
    high=100.0,
    params={"noise": noise("share", 0.001)},
    help="state of charge of a vehicle",
    roles=("vehicle",),
    channel=_channel,
)
