"""Weight on a vehicle."""

from __future__ import annotations

import numpy as np

from factory_sim.plant.states import State
from factory_sim.sensing.kinds.sensor_kind import Channel, Param, Params, Response, SensorKind, noise
from factory_sim.sensing.unit_load import N_SLOTS, UnitLoad


def _channel(_unit: UnitLoad, params: Params) -> Channel:
    """Return `weight` while moving loaded, half of it while loading or unloading."""
    levels = np.zeros(N_SLOTS)
    levels[State.MOVING_LOADED], levels[State.LOADING] = params["weight"] / 1e3, params["weight"] / 2e3
    return Channel(levels, response=Response.LAG, time_constant_s=1.0, noise=params["noise"] / 1e3)


KIND = SensorKind(
    unit_text="kN",
    low=-0.5,
    high=20.0,
    params={"weight": Param("force", 2e3, "of a full load"), "noise": noise("force", 10.0)},
    help="load cell of a vehicle",
    roles=("vehicle",),
    channel=_channel,
)
