"""Phase current of a three-phase supply."""

from __future__ import annotations

import math

from factory_sim.sensing.kinds.sensor_kind import Channel, Param, Params, Response, SensorKind, UnitLoad, noise, scatter


def _channel(unit: UnitLoad, params: Params) -> Channel:
    """Return I = P / (√3 · U · cos φ) of balanced phases, with the same power factor at every load."""
    amps = params["share"] / (math.sqrt(3) * params["voltage"] * params["power_factor"])
    levels, worn = amps * unit.power_w, amps * unit.wear_w
    return Channel(levels, worn, Response.MEAN, noise=params["noise"], scatter=params["scatter"])


KIND = SensorKind(
    unit_text="A",
    low=0.0,
    high=200.0,
    params={
        "share": Param("share", 1.0, "share of the machine's power that flows through this phase's circuit"),
        "voltage": Param("voltage", 400.0, "between lines"),
        "power_factor": Param("share", 0.85, "cos φ"),
        "noise": noise("current", 0.02),
        "scatter": scatter(0.015),
    },
    help="RMS current of one phase over the last period; follows power",
    channel=_channel,
)
