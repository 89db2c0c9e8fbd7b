"""What every sensor kind consists of: parameters for the plant file, and tables of what the sensor shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np

from factory_sim.plant.catalogue import Param, SensorKindInfo
from factory_sim.sensing.unit_load import N_SLOTS, UnitLoad

if TYPE_CHECKING:
    from factory_sim.records import F8

__all__ = ["Channel", "Param", "Params", "Response", "SensorKind", "noise", "scatter"]

Params = Mapping[str, float]  # every parameter of the kind, SI


class Response(IntEnum):
    """How the reading follows the level, which is levels[slot] + worn[slot] * wear²."""

    DIRECT = 0  # reading = level
    MEAN = 1  # mean level since the last tick, as power meters report it
    LAG = 2  # first order: time_constant * d(reading)/dt = level - reading
    INTEGRAL = 3  # d(reading)/dt = level per second, kept within the measuring range


@dataclass(frozen=True, slots=True, eq=False)
class Channel:
    """What one sensor shows without noise, in its `unit_text`. Tables have shape (N_SLOTS,).

    Noise is Gaussian; its standard deviation is `noise` + `scatter` * |reading|.
    """

    levels: F8
    worn: F8 = field(default_factory=lambda: np.zeros(N_SLOTS))
    response: Response = Response.DIRECT
    time_constant_s: float = 0.0
    start: float = 0.0  # of an INTEGRAL, when the readings begin
    noise: float = 0.0  # in `unit_text`
    scatter: float = 0.0  # share of the reading


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorKind(SensorKindInfo):
    """A sensor kind: what a plant file may set, and the physics of a sensor on a given unit."""

    channel: Callable[[UnitLoad, Params], Channel]


def scatter(share: float) -> Param:
    """Return the parameter `scatter`, common to most kinds."""
    return Param("share", share, "standard deviation of the reading, as a share of it")


def noise(dimension: str, value: float) -> Param:
    """Return the parameter `noise`, common to most kinds; `value` in SI."""
    return Param(dimension, value, "standard deviation of the reading at rest")
