"""Motor current of one joint of a robot, or of one servo axis."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from factory_sim.plant.catalogue import Param, SensorKindInfo
from factory_sim.sensing.kinds.sensor_kind import Channel, Kind, Response, noise, scatter
from factory_sim.sensing.unit_load import STOPPED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from factory_sim.sensing.unit_load import Bearer


def _channel(bearer: Bearer, params: Mapping[str, float]) -> Channel:
    """`holding` against gravity, up to `peak` at full effort; zero with the brake on. Worn gears need more at work."""
    amps = params["holding"] + (params["peak"] - params["holding"]) * bearer.effort
    extra = params["wear_gain"] * params["peak"] * bearer.effort
    return Channel(np.where(STOPPED, 0.0, amps), extra, Response.MEAN, noise=params["noise"], scatter=params["scatter"])


KIND = Kind(
    "joint current",
    SensorKindInfo(
        "A",
        0.0,
        60.0,
        params={
            "peak": Param("current", 9.0, "at full effort"),
            "holding": Param("current", 1.2, "switched on, at rest"),
            "wear_gain": Param("number", 0.25, "more of the peak when the joint is worn out"),
            "noise": noise("current", 0.05),
            "scatter": scatter(0.03),
        },
        help="RMS motor current of a joint or servo axis; follows effort and wear",
    ),
    _channel,
)
