"""Vibration velocity, RMS: the first sign of wear."""

from __future__ import annotations

import numpy as np

from factory_sim.sensing.kinds.sensor_kind import Channel, Param, Params, SensorKind, noise, scatter
from factory_sim.sensing.unit_load import STOPPED, WORKING, UnitLoad


def _channel(unit: UnitLoad, params: Params) -> Channel:
    """Return `running` on average at work, more in a heavy cut and when worn; else `rest`, or 0 when stopped."""
    load = unit.power_w / unit.rated_w if unit.rated_w > 0 else np.ones_like(unit.power_w)
    running = 1e3 * params["running"] * np.where(WORKING, 0.6 + 0.4 * load, 0.0)
    rest = np.where(WORKING | STOPPED, 0.0, 1e3 * params["rest"])
    worn = params["wear_gain"] * running
    return Channel(running + rest, worn, noise=1e3 * params["noise"], scatter=params["scatter"])


KIND = SensorKind(
    unit_text="mm/s",
    low=0.0,
    high=50.0,
    params={
        "running": Param("velocity", 1.1e-3, "at work, new; ISO 20816-3 calls up to 1.4 mm/s newly commissioned"),
        "rest": Param("velocity", 0.08e-3, "switched on, not at work"),
        "wear_gain": Param("number", 3.0, "at the moment of failure the level is 1 + wear_gain times the new one"),
        "noise": noise("velocity", 0.01e-3),
        "scatter": scatter(0.12),
    },
    help="RMS velocity; rises with the square of wear",
    channel=_channel,
)
