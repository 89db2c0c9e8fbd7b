"""Distance travelled by a vehicle."""

from __future__ import annotations

import numpy as np

from factory_sim.sensing.kinds.sensor_kind import Channel, Params, Response, SensorKind
from factory_sim.sensing.unit_load import MOVING, UnitLoad


def _channel(unit: UnitLoad, _params: Params) -> Channel:
    """Return the integral of the fleet's speed while moving, from 0 when readings begin."""
    return Channel(np.where(MOVING, unit.speed_mps, 0.0), response=Response.INTEGRAL)


KIND = SensorKind(
    unit_text="m",
    low=0.0,
    high=2e7,
    scale=0.01,
    bits=32,
    help="odometer of a vehicle",
    roles=("vehicle",),
    channel=_channel,
)
