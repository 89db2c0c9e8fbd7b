"""Position of a vehicle."""

from __future__ import annotations

import numpy as np

from factory_sim.sensing.kinds.sensor_kind import Channel, Params, SensorKind, noise
from factory_sim.sensing.unit_load import N_SLOTS, UnitLoad


def _channel(_unit: UnitLoad, params: Params) -> Channel:
    """Return only the noise: the position depends on the trip and is added by `sensing/unit_position.py`."""
    return Channel(np.zeros(N_SLOTS), noise=params["noise"])


KIND = SensorKind(
    unit_text="m",
    low=-10.0,
    high=10_000.0,
    scale=0.01,
    bits=32,
    params={"noise": noise("length", 0.02)},
    help="distance of a vehicle from the plant's first section",
    roles=("vehicle",),
    channel=_channel,
)
