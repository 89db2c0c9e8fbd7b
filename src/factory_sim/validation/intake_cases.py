"""Cases of third parties for `validate intake`: stop rules, and days of real machines with known cycles."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from factory_sim.analysis import cycles as detection
from factory_sim.errors import ConfigError, FactoryError
from factory_sim.intake import description, time_stamps, unit_events
from factory_sim.intake.feed_shapes import FeedFile
from factory_sim.intake.mapping import UNKNOWN, ClockRule, Item, ItemMap, Mapping, SourceMap
from factory_sim.intake.tally import Tally
from factory_sim.live.foreign.mapped_feed import MappedFeed
from factory_sim.plant.spec import Place
from factory_sim.plant.states import State
from factory_sim.results.record import Record, Result
from factory_sim.validation import stop_cases as stop_rules

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from factory_sim.records import F8, I8

LEAST_CONFIDENCE = 0.6
OVERLAP = 0.5  # intersection over union of a hit
SHORTEST_NS = 25_000_000_000
EXECUTION = {  # MTConnect's words of `execution`
    "ACTIVE": int(State.BUSY),
    **dict.fromkeys(("INTERRUPTED", "FEED_HOLD", "WAIT", "OPTIONAL_STOP"), int(State.WAITING)),
    **dict.fromkeys(("READY", "STOPPED", "PROGRAM_COMPLETED", "PROGRAM_STOPPED"), int(State.STARVED)),
    "UNAVAILABLE": UNKNOWN,
}
_CLOCK = ClockRule(zone="UTC")
_UNIT = "machine"
_TRUE = ".cycles.csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeCase(Record):
    """One case."""

    name: str
    ok: bool
    reason: str  # "" if it is ok


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeDay(Record):
    """One day of a machine: cycles by its state word, and cycles detected from its loads."""

    name: str
    execution_ok: bool
    confidence: float
    found: int
    true: int  # longer than 25 s
    hit: int
    reported: bool  # the confidence is high enough


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeResult(Result):
    """All cases, and the accuracy of the cycles over the days that are reported."""

    cases: tuple[IntakeCase, ...]
    days: tuple[IntakeDay, ...]
    days_reported: int
    recall: float | None
    precision: float | None
    count_error: float | None  # median over the days that are reported

    @property
    def ok(self) -> bool:
        """Whether every case is right and every day's state word yields exactly the true cycles."""
        return all(case.ok for case in self.cases) and all(day.execution_ok for day in self.days)


def result_of(cases: list[IntakeCase], days: list[IntakeDay]) -> IntakeResult:
    """Return the answer for cases and days."""
    shown = [day for day in days if day.reported]
    hit, true, found = (sum(getattr(day, name) for day in shown) for name in ("hit", "true", "found"))
    errors = [abs(day.found - day.true) / day.true for day in shown if day.true]
    return IntakeResult(
        cases=tuple(cases),
        days=tuple(days),
        days_reported=len(shown),
        recall=hit / true if true else None,
        precision=hit / found if found else None,
        count_error=float(np.median(errors)) if errors else None,
    )


