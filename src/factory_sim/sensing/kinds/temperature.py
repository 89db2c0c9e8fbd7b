"""Temperature of a spindle, motor, gearbox, bath or chamber."""

from __future__ import annotations

from typing import TYPE_CHECKING

from factory_sim.plant.catalogue import Param, SensorKindInfo
from factory_sim.sensing.kinds.sensor_kind import Channel, Kind, Response, noise

if TYPE_CHECKING:
    from collections.abc import Mapping

    from factory_sim.sensing.unit_load import Bearer


def _channel(bearer: Bearer, params: Mapping[str, float]) -> Channel:
    """One thermal mass: time_constant · dT/dt = ambient + rise · power / rated power - T."""
    kelvin_per_w = params["rise"] / bearer.rated_w if bearer.rated_w > 0 else 0.0
    return Channel(
        params["ambient"] + kelvin_per_w * bearer.power_w,
        kelvin_per_w * bearer.wear_w,
        Response.LAG,
        params["time_constant"],
        noise=params["noise"],
    )


KIND = Kind(
    "temperature",
    SensorKindInfo(
        "°C",
        -20.0,
        200.0,
        params={
            "ambient": Param("temperature", 22.0, "of the hall, or of the coolant"),
            "rise": Param("temperature", 30.0, "above ambient after long work at the mean busy power"),
            "time_constant": Param("time", 600.0, "after which 63 % of a step has come through"),
            "noise": noise("temperature", 0.05),
        },
        help="follows the dissipated power with a first-order lag; begins at the balance of its first state",
    ),
    _channel,
)
