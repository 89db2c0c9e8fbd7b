"""Active electrical power of a spindle, a motor, a heater or the whole machine."""

from __future__ import annotations

from factory_sim.sensing.kinds.sensor_kind import Channel, Param, Params, Response, SensorKind, UnitLoad, noise, scatter


def _channel(unit: UnitLoad, params: Params) -> Channel:
    """Return the mean of the true power over the last period, as meters aggregate it [IEC 61000-4-30]."""
    kilo, deviation = params["share"] / 1e3, params["noise"] / 1e3
    return Channel(kilo * unit.power_w, kilo * unit.wear_w, Response.MEAN, noise=deviation, scatter=params["scatter"])


KIND = SensorKind(
    unit_text="kW",
    low=0.0,
    high=100.0,
    params={
        "share": Param("share", 1.0, "share of the machine's power that flows through this sensor"),
        "noise": noise("power", 5.0),
        "scatter": scatter(0.01),
    },
    help="mean active power over the last period; follows state, cycle and wear",
    channel=_channel,
)
