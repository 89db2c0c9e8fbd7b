"""Travelling speed of a vehicle."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from factory_sim.plant.catalogue import SensorKindInfo
from factory_sim.sensing.kinds.sensor_kind import Channel, Kind, noise, scatter
from factory_sim.sensing.unit_load import MOVING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from factory_sim.sensing.unit_load import Bearer


def _channel(bearer: Bearer, params: Mapping[str, float]) -> Channel:
    """The fleet's speed while moving, else zero."""
    return Channel(np.where(MOVING, bearer.speed_mps, 0.0), noise=params["noise"], scatter=params["scatter"])


KIND = Kind(
    "speed",
    SensorKindInfo(
        "m/s",
        -0.2,
        10.0,
        params={"noise": noise("speed", 0.005), "scatter": scatter(0.02)},
        help="travelling speed of a vehicle",
        roles=("vehicle",),
    ),
    _channel,
)
