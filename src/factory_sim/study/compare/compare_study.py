"""Studies for people who write Python: one call, one object that answers."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from factory_sim.study import store
from factory_sim.study.arms import BASE, SCENARIO, Bench
from factory_sim.study.compare import attribution as shapley
from factory_sim.study.compare import comparison, why
from factory_sim.study.compare.pairing import UNFINISHED, base_of, finished, pairs, scenarios_of
from factory_sim.study.dask_pool import hired
from factory_sim.study.runner import Request, Session, Watcher, begin, opened, run
from factory_sim.study.store import Store, StudyError
from factory_sim.views.frames import trial_frame

if TYPE_CHECKING:
    from collections.abc import Iterator

    from factory_sim.records import Study
    from factory_sim.study.pool import Pool


@dataclass(frozen=True, slots=True)
class Comparison:
    """A finished study and its file."""

    study: Study
    file: Path
    request: Request

    @property
    def answer(self) -> dict[str, Any]:
        """What `--json` writes (docs/studies.md)."""
        return comparison.answer(self.study)

    def to_pandas(self) -> Any:
        """A pandas table, one row a trial: arm, role, replication, then every KPI of the line."""
        return trial_frame(self.study)

    def why(self, arm: str = "", top: int = why.TOP) -> dict[str, Any]:
        """What limits an arm (the base, if none is named), and what a second is worth where; runs what is missing."""
        with _hired(self.request) as pool, session_in(self.file, pool, Watcher()) as session:
            name = arm or base_of(session.study).name
            why.prepare(session, name, len(finished(session.study, name)), top)
            return why.why(session.study, name, top)


def _hired(request: Request) -> Pool:
    return hired(request.workers, request.engine, request.dask)


@contextmanager
def session_in(path: Path, pool: Pool, watcher: Watcher) -> Iterator[Session]:
    """The study in a file, open to be added to, closed at the end."""
    session = opened(path, pool, watcher)
    with session.kept:
        yield session


def made(
    request: Request,
    watcher: Watcher,
    budget_s: float = shapley.BUDGET_S,
    *,
    attribution: bool = True,
    proof: bool = False,
) -> Comparison:
    """Make the study of a request. Raises FactoryErrors.

    The watcher hears when the answer is there. Then it is asked who earned it (budget_s: processor time that may take
    if it is to be exact), and with `proof` what limits every compared plant, for the report.
    """
    with _hired(request) as pool:
        session = begin(request, pool, watcher)
        with session.kept:
            run(session, request)
            watcher.compared(session.study)
            for arm in scenarios_of(session.study) if attribution else []:
                shapley.prepare(session, arm, budget_s)
            for name in session.names(BASE, SCENARIO) if proof else ():
                why.prepare(session, name, min(why.PAIRS, len(pairs(session.study, name))))
            return Comparison(session.study, session.kept.path, request)


def replayed(path: Path, workers: int, watcher: Watcher, engine: str = "auto", dask: str = "") -> tuple[Study, Study]:
    """A study and its trials made again from the files that it names.

    Raises StudyError when those have changed, and when it has no trial yet.
    """
    was = store.load(path)
    if not was.trials:
        msg = f"{path} holds no trial that could be made again. {UNFINISHED}"
        raise StudyError(msg)
    with (
        TemporaryDirectory() as folder,
        hired(workers, engine, dask) as pool,
        Store(Path(folder) / "again", {**was.header, **store.versions()}) as again,
    ):
        session = Session(again, Bench(), pool, watcher)
        for arm in was.arms.values():
            again.add_arm(arm)
        session.ensure("replay", sorted(was.trials))
        return was, session.study


def differing(was: Study, now: Study) -> list[tuple[str, int]]:
    """(arm, replication) of the trials whose digits differ."""
    digest = store.trial_digest
    return [key for key in sorted(was.trials) if digest(was.trials[key]) != digest(now.trials[key])]
