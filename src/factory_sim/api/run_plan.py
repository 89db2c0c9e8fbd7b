"""A run to be published: its start, its engine, its log, and the file that keeps its snapshots."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from factory_sim import views
from factory_sim.api.arguments import refuse, start_ns, writing
from factory_sim.api.plants import file_and_changes, resolved, spec_of
from factory_sim.api.progress import ProgressEvent
from factory_sim.clock import US_PER_S, datetime_from_ns, is_repeated, ns_from_datetime, ns_from_us, us_from_s
from factory_sim.live.delivery import LEAD_NS
from factory_sim.live.publish import dated, window_of
from factory_sim.plant import clock_changes
from factory_sim.plant.wall_clock import epoch_ns
from factory_sim.sim.engines import check_savable, choose, compile_first, is_compiled, obstacle
from factory_sim.sim.run import Simulation, obey
from factory_sim.study import snapshot_files
from factory_sim.study.arms import Variant
from factory_sim.study.trial import BINS, Detail, Setting, run_trial
from factory_sim.study.warmup import before_window, filling_bin, from_first_opening, planned_us

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from factory_sim.api.arguments import Changes, Start
    from factory_sim.api.plants import PlantLike
    from factory_sim.api.progress import Report
    from factory_sim.live.publish import RunSetup, Sent
    from factory_sim.plant import spec
    from factory_sim.records import EventLog, Truth
    from factory_sim.sim.commands import Command

STAGE = "simulated"
PILOT_S = 12 * 3600.0
MINUTE_US = 60 * US_PER_S
SAVE_EVERY_S = 5.0  # of a live run


@dataclass(slots=True, kw_only=True)
class RunPlan:
    """A run, and where its snapshots are saved."""

    plant: spec.Plant
    source: tuple[str, tuple[str, ...]]  # the plant's file and its changes, as a snapshot keeps them
    setup: RunSetup
    engine: str
    save: Path | None = None
    snapshot: snapshot_files.Snapshot | None = None  # that the run resumes
    report: Report
    _saved_s: float = field(default=0.0, init=False)
    _said: set[str] = field(default_factory=set, init=False)

    def say(self, text: str) -> None:
        """Report a sentence, once: a run may be simulated for the feed and again for its log."""
        if text not in self._said:
            self.announce(text)
        self._said.add(text)

    def announce(self, text: str) -> None:
        """Report an event each time that it occurs."""
        self.report(ProgressEvent(stage=STAGE, message=text))

    def fill(self) -> None:
        """Let the window begin when the plant has filled: after the planned time that a pilot run from empty takes."""
        setup, bin_s = self.setup, PILOT_S / BINS
        setting = Setting(setup.seed, 0.0, PILOT_S, bin_s)
        pilot_plant = from_first_opening(self.plant)
        pilot = run_trial(pilot_plant, setting, setup.replication, Detail.PILOT, self.engine)
        filled_us = us_from_s(filling_bin(pilot.wip.astype(np.float64)) * bin_s)
        open_us = planned_us(pilot_plant, filled_us)
        window_ns = epoch_ns(self.plant) if setup.start_ns is None else setup.start_ns
        warm_up_us = before_window(self.plant, window_ns, open_us)
        if warm_up_us is None:
            warm_up_us, text = filled_us, "without planned time, so the plant is empty"
        else:
            of_it = f", of which {open_us / MINUTE_US:g} min are planned time" if warm_up_us > open_us else ""
            text = f"the plant fills before the window{of_it} (--warm-up '0 s': empty)"
        self.setup = replace(setup, warm_up_s=warm_up_us / US_PER_S)
        self.say(f"Warm-up {warm_up_us / MINUTE_US:g} min: {text}.")

    def begin(self, start: Start, *, fill: bool) -> None:
        """Set the start of the window, and when it is due: at once, or, if it starts now, at the same time.

        fill : let the plant fill before the window, unless it resumes a snapshot.
        """
        begin_ns, is_now = start_ns("start", start, self.plant.timezone, self.setup.speed)
        if begin_ns is not None and is_now:
            begin_ns += LEAD_NS
        elif begin_ns is not None:
            local = datetime_from_ns(begin_ns, self.plant.timezone).replace(tzinfo=None)
            if is_repeated(local, self.plant.timezone) and ns_from_datetime(local, self.plant.timezone) == begin_ns:
                self.say(f"{local} occurs twice in {self.plant.timezone}; the first counts.")
        elif self.snapshot is None:
            begin_ns = epoch_ns(self.plant)  # of the window: a warm-up lies before it
        self.setup = replace(self.setup, start_ns=begin_ns, begun_ns=begin_ns or 0 if is_now else 0)
        if fill and self.snapshot is None:
            self.fill()
        elif self.snapshot is None and self.setup.warm_up_s:
            plant, setup = dated(self.plant, self.setup), self.setup
            if not planned_us(plant, us_from_s(setup.warm_up_s)):
                self.say("The warm-up has no planned time: the plant is empty when the window begins.")

    def new_run(self, setup: RunSetup) -> Simulation:
        """Return the run of `setup` at its start, and report its engine."""
        window, plant = window_of(setup), dated(self.plant, setup)
        for line in clock_changes.notes(plant, window.t0_us, min(window.t1_us, window.t0_us + clock_changes.NOTED_US)):
            self.say(line)
        if self.snapshot is not None:
            run = Simulation.resumed(plant, self.snapshot.saved, until_us=window.t1_us)
        else:
            engine = "calendar" if self.save is not None and self.engine == "auto" else self.engine
            run = Simulation(
                plant,
                seed=setup.seed,
                replication=setup.replication,
                warm_up_us=window.t0_us,
                until_us=window.t1_us,
                engine=engine,
                savable=self.save is not None,
            )
        saved = self.save is not None or self.snapshot is not None
        why = "the one whose runs can be saved" if saved else run.choice.reason
        self.say(f"Engine {run.choice.engine}: {why}.")
        return run

    def write_log(self, path: Path, sent: Sent | None) -> tuple[EventLog, Truth]:
        """Write the run's events as far as they were published; return them and the simulator's own counts.

        The run is repeated, bit-identical. When nothing was published, it runs to its end, and its last state is saved.
        """
        self.say(f"Simulating {self.plant.name} for {path} ...")
        if sent:  # a run with a journal may have started before this process
            self.setup = replace(self.setup, start_ns=ns_from_us(sent.meta.window.t0_us, sent.meta.epoch_ns))
        log, truth = self._rows(sent.t_us, sent.commands) if sent else self._rows(None, ())
        frame = views.frames.log_frame(log, self.plant.units)
        with writing(path):
            frame.to_csv(path, index=False) if path.suffix == ".csv" else frame.to_parquet(path, index=False)
        return log, truth

    def _rows(self, until_us: int | None, commands: Sequence[Command]) -> tuple[EventLog, Truth]:
        """Return the rows from the start of the run, or those of its snapshot that still matter, to `until_us`."""
        window = window_of(self.setup)
        end_us = window.t1_us if until_us is None else max(until_us, window.t0_us + 1)
        run = self.new_run(self.setup)
        log = obey(run, commands, end_us)
        if until_us is None:
            self.save_snapshot(run, at_once=True)
        if self.snapshot is not None:
            memory = self.snapshot.saved.memory
            memory.add(log)
            log = memory.alone()
        return log, run.truth()

    def keep_snapshots(self, folder: Path) -> None:
        """Save the state of the run in `folder`, for what-if changes of its page, where that needs no other engine."""
        origin = self.plant.origin
        can_save = self.engine != "simpy" and is_compiled()
        if self.save is None and origin is not None and origin.groups is None and can_save and not obstacle(self.plant):
            self.save, self.source = folder / "run.npz", (origin.file, origin.changes)

    def save_snapshot(self, run: Simulation, *, at_once: bool = False) -> None:
        """Save the state of the run, if that is asked for and the last one is old."""
        if self.save is None or not (at_once or time.monotonic() > self._saved_s + SAVE_EVERY_S):
            return
        self._saved_s = time.monotonic()
        try:
            snapshot_files.Snapshot(run.save(), *self.source, self.setup.run_id).save(self.save)
        except snapshot_files.SnapshotError as error:
            if at_once:
                raise
            self.say(f"{error}; the run continues and tries again.")


def plan_of(  # noqa: PLR0913 - arguments of `publish`
    plant: PlantLike | None,
    changes: Changes,
    setup: RunSetup,
    engine: str,
    save: Path | None,
    resume: Path | None,
    report: Report,
) -> RunPlan:
    """Return the run that arguments of `publish` describe. Raise ConfigError, SnapshotError, ModelError."""
    if (save or resume) and engine == "simpy":
        refuse("save" if save else "resume", "snapshots require the compiled engine", "Leave out engine simpy.")
    if resume is not None:
        if plant is not None or changes is not None:
            refuse("resume", "a snapshot has its own plant", "Leave out the plant, or --resume.")
        plan = _resumed(resume, setup, save, report)
    else:
        loaded = resolved("gearbox_line" if plant is None else plant, changes)
        choose(spec_of(loaded), engine)  # raises before the run starts
        source = file_and_changes(loaded) if save else ("", ())
        plan = RunPlan(plant=spec_of(loaded), source=source, setup=setup, engine=engine, save=save, report=report)
    if save or resume:
        check_savable(plan.plant)
        compile_first([plan.plant], "calendar", plan.say)
    return plan


def _resumed(resume: Path, setup: RunSetup, save: Path | None, report: Report) -> RunPlan:
    """Return the run that resumes a snapshot. Raise SnapshotError."""
    snapshot = snapshot_files.read(resume)
    plant = Variant(snapshot.file, None, snapshot.overrides).load()
    snapshot.check(plant, str(resume))
    seed, replication, warm_up_s = snapshot.begin(setup.seed, setup.replication, setup.warm_up_s)
    return RunPlan(
        plant=snapshot.dated(plant),
        source=(snapshot.file, snapshot.overrides),
        setup=replace(setup, seed=seed, replication=replication, warm_up_s=warm_up_s, run_id=snapshot.run_id),
        engine="calendar",
        save=save,
        snapshot=snapshot,
        report=report,
    )
