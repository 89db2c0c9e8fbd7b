"""Position of a vehicle."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from factory_sim.plant.catalogue import SensorKindInfo
from factory_sim.sensing.kinds.sensor_kind import Channel, Kind, noise
from factory_sim.sensing.unit_load import N_SLOTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from factory_sim.sensing.unit_load import Bearer


def _channel(bearer: Bearer, params: Mapping[str, float]) -> Channel:  # noqa: ARG001 - every kind has this shape
    """Only the noise: where the vehicle is depends on its trip, and `sensing/unit_position.py` adds it."""
    return Channel(np.zeros(N_SLOTS), noise=params["noise"])


KIND = Kind(
    "position",
    SensorKindInfo(
        "m",
        -10.0,
        10_000.0,
        scale=0.01,
        bits=32,
        params={"noise": noise("length", 0.02)},
        help="way of a vehicle from the plant's first section",
        roles=("vehicle",),
    ),
    _channel,
)
