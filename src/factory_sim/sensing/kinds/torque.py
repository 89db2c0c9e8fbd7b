"""Torque: tightening spindle, cutting spindle, test drive."""

from __future__ import annotations

from typing import TYPE_CHECKING

from factory_sim.plant.catalogue import Param, SensorKindInfo
from factory_sim.sensing.kinds.sensor_kind import Channel, Kind, noise, scatter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from factory_sim.sensing.unit_load import Bearer


def _channel(bearer: Bearer, params: Mapping[str, float]) -> Channel:
    """The torque curve of the cycle: `peak` at full effort, zero when not at work."""
    return Channel(params["peak"] * bearer.effort, noise=params["noise"], scatter=params["scatter"])


KIND = Kind(
    "torque",
    SensorKindInfo(
        "Nm",
        -5.0,
        500.0,
        params={
            "peak": Param("torque", 45.0, "at full effort"),
            "noise": noise("torque", 0.05),
            "scatter": scatter(0.01),
        },
        help="tightening, spindle or drive torque; follows the effort within the cycle",
    ),
    _channel,
)
