"""A foreign feed, from its messages or files to KPIs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import IO, TYPE_CHECKING

import numpy as np

from factory_sim import clock
from factory_sim.analysis import cycles as detection
from factory_sim.analysis import facts as facts_of
from factory_sim.analysis import kpis
from factory_sim.analysis.kpis import bounds
from factory_sim.analysis.rebuild import Feed
from factory_sim.analysis.trust import clock_offsets
from factory_sim.errors import ConfigError, FactoryError, PayloadError, Problem, did_you_mean
from factory_sim.intake import description, mapper
from factory_sim.intake import feed_context as reading
from factory_sim.intake.mapping import Item
from factory_sim.intake.series import Store
from factory_sim.intake.sources import FILE_SOURCES, event_log
from factory_sim.intake.sources.json_messages import JsonMessages
from factory_sim.intake.sources.sparkplug_metrics import SparkplugMetrics
from factory_sim.live.foreign import gaps, stop_losses
from factory_sim.live.foreign.derivability import NO, Available, available, derivability, is_defined
from factory_sim.recordings.recorded_run import open_runs
from factory_sim.records import Readings, Rows
from factory_sim.results.read import CycleCount, DerivableKpi, ReadResult, SkippedReason
from factory_sim.views.kpi_dict import kpi_values
from factory_sim.wire import meta as meta_message
from factory_sim.wire.sparkplug import foreign
from factory_sim.wire.sparkplug.namespace import VERSION

if TYPE_CHECKING:
    from pathlib import Path

    from factory_sim.analysis.cycles import Cycles
    from factory_sim.analysis.trust.finding import Finding
    from factory_sim.intake.mapping import Mapping, SourceMap
    from factory_sim.intake.unit_events import UnitEvents
    from factory_sim.live.foreign.derivability import Derivability
    from factory_sim.records import B1, I8, EventLog, Kpi, KpiTable, Message, Meta, Observations
    from factory_sim.results.stop_losses import StopLosses

BY_STATES = "each busy period of the state words is one part"
BY_SIGNALS = "each cycle detected from the signals is one part"


class NothingReadError(FactoryError):
    """A feed without a single observation that the mapping uses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conclusion:
    """What a feed has yielded so far."""

    meta: Meta
    log: EventLog
    table: KpiTable  # NaN where a KPI is not derivable
    derivable: tuple[Derivability, ...]
    cycles: dict[int, Cycles]
    losses: StopLosses


