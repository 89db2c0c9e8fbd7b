"""A foreign feed, from its messages or files to rows and meter readings."""

from __future__ import annotations

from dataclasses import replace
from typing import IO, TYPE_CHECKING

from factory_sim import clock
from factory_sim.analysis import cycles as detection
from factory_sim.analysis.rebuild import Feed
from factory_sim.errors import ConfigError, FactoryError, PayloadError, Problem, did_you_mean
from factory_sim.intake import description, mapper
from factory_sim.intake import feed_context as reading
from factory_sim.intake.mapping import Item
from factory_sim.intake.series import FRACTION, Store, is_newest_first
from factory_sim.intake.sources import FILE_SOURCES, event_log
from factory_sim.intake.sources.json_messages import JsonMessages
from factory_sim.intake.sources.sparkplug_metrics import SparkplugMetrics
from factory_sim.intake.tally import Tally
from factory_sim.live.foreign import stop_losses
from factory_sim.live.foreign.conclusion import View, of_view
from factory_sim.live.foreign.derivability import available
from factory_sim.recordings.recorded_run import open_runs
from factory_sim.records import Readings, Rows
from factory_sim.wire import meta as meta_message
from factory_sim.wire.sparkplug import foreign
from factory_sim.wire.sparkplug.namespace import VERSION

if TYPE_CHECKING:
    from pathlib import Path

    from factory_sim.analysis.cycles import Cycles
    from factory_sim.analysis.rebuild import FeedState
    from factory_sim.intake.mapping import Mapping, SourceMap
    from factory_sim.intake.unit_events import UnitEvents
    from factory_sim.live.foreign.conclusion import Conclusion
    from factory_sim.records import I8, Message, Meta, Observations

BY_STATES = "each busy period of the state words is one part"
BY_GOOD = "only good parts are counted: no part is scrapped"
BY_SIGNALS = "each cycle detected from the signals is one part"
_REFUSED = {
    reading.TWO_SOURCES: "Leave one of them out.",
    FRACTION: 'Write decimal: "," where 1.234 stands for thousands; map no length or weight as parts.',
    reading.UNITS_DIFFER: "A power in W read as kW is wrong by 1000.",
}
_DAY_NS = 86_400_000_000_000
MARGIN_NS = 3_600_000_000_000  # of observations before the rows in memory, for what reaches back


class NothingReadError(FactoryError):
    """A feed without a single observation that the mapping uses."""


