"""What a foreign feed yields: its KPIs, each with bounds where the feed is incomplete, or not derivable."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from factory_sim.analysis import facts as facts_of
from factory_sim.analysis import kpis
from factory_sim.analysis.kpis import KPIS, bounds
from factory_sim.analysis.trust import clock_offsets
from factory_sim.live.foreign import gaps, stop_losses
from factory_sim.live.foreign.derivability import NO, Available, derivability, is_defined

if TYPE_CHECKING:
    from factory_sim.analysis.cycles import Cycles
    from factory_sim.analysis.facts import Facts
    from factory_sim.analysis.rebuild import Feed
    from factory_sim.analysis.trust.finding import Finding
    from factory_sim.intake.mapping import Mapping
    from factory_sim.intake.series import Store
    from factory_sim.intake.tally import Tally
    from factory_sim.intake.unit_events import UnitEvents
    from factory_sim.live.foreign.derivability import Derivability
    from factory_sim.live.foreign.stop_losses import Convention
    from factory_sim.records import B1, EventLog, Kpi, KpiTable, Meta, Window
    from factory_sim.results.stop_losses import StopLosses


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class View:
    """A mapped feed as of now: its series, what its units did, and the rows and meter readings made of them."""

    mapping: Mapping
    convention: Convention
    meta: Meta
    store: Store
    events: dict[int, UnitEvents]
    cycles: dict[int, Cycles]
    signals: Available
    tally: Tally  # what was skipped in series that later observations may still change
    feed: Feed

    @property
    def derivable(self) -> tuple[Derivability, ...]:
        """Which KPIs are derivable."""
        names = [f"{level}.{name}" for name, kind in KPIS.items() for level in kind.levels]
        return tuple(derivability(name, self.meta, self.signals) for name in names)

    def findings(self, log: EventLog, meta: Meta) -> tuple[Finding, ...]:
        """Return the units whose clocks disagree; parts of a plant's own feed need time to be moved."""
        resolution_s = max((each.clock.resolution_ns * 1e-9 for each in self.mapping.sources), default=0.0)
        return tuple(clock_offsets.skews(log, meta, resolution_s, by_order_alone=bool(self.store.series)))

    def facts(self, log: EventLog) -> Facts:
        """Return the facts of the whole feed."""
        return facts_of.collect(log, self.meta, self.feed.blocks(), findings=self.findings(log, self.meta))

    def table(self, facts: Facts) -> KpiTable:
        """Return the KPIs of a window, NaN where one is not derivable."""
        open_ = gaps.of_feed(self.events, self.store, self.meta, facts.window)
        return _masked(bounds.bounded(kpis.of_facts(facts), facts, open_), self.meta, self.signals, self.derivable)

    def losses(self, log: EventLog, window: Window) -> StopLosses:
        """Return the time of each machine by loss category."""
        until_ns = self.meta.epoch_ns + self.meta.window.t1_us * 1000
        orders = stop_losses.orders_of(self.store, until_ns)
        return self.convention.losses(log, self.meta, window=window, orders=orders)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Conclusion:
    """What a feed has yielded so far."""

    meta: Meta
    log: EventLog
    facts: Facts
    table: KpiTable  # NaN where a KPI is not derivable
    derivable: tuple[Derivability, ...]
    cycles: dict[int, Cycles]
    losses: StopLosses
    tally: Tally
    kpis_of: str  # "feed", or "shift" of a feed that is longer than two days
    windows: dict[str, KpiTable] = field(default_factory=dict)
    shift_names: dict[str, str] = field(default_factory=dict)  # of the windows `shift` and `last shift`


def of_view(view: View, skipped: Tally, facts: Facts | None = None) -> Conclusion:
    """Return what a feed has yielded; facts : of a window; None: of the whole feed."""
    log = view.feed.log()
    kpis_of, facts = "feed" if facts is None else "shift", facts or view.facts(log)
    return Conclusion(
        meta=view.meta,
        log=log,
        facts=facts,
        table=view.table(facts),
        derivable=view.derivable,
        cycles=view.cycles,
        losses=view.losses(log, facts.window),
        tally=skipped.plus(view.tally),
        kpis_of=kpis_of,
    )


def _masked(table: KpiTable, meta: Meta, signals: Available, derivable: tuple[Derivability, ...]) -> KpiTable:
    """Return a table with NaN and a reason where a KPI is not derivable, for all machines or those without a signal."""
    machines, about = facts_of.machine_units(meta).tolist(), {each.kpi: each for each in derivable}
    found = {}
    for name, kpi in table.kpis.items():
        level = name.partition(".")[0]
        index, n = facts_of.groups(meta, level)
        groups = [{u for u, g in zip(machines, index.tolist(), strict=True) if g == k} for k in range(n)]
        if level == "line":
            groups = [set(machines)]
        lacking = [about[name].status == NO or not is_defined(name, meta, signals, group) for group in groups]
        found[name] = _without(kpi, np.array(lacking), f"not derivable: it needs {about[name].needs}")
    return replace(table, kpis=found)


def _without(kpi: Kpi, lacking: B1, reason: str) -> Kpi:
    """Return a KPI without the values that are lacking; what is undefined already keeps its own reason."""
    if not lacking.any():
        return kpi
    hidden = lacking.reshape(np.shape(kpi.values))
    values, low, high = (None if v is None else np.where(hidden, np.nan, v) for v in (kpi.values, kpi.low, kpi.high))
    assert values is not None
    reasons = [
        own or reason * bool(gone) for own, gone in zip(kpi.reasons or [""] * len(lacking), lacking, strict=True)
    ]
    marks = ["" if gone else mark for mark, gone in zip(kpi.marks, lacking, strict=bool(kpi.marks))]
    marked = tuple(marks) if any(marks) else ()
    return replace(kpi, values=values, low=low, high=high, reasons=tuple(reasons), marks=marked)
