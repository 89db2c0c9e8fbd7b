"""Which columns of a samples block belong to which unit: what formats with a topic per unit need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from factory_sim.records import I2, Meta


@dataclass(frozen=True, slots=True)
class Layout:
    """Columns of a block, put in order of unit: unit `units[i]` owns the ordered columns [starts[i], starts[i+1])."""

    order: tuple[int, ...]  # of the block's columns
    sensors: tuple[int, ...]  # positions in Meta.sensors, in that order
    units: tuple[int, ...]
    starts: tuple[int, ...]


class Layouts:
    """Layouts of blocks, computed once for every set of sensors that occurs."""

    def __init__(self, meta: Meta) -> None:
        self._position = {sensor.id: k for k, sensor in enumerate(meta.sensors)}
        self._unit = [sensor.unit for sensor in meta.sensors]
        self._known: dict[bytes, Layout] = {}

    def of(self, sensor: I2) -> Layout:
        """The layout of a block with these sensor ids. Raises KeyError for an id that is not in the description."""
        key = sensor.tobytes()
        if key not in self._known:
            positions = [self._position[k] for k in sensor.tolist()]
            order = sorted(range(len(positions)), key=lambda c: (self._unit[positions[c]], c))
            owners = np.array([self._unit[positions[c]] for c in order], np.int64)
            units, starts = np.unique(owners, return_index=True)
            self._known[key] = Layout(
                tuple(order), tuple(positions[c] for c in order), tuple(units.tolist()), (*starts.tolist(), len(order))
            )
        return self._known[key]