class MappedFeed:
    """Takes messages and files in any order; `view` returns the rows and meter readings of all so far.

    meta : the description of the plant or of single stations; its window is that of the feed
    """

    def __init__(self, mapping: Mapping, meta: Meta) -> None:
        self.mapping, self.meta, self.convention = mapping, meta, stop_losses.of_mapping(mapping)
        self.context = reading.Context(mapping, meta)
        self.store = Store(self.context.tally)
        self.observations = self.messages = 0
        self._json, self._sparkplug = JsonMessages(self.context), SparkplugMetrics(self.context)
        self.mapper = mapper.Mapper(meta, has_ids=mapping.has(Item.ID))
        self.epoch_ns = 0  # from which times are counted; 0: from the first observation
        self.arrival_ns = self._since_ns = 0  # of the latest message, and of the first
        self._before: FeedState | None = None  # rows before the time from which on everything is in memory
        self._settled: list[Rows] = []  # since then
        self._rows: list[Rows] = []
        self._ends_ns: list[int] = []  # begins and ends of event logs and recorded runs

    def filters(self) -> list[str]:
        """Return the topics to subscribe to."""
        return [*self._json.filters(), *self._sparkplug.filters()]

    def take(self, message: Message, arrival_ns: int) -> None:
        """Use one message; what cannot be used is counted by reason."""
        self.messages += 1
        self.arrival_ns, self._since_ns = arrival_ns, self._since_ns or arrival_ns
        if message.topic.startswith(f"{VERSION}/"):
            self._take_sparkplug(message, arrival_ns)
        else:
            self._json.take(message.topic, message.payload, arrival_ns)
        if not self.messages % 1024:
            self.collect(everything=False)

    def add_file(self, stream: IO[bytes], name: str, source: SourceMap) -> None:
        """Read one file. Raises ConfigError when it is of another type."""
        if source.kind == "log":
            rows = event_log.rows(stream, name, source, self.context, self.meta)
            self._add_rows(rows, [int(rows.t_ns.min()), int(rows.t_ns.max())] if len(rows) else [])
            return
        for found in FILE_SOURCES[source.kind](stream, name, source, self.context):
            if is_newest_first(found.t_ns):
                raise ConfigError.of(
                    name, "has its newest rows first; expected rows in order of time", "Sort it by time."
                )
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
        for reason, hint in _REFUSED.items():
            found = next((each for each in tally.entries() if each.reason == reason), None)
            if found is not None:
                raise ConfigError.of(self.mapping.file, f"{found.reason}: {found.example}", hint)

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

    def view(self, settle_ns: int | None = None) -> View:
        """Return the feed as of now. Raises NothingReadError if there is nothing.

        settle_ns : earlier observations have all arrived: what they yield is not computed again
        """
        self.collect()
        if settle_ns is not None:
            self.store.settle(settle_ns)
        tally = Tally()
        store = self.store.finished(tally)
        first, last = self._extent(store)
        if settle_ns is not None and self._since_ns - _DAY_NS < last:  # a retained message may be months old
            first = max(first, self._since_ns - _DAY_NS)
        detected = self._detected(store)
        certain = {
            u: (each.begin_ns, each.end_ns) for u, each in detected.items() if each.confidence >= self.min_confidence
        }
        events = mapper.events_by_unit(store, self.mapping, certain, tally)
        if settle_ns is not None:
            self._settled.append(self.mapper.settle(events, settle_ns))
        epoch_ns = min([first, *(int(rows.t_ns.min()) for rows in self._rows if len(rows))])  # recordings open earlier
        meta = description.with_window(self.meta, self.epoch_ns or epoch_ns, first, last, self.context.words)
        meta, samples = description.with_meters(meta, store, tally)
        meta = replace(meta, shifts=self.convention.shifts_us(meta))
        feed = Feed(meta)
        if self._before is not None:
            feed.restore(self._before)
        feed.add(Readings(Rows.join([*self._settled, self.mapper.rows(events), *self._rows]), samples))
        signals = available(
            self.mapping,
            meta,
            list(store.series),
            counted_by=self._counted_by(events, store, certain),
            whole_log=bool(self._rows),
        )
        return View(
            mapping=self.mapping,
            convention=self.convention,
            meta=meta,
            store=store,
            events=events,
            cycles=detected,
            signals=signals,
            tally=tally,
            feed=feed,
        )

    def conclude(self) -> Conclusion:
        """Return the KPIs of everything so far. Raises NothingReadError if there is nothing."""
        return of_view(self.view(), self.context.tally)

    def forget(self, feed: Feed) -> None:
        """Forget what a feed of rows has forgotten, which is older than what has been settled."""
        self._before = replace(feed.state(), samples={})  # meters are read again from their series
        before_ns = clock.ns_from_us(feed.from_us, feed.meta.epoch_ns)
        settled = Rows.join(self._settled)
        self._settled = [settled.take(settled.t_ns >= before_ns)]
        before = self._skipped_again()
        self.store.forget(before_ns - MARGIN_NS)
        self.context.tally.add_difference(before, self._skipped_again())
        used = {item: set(series.arrays()[1].tolist()) for (_, item), series in self.store.series.items()}
        self.context.words.forget(used)

    def _skipped_again(self) -> Tally:
        """Return what is skipped whenever the series in memory are read."""
        tally = Tally()
        mapper.events_by_unit(self.store.finished(Tally()), self.mapping, {}, tally)
        return tally

    @property
    def rows_in_memory(self) -> int:
        """The number of rows and observations in memory."""
        before = 0 if self._before is None else len(self._before.rows)
        return before + sum(map(len, self._settled)) + len(self.store)

    def _extent(self, store: Store) -> tuple[int, int]:
        ends = [series.runs[-1][1] for series in store.series.values()]
        times = [*self._ends_ns, *([store.first_ns, max(ends)] if ends else [])]
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
                counts = {item for owner, item in store.series if owner == unit}
                found[unit] = BY_GOOD if counts.isdisjoint((Item.COUNT, Item.SCRAP)) and Item.GOOD in counts else ""
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

    def collect(self, *, everything: bool = True) -> None:
        """Put the observations of messages in order: of full buffers, or of all."""
        for kind in (self._json, self._sparkplug):
            for source, found in kind.ripe(everything=everything):
                self._add(source, found)

    def _add(self, source: SourceMap, found: Observations) -> None:
        self.observations += len(found)
        self.store.add(found, source)
