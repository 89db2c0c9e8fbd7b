"""The one shape of all sensor kinds: defaults for the file, and tables of what the sensor would show.

Noise is Gaussian: an absolute part (`noise`) and one that grows with the reading (`scatter`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np

from factory_sim.plant.catalogue import Param
from factory_sim.sensing.unit_load import N_SLOTS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from factory_sim.plant.catalogue import SensorKindInfo
    from factory_sim.records import F8
    from factory_sim.sensing.unit_load import Bearer


class Response(IntEnum):
    """How the reading follows the level: level = levels[slot] + worn[slot] * wear²."""

    DIRECT = 0  # reading = level
    MEAN = 1  # mean level since the last tick, as power meters report it
    LAG = 2  # first order: time_constant * d(reading)/dt = level - reading
    INTEGRAL = 3  # d(reading)/dt = level per second, kept within the measuring range


@dataclass(frozen=True, slots=True, eq=False)
class Channel:
    """What one sensor would show without noise, in its `unit_text`. Tables have shape (N_SLOTS,)."""

    levels: F8
    worn: F8 = field(default_factory=lambda: np.zeros(N_SLOTS))  # added when worn out, times wear²
    response: Response = Response.DIRECT
    time_constant_s: float = 0.0
    start: float = 0.0  # of an INTEGRAL, when the readings begin
    noise: float = 0.0  # standard deviation, in `unit_text`
    scatter: float = 0.0  # standard deviation, as a share of the reading


@dataclass(frozen=True, slots=True)
class Kind:
    """A sensor kind: what a plant file may say about it, and its physics.

    `channel(bearer, params)` gets the unit that carries the sensor and every parameter of `info.params` in SI.
    """

    title: str
    info: SensorKindInfo
    channel: Callable[[Bearer, Mapping[str, float]], Channel]


def scatter(share: float) -> Param:
    """The parameter `scatter`, common to most kinds."""
    return Param("share", share, "standard deviation of the reading, as a share of it")


def noise(dimension: str, value: float) -> Param:
    """The parameter `noise`, common to most kinds; `value` in SI."""
    return Param(dimension, value, "standard deviation of the reading at rest")
