"""Electrical energy: the counter of a meter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from factory_sim.plant.catalogue import Param, SensorKindInfo
from factory_sim.sensing.kinds.sensor_kind import Channel, Kind, Response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from factory_sim.sensing.unit_load import Bearer

_KWH_PER_S_AND_W = 1 / 3.6e6


def _channel(bearer: Bearer, params: Mapping[str, float]) -> Channel:
    """The integral of the same true power that every other sensor of the unit follows, from 0 when readings begin."""
    per_s = params["share"] * _KWH_PER_S_AND_W
    return Channel(per_s * bearer.power_w, per_s * bearer.wear_w, Response.INTEGRAL)


KIND = Kind(
    "energy meter",
    SensorKindInfo(
        "kWh",
        0.0,
        200_000.0,
        scale=1e-4,
        bits=32,
        params={"share": Param("share", 1.0, "share of the machine's power that flows through this meter")},
        help="cumulative active energy, counted in steps of 0.1 Wh",
    ),
    _channel,
)
