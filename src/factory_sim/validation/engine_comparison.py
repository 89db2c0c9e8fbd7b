"""Comparison of the engines on random plants with all features mixed: their logs must be bit-identical."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, fields
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as hypothesis_seed

from factory_sim.errors import ModelError
from factory_sim.plant.states import Outcome, State
from factory_sim.records import EventLog, Window
from factory_sim.results.record import Result
from factory_sim.sim.engines import choose, open_run
from factory_sim.sim.run import Simulation
from factory_sim.validation.random_plants import FEATURES, plants

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from factory_sim.plant.spec import Plant
    from factory_sim.sim.engines import Engine

HOUR_US = 3_600_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineComparison(Result):
    """The plants on which the engines were equal, and the first difference."""

    plants: int
    rows: int
    counted: int  # visits counted alike with and without a log
    deadlocks: int  # plants that deadlock, in both engines
    features: Mapping[str, int]  # plants that exercised each feature
    pairs: Mapping[str, int]  # plants that exercised both features; "batches with joins"
    difference: str  # the first one, on the smallest plant that shows it; empty: none

    def count_of(self, first: str, second: str) -> int:
        """Return the number of plants that exercised both features."""
        return self.pairs[pair_name(first, second)]

    def shortfalls(self, least: int = 100) -> list[str]:
        """Return the features and pairs that fewer than `least` plants exercised."""
        return [f"{name}: {n}" for name, n in {**self.features, **self.pairs}.items() if n < least]


def pair_name(first: str, second: str) -> str:
    """Return the name of a pair of features, in alphabetical order."""
    return " with ".join(sorted((first, second)))


@dataclass(slots=True)
class _Tally:
    """The counts so far."""

    plants: int = 0
    rows: int = 0
    counted: int = 0
    deadlocks: int = 0
    features: Counter[str] = field(default_factory=Counter)
    pairs: Counter[str] = field(default_factory=Counter)
    difference: str = ""

    def result(self) -> EngineComparison:
        features = {name: self.features[name] for name in sorted(FEATURES)}
        names = [pair_name(*each) for each in combinations(features, 2)]
        return EngineComparison(
            plants=self.plants,
            rows=self.rows,
            counted=self.counted,
            deadlocks=self.deadlocks,
            features=features,
            pairs={name: self.pairs[name] for name in names},
            difference=self.difference,
        )


def compare_engines(
    n_plants: int, *, seed: int = 1, until_us: int = HOUR_US, on_progress: Callable[[], None] = lambda: None
) -> EngineComparison:
    """Run random plants in both engines until the first difference, which is shrunk to a small plant."""
    tally = _Tally()

    @hypothesis_seed(seed)
    @settings(
        max_examples=n_plants,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
        print_blob=False,
    )
    @given(plants())
    def compare(plant: Plant) -> None:
        difference, log = differ(plant, seed, until_us)
        uncounted, visits = differ_counted(plant, seed, until_us)
        if difference := difference or uncounted:
            tally.difference = f"{difference}\n  plant: {plant!r}"
            raise AssertionError(difference)
        tally.plants += 1
        tally.rows += len(log)
        tally.counted += visits
        tally.deadlocks += not len(log)
        seen = exercised(plant, log)
        tally.features.update(seen)
        tally.pairs.update(pair_name(*each) for each in combinations(sorted(seen), 2))
        on_progress()

    try:
        compare()
    except AssertionError:
        if not tally.difference:
            raise
    return tally.result()


def differ(plant: Plant, seed: int, until_us: int) -> tuple[str, EventLog]:
    """Return the first difference of the engines on one plant, empty if none, and the log of the reference model."""
    reference, end = _outcome(plant, seed, until_us, "simpy")
    compiled, compiled_end = _outcome(plant, seed, until_us, "calendar")
    for column in fields(EventLog):
        ours, theirs = getattr(reference, column.name), getattr(compiled, column.name)
        n = min(len(ours), len(theirs))
        unequal = np.flatnonzero(ours[:n] != theirs[:n])
        if len(unequal):
            row = int(unequal[0])
            return f"row {row}, {column.name}: {ours[row]} in simpy, {theirs[row]} in calendar", reference
    if len(reference) != len(compiled):
        return f"{len(reference)} rows in simpy, {len(compiled)} in calendar", reference
    return "" if end == compiled_end else f"simpy ends with {end}, calendar with {compiled_end}", reference


def differ_counted(plant: Plant, seed: int, until_us: int) -> tuple[str, int]:
    """Return how the counters of a run without a log differ, empty if equal, and the number of visits counted."""
    window = Window(until_us // 5, until_us)
    choice = choose(plant, "calendar")
    runs = [open_run(choice, plant, seed=seed, replication=0, window=window, store=store) for store in (True, False)]
    ends = []
    for run in runs:
        try:
            run.advance(until_us)
        except ModelError as error:
            ends.append(str(error))
        else:
            ends.append(_counters(run))
    return "" if ends[0] == ends[1] else f"{ends[0]} with a log, {ends[1]} without", int(runs[0].truth().parts.sum())


def _counters(run: Engine | Simulation) -> str:
    truth = run.truth()
    return f"{truth.parts.tolist()} {truth.busy_us.tolist()} {truth.scrapped.tolist()} {run.balance()}"


def _outcome(plant: Plant, seed: int, until_us: int, engine: str) -> tuple[EventLog, str]:
    simulation = Simulation(plant, seed=seed, until_us=until_us, engine=engine)
    try:
        log = simulation.advance(until_us)
    except ModelError as error:
        return EventLog.empty(), str(error)
    return log, _counters(simulation)


def exercised(plant: Plant, log: EventLog) -> set[str]:
    """Return the features that this run exercised, named as in random_plants.FEATURES."""
    states, outcomes = set(np.unique(log.state).tolist()), set(np.unique(log.outcome).tolist())
    units = set(np.unique(log.unit[log.outcome == Outcome.TOOK]).tolist())
    busy = set(np.unique(log.unit[log.state == State.BUSY]).tolist())
    crews = {unit for crew in plant.crews for unit in crew.units}
    asked = bool(crews & busy)
    people = {o.operator for o in plant.operations} | {o.setup_operator for o in plant.operations}
    found = {
        "parallel": any(len(o.machines) > 1 for o in plant.operations),
        "joins": Outcome.MERGED in outcomes,
        "batches": any(o.batch is not None and set(o.machines) & units for o in plant.operations),
        "failures": State.REPAIR in states,
        "maintenance": State.MAINTENANCE in states,
        "crews": asked and any(m.crew >= 0 for x in plant.machines for m in x.failures),
        "robots": any(robot.unit in busy for robot in plant.robots),
        "operators": asked and max(people) >= 0,
        "fleets": State.MOVING_LOADED in states,
        "conveyors": any(conveyor.unit in units for conveyor in plant.conveyors),
        "variants": len(np.unique(log.detail[log.outcome == Outcome.ENTERED])) > 1,
        "setups": State.SETUP in states,
        "rework": Outcome.REWORK in outcomes,
        "scrap": Outcome.SCRAPPED in outcomes,
        "cards": any(source.cards for source in plant.sources),
        "arrivals": any(source.interarrival is not None or source.arrivals_s for source in plant.sources),
        "shifts": State.OFF in states,
    }
    return {name for name in FEATURES if found[name]}
