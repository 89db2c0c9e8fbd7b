"""One sensor's minutes beside the activity of its unit: the input of every detector that judges a single sensor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from factory_sim.analysis.blocks import BLOCK_US
from factory_sim.analysis.trust.finding import Finding
from factory_sim.units import UNITS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from factory_sim.analysis.blocks import Blocks
    from factory_sim.analysis.trust.unit_minutes import Minutes
    from factory_sim.records import B1, F8, I4, I8, SensorInfo

_COLUMNS = ("count", "total", "low", "high", "first_raw", "last_raw", "last_tick")


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class SensorMinutes:
    """A sensor's statistics by minute [counts], shapes (n_minutes,)."""

    info: SensorInfo
    unit: Minutes
    period_us: int
    minute: I8  # increasing
    count: I4
    total: I8
    low: I4
    high: I4
    first_raw: I4
    last_raw: I4
    last_tick: I8

    @classmethod
    def of(cls, blocks: Blocks, column: int, info: SensorInfo, unit: Minutes) -> SensorMinutes:
        """Return one column of `blocks`."""
        columns = {name: getattr(blocks, name)[:, column] for name in _COLUMNS}
        return cls(info=info, unit=unit, period_us=blocks.period_us, minute=blocks.block, **columns)

    @property
    def is_meter(self) -> bool:
        """Whether it counts energy."""
        return self.info.unit_text in UNITS["energy"]

    @property
    def is_counter(self) -> bool:
        """Whether it only rises: an energy meter or an odometer."""
        return self.is_meter or self.info.kind == "distance"

    def finding(self, kind: str, where: I8 | Sequence[int], size: float, reason: str, *, excluded: bool) -> Finding:
        """Return a finding that shows from minute `where[0]` to minute `where[-1]` (positions)."""
        t0, t1 = span_us(self.minute, where)
        unit, sensor = self.info.unit, self.info.id
        return Finding(
            kind=kind, unit=unit, sensor=sensor, t0_us=t0, t1_us=t1, size=size, reason=reason, excluded=excluded
        )


def span_us(minute: I8, where: I8 | Sequence[int]) -> tuple[int, int]:
    """Return begin and end [µs] of the stretch from minute `where[0]` to minute `where[-1]`."""
    return int(minute[where[0]]) * BLOCK_US, (int(minute[where[-1]]) + 1) * BLOCK_US


def stretches(mask: B1) -> list[list[int]]:
    """Return the stretches [a, b) of positions at which `mask` holds."""
    found: list[list[int]] = np.flatnonzero(np.diff(mask, prepend=False, append=False)).reshape(-1, 2).tolist()
    return found


def quantile(values: F8, share: float) -> float:
    """Return a quantile without interpolation, ten times as fast as np.quantile on a few hundred values."""
    place = round(share * (len(values) - 1))
    return float(np.partition(values, place)[place])