def days_of(folder: Path) -> Iterator[tuple[IntakeCase, IntakeDay | None]]:
    """Yield every day and counter of a folder in the form of tests/intake/data/nist."""
    for truth in sorted(folder.glob(f"*{_TRUE}")):
        name = truth.name.removesuffix(_TRUE)
        try:
            day = _day(folder / f"{name}.csv", truth, name)
        except (FactoryError, OSError, KeyError, ValueError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            empty = IntakeDay(name=name, execution_ok=False, confidence=0.0, found=0, true=0, hit=0, reported=False)
            yield IntakeCase(name=name, ok=False, reason=f"cannot be read: {reason}"), empty
            continue
        reason = "" if day.execution_ok else "the state word yields other cycles than those listed"
        yield IntakeCase(name=name, ok=day.execution_ok, reason=reason), day
    for file in sorted(folder.glob("*.part_count.csv")):
        yield _counter(file), None


def stop_cases(folder: Path) -> list[IntakeCase]:
    """Return the stop-rule cases of a folder."""
    return [IntakeCase(name=each.name, ok=each.ok, reason=each.reason) for each in stop_rules.run(folder)]


def mapping_of(items: dict[int, str], signals: tuple[str, ...] = ()) -> Mapping:
    """Return the mapping of a long table of one machine."""
    place = Place("validate intake", 0, 0)
    found = [ItemMap(item=item, where=where, resets=True) for item, where in items.items()]
    found += [ItemMap(item=Item.SIGNAL + k, where=name) for k, name in enumerate(signals)]
    loads = tuple(Item.SIGNAL + k for k in range(len(signals)))
    source = SourceMap(
        index=0,
        kind="csv",
        pattern="*.csv",
        place=place,
        unit=_UNIT,
        layout="long",
        clock=_CLOCK,
        items=tuple(found),
        cycles_from=loads,
    )
    return Mapping(
        name="nist",
        file="validate intake",
        plant="",
        units=(_UNIT,),
        unit_time_s=(0.0,),
        names={},
        states=EXECUTION,
        other=None,
        sources=(source,),
        signals=signals,
        parts="fifo",
        shape=FeedFile.model_validate({"units": [_UNIT]}),
    )


def _day(file: Path, truth: Path, name: str) -> IntakeDay:
    loads = _loads(file)
    feed = _fed(file, mapping_of({Item.STATE: "execution"}, loads))
    store = feed.store.finished(feed.context.tally)
    begin, end = unit_events.state_cycles(*_states(store.series[0, Item.STATE].arrays()))
    true = _true_cycles(truth)
    same = len(begin) == len(true) and bool((np.stack((begin, end), axis=1) == true).all())
    there = [k for k in range(len(loads)) if (0, Item.SIGNAL + k) in store.series]
    signals = [store.series[0, Item.SIGNAL + k].arrays() for k in there]
    found = detection.detect(signals, [loads[k] for k in there])
    long = true[true[:, 1] - true[:, 0] > SHORTEST_NS]
    return IntakeDay(
        name=name,
        execution_ok=same,
        confidence=round(found.confidence, 4),
        found=len(found.begin_ns),
        true=len(long),
        hit=hits(np.stack((found.begin_ns, found.end_ns), axis=1), long),
        reported=found.confidence >= LEAST_CONFIDENCE,
    )


def _states(series: tuple[I8, F8]) -> tuple[I8, I8]:
    return series[0], series[1].astype(np.int64)


def _fed(file: Path, mapping: Mapping) -> MappedFeed:
    feed = MappedFeed(mapping, description.of_stations(mapping))
    with file.open("rb") as stream:
        feed.add_file(stream, file.name, mapping.sources[0])
    feed.check()
    return feed


def _loads(file: Path) -> tuple[str, ...]:
    with file.open(encoding="utf-8") as stream:
        return tuple(sorted({row["item"] for row in csv.DictReader(stream) if row["item"].endswith("load")}))


def _true_cycles(file: Path) -> I8:
    with file.open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    tally = Tally()
    times = [[time_stamps.one(row[key], _CLOCK, tally) for key in ("start_utc", "end_utc")] for row in rows]
    if tally.entries():
        raise ConfigError.of(file.name, tally.entries()[0].example)
    return np.array(times, np.int64).reshape(-1, 2)


def hits(found: I8, true: I8) -> int:
    """Return how many found cycles overlap an unused true one by at least half of their union; shapes (n, 2)."""
    used, count = np.zeros(len(true), np.bool_), 0
    for begin, end in found.tolist():
        shared = np.minimum(true[:, 1], end) - np.maximum(true[:, 0], begin)
        union = np.maximum(true[:, 1], end) - np.minimum(true[:, 0], begin)
        overlap = np.where(used, -1.0, shared / union)
        if len(overlap) and overlap.max() >= OVERLAP:
            used[int(overlap.argmax())] = True
            count += 1
    return count


def _counter(file: Path) -> IntakeCase:
    """Check a counter of parts: the parts of the mapped feed are the last value less the first."""
    try:
        with file.open(encoding="utf-8") as stream:
            values = [
                int(row["value"])
                for row in csv.DictReader(stream)
                if row["item"] == "Part_Count" and row["value"].isdigit()
            ]
        feed = _fed(file, mapping_of({Item.COUNT: "Part_Count"}))
        parts = int(feed.conclude().table.kpis["machine.parts"].values[0])
    except (FactoryError, OSError, KeyError, ValueError, IndexError) as error:
        return IntakeCase(name=file.name, ok=False, reason=f"cannot be read: {error}")
    wanted = values[-1] - values[0]
    reason = "" if parts == wanted else f"{parts} parts, expected {wanted}"
    return IntakeCase(name=file.name, ok=parts == wanted, reason=reason)
