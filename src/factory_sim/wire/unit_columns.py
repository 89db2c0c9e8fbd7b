"""Blocks of samples with their columns in order of unit, for formats with a topic per unit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from factory_sim.wire.scaling import Scaling

if TYPE_CHECKING:
    from factory_sim.records import B1, F8, I2, I8, Meta, Samples


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of a block in order of unit: unit `units[i]` owns the ordered columns [starts[i], starts[i+1])."""

    order: tuple[int, ...]  # of the block's columns
    sensors: tuple[int, ...]  # positions in Meta.sensors, in that order
    units: tuple[int, ...]
    starts: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class UnitSamples:
    """A block of samples as engineering values."""

    layout: Layout
    t_ns: I8  # shape (n_ticks,)
    values: F8  # shape (n_ticks, n_sensors), in the layout's order
    present: B1 | None  # same shape; None: all


class UnitColumns:
    """Converts blocks of one plant; a layout is computed once for every set of sensors that occurs."""

    def __init__(self, meta: Meta) -> None:
        self._position = {sensor.id: k for k, sensor in enumerate(meta.sensors)}
        self._unit = [sensor.unit for sensor in meta.sensors]
        self._epoch_ns, self._scaling = meta.epoch_ns, Scaling(meta.sensors)
        self._layouts: dict[bytes, Layout] = {}

    def arranged(self, block: Samples) -> UnitSamples:
        """Return a block in order of unit. Raises KeyError for a sensor id that the description lacks."""
        layout = self._layout(block.sensor)
        order = list(layout.order)
        ticks = block.first_tick + np.arange(len(block.raw), dtype=np.int64)
        values = self._scaling.values(block.raw[:, order], list(layout.sensors))
        present = None if block.present is None else block.present[:, order]
        return UnitSamples(layout, self._epoch_ns + ticks * (block.period_us * 1_000), values, present)

    def _layout(self, sensor: I2) -> Layout:
        key = sensor.tobytes()
        if key not in self._layouts:
            positions = [self._position[k] for k in sensor.tolist()]
            order = sorted(range(len(positions)), key=lambda c: (self._unit[positions[c]], c))
            sensors = tuple(positions[c] for c in order)
            units, starts = np.unique([self._unit[k] for k in sensors], return_index=True)
            self._layouts[key] = Layout(tuple(order), sensors, tuple(units.tolist()), (*starts.tolist(), len(order)))
        return self._layouts[key]
