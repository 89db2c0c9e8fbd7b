"""Drop-outs: readings of one sensor, or of one machine, that are missing while its neighbours' are present."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from factory_sim.analysis.blocks import BLOCK_US
from factory_sim.analysis.trust.finding import Finding
from factory_sim.analysis.trust.sensor_minutes import span_us
from factory_sim.units import UNITS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from factory_sim.analysis.blocks import Blocks
    from factory_sim.records import F8, Meta

_LEAST = 2.5  # missing readings a minute that are tolerated: a good link may lose two in one minute
_SIGMAS = 6.0  # tolerated differences between sensors when a link loses readings at random
_BLIND_MINUTES = 2  # a meter that is silent for longer at an end of the window lacks energy


def drop_outs(blocks: Blocks, meta: Meta) -> Iterator[Finding]:
    """Yield the sensors that are silent while their unit reports, and the units that are silent while others report.

    Readings that are missing everywhere are the link's loss, which the feed counts.
    """
    sensors = {info.id: info for info in meta.sensors}
    columns = [k for k, number in enumerate(blocks.sensor.tolist()) if number in sensors]
    infos = [sensors[number] for number in blocks.sensor[columns].tolist()]
    unit, count = np.array([info.unit for info in infos], np.int64), blocks.count[:, columns].astype(np.float64)
    units = np.unique(unit)
    if not len(count) or not len(units):
        return
    usual = np.column_stack([np.median(count[:, unit == u], axis=1) for u in units])
    plant = np.median(usual, axis=1)
    margin = _margin(plant, _due(blocks, meta))

    def missing(lack: F8, unit: int, sensor: int, reason: str, *, excluded: bool = False) -> Iterator[Finding]:
        where = np.flatnonzero(lack > margin)
        if len(where):
            (t0, t1), size = span_us(blocks.block, where), float(lack[where].sum())
            about = {"unit": unit, "sensor": sensor, "t0_us": t0, "t1_us": t1}
            yield Finding(kind="drop_out", **about, size=size, reason=reason, excluded=excluded)

    for column, u in enumerate(units.tolist()):
        if len(units) > 2:
            reason = "all sensors of the unit were silent while others were not"
            yield from missing(plant - usual[:, column], u, -1, reason)
        for k in np.flatnonzero(unit == u).tolist():
            blind = infos[k].unit_text in UNITS["energy"] and _blind(count[:, k])
            reason = "silent while the unit's other sensors were not"
            yield from missing(usual[:, column] - count[:, k], u, infos[k].id, reason, excluded=blind)


def _due(blocks: Blocks, meta: Meta) -> F8:
    """Return the ticks of each minute within the window, shape (n_blocks,)."""
    begin = np.maximum(blocks.block * BLOCK_US, meta.window.t0_us)
    end = np.minimum((blocks.block + 1) * BLOCK_US, meta.window.t1_us)
    ticks = -(-end // blocks.period_us) + (-begin // blocks.period_us)
    due: F8 = np.maximum(ticks, 1).astype(np.float64)
    return due


def _margin(plant: F8, due: F8) -> F8:
    """Return how many readings of a minute may be missing by chance when the link loses them independently."""
    loss = np.clip(1 - plant.sum() / due.sum(), 0.0, 1.0)
    margin: F8 = _LEAST + _SIGMAS * np.sqrt(due * loss * (1 - loss))
    return margin


def _blind(count: F8) -> bool:
    there = np.flatnonzero(count)
    return not len(there) or bool(there[0] > _BLIND_MINUTES or len(count) - 1 - there[-1] > _BLIND_MINUTES)
