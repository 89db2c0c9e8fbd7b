"""Charge of a vehicle's battery."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from factory_sim.plant.catalogue import SensorKindInfo
from factory_sim.plant.states import State
from factory_sim.sensing.kinds.sensor_kind import Channel, Kind, Response, noise
from factory_sim.sensing.unit_load import MOVING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from factory_sim.sensing.unit_load import Bearer


def _channel(bearer: Bearer, params: Mapping[str, float]) -> Channel:
    """Falls while moving, rises while charging, both steadily; full when readings begin."""
    percent_per_s = np.where(MOVING, -100 / bearer.battery_s if bearer.battery_s > 0 else 0.0, 0.0)
    percent_per_s[State.CHARGING] = 100 / bearer.charge_s if bearer.charge_s > 0 else 0.0
    return Channel(percent_per_s, response=Response.INTEGRAL, start=100.0, noise=100 * params["noise"])


KIND = Kind(
    "battery charge",
    SensorKindInfo(
        "%",
        0.0,
        100.0,
        params={"noise": noise("share", 0.001)},
        help="state of charge of a vehicle",
        roles=("vehicle",),
    ),
    _channel,
)
