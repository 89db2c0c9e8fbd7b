"""Temperature of a spindle, motor, gearbox, bath or chamber."""

from __future__ import annotations

from factory_sim.sensing.kinds.sensor_kind import Channel, Param, Params, Response, SensorKind, UnitLoad, noise


def _channel(unit: UnitLoad, params: Params) -> Channel:
    """Return one thermal mass: time_constant · dT/dt = ambient + rise · power / rated power - T."""
    kelvin_per_w = params["rise"] / unit.rated_w if unit.rated_w > 0 else 0.0
    levels, worn = params["ambient"] + kelvin_per_w * unit.power_w, kelvin_per_w * unit.wear_w
    return Channel(levels, worn, Response.LAG, params["time_constant"], noise=params["noise"])


KIND = SensorKind(
    unit_text="°C",
    low=-20.0,
    high=200.0,
    params={
        "ambient": Param("temperature", 22.0, "of the hall, or of the coolant"),
        "rise": Param("temperature", 30.0, "above ambient after long work at the mean busy power"),
        "time_constant": Param("time", 600.0, "after which 63 % of a step has come through"),
        "noise": noise("temperature", 0.05),
    },
    help="follows the dissipated power with a first-order lag; begins at the balance of its first state",
    channel=_channel,
)
