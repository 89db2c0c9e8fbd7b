"""Runs that are saved and gone on with: `run --save`, `run --resume`, `whatif` from a saved moment."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from factory_sim.cli import options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from factory_sim.live.publish import RunSetup
    from factory_sim.plant.spec import Plant
    from factory_sim.records import EventLog, Truth
    from factory_sim.sim.commands import Command
    from factory_sim.sim.run import Simulation
    from factory_sim.study.arms import Variant
    from factory_sim.study.snapshot_files import Moment

EVERY_S = 5.0  # how old the saved moment of a live run may become
SaveFile = Annotated[
    Path | None, options.output("--save", help="Keep the run's present moment there, for --resume and whatif.")
]
ResumeFile = Annotated[
    Path | None, typer.Option("--resume", dir_okay=False, help="Go on from a saved moment, instead of a PLANT.")
]


@dataclass(slots=True)
class Course:
    """Where a run begins, in which engine, and where its moments are kept."""

    plant: Plant
    file: str
    begins: tuple[int, int, float]  # seed, replication, beginning of the window [s]
    engine: str = "auto"
    save: Path | None = None
    moment: Moment | None = None  # it goes on from
    _saved_s: float = field(default=0.0, init=False)

    def begun(self, setup: RunSetup, *, commanded: bool, say: Any) -> Simulation:
        """The run of `setup` at its first moment; says in which engine, and why."""
        from factory_sim.live.publish import window_of
        from factory_sim.sim.run import Simulation

        window = window_of(setup)
        if self.moment is not None:
            run = Simulation.resumed(self.plant, self.moment.saved, until_us=window.t1_us)
        else:
            engine = "calendar" if self.save is not None and self.engine == "auto" else self.engine
            run = Simulation(
                self.plant,
                seed=setup.seed,
                replication=setup.replication,
                warm_up_us=window.t0_us,
                until_us=window.t1_us,
                engine="simpy" if commanded else engine,
                savable=self.save is not None,
            )
        why = "the one that takes commands" if commanded else run.choice.reason
        if self.save is not None or self.moment is not None:
            why = "the one whose runs can be saved"
        say(f"Engine {run.choice.engine}: {why}.")
        return run

    def again(self, setup: RunSetup, until_us: int | None, commands: Sequence[Command]) -> tuple[EventLog, Truth]:
        """The rows from the run's beginning, or those before its moment that still matter, to `until_us` or its end.

        Without an end, this is the run itself, and its last moment is kept.
        """
        from factory_sim.live.publish import window_of
        from factory_sim.records import EventLog

        window = window_of(setup)
        end_us = window.t1_us if until_us is None else max(until_us, window.t0_us + 1)
        run, pieces = self.begun(setup, commanded=bool(commands), say=options.console().print), []
        for command in (each for each in commands if each.t_us < end_us):
            pieces.append(run.advance(command.t_us))
            run.command(command)
        log = EventLog.join([*pieces, run.advance(end_us)])
        if until_us is None:
            self.keep(run, at_once=True)
        if self.moment is not None:
            memory = self.moment.saved.memory
            memory.add(log)
            log = memory.alone()
        return log, run.truth()

    def keep(self, run: Simulation, *, at_once: bool = False) -> None:
        """Save the run's moment, if it is asked for and the last one is old."""
        if self.save is None or not (at_once or time.monotonic() > self._saved_s + EVERY_S):
            return
        from factory_sim.study import snapshot_files

        overrides = self.moment.overrides if self.moment is not None else ()
        self._saved_s = time.monotonic()
        try:
            snapshot_files.write(self.save, snapshot_files.Moment(run.save(), self.file, overrides))
        except snapshot_files.MomentError as error:
            if at_once:
                raise
            options.console().print(f"{error}; the feed goes on, and this is tried again.")


def course(
    plant: str, begins: tuple[int, int, float], engine: str, save: Path | None, resume: Path | None, *, commanded: bool
) -> Course:
    """What a run's options mean together. Raises BadParameter, ConfigError, MomentError."""
    from factory_sim import registry
    from factory_sim.sim.engines import ENGINES, check_savable, choose
    from factory_sim.study import snapshot_files
    from factory_sim.study.arms import Variant

    options.one_of("engine", engine, ENGINES)
    if (save or resume) and (commanded or engine == "simpy"):
        message = "saved moments are the compiled engine's, which takes no commands: leave --commands, --engine simpy "
        raise typer.BadParameter(message + "and the format sparkplug away")
    if resume is None:
        loaded = registry.load(plant or "gearbox_line")
        choose(loaded, engine)  # says now what it cannot do
        if save:
            check_savable(loaded)
            options.compiled()
        return Course(loaded, plant or "gearbox_line", begins, engine, save)
    if plant:
        message = f"a saved moment has its own plant: leave {plant} away, or --resume"
        raise typer.BadParameter(message)
    moment = snapshot_files.read(resume)
    loaded = Variant(moment.file, None, moment.overrides).load()
    moment.check(loaded, str(resume))
    options.compiled()
    return Course(loaded, moment.file, moment.begins(*begins), "calendar", save, moment)


def branches(path: str, changes: list[str], study: Path) -> tuple[Variant, Variant, dict[str, Any]]:
    """Base and change from a saved moment, and what a request needs to know of it. Raises MomentError, ModelError.

    The moment is copied to a file beside the `study`'s, because a live run writes its own again and again.
    """
    from factory_sim.sim.engines import fitted
    from factory_sim.study import snapshot_files
    from factory_sim.study.arms import Variant

    moment = snapshot_files.copied(path, study)
    base = Variant(moment.file, None, moment.overrides)
    changed = Variant(moment.file, None, (*moment.overrides, *changes))
    plant = base.load()
    moment.check(plant, path)
    for each in (plant, changed.load()):
        fitted(each, moment.saved)
    options.compiled()
    saved = moment.saved
    return (
        base,
        changed,
        {
            "warm_up_s": saved.t_us / 1e6,
            "seed": saved.seed,
            "design": {"moment": str(snapshot_files.beside(study).resolve()), "moment_sha": moment.sha},
            "words": {"warm_up": {"by": "moment", "file": path}},
        },
    )