class MappedFeed:
    """Takes messages and files in any order; `conclude` returns the KPIs of all so far.

    meta : the description of the plant or of single stations; its window is that of the feed
    """

    def __init__(self, mapping: Mapping, meta: Meta) -> None:
        self.mapping, self.meta = mapping, meta
        self.context = reading.Context(mapping, meta)
        self.store = Store(self.context.tally)
        self.observations = self.messages = 0
        self._json, self._sparkplug = JsonMessages(self.context), SparkplugMetrics(self.context)
        self._rows: list[Rows] = []
        self._ends_ns: list[int] = []  # begins and ends of event logs and recorded runs

    def filters(self) -> list[str]:
        """Return the topics to subscribe to."""
        return [*self._json.filters(), *self._sparkplug.filters()]

    def take(self, message: Message, arrival_ns: int) -> None:
        """Use one message; what cannot be used is counted by reason."""
        self.messages += 1
        if message.topic.startswith(f"{VERSION}/"):
            self._take_sparkplug(message, arrival_ns)
        else:
            self._json.take(message.topic, message.payload, arrival_ns)
        if not self.messages % 1024:
            self._collect(everything=False)

    def add_file(self, stream: IO[bytes], name: str, source: SourceMap) -> None:
        """Read one file. Raises ConfigError when it is of another type."""
        if source.kind == "log":
            rows = event_log.rows(stream, name, source, self.context, self.meta)
            self._add_rows(rows, [int(rows.t_ns.min()), int(rows.t_ns.max())] if len(rows) else [])
            return
        for found in FILE_SOURCES[source.kind](stream, name, source, self.context):
            self._add(source, found)

    def add_recording(self, folder: Path) -> None:
        """Read the rows of every run of a recording. Raises ConfigError for a unit that is not known here."""
        for run in open_runs(folder, meta_message.decode):
            rows, epoch_ns = run.rows(), run.meta.epoch_ns
            names = [info.name for info in run.meta.units]
            ends_us = (run.meta.window.t0_us, run.end_us(rows))
            found = event_log.renamed(rows, names, self.meta, str(folder))
            self._add_rows(found, [clock.ns_from_us(t_us, epoch_ns) for t_us in ends_us])

    def _add_rows(self, rows: Rows, ends_ns: list[int]) -> None:
        self._rows.append(rows)
        self._ends_ns += ends_ns
        self.observations += len(rows)

    def check(self) -> None:
        """Raise ConfigError with every state word that the mapping refuses."""
        unknown = self.context.words.unknown
        if unknown:
            known = self.mapping.states
            raise ConfigError(
                [
                    Problem(
                        place or self.mapping.file, 0, 0, "", f"unknown state word {word!r}", self._hint(word, known)
                    )
                    for word, place in unknown.items()
                ]
            )
        tally = self.context.tally
        twice = next((each for each in tally.entries() if each.reason == reading.TWO_SOURCES), None)
        if twice is not None:
            raise ConfigError.of(self.mapping.file, f"{twice.reason}: {twice.example}", "Leave one of them out.")

    def _hint(self, word: str, known: dict[str, int]) -> str:
        return f'Add it to `states` of {self.mapping.file}, or write "*": unknown. {did_you_mean(word, known)}'

    def unmatched(self) -> list[str]:
        """Return the items of sources that no observation has matched, each with its line."""
        found = []
        for source in self.mapping.sources:
            for each in source.items:
                if (source.index, each.item) not in self.context.matched:
                    what = Item(each.item).name.lower() if each.item < Item.SIGNAL else "cycles"
                    near = did_you_mean(each.where, sorted(self.context.other_names.get(source.index, ())))
                    near = f". {near}" if near else ""
                    where = f"{source.place.file}:{source.place.line}"
                    found.append(
                        f"{where}: {source.kind} {source.pattern!r}: {what} {each.where!r} matched nothing{near}"
                    )
        return found

    def conclude(self) -> Conclusion:
        """Return the KPIs of everything so far. Raises NothingReadError if there is nothing."""
        self._collect(everything=True)
        store = self.store.finished()
        first, last = self._extent(store)
        detected = self._detected(store)
        certain = {
            u: (each.begin_ns, each.end_ns) for u, each in detected.items() if each.confidence >= self.min_confidence
        }
        events = mapper.events_by_unit(store, self.mapping, certain, self.context.tally)
        epoch_ns = min(
            [first, *(int(rows.t_ns.min()) for rows in self._rows if len(rows))]
        )  # a recording opens earlier
        meta = description.with_window(self.meta, epoch_ns, first, last, self.context.words)
        meta, samples = description.with_meters(meta, store, self.mapping, self.context.tally)
        feed = Feed(meta)
        rows = Rows.join([mapper.rows_of(events, meta, self.context.words), *self._rows])
        feed.add(Readings(rows, samples))
        log = feed.log()
        signals = available(
            self.mapping,
            meta,
            list(store.series),
            counted_by=self._counted_by(events, store, certain),
            whole_log=bool(self._rows),
        )
        findings = self._clock_findings(log, meta)
        facts = facts_of.collect(log, meta, feed.blocks() if samples else None, findings=findings)
        table = bounds.bounded(kpis.of_facts(facts), facts, gaps.of_feed(events, store, self.mapping, meta))
        convention = stop_losses.of_mapping(self.mapping)
        losses = convention.losses(log, meta, orders=stop_losses.orders_of(store, last))
        derivable = tuple(derivability(kpi, meta, signals) for kpi in table.kpis)
        return Conclusion(
            meta=meta,
            log=log,
            table=_masked(table, meta, signals, derivable),
            derivable=derivable,
            cycles=detected,
            losses=losses,
        )

    def _clock_findings(self, log: EventLog, meta: Meta) -> list[Finding]:
        """Return the units whose clocks disagree; parts of a plant's own feed need time to be moved."""
        resolution_s = max((each.clock.resolution_ns * 1e-9 for each in self.mapping.sources), default=0.0)
        return list(clock_offsets.skews(log, meta, resolution_s, by_order_alone=bool(self.store.series)))

    def _extent(self, store: Store) -> tuple[int, int]:
        runs = [run for series in store.series.values() for run in series.runs]
        times = [*self._ends_ns, *(t for run in runs for t in run)]
        if not times:
            reasons = "\n".join(
                f"  {each.count:,} {each.reason}: {each.example}" for each in self.context.tally.entries()
            )
            unmatched = "\n".join(f"  {each}" for each in self.unmatched())
            lines = [f"{self.mapping.file}: no observation matches the mapping.", unmatched, reasons]
            raise NothingReadError("\n".join(line for line in lines if line))
        return min(times), max(times)

    @property
    def min_confidence(self) -> float:
        """Confidence below which detected cycles do not count."""
        return max((source.min_confidence for source in self.mapping.sources if source.cycles_from), default=0.6)

    def _detected(self, store: Store) -> dict[int, Cycles]:
        found = {}
        wanted = [item for source in self.mapping.sources for item in source.cycles_from]
        for unit in sorted({u for u, item in store.series if item in wanted}):
            there = [item for item in wanted if (unit, item) in store.series]
            names = [self.mapping.signals[item - Item.SIGNAL] for item in there]
            found[unit] = detection.detect([store.series[unit, item].arrays() for item in there], names)
        return found

    def _counted_by(
        self, events: dict[int, UnitEvents], store: Store, certain: dict[int, tuple[I8, I8]]
    ) -> dict[int, str]:
        found = {}
        for unit, each in events.items():
            if each.has_counter:
                found[unit] = ""
            elif (unit, Item.STATE) in store.series:
                found[unit] = BY_STATES
            elif unit in certain:
                found[unit] = BY_SIGNALS
        return found

    def _take_sparkplug(self, message: Message, arrival_ns: int) -> None:
        try:
            decoded = foreign.decode(message)
        except PayloadError as error:
            self.context.tally.where = ""
            self.context.tally.add("Sparkplug payload that cannot be decoded", str(error))
            return
        if decoded is not None:
            self._sparkplug.take(message.topic, decoded.metrics, decoded.t_ns, decoded.seq, arrival_ns)

    def _collect(self, *, everything: bool) -> None:
        for kind in (self._json, self._sparkplug):
            for source, found in kind.ripe(everything=everything):
                self._add(source, found)

    def _add(self, source: SourceMap, found: Observations) -> None:
        self.observations += len(found)
        self.store.add(found, source.clock.late_ns, source.clock.stale_ns)


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


def read_result(feed: MappedFeed, found: Conclusion) -> ReadResult:
    """Return the answer of `read`."""
    meta, zone = found.meta, found.meta.timezone
    begin, end = (
        clock.datetime_from_ns(clock.ns_from_us(t, meta.epoch_ns), zone).isoformat()
        for t in (found.table.window.t0_us, found.table.window.t1_us)
    )
    sources: dict[int, list[str]] = {}
    for unit, item in sorted(feed.store.series):
        name = Item(item).name.lower() if item < Item.SIGNAL else feed.mapping.signals[item - Item.SIGNAL]
        sources.setdefault(unit, []).append(name)
    return ReadResult(
        feed=feed.mapping.name,
        plant=feed.mapping.plant,
        window=(begin, end),
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
        skipped=tuple(
            SkippedReason(reason=e.reason, count=e.count, example=e.example) for e in feed.context.tally.entries()
        ),
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
