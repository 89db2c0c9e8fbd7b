"""Conversion of raw counts to engineering values and back, many at a time."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from factory_sim.wire.payload_checks import refuse

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from factory_sim.records import F8, I4, SensorInfo

_MAX_DECIMALS = 22  # 10**22 is the largest power of ten that a double holds exactly


def decimals(scale: float, offset: float) -> int:
    """Return the fewest decimals with which the raw count of every value raw * scale + offset can be recovered.

    On a decimal grid (scale 0.05, offset -40) these are the grid's own; otherwise the rounding error is at most a
    two-hundredth of a count.
    """
    least = max(0, math.ceil(-math.log10(abs(scale))))
    for places in range(least, least + 4):
        if all(math.isclose(round(x, places), x, rel_tol=1e-12) for x in (scale, offset)):
            return min(places, _MAX_DECIMALS)
    return min(least + 2, _MAX_DECIMALS)


class Scaling:
    """The scales of some sensors as columns; `columns` below are positions in `sensors`."""

    def __init__(self, sensors: Sequence[SensorInfo]) -> None:
        self._scale = np.array([s.scale for s in sensors], np.float64)
        self._offset = np.array([s.offset for s in sensors], np.float64)
        self._power = np.array([10.0 ** decimals(s.scale, s.offset) for s in sensors], np.float64)
        self._rows = [(s.scale, s.offset, -(2 ** (s.bits - 1)) - 0.5, 2 ** (s.bits - 1) - 0.5) for s in sensors]

    def values(self, raw: I4, columns: Any) -> F8:
        """Return engineering values rounded to the resolution. raw : shape (n_ticks, n_columns)."""
        power = self._power[columns]
        rounded: F8 = np.rint((raw * self._scale[columns] + self._offset[columns]) * power) / power
        return rounded

    def raw(self, values: Iterable[float], columns: Iterable[int]) -> list[int]:
        """Return the nearest counts, one per column. Refuse values outside the width of their sensor."""
        counts = []
        for value, column in zip(values, columns, strict=True):
            scale, offset, low, high = self._rows[column]
            count = (value - offset) / scale
            if not low <= count < high:  # also NaN and infinity
                refuse(f"{value!r} is outside the range of the sensor")
            counts.append(round(count))
        return counts
