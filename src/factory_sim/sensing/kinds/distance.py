"""Way travelled by a vehicle."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from factory_sim.plant.catalogue import SensorKindInfo
from factory_sim.sensing.kinds.sensor_kind import Channel, Kind, Response
from factory_sim.sensing.unit_load import MOVING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from factory_sim.sensing.unit_load import Bearer


def _channel(bearer: Bearer, params: Mapping[str, float]) -> Channel:  # noqa: ARG001 - every kind has this shape
    """The integral of the fleet's speed while moving, from 0 when readings begin."""
    return Channel(np.where(MOVING, bearer.speed_mps, 0.0), response=Response.INTEGRAL)


KIND = Kind(
    "distance travelled",
    SensorKindInfo("m", 0.0, 2e7, scale=0.01, bits=32, help="odometer of a vehicle", roles=("vehicle",)),
    _channel,
)
