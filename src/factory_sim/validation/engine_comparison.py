"""Comparison of the engines on random plants with all features mixed: their logs must be bit-identical."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, fields, replace
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as hypothesis_seed
from hypothesis import strategies as st

from factory_sim.errors import ModelError
from factory_sim.records import EventLog, Window
from factory_sim.results.record import Result
from factory_sim.sim.calendar.flatten import POLICY_CODES
from factory_sim.sim.commands import COMMANDS, Command
from factory_sim.sim.engines import choose, open_run
from factory_sim.sim.run import Simulation, obey, simulate
from factory_sim.sim.snapshot import unpacked
from factory_sim.validation.random_plants import FEATURES, exercised, plants

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from factory_sim.plant.spec import Plant
    from factory_sim.sim.engines import Engine

HOUR_US = 3_600_000_000
_VALUES: dict[str, list[float | str]] = {"speed": [0.4, 1.0, 1.7], "policy": [*POLICY_CODES]}  # of commands
_INSTANTS = 36  # of commands; an hour's are multiples of 100 s, as the edges of shifts are


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineComparison(Result):
    """The plants on which the engines were equal, and the first difference."""

    plants: int
    rows: int
    counted: int  # visits counted alike with and without a log
    deadlocks: int  # plants that deadlock, in both engines
    resumed: int  # plants whose run was saved halfway and resumed from the file
    commanded: int  # plants whose fork with another dispatch policy equals the SimPy run with that command
    commands: Mapping[str, int]  # plants that were given a command of each kind, at random times, in both engines
    features: Mapping[str, int]  # plants that exercised each feature
    pairs: Mapping[str, int]  # plants that exercised both features; "batches with joins"
    difference: str  # the first one, on the smallest plant that shows it; empty: none

    def count_of(self, first: str, second: str) -> int:
        """Return the number of plants that exercised both features."""
        return self.pairs[pair_name(first, second)]

    def shortfalls(self, least: int = 100) -> list[str]:
        """Return the features, pairs and commands that fewer than `least` plants exercised."""
        counts = {**self.features, **self.pairs, **{f"command {name}": n for name, n in self.commands.items()}}
        return [f"{name}: {n}" for name, n in counts.items() if n < least]


def pair_name(first: str, second: str) -> str:
    """Return the name of a pair of features, in alphabetical order."""
    return " with ".join(sorted((first, second)))


@st.composite
def _cases(draw: st.DrawFn, until_us: int) -> tuple[Plant, list[Command]]:
    """Draw a plant and commands to it, ordered by time."""
    plant = draw(plants())
    machines, vehicles = [m.unit for m in plant.machines], [unit for fleet in plant.fleets for unit in fleet.units]
    found = []
    for name in draw(st.lists(st.sampled_from(COMMANDS), max_size=6)):
        if name != "policy" or vehicles:
            unit = draw(st.sampled_from(vehicles if name == "policy" else machines))
            t_us = draw(st.integers(0, _INSTANTS - 1)) * (until_us // _INSTANTS)
            found.append(Command(t_us, unit, name, draw(st.sampled_from(_VALUES.get(name, [""])))))
    return plant, sorted(found, key=lambda each: each.t_us)


def compare_engines(
    n_plants: int, *, seed: int = 1, until_us: int = HOUR_US, on_progress: Callable[[], None] = lambda: None
) -> EngineComparison:
    """Run random plants in both engines until the first difference, which is shrunk to a small plant."""
    tally = dict.fromkeys(("plants", "rows", "counted", "deadlocks", "resumed", "commanded"), 0)
    seen = Counter[str]()  # plants by feature and by pair of features
    differences = [""]  # the last one is that of the smallest plant

    @hypothesis_seed(seed)
    @settings(
        max_examples=n_plants,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
        print_blob=False,
    )
    @given(_cases(until_us))
    def compare(case: tuple[Plant, list[Command]]) -> None:
        plant, commands = case
        difference, log = differ(plant, seed, until_us, commands)
        uncounted, visits = differ_counted(plant, seed, until_us, commands)
        restored, commanded = ("", False) if not len(log) else differ_resumed(plant, seed, until_us, log, commands)
        if difference := difference or uncounted or restored:
            differences.append(f"{difference}\n  plant: {plant!r}\n  commands: {commands!r}")
            raise AssertionError(difference)
        counts = (1, len(log), visits, not len(log), len(log) > 0, commanded)
        for name, n in zip(tally, counts, strict=True):
            tally[name] += n
        shown = exercised(plant, log)
        seen.update([*shown, *(pair_name(*each) for each in combinations(sorted(shown), 2))])
        seen.update({each.name for each in commands})
        on_progress()

    try:
        compare()
    except AssertionError:
        if len(differences) == 1:
            raise
    names = sorted(FEATURES)
    pairs = [pair_name(*each) for each in combinations(names, 2)]
    return EngineComparison(
        **tally,
        commands={name: seen[name] for name in COMMANDS},
        features={name: seen[name] for name in names},
        pairs={name: seen[name] for name in pairs},
        difference=differences[-1],
    )


def differ(plant: Plant, seed: int, until_us: int, commands: Sequence[Command] = ()) -> tuple[str, EventLog]:
    """Return the first difference of the engines on one plant, empty if none, and the log of the reference model."""
    runs = [Simulation(plant, seed=seed, until_us=until_us, engine=engine) for engine in ("simpy", "calendar")]
    (reference, end), (compiled, compiled_end) = (_outcome(run, until_us, commands) for run in runs)
    if difference := _first_difference(reference, compiled, "simpy", "calendar"):
        return difference, reference
    return "" if end == compiled_end else f"simpy ends with {end}, calendar with {compiled_end}", reference


def differ_resumed(
    plant: Plant, seed: int, until_us: int, whole: EventLog, commands: Sequence[Command] = ()
) -> tuple[str, bool]:
    """Return the first difference of a run that is saved between two slices and resumed from the file, empty if none.

    `whole`: the log of the uninterrupted run, with the same commands. The saved run is continued, too. Where there are
    vehicles, the snapshot also starts a fork with another dispatch policy, which must equal the SimPy run with that
    command; the second result is whether that was compared.
    """
    half_us = until_us // 2
    after = [each for each in commands if each.t_us >= half_us]
    run = Simulation(plant, seed=seed, until_us=until_us, engine="calendar", savable=True)
    obey(run, commands, half_us)
    saved = unpacked(run.save().packed("")).saved
    second = whole.take(whole.t_us >= half_us)
    for name, own in (("the resumed", Simulation.resumed(plant, saved, until_us=until_us)), ("the saved", run)):
        if difference := _first_difference(second, obey(own, after, until_us), "one run", f"{name} run"):
            return difference, False
    if not plant.fleets:
        return "", False
    fleet = plant.fleets[0]
    policy = next(name for name in POLICY_CODES if name != fleet.policy)
    changed = replace(plant, fleets=(replace(fleet, policy=policy), *plant.fleets[1:]))
    command = Command(half_us, fleet.units[0], "policy", policy)
    both = sorted([command, *commands], key=lambda each: each.t_us)
    try:
        commanded = simulate(plant, seed=seed, until_us=until_us, commands=both).log
    except ModelError:  # it deadlocks with that policy
        return "", False
    fork = obey(Simulation.resumed(changed, saved, until_us=until_us), after, until_us)
    return _first_difference(commanded.take(commanded.t_us >= half_us), fork, "simpy with a command", "the fork"), True


def _first_difference(ours: EventLog, theirs: EventLog, our_name: str, their_name: str) -> str:
    """Return the first difference of two logs, empty if they are equal."""
    n = min(len(ours), len(theirs))
    for column in fields(EventLog):
        mine, other = getattr(ours, column.name), getattr(theirs, column.name)
        unequal = np.flatnonzero(mine[:n] != other[:n])
        if len(unequal):
            row = int(unequal[0])
            return f"row {row}, {column.name}: {mine[row]} in {our_name}, {other[row]} in {their_name}"
    return "" if len(ours) == len(theirs) else f"{len(ours)} rows in {our_name}, {len(theirs)} in {their_name}"


def differ_counted(plant: Plant, seed: int, until_us: int, commands: Sequence[Command] = ()) -> tuple[str, int]:
    """Return how the counters of a run without a log differ, empty if equal, and the number of visits counted."""
    window = Window(until_us // 5, until_us)
    choice = choose(plant, "calendar")
    runs = [open_run(choice, plant, seed=seed, replication=0, window=window, store=store) for store in (True, False)]
    ends = [_outcome(run, until_us, commands)[1] for run in runs]
    return "" if ends[0] == ends[1] else f"{ends[0]} with a log, {ends[1]} without", int(runs[0].truth().parts.sum())


def _outcome(run: Engine | Simulation, until_us: int, commands: Sequence[Command]) -> tuple[EventLog, str]:
    """Return the log of a run and its counters, or the message of its deadlock."""
    try:
        log = obey(run, commands, until_us)
    except ModelError as error:
        return EventLog.empty(), str(error)
    truth = run.truth()
    return log, f"{truth.parts.tolist()} {truth.busy_us.tolist()} {truth.scrapped.tolist()} {run.balance()}"
