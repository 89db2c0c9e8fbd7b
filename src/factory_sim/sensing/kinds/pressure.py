"""Hydraulic or pneumatic pressure."""

from __future__ import annotations

import numpy as np

from factory_sim.sensing.kinds.sensor_kind import Channel, Param, Params, Response, SensorKind, noise
from factory_sim.sensing.unit_load import STOPPED, UnitLoad

_PA_PER_BAR = 1e5


def _channel(unit: UnitLoad, params: Params) -> Channel:
    """Return standby pressure when switched on, towards `working` with the effort; vented when stopped.

    A pump raises the pressure at work (`working` above `standby`), a pneumatic consumer lowers it.
    """
    pascal = params["standby"] + (params["working"] - params["standby"]) * unit.effort
    bar, deviation = np.where(STOPPED, 0.0, pascal / _PA_PER_BAR), params["noise"] / _PA_PER_BAR
    return Channel(bar, response=Response.LAG, time_constant_s=params["time_constant"], noise=deviation)


KIND = SensorKind(
    unit_text="bar",
    low=0.0,
    high=250.0,
    params={
        "standby": Param("pressure", 6.3e5, "switched on, no effort"),
        "working": Param("pressure", 5.7e5, "at full effort"),
        "time_constant": Param("time", 2.0, "of building up and venting"),
        "noise": noise("pressure", 0.02e5),
    },
    help="gauge pressure; follows state and effort",
    channel=_channel,
)
