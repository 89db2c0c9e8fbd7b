"""What a machine shows at work: vibration, temperature, pressure, force, torque."""

from __future__ import annotations

import numpy as np

from factory_sim.sensing.kinds.sensor_kind import Channel, Param, Params, Response, SensorKind, noise, scatter
from factory_sim.sensing.unit_load import STOPPED, WORKING, UnitLoad


def _vibration(unit: UnitLoad, params: Params) -> Channel:
    """Return `running` on average at work, more in a heavy cut and when worn; else `rest`, or 0 when stopped."""
    load = unit.power_w / unit.rated_w if unit.rated_w > 0 else np.ones_like(unit.power_w)
    running = 1e3 * params["running"] * np.where(WORKING, 0.6 + 0.4 * load, 0.0)
    rest = np.where(WORKING | STOPPED, 0.0, 1e3 * params["rest"])
    worn = params["wear_gain"] * running
    return Channel(running + rest, worn, noise=1e3 * params["noise"], scatter=params["scatter"])


VIBRATION = SensorKind(
    unit_text="mm/s",
    low=0.0,
    high=50.0,
    params={
        "running": Param("velocity", 1.1e-3, "at work, new; ISO 20816-3 calls up to 1.4 mm/s newly commissioned"),
        "rest": Param("velocity", 0.08e-3, "switched on, not at work"),
        "wear_gain": Param("number", 3.0, "at the moment of failure the level is 1 + wear_gain times the new one"),
        "noise": noise("velocity", 0.01e-3),
        "scatter": scatter(0.12),
    },
    help="RMS velocity; rises with the square of wear",
    channel=_vibration,
)


def _temperature(unit: UnitLoad, params: Params) -> Channel:
    """Return one thermal mass: time_constant · dT/dt = ambient + rise · power / rated power - T."""
    kelvin_per_w = params["rise"] / unit.rated_w if unit.rated_w > 0 else 0.0
    levels, worn = params["ambient"] + kelvin_per_w * unit.power_w, kelvin_per_w * unit.wear_w
    return Channel(levels, worn, Response.LAG, params["time_constant"], noise=params["noise"])


TEMPERATURE = SensorKind(
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
    channel=_temperature,
)


_PA_PER_BAR = 1e5


def _pressure(unit: UnitLoad, params: Params) -> Channel:
    """Return standby pressure when switched on, towards `working` with the effort; vented when stopped.

    A pump raises the pressure at work (`working` above `standby`), a pneumatic consumer lowers it.
    """
    pascal = params["standby"] + (params["working"] - params["standby"]) * unit.effort
    bar, deviation = np.where(STOPPED, 0.0, pascal / _PA_PER_BAR), params["noise"] / _PA_PER_BAR
    return Channel(bar, response=Response.LAG, time_constant_s=params["time_constant"], noise=deviation)


PRESSURE = SensorKind(
    unit_text="bar",
    low=0.0,
    high=250.0,
    params={
        "standby": Param("pressure", 6.3e5, "switched on, no effort"),
        "working": Param("pressure", 5.7e5, "at full effort"),
        "time_constant": Param("time", 2.0, "of building up and venting"),
        "noise": noise("pressure", 0.02e5),
    },
    help="gauge pressure; follows state and effort",
    channel=_pressure,
)


def _force(unit: UnitLoad, params: Params) -> Channel:
    """Return the force curve of the cycle: `peak` at full effort, zero when not at work."""
    return Channel(params["peak"] / 1e3 * unit.effort, noise=params["noise"] / 1e3, scatter=params["scatter"])


FORCE = SensorKind(
    unit_text="kN",
    low=-1.0,
    high=150.0,
    params={"peak": Param("force", 40e3, "at full effort"), "noise": noise("force", 50.0), "scatter": scatter(0.015)},
    help="press, clamp or feed force; follows the effort within the cycle",
    channel=_force,
)


def _torque(unit: UnitLoad, params: Params) -> Channel:
    """Return the torque curve of the cycle: `peak` at full effort, zero when not at work."""
    return Channel(params["peak"] * unit.effort, noise=params["noise"], scatter=params["scatter"])


TORQUE = SensorKind(
    unit_text="Nm",
    low=-5.0,
    high=500.0,
    params={"peak": Param("torque", 45.0, "at full effort"), "noise": noise("torque", 0.05), "scatter": scatter(0.01)},
    help="tightening, spindle or drive torque; follows the effort within the cycle",
    channel=_torque,
)
