"""Running a plant: all at once, or in slices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from factory_sim.errors import ModelError
from factory_sim.plant.states import Outcome
from factory_sim.records import EventLog, Truth, Window
from factory_sim.sim.engines import choose, open_run
from factory_sim.sim.reference import ReferenceRun

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from factory_sim.plant.spec import Plant
    from factory_sim.records import B1, I8
    from factory_sim.sim.commands import Command

LONGEST_RUN_US = 2**61
MOST_UNITS = 2**15 - 1


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """A finished run: every row from t = 0, and what the simulator counted in the window."""

    log: EventLog
    truth: Truth
    window: Window


@dataclass(frozen=True, slots=True, eq=False)
class Slice:
    """The rows of [t0_us, t1_us). The first slice of a window has the opening rows in front, which are earlier."""

    log: EventLog
    t0_us: int
    t1_us: int


class Simulation:
    """One run, advanced by whoever holds it."""

    def __init__(
        self,
        plant: Plant,
        *,
        seed: int = 1,
        replication: int = 0,
        warm_up_us: int = 0,
        until_us: int,
        engine: str = "auto",
    ) -> None:
        """The window is [warm_up_us, until_us). Raises ModelError when that is no window or overflows the clock."""
        self.plant, self.window = plant, _checked(plant, Window(warm_up_us, until_us))
        self.choice = choose(plant, engine)
        self._run = open_run(self.choice, plant, seed=seed, replication=replication, window=self.window)
        self.before = EventLog.empty()  # the warm-up's rows, once `slices` has begun

    def advance(self, until_us: int) -> EventLog:
        """Run every instant before `until_us`; the rows written since the last call."""
        return self._run.advance(until_us)

    def slices(self, slice_us: int) -> Iterator[Slice]:
        """The window in stretches of `slice_us`, the warm-up behind it."""
        t0, end = self.window.t0_us, self.window.t1_us
        self.before = self.advance(t0)
        opening = opening_rows(self.before, len(self.plant.units))
        while t0 < end:
            t1 = min(t0 + slice_us, end)
            log = self.advance(t1)
            yield Slice(EventLog.join([opening, log]) if len(opening) else log, t0, t1)
            opening, t0 = EventLog.empty(), t1

    def command(self, command: Command) -> None:
        """Let a command happen at the start of the next slice; only the engine `simpy` takes any.

        Raises ModelError if nobody can carry it out.
        """
        if not isinstance(self._run, ReferenceRun):
            msg = f"the engine {self.choice.engine} takes no commands; run it with the engine simpy"
            raise ModelError(msg)
        self._run.command(command)

    def truth(self) -> Truth:
        """What the simulator has counted so far in the window."""
        return self._run.truth()

    def balance(self) -> tuple[int, int, int, int, int]:
        """Parts since the start: entered, left good, scrapped, merged into others, inside."""
        return self._run.balance()


def simulate(  # noqa: PLR0913 - a run's name
    plant: Plant,
    *,
    seed: int = 1,
    replication: int = 0,
    warm_up_us: int = 0,
    until_us: int,
    engine: str = "auto",
    commands: Sequence[Command] = (),
) -> Run:
    """One run, all rows from t = 0. `commands`, ordered by time, are given at their moments, by the engine simpy."""
    simulation = Simulation(
        plant,
        seed=seed,
        replication=replication,
        warm_up_us=warm_up_us,
        until_us=until_us,
        engine="simpy" if commands else engine,
    )
    pieces = []
    for command in (c for c in commands if c.t_us < until_us):
        pieces.append(simulation.advance(command.t_us))
        simulation.command(command)
    log = EventLog.join([*pieces, simulation.advance(until_us)])
    return Run(log, simulation.truth(), simulation.window)


def count(plant: Plant, window: Window, *, seed: int = 1, replication: int = 0, engine: str = "auto") -> Truth:
    """What `simulate` counts in the window, without its rows."""
    choice, window = choose(plant, engine), _checked(plant, window)
    run = open_run(choice, plant, seed=seed, replication=replication, window=window, store=False)
    run.advance(window.t1_us)
    return run.truth()


def _checked(plant: Plant, window: Window) -> Window:
    if not 0 <= window.t0_us < window.t1_us < LONGEST_RUN_US:
        msg = f"a window needs 0 <= warm-up < end < {LONGEST_RUN_US} µs, got {window.t0_us} and {window.t1_us}"
        raise ModelError(msg)
    if len(plant.units) > MOST_UNITS:
        msg = f"{len(plant.units)} units are more than a log can tell apart ({MOST_UNITS})"
        raise ModelError(msg)
    return window


_ENDS = (Outcome.LEFT, Outcome.SCRAPPED, Outcome.MERGED)
_PLACES = (Outcome.ENTERED, Outcome.TOOK, Outcome.PASSED, Outcome.REWORK)


def opening_rows(log: EventLog, n_units: int) -> EventLog:
    """The rows of `log` that still matter at its end.

    Each unit's rows since it took the oldest part it holds (of a furnace, since it took the whole batch), or its last
    row; for every part inside, its entry and the row that put it where it is.
    """
    if not len(log):
        return log
    keep = np.zeros(len(log), np.bool_)
    since = _last_rows(log, n_units)
    n_parts = int(log.part.max(initial=-1)) + 1
    inside = np.ones(n_parts, np.bool_)
    inside[log.part[np.isin(log.outcome, _ENDS)]] = False
    placed = _rows_of(log, np.isin(log.outcome, _PLACES), inside)
    last = np.full(n_parts, -1)
    last[log.part[placed]] = placed  # the last assignment wins
    last = last[last >= 0]
    keep[last] = True
    keep[_rows_of(log, log.outcome == Outcome.ENTERED, inside)] = True
    held = last[log.outcome[last] == Outcome.TOOK]
    cycle = np.searchsorted(log.t_us, log.t_us[held])  # a batch is taken at one instant, and some of it given early
    np.minimum.at(since, log.unit[held], cycle)
    keep |= np.arange(len(log)) >= since[log.unit]
    return log.take(keep)


def _last_rows(log: EventLog, n_units: int) -> I8:
    last = np.full(n_units, len(log), np.int64)
    last[log.unit] = np.arange(len(log))
    return last


def _rows_of(log: EventLog, chosen: B1, inside: B1) -> I8:
    rows = np.flatnonzero(chosen)
    kept: I8 = rows[inside[log.part[rows]]]
    return kept
