"""Active electrical power: spindle, motor, heater or the whole machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from factory_sim.plant.catalogue import Param, SensorKindInfo
from factory_sim.sensing.kinds.sensor_kind import Channel, Kind, Response, noise, scatter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from factory_sim.sensing.unit_load import Bearer


def _channel(bearer: Bearer, params: Mapping[str, float]) -> Channel:
    """Mean of the true power over the last period: meters aggregate [IEC 61000-4-30], no cut falls between ticks."""
    kilo = params["share"] / 1e3
    return Channel(
        kilo * bearer.power_w,
        kilo * bearer.wear_w,
        Response.MEAN,
        noise=params["noise"] / 1e3,
        scatter=params["scatter"],
    )


KIND = Kind(
    "active power",
    SensorKindInfo(
        "kW",
        0.0,
        100.0,
        params={
            "share": Param("share", 1.0, "share of the machine's power that flows through this sensor"),
            "noise": noise("power", 5.0),
            "scatter": scatter(0.01),
        },
        help="mean active power over the last period; follows state, cycle and wear",
    ),
    _channel,
)
