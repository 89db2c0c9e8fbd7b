"""Torque of a tightening spindle, a cutting spindle or a test drive."""

from __future__ import annotations

from factory_sim.sensing.kinds.sensor_kind import Channel, Param, Params, SensorKind, UnitLoad, noise, scatter


def _channel(unit: UnitLoad, params: Params) -> Channel:
    """Return the torque curve of the cycle: `peak` at full effort, zero when not at work."""
    return Channel(params["peak"] * unit.effort, noise=params["noise"], scatter=params["scatter"])


KIND = SensorKind(
    unit_text="Nm",
    low=-5.0,
    high=500.0,
    params={"peak": Param("torque", 45.0, "at full effort"), "noise": noise("torque", 0.05), "scatter": scatter(0.01)},
    help="tightening, spindle or drive torque; follows the effort within the cycle",
    channel=_channel,
)
