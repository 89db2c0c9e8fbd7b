"""Trust: which readings of a feed cannot be right, judged from decoded readings alone.

A new check is a function that yields findings, and one line in `judge` or `_of_sensors`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from factory_sim.analysis.trust import clock_offsets, drift, dropouts, stuck_and_spikes
from factory_sim.analysis.trust.finding import Finding
from factory_sim.analysis.trust.sensor_minutes import SensorMinutes
from factory_sim.analysis.trust.unit_minutes import UnitHistory
from factory_sim.units import UNITS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from factory_sim.analysis.blocks import Blocks
    from factory_sim.analysis.rebuild import Losses
    from factory_sim.records import EventLog, Meta

__all__ = ["Finding", "Trust", "judge"]


@dataclass(frozen=True, slots=True)
class Trust:
    """The findings about a feed."""

    findings: tuple[Finding, ...]

    @property
    def excluded(self) -> frozenset[int]:
        """Ids of sensors whose readings are not used."""
        return frozenset(each.sensor for each in self.findings if each.excluded)

    def usable(self, blocks: Sequence[Blocks]) -> tuple[Blocks, ...]:
        """Return the blocks without excluded sensors; energy KPIs of their units then use state x power."""
        if not self.excluded:
            return tuple(blocks)
        excluded = np.array(sorted(self.excluded), np.int64)
        return tuple(_without(each, np.isin(each.sensor, excluded)) for each in blocks)

    def by_states(self, meta: Meta) -> tuple[int, ...]:
        """Return the units whose energy is state x power because their meter is excluded."""
        return tuple(sorted({s.unit for s in meta.sensors if s.id in self.excluded and s.unit_text in UNITS["energy"]}))


def judge(log: EventLog, meta: Meta, blocks: Sequence[Blocks], losses: Losses | None = None) -> Trust:
    """Return all findings, ordered by unit and sensor. Lost rows are reported only if `losses` is given."""
    history, found = UnitHistory(log, meta), list(clock_offsets.skews(log, meta))
    skewed = {each.unit for each in found}
    incomplete = losses.distrusted if losses is not None else ()
    for each in blocks:
        # a clock that was set leaves gaps in its unit's readings
        found += [d for d in dropouts.drop_outs(each, meta) if d.sensor >= 0 or d.unit not in skewed]
        found += _of_sensors(each, meta, history, incomplete)
    for unit in incomplete:
        t0, t1, rows = meta.window.t0_us, meta.window.t1_us, float(losses.lost_rows[unit]) if losses else 0.0
        reason = "its states, parts and cycle times have gaps"
        found.append(Finding(kind="rows_lost", unit=unit, t0_us=t0, t1_us=t1, size=rows, reason=reason))
    return Trust(tuple(sorted(found, key=lambda d: (d.unit, d.sensor, d.kind, d.t0_us))))


def _of_sensors(blocks: Blocks, meta: Meta, history: UnitHistory, incomplete: Sequence[int]) -> list[Finding]:
    """Judge each sensor alone, then each meter against the power sensor of its unit, then slow trends.

    incomplete : units with lost rows; their states do not explain slow trends.
    """
    if not len(blocks.block):
        return []
    infos = {info.id: info for info in meta.sensors}
    sensors = [
        SensorMinutes.of(blocks, k, infos[number], history.of(infos[number].unit, blocks.block))
        for k, number in enumerate(blocks.sensor.tolist())
        if number in infos
    ]
    found = [each for s in sensors for each in (*stuck_and_spikes.stuck(s), *stuck_and_spikes.spikes(s))]
    wrong = {each.sensor for each in found}
    power = {s.info.unit: s for s in reversed(sensors) if s.info.kind == "power" and not s.is_meter}
    meter = {s.info.unit: s for s in reversed(sensors) if s.is_meter}
    for unit in meter.keys() & power.keys():
        if not wrong & {meter[unit].info.id, power[unit].info.id}:
            found += drift.meters(meter[unit], power[unit])
    wrong = {each.sensor for each in found}
    for s in sensors:
        if s.info.id not in wrong and s.info.unit not in incomplete and not s.is_counter:
            found += drift.trend(s)
    return found


def _without(blocks: Blocks, gone: np.ndarray) -> Blocks:
    columns = ("sensor", "count", "total", "low", "high", "first_tick", "first_raw", "last_tick", "last_raw")
    return replace(blocks, **{name: getattr(blocks, name)[..., ~gone] for name in columns})
