"""Studies that a file describes: what `sweep` and `optimise` have in common."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from factory_sim.analysis.kpis import KPIS
from factory_sim.analysis.paired import mean_estimate, paired_percent_change
from factory_sim.results.sweep import Response
from factory_sim.study import store
from factory_sim.study.arms import PlantCache, Variant
from factory_sim.study.compare.pairing import base_of, line_values
from factory_sim.study.dask_pool import open_pool
from factory_sim.study.runner import Request, Session, start_session

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from factory_sim.plant.yaml.study_files import StudyFile
    from factory_sim.plant.yaml.study_shapes import Optimise, Sweep
    from factory_sim.records import F8
    from factory_sim.results.estimate import Estimate
    from factory_sim.study.runner import Progress
    from factory_sim.study_records import Study

_NOT_SHOWN = {"constraint", "constraint_by_active_period"}  # numbers of operations
RESPONSES = tuple(name for name, kpi in KPIS.items() if "line" in kpi.levels and name not in _NOT_SHOWN)
TOGETHER = 256  # plants in memory at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """Where the trials of a study run and are stored."""

    workers: int = 0  # 0: one per CPU
    engine: str = "auto"
    dask: str = ""
    file: Path | None = None  # None: named after the file that describes the study, in the working folder


@contextmanager
def session_of(
    file: StudyFile[Sweep] | StudyFile[Optimise], base: Variant, execution: Execution, progress: Progress, **more: Any
) -> Iterator[Session]:
    """Start or resume the study that a file describes; `more` are fields of the request, among them its design."""
    shape, workers = file.shape, execution.workers or os.cpu_count() or 1
    identity = (PlantCache().load(base).digest, shape.seed, shape.duration, shape.warm_up, store.versions()["program"])
    name = f"{file.path.stem}-{sha256(repr((*identity, more['design'])).encode()).hexdigest()[:8]}.study.jsonl"
    request = Request(
        base=base,
        duration_s=shape.duration,
        warm_up_s=shape.warm_up,
        seed=shape.seed,
        workers=workers,
        engine=execution.engine,
        dask=execution.dask,
        file=execution.file or Path(name),
        **more,
    )
    with open_pool(workers, execution.engine, execution.dask) as pool:
        session = start_session(request, pool, progress)
        with session.store:
            yield session


def run_base(session: Session, replications: Iterable[int]) -> None:
    """Run replications of the plant as it is."""
    session.ensure("plant as it is", [(base_of(session.study).name, r) for r in replications])


def run_arms(session: Session, stage: str, arms: Iterable[str], replications: Iterable[int]) -> None:
    """Run replications of many arms, a few hundred plants in memory at a time."""
    names, chosen = list(dict.fromkeys(arms)), list(replications)
    for first in range(0, len(names), TOGETHER):
        some = names[first : first + TOGETHER]
        if len(names) > TOGETHER:
            session.plants = PlantCache()
        part = f", {first + 1}–{first + len(some)} of {len(names)}" if len(names) > len(some) else ""
        session.ensure(stage + part, [(name, r) for name in some for r in chosen])


def responses(kpis: Iterable[str], currency: str) -> dict[str, Response]:
    """Return unit and direction of KPIs."""
    return {kpi: Response(unit=KPIS[kpi].unit.replace("currency", currency), better=KPIS[kpi].better) for kpi in kpis}


def line_kpis(study: Study, arm: str, kpis: Iterable[str], replications: Sequence[int]) -> dict[str, F8]:
    """Return KPIs of the line by replication, each of shape (n_replications,)."""
    return {kpi: line_values(study, arm, kpi, replications) for kpi in kpis}


def means(values: Mapping[str, F8]) -> dict[str, Estimate]:
    """Return the mean of every KPI with its interval."""
    return {kpi: mean_estimate(each) for kpi, each in values.items()}


def changes(before: Mapping[str, F8], after: Mapping[str, F8]) -> dict[str, Estimate]:
    """Return the paired change of every KPI [%] with its interval."""
    return {kpi: paired_percent_change(before[kpi], each) for kpi, each in after.items()}
