"""Vibration velocity, RMS: what wear does first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from factory_sim.plant.catalogue import Param, SensorKindInfo
from factory_sim.sensing.kinds.sensor_kind import Channel, Kind, noise, scatter
from factory_sim.sensing.unit_load import STOPPED, WORKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from factory_sim.records import F8
    from factory_sim.sensing.unit_load import Bearer


def _channel(bearer: Bearer, params: Mapping[str, float]) -> Channel:
    """At work `running` on average, more in a heavy cut, 1 + wear_gain times that when worn out; else `rest` or 0."""
    running = 1e3 * params["running"] * np.where(WORKING, 0.6 + 0.4 * _load(bearer), 0.0)
    rest = np.where(WORKING | STOPPED, 0.0, 1e3 * params["rest"])
    return Channel(
        running + rest, params["wear_gain"] * running, noise=1e3 * params["noise"], scatter=params["scatter"]
    )


def _load(bearer: Bearer) -> F8:
    """Power relative to its mean at work; 1 for a unit that draws none."""
    return bearer.power_w / bearer.rated_w if bearer.rated_w > 0 else np.ones_like(bearer.power_w)


KIND = Kind(
    "vibration velocity, RMS",
    SensorKindInfo(
        "mm/s",
        0.0,
        50.0,
        params={
            "running": Param("velocity", 1.1e-3, "at work, new; ISO 20816-3 calls up to 1.4 mm/s newly commissioned"),
            "rest": Param("velocity", 0.08e-3, "switched on, not at work"),
            "wear_gain": Param("number", 3.0, "at the moment of failure the level is 1 + wear_gain times the new one"),
            "noise": noise("velocity", 0.01e-3),
            "scatter": scatter(0.12),
        },
        help="RMS velocity; rises with the square of wear",
    ),
    _channel,
)
