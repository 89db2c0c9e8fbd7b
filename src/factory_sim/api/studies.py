"""Studies: compare, why, whatif, sweep, optimise and replay; finished trials are kept in a file and reused."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from factory_sim.api.arguments import Duration, engine_name, half_width, path_of, refuse, seconds, texts_of, whole
from factory_sim.api.plants import variant_of
from factory_sim.api.study_progress import reported
from factory_sim.api.study_results import Comparison, Execution, Replay, StudyBase, Why, why_of_study
from factory_sim.results.study_summary import SNAPSHOT, WarmUp
from factory_sim.sim.engines import fitted
from factory_sim.study import snapshot_files, store
from factory_sim.study.arms import Variant
from factory_sim.study.compare.attribution import BUDGET_S
from factory_sim.study.compare.compare_study import replay_study, run_study
from factory_sim.study.compare.why import TOP
from factory_sim.study.runner import FIRST_TYPED, FinishedStudy, Request, default_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from factory_sim.api.arguments import Changes
    from factory_sim.api.plants import PlantLike
    from factory_sim.api.progress import ProgressOption
    from factory_sim.results.compare import ComparisonResult


def compare(  # noqa: PLR0913 - one argument per option of the command
    base: PlantLike,
    *scenarios: PlantLike,
    changes: Changes = None,
    replications: int = 30,
    until_pct: float | str | None = None,
    duration: Duration = "8 h",
    warm_up: Duration | None = None,
    seed: int = 1,
    attribution: bool = True,
    budget: Duration = BUDGET_S,
    with_why: bool = False,
    workers: int | None = None,
    engine: str = "auto",
    dask: str = "",
    study: str | os.PathLike[str] | None = None,
    progress: ProgressOption = True,
) -> Comparison:
    """Compare a plant with scenarios of it, over paired replications with common random numbers.

    Every finished trial is kept in the study file at once. After an interruption the same call resumes the study.

    Parameters
    ----------
    base : str, path or Plant
        The plant before: a file, a packaged name, or a loaded plant.
    *scenarios : str, path or Plant
        Scenarios or plants, each compared with the base.
    changes : mapping, Change, str or list of these, optional
        Changes of the base, together one more scenario.
    replications : int
        Pairs of runs; with `until_pct` the largest number of pairs.
    until_pct : float or str, optional
        Stop when every line rate has a confidence interval of this half-width [percentage points].
    duration : str or float
        Length of the window [s, or a text with a unit].
    warm_up : str or float, optional
        Time before the window that is discarded [s, or a text with a unit]; None: determined by pilot runs.
    seed : int
        Names all random streams.
    attribution : bool
        Whether to divide the change of the line rate among the groups of changes (Shapley values).
    budget : str or float
        CPU time allowed for an exact attribution [s, or a text with a unit]; above, orders are sampled.
    with_why : bool
        Whether to find out as well what limits each plant; its report then shows it.
    workers : int, optional
        Processes; None: one per CPU. The results do not depend on it. A script that uses more than one worker calls
        this below `if __name__ == "__main__":`.
    engine : {"auto", "simpy", "calendar"}
        The simulator; both engines give bit-identical results.
    dask : str
        Address of a Dask scheduler that runs the trials instead: `"local"` or `"tcp://host:port"`.
    study : str or path, optional
        The study file; None: named after what is compared, in the working folder.
    progress : bool or callable
        True: a progress bar on standard error; False: silence; a function receives a `ProgressEvent` at each step.

    Returns
    -------
    Comparison
        Changes with confidence intervals, attribution and constraints.

    Raises
    ------
    ConfigError
        When a plant, a change or an argument cannot be used.
    StudyError
        When the study file belongs to another study, or scenarios change nothing.
    TrialError
        When a trial fails; the message contains the command that reproduces it.

    Examples
    --------
    >>> import factory_sim as fs
    >>> study = fs.compare("line.yaml", changes={"WASH.cycle_time": "35 s"}, replications=5, duration="1 h",
    ...                    warm_up="10 min", attribution=False, workers=1, progress=False)
    >>> study.change["line_rate_pct"].mean > 10
    True
    """
    execution = Execution(workers=workers, engine=engine, dask=dask, study=study, progress=progress)
    start = variant_of(base)
    changed = [start.changed(texts_of(changes))] if changes is not None else []
    compared = [*map(variant_of, scenarios), *changed]
    if not compared:
        refuse("scenarios", "nothing to compare", 'Name a scenario, or write changes={"OP410.cycle_time": "34 s"}.')
    window = _Window(replications, duration, warm_up, seed)
    request = window.request(start, execution, compared, until_pct=half_width("until_pct", until_pct))
    return _compared(request, execution, budget, attribution=attribution, with_why=with_why)


def whatif(  # noqa: PLR0913 - one argument per option of the command
    plant: PlantLike,
    changes: Changes,
    *,
    replications: int = 64,
    until_pct: float | str = 0.5,
    duration: Duration = "8 h",
    warm_up: Duration | None = None,
    seed: int = 1,
    attribution: bool = False,
    budget: Duration = BUDGET_S,
    workers: int | None = None,
    engine: str = "auto",
    dask: str = "",
    study: str | os.PathLike[str] | None = None,
    progress: ProgressOption = True,
) -> Comparison:
    """Estimate the effect of changes, with as many pairs of runs as the precision requires.

    Parameters
    ----------
    plant : str, path or Plant
        The plant: a file, a packaged name, or a loaded plant; or the file of a snapshot, from which both branches
        start and see the same futures.
    changes : mapping, Change, str or list of these
        The changes, as in `load`.
    replications : int
        Largest number of pairs of runs.
    until_pct : float or str
        Stop when the line rate has a confidence interval of this half-width [percentage points].
    duration, warm_up, seed, attribution, budget
        As in `compare`.
    workers, engine, dask, study, progress
        As in `compare`.

    Returns
    -------
    Comparison
        The plant with the changes against the plant without.

    Raises
    ------
    ConfigError
        When the plant, a change or an argument cannot be used.
    StudyError
        When the study file belongs to another study, or the changes change nothing.
    TrialError
        When a trial fails.

    Examples
    --------
    >>> import factory_sim as fs
    >>> study = fs.whatif("line.yaml", ["WASH.cycle_time=35 s", "WASH.buffer+2"], replications=5, duration="1 h",
    ...                   warm_up="10 min", workers=1, progress=False)
    >>> study.change["line_rate_pct"].low > 0
    True
    """
    execution = Execution(workers=workers, engine=engine, dask=dask, study=study, progress=progress)
    if not (texts := texts_of(changes)):
        refuse("changes", "no change was given", 'Example: "OP410.cycle_time=34 s".')
    window = _Window(replications, duration, warm_up, seed)
    pace: dict[str, Any] = {"until_pct": half_width("until_pct", until_pct), "first": FIRST_TYPED}
    if isinstance(plant, str | os.PathLike) and snapshot_files.is_snapshot(os.fspath(plant)):
        if (seed, warm_up in {None, "auto"}) != (1, True) or engine == "simpy":
            refuse("plant", "a snapshot has its own seed, past and engine", "Leave out seed, warm-up and engine.")
        request = _from_snapshot(window.request(Variant(""), execution, **pace), os.fspath(plant), texts)
    else:
        start = variant_of(plant)
        changed = [start.changed(texts)]
        request = window.request(start, execution, changed, **pace)
    return _compared(request, execution, budget, attribution=attribution)


def why(  # noqa: PLR0913 - one argument per option of the command
    plant: PlantLike,
    *,
    arm: str = "",
    top: int = TOP,
    replications: int = 10,
    duration: Duration = "8 h",
    warm_up: Duration | None = None,
    seed: int = 1,
    workers: int | None = None,
    engine: str = "auto",
    dask: str = "",
    study: str | os.PathLike[str] | None = None,
    progress: ProgressOption = True,
) -> Why:
    """Find the operation that limits a plant, and prove it.

    Parameters
    ----------
    plant : str, path or Plant
        A plant or scenario, or a study file of `compare`, `whatif`, `sweep` or `optimise`.
    arm : str
        Of a study file: name of the base or of a scenario; `""`: the base.
    top : int
        Number of operations whose cycle time is shortened by a second.
    replications : int
        Number of runs of each variant.
    duration, warm_up, seed
        As in `compare`; a study file has its own.
    workers, engine, dask, study, progress
        As in `compare`.

    Returns
    -------
    Why
        The limiting operation, gains by shorter cycle times, and the next constraint.

    Raises
    ------
    ConfigError
        When the plant or an argument cannot be used.
    StudyError
        When the study file is damaged, not finished, or has no such arm.
    TrialError
        When a trial fails.

    Examples
    --------
    >>> import factory_sim as fs
    >>> fs.why("line.yaml", top=1, replications=10, duration="1 h", warm_up="10 min", workers=1, progress=False)
    <Why line: operation WASH limits it>
    """
    execution = Execution(workers=workers, engine=engine, dask=dask, study=study, progress=progress)
    if isinstance(plant, str | os.PathLike) and (str(plant).endswith(".jsonl") or store.is_study(Path(plant))):
        return why_of_study(Path(plant), arm, top, execution)
    request = _Window(replications, duration, warm_up, seed).request(variant_of(plant), execution)
    found = _run(request, execution, attribution=False)
    return why_of_study(found.file, arm, top, execution)


def replay(
    study: str | os.PathLike[str] | StudyBase[Any],
    *,
    workers: int | None = None,
    engine: str = "auto",
    dask: str = "",
    progress: ProgressOption = True,
) -> Replay:
    """Simulate all trials of a study again, from its plants and seed, and compare them bit by bit.

    Parameters
    ----------
    study : str, path or a finished study
        The study file, or what `compare`, `whatif`, `why`, `sweep` or `optimise` returned.
    workers, engine, dask, progress
        As in `compare`.

    Returns
    -------
    Replay
        Whether all trials are bit-identical, and which differ.

    Raises
    ------
    StudyError
        When the file is not a study, has no trial, or its plants have changed.
    TrialError
        When a trial fails.

    Examples
    --------
    >>> import factory_sim as fs
    >>> study = fs.whatif("line.yaml", "WASH.buffer+2", replications=5, duration="30 min", warm_up="10 min", workers=1,
    ...                   progress=False)
    >>> fs.replay(study, workers=1, progress=False).same
    True
    """
    execution = Execution(workers=workers, engine=engine, dask=dask, progress=progress)
    path = study.file if isinstance(study, StudyBase) else path_of("study", study)
    with reported(progress) as reporter, execution.pool() as pool:
        return Replay(replay_study(path, pool, reporter))


@dataclass(frozen=True, slots=True)
class _Window:
    """What all trials of a study have in common, as the caller gave it."""

    replications: int
    duration: Duration
    warm_up: Duration | None
    seed: int

    def request(self, base: Variant, execution: Execution, scenarios: Sequence[Variant] = (), **more: Any) -> Request:
        """Return the request of a study."""
        return Request(
            base=base,
            scenarios=tuple(scenarios),
            replications=whole("replications", self.replications, 2),
            duration_s=seconds("duration", self.duration),
            warm_up_s=None if self.warm_up is None or self.warm_up == "auto" else seconds("warm_up", self.warm_up),
            seed=whole("seed", self.seed),
            workers=execution.processes,
            engine=engine_name(execution.engine),
            dask=execution.dask,
            file=execution.path,
            **more,
        )


def _from_snapshot(request: Request, path: str, changes: tuple[str, ...]) -> Request:
    """Return the request with both branches starting from a snapshot. Raise SnapshotError, ModelError.

    The snapshot is copied next to the study file, because a live run replaces its own every few seconds.
    """
    snapshot = snapshot_files.read(path)
    base = Variant(snapshot.file, None, snapshot.overrides)
    plant, start = base.load(), snapshot.saved.start
    snapshot.check(plant, path)
    base = base if start == plant.start else base.changed((f"start:={start}",))
    changed = base.changed(changes)
    plant, after = base.load(), changed.load()
    for each in (plant, after):
        fitted(each, snapshot.saved)
    file = request.file or Path(default_name(request, [(plant.name, snapshot.sha), ("changes", after.digest)]))
    snapshot = snapshot_files.copy_beside(path, file)
    return replace(
        request,
        base=base,
        scenarios=(changed,),
        warm_up_s=snapshot.saved.t_us / 1e6,
        seed=snapshot.saved.seed,
        file=file,
        snapshot=str(snapshot_files.snapshot_beside(file).resolve()),
        snapshot_sha=snapshot.sha,
        warm_up=WarmUp(by=SNAPSHOT, file=path),
    )


def _compared(
    request: Request, execution: Execution, budget: Duration, *, attribution: bool, with_why: bool = False
) -> Comparison:
    found = _run(request, execution, budget, attribution=attribution, with_why=with_why)
    return Comparison(found.result, found.file, execution)


def _run(
    request: Request, execution: Execution, budget: Duration = BUDGET_S, *, attribution: bool, with_why: bool = False
) -> FinishedStudy[ComparisonResult]:
    with reported(execution.progress) as reporter:
        return run_study(request, reporter, seconds("budget", budget), attribution=attribution, with_why=with_why)
