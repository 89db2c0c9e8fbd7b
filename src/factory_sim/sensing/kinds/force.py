"""Force: press ram, clamp, tailstock, gripper."""

from __future__ import annotations

from typing import TYPE_CHECKING

from factory_sim.plant.catalogue import Param, SensorKindInfo
from factory_sim.sensing.kinds.sensor_kind import Channel, Kind, noise, scatter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from factory_sim.sensing.unit_load import Bearer


def _channel(bearer: Bearer, params: Mapping[str, float]) -> Channel:
    """The force curve of the cycle: `peak` at full effort, zero when not at work."""
    return Channel(params["peak"] / 1e3 * bearer.effort, noise=params["noise"] / 1e3, scatter=params["scatter"])


KIND = Kind(
    "force",
    SensorKindInfo(
        "kN",
        -1.0,
        150.0,
        params={
            "peak": Param("force", 40e3, "at full effort"),
            "noise": noise("force", 50.0),
            "scatter": scatter(0.015),
        },
        help="press, clamp or feed force; follows the effort within the cycle",
    ),
    _channel,
)
