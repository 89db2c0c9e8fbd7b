"""Whole studies: compare, ask what limits a plant, replay."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from factory_sim.results.replay import ReplayResult
from factory_sim.study import store
from factory_sim.study.arms import BASE, SCENARIO, PlantCache
from factory_sim.study.compare import attribution as shapley
from factory_sim.study.compare import why
from factory_sim.study.compare.comparison import comparison
from factory_sim.study.compare.pairing import UNFINISHED, base_of, finished, pairs, scenarios_of
from factory_sim.study.dask_pool import open_pool
from factory_sim.study.runner import FinishedStudy, Session, run_replications, start_session
from factory_sim.study.store import Store, StudyError
from factory_sim.study.study_json import study_digest, trial_digest
from factory_sim.version import VERSION

if TYPE_CHECKING:
    from factory_sim.results.compare import ComparisonResult
    from factory_sim.results.why import WhyResult
    from factory_sim.study.pool import Pool
    from factory_sim.study.runner import Progress, Request


def _pool_of(request: Request) -> Pool:
    return open_pool(request.workers, request.engine, request.dask)


def run_study(
    request: Request,
    progress: Progress,
    budget_s: float = shapley.BUDGET_S,
    *,
    attribution: bool = True,
    with_why: bool = False,
) -> FinishedStudy[ComparisonResult]:
    """Run the study of a request, and report the comparison as soon as it is known. Raise FactoryErrors.

    Then run its attribution (budget_s: CPU time that an exact one may take), and `with_why` what limits every plant.
    """
    with _pool_of(request) as pool:
        session = start_session(request, pool, progress)
        with session.store:
            run_replications(session, request)
            if scenarios_of(session.study):
                progress.compared(comparison(session.study))
            for arm in scenarios_of(session.study) if attribution else []:
                shapley.prepare(session, arm, budget_s)
            for name in session.names(BASE, SCENARIO) if with_why else ():
                why.prepare(session, name, min(why.PAIRS, len(pairs(session.study, name))))
            return FinishedStudy(study=session.study, file=session.store.path, result=comparison(session.study))


def run_why(request: Request, progress: Progress, arm: str = "", top: int = why.TOP) -> WhyResult:
    """Run one plant, and return what limits it. Raise FactoryErrors."""
    with _pool_of(request) as pool:
        session = start_session(request, pool, progress)
        with session.store:
            run_replications(session, request)
            return _why(session, arm, top)


def why_in(path: Path, pool: Pool, progress: Progress, arm: str = "", top: int = why.TOP) -> WhyResult:
    """Return what limits an arm of a study file (default: the base), after running the missing trials."""
    with Store(path) as file:
        return _why(Session(file, PlantCache(), pool, progress), arm, top)


def _why(session: Session, arm: str, top: int) -> WhyResult:
    name = arm or base_of(session.study).name
    if name not in session.study.arms:
        known = ", ".join(session.names(BASE, SCENARIO))
        msg = f"{session.store.path} has no arm {name!r}. Its arms are: {known}."
        raise StudyError(msg)
    replications = len(finished(session.study, name))
    if session.study.header.program == VERSION:  # other versions' files are read only
        why.prepare(session, name, replications, top)
    return why.why(session.study, name, top)


def replay_study(path: Path, pool: Pool, progress: Progress) -> ReplayResult:
    """Simulate every trial of a study again, and compare. Raise StudyError when its files have changed."""
    was = store.load(path)
    if not was.trials:
        msg = f"{path} has no trial to repeat. {UNFINISHED}"
        raise StudyError(msg)
    here = store.versions()
    header = replace(was.header, program=here["program"], python=here["python"], numpy=here["numpy"])
    with TemporaryDirectory() as folder, Store(Path(folder) / "again", header) as again:
        session = Session(again, PlantCache(), pool, progress)
        for arm in was.arms.values():
            again.add_arm(arm)
        session.ensure("replay", sorted(was.trials))
        now = session.study
    if not any(trial.path for trial in was.trials.values()):  # of a version that did not record it
        now = replace(now, trials={key: replace(trial, path={}) for key, trial in now.trials.items()})
    differing = [key for key in sorted(was.trials) if trial_digest(was.trials[key]) != trial_digest(now.trials[key])]
    return ReplayResult(
        same=not differing,
        trials=len(was.trials),
        digest=study_digest(was),
        replayed=study_digest(now),
        differing=tuple(differing),
    )
