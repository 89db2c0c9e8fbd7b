"""The answer of `read` and of `listen --map`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from factory_sim import clock
from factory_sim.intake.mapping import Item
from factory_sim.results.read import CycleCount, DerivableKpi, ReadResult, ReadWindow, SkippedReason
from factory_sim.views.kpi_dict import kpi_values

if TYPE_CHECKING:
    from factory_sim.analysis.cycles import Cycles
    from factory_sim.live.foreign.conclusion import Conclusion
    from factory_sim.live.foreign.mapped_feed import MappedFeed
    from factory_sim.records import Meta, Window


def read_result(feed: MappedFeed, found: Conclusion) -> ReadResult:
    """Return the answer of `read`."""
    meta = found.meta
    sources: dict[int, list[str]] = {}
    for unit, item in sorted(feed.store.series):
        name = Item(item).name.lower() if item < Item.SIGNAL else feed.mapping.signals[item - Item.SIGNAL]
        sources.setdefault(unit, []).append(name)
    return ReadResult(
        feed=feed.mapping.name,
        plant=feed.mapping.plant,
        window=_times(found.table.window, meta),
        observations=feed.observations,
        units={meta.units[unit].name: ", ".join(names) for unit, names in sources.items()},
        derivable=tuple(
            DerivableKpi(kpi=e.kpi, status=e.status, assumption=e.assumption, needs=e.needs) for e in found.derivable
        ),
        kpis=kpi_values(found.table),
        losses_s=found.losses.losses_s,
        loss_table=found.losses.loss_table,
        cycles=tuple(
            _cycle_count(meta.units[unit].name, each, feed.min_confidence) for unit, each in found.cycles.items()
        ),
        skipped=tuple(SkippedReason(reason=e.reason, count=e.count, example=e.example) for e in found.tally.entries()),
        kpis_of=found.kpis_of,
        windows={
            name: ReadWindow(
                window=_times(table.window, meta), shift=found.shift_names.get(name, ""), kpis=kpi_values(table)
            )
            for name, table in found.windows.items()
        },
    )


def _cycle_count(unit: str, found: Cycles, least: float) -> CycleCount:
    certain = found.confidence >= least
    spans = (found.end_ns - found.begin_ns) * 1e-9
    return CycleCount(
        unit=unit,
        found=len(spans) if certain else None,
        confidence=round(found.confidence, 3),
        mean_s=float(spans.mean()) if certain and len(spans) else None,
    )


def _times(window: Window, meta: Meta) -> tuple[str, str]:
    begin, end = (
        clock.datetime_from_ns(clock.ns_from_us(t_us, meta.epoch_ns), meta.timezone).isoformat()
        for t_us in (window.t0_us, window.t1_us)
    )
    return begin, end
