"""Phase current of a three-phase supply."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from factory_sim.plant.catalogue import Param, SensorKindInfo
from factory_sim.sensing.kinds.sensor_kind import Channel, Kind, Response, noise, scatter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from factory_sim.sensing.unit_load import Bearer


def _channel(bearer: Bearer, params: Mapping[str, float]) -> Channel:
    """I = P / (√3 · U · cos φ), balanced phases; U between lines, the power factor the same at every load."""
    amps = params["share"] / (math.sqrt(3) * params["voltage"] * params["power_factor"])
    return Channel(
        amps * bearer.power_w, amps * bearer.wear_w, Response.MEAN, noise=params["noise"], scatter=params["scatter"]
    )


KIND = Kind(
    "phase current",
    SensorKindInfo(
        "A",
        0.0,
        200.0,
        params={
            "share": Param("share", 1.0, "share of the machine's power that flows through this phase's circuit"),
            "voltage": Param("voltage", 400.0, "between lines"),
            "power_factor": Param("share", 0.85, "cos φ"),
            "noise": noise("current", 0.02),
            "scatter": scatter(0.015),
        },
        help="RMS current of one phase over the last period; follows power",
    ),
    _channel,
)
