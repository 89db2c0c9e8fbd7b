"""Hydraulic or pneumatic pressure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from factory_sim.plant.catalogue import Param, SensorKindInfo
from factory_sim.sensing.kinds.sensor_kind import Channel, Kind, Response, noise
from factory_sim.sensing.unit_load import STOPPED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from factory_sim.sensing.unit_load import Bearer

_PA_PER_BAR = 1e5


def _channel(bearer: Bearer, params: Mapping[str, float]) -> Channel:
    """Standby pressure when switched on, towards `working` with the effort; vented when down, off or in maintenance.

    A pump raises the pressure at work (`working` above `standby`), a pneumatic consumer lowers it.
    """
    pascal = params["standby"] + (params["working"] - params["standby"]) * bearer.effort
    return Channel(
        np.where(STOPPED, 0.0, pascal / _PA_PER_BAR),
        response=Response.LAG,
        time_constant_s=params["time_constant"],
        noise=params["noise"] / _PA_PER_BAR,
    )


KIND = Kind(
    "pressure",
    SensorKindInfo(
        "bar",
        0.0,
        250.0,
        params={
            "standby": Param("pressure", 6.3e5, "switched on, no effort"),
            "working": Param("pressure", 5.7e5, "at full effort"),
            "time_constant": Param("time", 2.0, "of building up and venting"),
            "noise": noise("pressure", 0.02e5),
        },
        help="gauge pressure; follows state and effort",
    ),
    _channel,
)
