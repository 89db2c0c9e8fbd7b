"""Run a plant, as a whole or in slices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from factory_sim.errors import ModelError
from factory_sim.plant.opening_rows import opening_rows, still_matter
from factory_sim.records import EventLog, Truth, Window
from factory_sim.sim.engines import choose, fitted, open_run
from factory_sim.sim.forking import layout
from factory_sim.sim.snapshot import Memory, SavedRun

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Self

    from factory_sim.plant.spec import Plant
    from factory_sim.sim.commands import Command
    from factory_sim.sim.engines import Engine

LONGEST_RUN_US = 2**61
_KEPT_ROWS = 200_000  # of the past, before those that no longer matter are dropped
MOST_UNITS = 2**15 - 1


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """A finished run: every row from t = 0, and the simulator's own counters of the window."""

    log: EventLog
    truth: Truth
    window: Window


@dataclass(frozen=True, slots=True, eq=False)
class Slice:
    """The rows of [t0_us, t1_us); the first slice of a window starts with the earlier opening rows (ROW-14)."""

    log: EventLog
    t0_us: int
    t1_us: int


class Simulation:
    """One run, advanced step by step."""

    def __init__(  # noqa: PLR0913 - keywords that identify a run
        self,
        plant: Plant,
        *,
        seed: int = 1,
        replication: int = 0,
        warm_up_us: int = 0,
        until_us: int,
        engine: str = "auto",
        savable: bool = False,
        snapshot: SavedRun | None = None,
    ) -> None:
        """Start a run whose window is [warm_up_us, until_us), or resume a snapshot (see `resumed`).

        `savable`: keep the rows of the log that `save` requires. Raise ModelError as `checked` does.
        """
        fits = None if snapshot is None else fitted(plant, snapshot)
        self.plant = plant
        self.window = window = checked(plant, Window(warm_up_us if fits is None else fits.t_us, until_us))
        self.choice = choose(plant, engine)
        self.before = EventLog.empty()  # the rows of the warm-up, once `slices` has begun
        self._name, self.now_us, self._fresh = (seed, replication), 0, fits is None
        self._memory = Memory(EventLog.empty(), np.zeros(0, np.int64), 0) if savable else None
        if fits is None:
            self._run = open_run(self.choice, plant, seed=seed, replication=replication, window=window)
        else:
            from factory_sim.sim.calendar.calendar_run import CalendarRun  # noqa: PLC0415 - numba is slow to import

            self._run = CalendarRun.resumed(plant, fits, seed=seed, replication=replication, window=window)
            self._memory, self.now_us, self.before = fits.memory, fits.t_us, fits.memory.alone()

    def advance(self, until_us: int) -> EventLog:
        """Run every instant before `until_us`; return the rows written since the last call (TIME-4)."""
        log = self._run.advance(until_us)
        self.now_us = until_us
        if self._memory is not None:
            self._memory.add(log)
            if len(self._memory.log) > _KEPT_ROWS:
                self._memory.forget(still_matter(self._memory.log, len(self.plant.units)))
        return log

    def save(self) -> SavedRun:
        """Return a snapshot of the run. Raise ModelError when it was not started as savable, or runs in SimPy."""
        from factory_sim.sim.calendar.calendar_run import CalendarRun, numbers_of, skeleton_of  # noqa: PLC0415 - numba

        run, memory, (seed, replication) = self._run, self._memory, self._name
        if memory is None or not isinstance(run, CalendarRun):
            why = f"it runs in the engine {self.choice.engine} ({self.choice.reason})"
            msg = f"This run cannot be saved: {why if memory is not None else 'it was not started as savable'}."
            raise ModelError(msg)
        memory.forget(still_matter(memory.log, len(self.plant.units)))
        return SavedRun(
            units=self.plant.units,
            start=self.plant.start,
            n_rows=memory.n_rows,
            t_us=self.now_us,
            seed=seed,
            replication=replication,
            digest=self.plant.digest,
            skeleton=skeleton_of(self.plant),
            numbers=numbers_of(self.plant),
            layout=layout(),
            tables=run.changing(),
            opening=memory.log,
            rows=memory.rows,
        )

    @classmethod
    def resumed(
        cls, plant: Plant, saved: SavedRun, *, until_us: int, seed: int | None = None, replication: int | None = None
    ) -> Self:
        """Resume a saved run; its window begins at the time of the snapshot (SNAP-2 to SNAP-6).

        `plant` is the same plant, or one with other parameters, which hold from then on, and with additional vehicles,
        robots or crew members, which start then. With another seed or replication only later draws differ. Raise
        ModelError when the plant is built differently, or another version made the snapshot.
        """
        return cls(
            plant,
            seed=saved.seed if seed is None else seed,
            replication=saved.replication if replication is None else replication,
            until_us=until_us,
            engine="calendar",
            snapshot=saved,
        )

    def slices(self, slice_us: int) -> Iterator[Slice]:
        """Run the warm-up and return the window in slices of `slice_us`."""
        t0, end = self.window.t0_us, self.window.t1_us
        if self._fresh:
            self.before = self.advance(t0)
        opening = opening_rows(self.before, len(self.plant.units))
        while t0 < end:
            t1 = min(t0 + slice_us, end)
            log = self.advance(t1)
            yield Slice(EventLog.join([opening, log]) if len(opening) else log, t0, t1)
            opening, t0 = EventLog.empty(), t1

    def command(self, command: Command) -> None:
        """Schedule a command for the start of the next slice (CMD-1). Raise ModelError if it cannot be carried out."""
        self._run.command(command)

    def truth(self) -> Truth:
        """Return the counters of the window so far."""
        return self._run.truth()

    def balance(self) -> tuple[int, int, int, int, int]:
        """Return parts since the start: entered, left good, scrapped, merged into others, inside (WIN-3)."""
        return self._run.balance()


