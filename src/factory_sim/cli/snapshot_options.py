"""Saved and resumed runs: `run --save`, `run --resume`, `whatif` from a snapshot."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from factory_sim.cli import options

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from factory_sim.live.publish import RunSetup
    from factory_sim.plant.spec import Plant
    from factory_sim.records import EventLog, Truth
    from factory_sim.sim.commands import Command
    from factory_sim.sim.run import Simulation
    from factory_sim.study.runner import Request
    from factory_sim.study.snapshot_files import Snapshot

SAVE_EVERY_S = 5.0  # of a live run
SaveFile = Annotated[
    Path | None, options.output("--save", help="Save the state of the run there, for --resume and whatif.")
]
ResumeFile = Annotated[
    Path | None, typer.Option("--resume", dir_okay=False, help="Resume a snapshot instead of starting a PLANT.")
]


@dataclass(slots=True)
class RunPlan:
    """Where a run starts, in which engine, and where its snapshots are saved."""

    plant: Plant
    file: str
    start: tuple[int, int, float]  # seed, replication, start of the window [s]
    engine: str = "auto"
    save: Path | None = None
    snapshot: Snapshot | None = None  # that the run resumes
    _saved_s: float = field(default=0.0, init=False)

    def new_run(self, setup: RunSetup, *, commanded: bool, report: Callable[[str], None]) -> Simulation:
        """Return the run of `setup` at its start, and report its engine."""
        from factory_sim.live.publish import window_of
        from factory_sim.sim.run import Simulation

        window = window_of(setup)
        if self.snapshot is not None:
            run = Simulation.resumed(self.plant, self.snapshot.saved, until_us=window.t1_us)
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
        if self.save is not None or self.snapshot is not None:
            why = "the one whose runs can be saved"
        report(f"Engine {run.choice.engine}: {why}.")
        return run

    def rows_until(self, setup: RunSetup, until_us: int | None, commands: Sequence[Command]) -> tuple[EventLog, Truth]:
        """Return the rows from the start of the run, or those of its snapshot that still matter, to `until_us`.

        Without an end, the run continues to its own end, and its last state is saved.
        """
        from factory_sim.live.publish import window_of
        from factory_sim.records import EventLog

        window = window_of(setup)
        end_us = window.t1_us if until_us is None else max(until_us, window.t0_us + 1)
        run, pieces = self.new_run(setup, commanded=bool(commands), report=options.console().print), []
        for command in (each for each in commands if each.t_us < end_us):
            pieces.append(run.advance(command.t_us))
            run.command(command)
        log = EventLog.join([*pieces, run.advance(end_us)])
        if until_us is None:
            self.save_snapshot(run, at_once=True)
        if self.snapshot is not None:
            memory = self.snapshot.saved.memory
            memory.add(log)
            log = memory.alone()
        return log, run.truth()

    def save_snapshot(self, run: Simulation, *, at_once: bool = False) -> None:
        """Save the state of the run, if that is asked for and the last one is old."""
        if self.save is None or not (at_once or time.monotonic() > self._saved_s + SAVE_EVERY_S):
            return
        from factory_sim.study import snapshot_files

        overrides = self.snapshot.overrides if self.snapshot is not None else ()
        self._saved_s = time.monotonic()
        try:
            snapshot_files.Snapshot(run.save(), self.file, overrides).save(self.save)
        except snapshot_files.SnapshotError as error:
            if at_once:
                raise
            options.console().print(f"{error}; the run continues and tries again.")


def run_plan(
    plant: str, start: tuple[int, int, float], engine: str, save: Path | None, resume: Path | None, *, commanded: bool
) -> RunPlan:
    """Return the setup that the options of a run describe. Raise BadParameter, ConfigError, SnapshotError."""
    from factory_sim import registry
    from factory_sim.sim.engines import ENGINES, check_savable, choose
    from factory_sim.study import snapshot_files
    from factory_sim.study.arms import Variant

    options.one_of("engine", engine, ENGINES)
    if (save or resume) and (commanded or engine == "simpy"):
        options.refuse(
            "Snapshots require the compiled engine, which accepts no commands. "
            "Leave out --commands, --engine simpy and the format sparkplug."
        )
    if resume is None:
        loaded = registry.load(plant or "gearbox_line")
        choose(loaded, engine)  # raises before the run starts
        if save:
            check_savable(loaded)
            options.compiled()
        return RunPlan(loaded, plant or "gearbox_line", start, engine, save)
    if plant:
        options.refuse(f"A snapshot has its own plant. Leave out {plant}, or --resume.")
    snapshot = snapshot_files.read(resume)
    loaded = Variant(snapshot.file, None, snapshot.overrides).load()
    snapshot.check(loaded, str(resume))
    options.compiled()
    return RunPlan(loaded, snapshot.file, snapshot.start(*start), "calendar", save, snapshot)


def from_snapshot(request: Request, path: str, changes: list[str]) -> Request:
    """Return the request with both branches starting from a snapshot. Raise SnapshotError, ModelError.

    The snapshot is copied next to the study file, because a live run replaces its own every few seconds.
    """
    from factory_sim.results.study_summary import SNAPSHOT, WarmUp
    from factory_sim.sim.engines import fitted
    from factory_sim.study import snapshot_files
    from factory_sim.study.arms import Variant

    assert request.file is not None
    snapshot = snapshot_files.copy_beside(path, request.file)
    base = Variant(snapshot.file, None, snapshot.overrides)
    changed = Variant(snapshot.file, None, (*snapshot.overrides, *changes))
    plant = base.load()
    snapshot.check(plant, path)
    for each in (plant, changed.load()):
        fitted(each, snapshot.saved)
    options.compiled()
    return replace(
        request,
        base=base,
        scenarios=(changed,),
        warm_up_s=snapshot.saved.t_us / 1e6,
        seed=snapshot.saved.seed,
        snapshot=str(snapshot_files.snapshot_beside(request.file).resolve()),
        snapshot_sha=snapshot.sha,
        warm_up=WarmUp(by=SNAPSHOT, file=path),
    )
