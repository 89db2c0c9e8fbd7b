"""What in a feed cannot be true: judged from decoded readings alone, per sensor, with the reason.

A new check is a function that yields Doubts, and one line in `judge`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from factory_sim.analysis.trust import clock_offsets, drift, dropouts, stuck_and_spikes
from factory_sim.analysis.trust.doubt import Doubt
from factory_sim.analysis.trust.unit_minutes import Diary
from factory_sim.units import UNITS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from factory_sim.analysis.blocks import Blocks
    from factory_sim.analysis.rebuild import Losses
    from factory_sim.records import EventLog, Meta, SensorInfo

__all__ = ["Doubt", "Trust", "judge"]


@dataclass(frozen=True, slots=True)
class Trust:
    """What is doubted of a feed."""

    doubts: tuple[Doubt, ...]

    @property
    def excluded(self) -> frozenset[int]:
        """Ids of sensors whose readings are not used."""
        return frozenset(doubt.sensor for doubt in self.doubts if doubt.excluded)

    def usable(self, blocks: Sequence[Blocks]) -> tuple[Blocks, ...]:
        """The blocks without excluded sensors: KPIs of energy then fall back on state x power for their units."""
        if not self.excluded:
            return tuple(blocks)
        excluded = np.array(sorted(self.excluded), np.int64)
        return tuple(_without(each, np.isin(each.sensor, excluded)) for each in blocks)

    def by_states(self, meta: Meta) -> tuple[int, ...]:
        """Units whose energy is state x power because their meter is excluded."""
        return tuple(sorted({s.unit for s in meta.sensors if s.id in self.excluded and s.unit_text in UNITS["energy"]}))


def judge(log: EventLog, meta: Meta, blocks: Sequence[Blocks], losses: Losses | None = None) -> Trust:
    """Everything that is doubted, by unit and sensor. Without `losses` nothing is said of lost rows."""
    diary, sensors = Diary(log, meta), {info.id: info for info in meta.sensors}
    found = list(clock_offsets.skews(log, meta))
    skewed = {doubt.unit for doubt in found}
    for each in blocks:
        # a clock that was set leaves gaps; they are its own, not the gateway's
        found += [d for d in dropouts.drop_outs(each, meta) if d.sensor >= 0 or d.unit not in skewed]
        found += _of_sensors(each, sensors, diary, frozenset(losses.distrusted if losses is not None else ()))
    if losses is not None:
        found += _lost_rows(losses, meta)
    return Trust(tuple(sorted(found, key=lambda d: (d.unit, d.sensor, d.kind, d.t0_us))))


def _of_sensors(
    blocks: Blocks, sensors: dict[int, SensorInfo], diary: Diary, blurred: frozenset[int]
) -> Iterator[Doubt]:
    """Each sensor by itself, and each meter against its unit's power sensor.

    blurred : units whose rows have gaps: nothing slow can be told from what is not known of their states.
    """
    if not len(blocks.block):
        return
    power: dict[int, tuple[int, SensorInfo]] = {}
    energy: dict[int, tuple[int, SensorInfo]] = {}
    wrong = set()
    for k, number in enumerate(blocks.sensor.tolist()):
        if (info := sensors.get(number)) is None:
            continue
        minutes = diary.of(info.unit, blocks.block)
        doubts = [*stuck_and_spikes.stuck(blocks, k, info, minutes), *stuck_and_spikes.spikes(blocks, k, info, minutes)]
        wrong |= {doubt.sensor for doubt in doubts}
        yield from doubts
        if info.unit_text in UNITS["energy"]:
            energy.setdefault(info.unit, (k, info))
        elif info.kind == "power":
            power.setdefault(info.unit, (k, info))
    drifting = [
        doubt
        for unit, (k, info) in energy.items()
        if unit in power and info.id not in wrong and power[unit][1].id not in wrong
        for doubt in drift.meters(blocks, (k, info), power[unit], diary.of(unit, blocks.block))
    ]
    yield from drifting
    known = wrong | {doubt.sensor for doubt in drifting}
    for k, number in enumerate(blocks.sensor.tolist()):
        info = sensors.get(number)
        if (
            info is not None
            and number not in known
            and info.unit not in blurred
            and not stuck_and_spikes.is_counter(info)
        ):
            yield from drift.trend(blocks, k, info, diary.of(info.unit, blocks.block))


def _lost_rows(losses: Losses, meta: Meta) -> Iterator[Doubt]:
    for unit in losses.distrusted:
        rows = losses.lost_rows[unit]
        reason = "rows are missing: its states, parts and cycle times have gaps"
        yield Doubt("rows_lost", unit, -1, meta.window.t0_us, meta.window.t1_us, float(rows), reason)


def _without(blocks: Blocks, gone: np.ndarray) -> Blocks:
    columns = ("sensor", "count", "total", "square", "low", "high", "first_tick", "first_raw", "last_tick", "last_raw")
    return replace(blocks, **{name: getattr(blocks, name)[..., ~gone] for name in columns})