def simulate(  # noqa: PLR0913 - keywords that identify a run
    plant: Plant,
    *,
    seed: int = 1,
    replication: int = 0,
    warm_up_us: int = 0,
    until_us: int,
    engine: str = "auto",
    commands: Iterable[Command] = (),
) -> Run:
    """Run a plant to the end. `commands`, ordered by time, are carried out at their times."""
    simulation = Simulation(
        plant, seed=seed, replication=replication, warm_up_us=warm_up_us, until_us=until_us, engine=engine
    )
    return Run(obey(simulation, commands, until_us), simulation.truth(), simulation.window)


def obey(run: Engine | Simulation, commands: Iterable[Command], until_us: int) -> EventLog:
    """Advance `run` to `until_us`; carry out the commands before it, which are ordered by time, at their times."""
    pieces = []
    for command in (each for each in commands if each.t_us < until_us):
        pieces.append(run.advance(command.t_us))
        run.command(command)
    return EventLog.join([*pieces, run.advance(until_us)])


def count(plant: Plant, window: Window, *, seed: int = 1, replication: int = 0, engine: str = "auto") -> Truth:
    """Return what `simulate` counts in the window, without keeping rows."""
    choice, window = choose(plant, engine), checked(plant, window)
    run = open_run(choice, plant, seed=seed, replication=replication, window=window, store=False)
    run.advance(window.t1_us)
    return run.truth()


def checked(plant: Plant, window: Window) -> Window:
    """Return `window`. Raise ModelError when it is invalid, or the clock or a log cannot represent a run of `plant`."""
    if not 0 <= window.t0_us < window.t1_us < LONGEST_RUN_US:
        msg = f"A window requires 0 <= warm-up < end < {LONGEST_RUN_US} µs, got {window.t0_us} and {window.t1_us}."
        raise ModelError(msg)
    if len(plant.units) > MOST_UNITS:
        msg = f"The plant has {len(plant.units)} units; a log can represent at most {MOST_UNITS}."
        raise ModelError(msg)
    return window


def resume_to_end(
    plant: Plant, saved: SavedRun, *, until_us: int, seed: int | None = None, replication: int | None = None
) -> Run:
    """Resume a saved run to its end; its log starts with the earlier rows that still matter."""
    saved = fitted(plant, saved)
    simulation = Simulation.resumed(plant, saved, until_us=until_us, seed=seed, replication=replication)
    memory = saved.memory
    memory.add(simulation.advance(until_us))
    return Run(memory.alone(), simulation.truth(), simulation.window)
