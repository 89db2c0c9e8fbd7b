"""Drop-outs: readings of one sensor, or of one machine, that are missing where its neighbours' are there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from factory_sim.analysis.blocks import BLOCK_US
from factory_sim.analysis.trust.doubt import Doubt
from factory_sim.units import UNITS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from factory_sim.analysis.blocks import Blocks
    from factory_sim.records import F8, I8, Meta

_LEAST = 2.5  # readings a minute that may be missing: two that a good link loses in one minute
_SIGMAS = 6.0  # of what a link that loses at random takes from one sensor more than from another
_BLIND_MINUTES = 2  # of a meter at an end of the window: more, and its energy lacks


def drop_outs(blocks: Blocks, meta: Meta) -> Iterator[Doubt]:
    """Sensors that are silent while their unit speaks, units that are silent while the plant speaks.

    What is missing everywhere is the link's loss: counted by the feed, not held against a sensor.
    """
    sensors = {info.id: info for info in meta.sensors}
    known = [k for k, number in enumerate(blocks.sensor.tolist()) if number in sensors]
    unit = np.array([sensors[int(blocks.sensor[k])].unit for k in known], np.int64)
    count = blocks.count[:, known].astype(np.float64)
    units = np.unique(unit)
    if not len(count) or not len(units):
        return
    usual = np.column_stack([np.median(count[:, unit == u], axis=1) for u in units])
    plant = np.median(usual, axis=1)
    margin = _margin(plant, _due(blocks, meta))
    for column, u in enumerate(units.tolist()):
        lack = plant - usual[:, column]
        if len(units) > 2 and (lack > margin).any():
            yield _doubt(blocks, lack, margin, u, -1, "all sensors of the unit were silent while others were not")
        for k in np.flatnonzero(unit == u).tolist():
            own_lack = usual[:, column] - count[:, k]
            if (own_lack > margin).any():
                info = sensors[int(blocks.sensor[known[k]])]
                blind = info.unit_text in UNITS["energy"] and _blind(count[:, k])
                reason = "silent while the unit's other sensors were not"
                yield _doubt(blocks, own_lack, margin, u, info.id, reason, excluded=blind)


def _due(blocks: Blocks, meta: Meta) -> F8:
    """Ticks of each minute within the window. Shape (n_blocks,)."""
    begin = np.maximum(blocks.block * BLOCK_US, meta.window.t0_us)
    end = np.minimum((blocks.block + 1) * BLOCK_US, meta.window.t1_us)
    ticks = -(-end // blocks.period_us) + (-begin // blocks.period_us)
    due: F8 = np.maximum(ticks, 1).astype(np.float64)
    return due


def _margin(plant: F8, due: F8) -> F8:
    """How many readings of a minute may be missing by chance: `loss` takes them one by one."""
    loss = np.clip(1 - plant.sum() / due.sum(), 0.0, 1.0)
    margin: F8 = _LEAST + _SIGMAS * np.sqrt(due * loss * (1 - loss))
    return margin


def _blind(count: F8) -> bool:
    there = np.flatnonzero(count)
    return not len(there) or bool(there[0] > _BLIND_MINUTES or len(count) - 1 - there[-1] > _BLIND_MINUTES)


def _doubt(  # noqa: PLR0913 - one argument a field
    blocks: Blocks, lack: F8, margin: F8, unit: int, sensor: int, reason: str, *, excluded: bool = False
) -> Doubt:
    where: I8 = np.flatnonzero(lack > margin)
    t0, t1 = int(blocks.block[where[0]]) * BLOCK_US, (int(blocks.block[where[-1]]) + 1) * BLOCK_US
    return Doubt("drop_out", unit, sensor, t0, t1, float(lack[where].sum()), reason, excluded)
