"""Travelling speed of a vehicle."""

from __future__ import annotations

import numpy as np

from factory_sim.sensing.kinds.sensor_kind import Channel, Params, SensorKind, noise, scatter
from factory_sim.sensing.unit_load import MOVING, UnitLoad


def _channel(unit: UnitLoad, params: Params) -> Channel:
    """Return the fleet's speed while moving, else zero."""
    return Channel(np.where(MOVING, unit.speed_mps, 0.0), noise=params["noise"], scatter=params["scatter"])


KIND = SensorKind(
    unit_text="m/s",
    low=-0.2,
    high=10.0,
    params={"noise": noise("speed", 0.005), "scatter": scatter(0.02)},
    help="travelling speed of a vehicle",
    roles=("vehicle",),
    channel=_channel,
)
