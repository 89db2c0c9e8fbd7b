"""`import factory_sim as fs`: plants, runs and studies with values as one types them, "8 h" or seconds."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from factory_sim import clock, units
from factory_sim.sim import run as simulator
from factory_sim.study import snapshot_files
from factory_sim.study.arms import Variant
from factory_sim.study.compare.attribution import BUDGET_S
from factory_sim.study.compare.compare_study import FinishedComparison, run_study
from factory_sim.study.file_study import Execution
from factory_sim.study.optimise.optimise_study import run_optimisation
from factory_sim.study.runner import Progress, Request
from factory_sim.study.snapshot_files import Snapshot
from factory_sim.study.sweep.sweep_study import run_sweep

if TYPE_CHECKING:
    from factory_sim.plant.spec import Plant
    from factory_sim.results.optimise import OptimisationResult
    from factory_sim.results.sweep import SweepResult
    from factory_sim.sim.run import Run
    from factory_sim.study.file_study import FinishedStudy


def load(plant: str | Path, *changes: str) -> Plant:
    """The plant that a file or a packaged name means, with changes as typed: `load("gearbox_line", "agv.count+2")`.

    Raises ConfigError with every problem.
    """
    return Variant(str(plant), None, changes).load()


def simulate(
    plant: Plant | str | Path,
    *,
    duration: str | float = "8 h",
    warm_up: str | float = 0.0,
    seed: int = 1,
    replication: int = 0,
    engine: str = "auto",
) -> Run:
    """One run: its log from the start, and the window of `duration` after `warm_up`."""
    spec = load(plant) if isinstance(plant, str | Path) else plant
    t0 = clock.us_from_s(_seconds(warm_up))
    until = t0 + clock.us_from_s(_seconds(duration))
    return simulator.simulate(spec, seed=seed, replication=replication, warm_up_us=t0, until_us=until, engine=engine)


def moment(plant: str | Path, *changes: str, at: str | float, seed: int = 1, replication: int = 0) -> Snapshot:
    """A run of the compiled engine at a moment, to be kept (`.save(path)`) and branched from.

    Raises ConfigError, ModelError.
    """
    spec, t_us = load(plant, *changes), clock.us_from_s(_seconds(at))
    run = simulator.Simulation(
        spec, seed=seed, replication=replication, until_us=t_us + 1, engine="calendar", savable=True
    )
    run.advance(t_us)
    return Snapshot(run.save(), str(plant), changes)


def branch(start: Snapshot | str | Path, *changes: str, duration: str | float = "8 h", future: int = 0) -> Run:
    """What happens from a moment, or a file of one, on: its window and its rows, behind earlier ones that still matter.

    changes: numbers that are others from then on. future: which of many; 0 is the run's own, and the same number draws
    the same numbers whatever the changes. Raises ConfigError, MomentError, ModelError.
    """
    found = start if isinstance(start, Snapshot) else snapshot_files.read(start)
    plant, saved = load(found.file, *found.overrides, *changes), found.saved
    if not changes:
        found.check(plant, found.file)
    until = saved.t_us + clock.us_from_s(_seconds(duration))
    return simulator.continued(plant, saved, until_us=until, replication=saved.replication + future)


def compare(  # noqa: PLR0913 - as many as the command has options
    base: str | Path,
    *scenarios: str | Path,
    changes: tuple[str, ...] = (),
    replications: int = 30,
    until_pct: float | None = None,
    duration: str | float = "8 h",
    warm_up: str | float | None = None,
    seed: int = 1,
    workers: int | None = None,
    attribution: bool = True,
    budget: str | float = BUDGET_S,
    study: str | Path | None = None,
    engine: str = "auto",
    dask: str = "",
) -> FinishedComparison:
    """Paired replications of a plant, scenarios of it, and the plant with `changes` as typed.

    until_pct: stop once every line rate is known to that half-width [points]. warm_up None: found by pilots. budget:
    processor time that an exact attribution may take; above, it is sampled. workers None: one a processor; a script
    that uses more than one needs `if __name__ == "__main__":`. study: the file that keeps the trials; named after what
    is compared when None.
    Raises ConfigError, StudyError, TrialError.
    """
    typed = (Variant(str(base), None, changes),) if changes else ()
    request = Request(
        base=Variant(str(base)),
        scenarios=(*(Variant(str(each)) for each in scenarios), *typed),
        replications=replications,
        until_pct=until_pct,
        duration_s=_seconds(duration),
        warm_up_s=None if warm_up is None else _seconds(warm_up),
        seed=seed,
        workers=workers or os.cpu_count() or 1,
        engine=engine,
        dask=dask,
        file=None if study is None else Path(study),
    )
    return run_study(request, Progress(), _seconds(budget), attribution=attribution)


def sweep(
    file: str | Path,
    *,
    workers: int | None = None,
    study: str | Path | None = None,
    engine: str = "auto",
    dask: str = "",
) -> FinishedStudy[SweepResult]:
    """Every point of the design that a sweep's file describes (docs/sweeps.md), and which factor matters how much.

    The other arguments are those of `compare`. Raises ConfigError, StudyError, TrialError.
    """
    return run_sweep(file, _execution(workers, study, engine, dask), Progress())


def optimise(
    file: str | Path,
    *,
    workers: int | None = None,
    study: str | Path | None = None,
    engine: str = "auto",
    dask: str = "",
) -> FinishedStudy[OptimisationResult]:
    """The best choice within the limits of an optimisation's file (docs/sweeps.md), and the Pareto front.

    The other arguments are those of `compare`. Raises ConfigError, StudyError, TrialError.
    """
    return run_optimisation(file, _execution(workers, study, engine, dask), Progress())


def _execution(workers: int | None, study: str | Path | None, engine: str, dask: str) -> Execution:
    return Execution(workers=workers or 0, engine=engine, dask=dask, file=None if study is None else Path(study))


def _seconds(value: str | float) -> float:
    return units.parse(value, "time") if isinstance(value, str) else float(value)
