"""Force of a press, a clamp or a feed."""

from __future__ import annotations

from factory_sim.sensing.kinds.sensor_kind import Channel, Param, Params, SensorKind, UnitLoad, noise, scatter


def _channel(unit: UnitLoad, params: Params) -> Channel:
    """Return the force curve of the cycle: `peak` at full effort, zero when not at work."""
    return Channel(params["peak"] / 1e3 * unit.effort, noise=params["noise"] / 1e3, scatter=params["scatter"])


KIND = SensorKind(
    unit_text="kN",
    low=-1.0,
    high=150.0,
    params={"peak": Param("force", 40e3, "at full effort"), "noise": noise("force", 50.0), "scatter": scatter(0.015)},
    help="press, clamp or feed force; follows the effort within the cycle",
    channel=_channel,
)
