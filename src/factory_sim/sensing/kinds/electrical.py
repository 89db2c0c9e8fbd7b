"""Power, energy and currents."""

from __future__ import annotations

import math

import numpy as np

from factory_sim.sensing.kinds.sensor_kind import Channel, Param, Params, Response, SensorKind, noise, scatter
from factory_sim.sensing.unit_load import STOPPED, UnitLoad


def _power(unit: UnitLoad, params: Params) -> Channel:
    """Return the mean of the true power over the last period, as meters aggregate it [IEC 61000-4-30]."""
    kilo, deviation = params["share"] / 1e3, params["noise"] / 1e3
    return Channel(kilo * unit.power_w, kilo * unit.wear_w, Response.MEAN, noise=deviation, scatter=params["scatter"])


POWER = SensorKind(
    unit_text="kW",
    low=0.0,
    high=100.0,
    params={
        "share": Param("share", 1.0, "share of the machine's power that flows through this sensor"),
        "noise": noise("power", 5.0),
        "scatter": scatter(0.01),
    },
    help="mean active power over the last period; follows state, cycle and wear",
    channel=_power,
)


_KWH_PER_S_AND_W = 1 / 3.6e6


def _energy(unit: UnitLoad, params: Params) -> Channel:
    """Return the integral of the true power, from 0 when readings begin."""
    per_s = params["share"] * _KWH_PER_S_AND_W
    return Channel(per_s * unit.power_w, per_s * unit.wear_w, Response.INTEGRAL)


ENERGY = SensorKind(
    unit_text="kWh",
    low=0.0,
    high=200_000.0,
    scale=1e-4,
    bits=32,
    params={"share": Param("share", 1.0, "share of the machine's power that flows through this meter")},
    help="cumulative active energy, counted in steps of 0.1 Wh",
    channel=_energy,
)


def _current(unit: UnitLoad, params: Params) -> Channel:
    """Return I = P / (√3 · U · cos φ) of balanced phases, with the same power factor at every load."""
    amps = params["share"] / (math.sqrt(3) * params["voltage"] * params["power_factor"])
    levels, worn = amps * unit.power_w, amps * unit.wear_w
    return Channel(levels, worn, Response.MEAN, noise=params["noise"], scatter=params["scatter"])


CURRENT = SensorKind(
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
    channel=_current,
)


def _joint_current(unit: UnitLoad, params: Params) -> Channel:
    """Return `holding` against gravity, up to `peak` at full effort, more with worn gears; zero with the brake on."""
    amps = np.where(STOPPED, 0.0, params["holding"] + (params["peak"] - params["holding"]) * unit.effort)
    worn = params["wear_gain"] * params["peak"] * unit.effort
    return Channel(amps, worn, Response.MEAN, noise=params["noise"], scatter=params["scatter"])


JOINT_CURRENT = SensorKind(
    unit_text="A",
    low=0.0,
    high=60.0,
    params={
        "peak": Param("current", 9.0, "at full effort"),
        "holding": Param("current", 1.2, "switched on, at rest"),
        "wear_gain": Param("number", 0.25, "more of the peak when the joint is worn out"),
        "noise": noise("current", 0.05),
        "scatter": scatter(0.03),
    },
    help="RMS motor current of a joint or servo axis; follows effort and wear",
    channel=_joint_current,
)
