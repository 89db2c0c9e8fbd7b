"""Electrical energy: the counter of a meter."""

from __future__ import annotations

from factory_sim.sensing.kinds.sensor_kind import Channel, Param, Params, Response, SensorKind, UnitLoad

_KWH_PER_S_AND_W = 1 / 3.6e6


def _channel(unit: UnitLoad, params: Params) -> Channel:
    """Return the integral of the true power, from 0 when readings begin."""
    per_s = params["share"] * _KWH_PER_S_AND_W
    return Channel(per_s * unit.power_w, per_s * unit.wear_w, Response.INTEGRAL)


KIND = SensorKind(
    unit_text="kWh",
    low=0.0,
    high=200_000.0,
    scale=1e-4,
    bits=32,
    params={"share": Param("share", 1.0, "share of the machine's power that flows through this meter")},
    help="cumulative active energy, counted in steps of 0.1 Wh",
    channel=_channel,
)
