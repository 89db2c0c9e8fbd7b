"""`factory-sim sweep`: every point of a design on common random numbers, and the influence of its factors."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from factory_sim.analysis.kpis import KPIS
from factory_sim.analysis.paired import holm, p_value
from factory_sim.results import sweep as results
from factory_sim.results.sweep import GRID, LINEAR, RANKS, SOBOL, LevelEffect, SweepPoint, SweepResult, SweptFactor
from factory_sim.study import file_study
from factory_sim.study.arms import PlantCache
from factory_sim.study.compare.comparison import summary
from factory_sim.study.compare.pairing import base_of, finished
from factory_sim.study.runner import FinishedStudy
from factory_sim.study.sweep import plans, sampling, sensitivity
from factory_sim.study_records import Probe

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from factory_sim.records import F8
    from factory_sim.study.arms import Variant
    from factory_sim.study.file_study import Execution
    from factory_sim.study.runner import Progress, Session
    from factory_sim.study.sweep.plans import Plan
    from factory_sim.study.sweep.sampling import Factor, Point
    from factory_sim.study_records import Study

STRAIGHT = 0.9  # assumed: share of the variance from which on a linear fit is a fair summary


def run_sweep(
    path: str | Path, execution: Execution, progress: Progress, plant: Variant | None = None
) -> FinishedStudy[SweepResult]:
    """Run or resume the sweep that a file describes; `plant` replaces the one that it names.

    Raise ConfigError, StudyError or TrialError.
    """
    plan = plans.read_plan(path, PlantCache(), plant)
    with file_study.session_of(
        plan.file,
        plan.base,
        execution,
        progress,
        replications=plan.file.shape.replications,
        pilots=plan.corners,
        design=plan.design(),
        words=plan.words(),
    ) as session:
        _run_points(session, plan)
        return FinishedStudy(study=session.study, file=session.store.path, result=sweep_result(session.study))


def _run_points(session: Session, plan: Plan) -> None:
    """Run the plant as it is, and every point of the plan; all plants are loaded before the first trial."""
    session.progress.stage("points", len(plan.points))
    base, arms = base_of(session.study).name, []
    for n, point in enumerate(plan.points, 1):
        name = " ".join(sampling.overrides(plan.factors, point))
        arms.append(session.add_probe(plan.variant(point), name, Probe(kind="point", of=base)) if name else base)
        if n % file_study.TOGETHER == 0:
            session.plants = PlantCache()
        session.progress.advance(n)
    replications = range(plan.file.shape.replications)
    file_study.run_base(session, replications)
    file_study.run_arms(session, "trials", arms, replications)


def sweep_result(study: Study) -> SweepResult:
    """Return the result of a sweep, of replications that every point has finished. Raise StudyError."""
    more: Any = study.header.more
    about, base = more["sweep"], base_of(study)
    factors = [sampling.factor_from_json(each) for each in about["factors"]]
    kpis: list[str] = more["responses"]
    points = [sampling.point_of(factors, texts) for texts in about["points"]]
    names = [" ".join(sampling.overrides(factors, point)) or base.name for point in points]
    replications = finished(study, base.name, *names)
    before = file_study.line_kpis(study, base.name, kpis, replications)
    after = [file_study.line_kpis(study, name, kpis, replications) for name in names]
    y = {kpi: np.array([each[kpi] for each in after]) for kpi in kpis}
    best, near = _best(y[kpis[0]], KPIS[kpis[0]].better, points)
    return SweepResult(
        title=more["title"],
        question=more["question"],
        base=base.name,
        design=about["design"],
        replications=len(replications),
        confidence=sensitivity.CONFIDENCE,
        responses=file_study.responses(kpis, base.currency),
        factors=tuple(SweptFactor(address=f.address, title=f.title, unit=f.unit, scale=f.scale) for f in factors),
        before=file_study.means(before),
        points=tuple(
            SweepPoint(
                values={factor.address: level.text for factor, level in zip(factors, point, strict=True)},
                responses=file_study.means(values),
                change_pct=file_study.changes(before, values),
            )
            for point, values in zip(points, after, strict=True)
        ),
        best=best,
        not_told_apart=near,
        sensitivity={kpi: _sensitivity(about["design"], factors, points, y[kpi], study.header.seed) for kpi in kpis},
        study=summary(study),
    )


def _best(y: F8, better: int, points: Sequence[Point]) -> tuple[int | None, tuple[int, ...]]:
    """Return the point with the best mean response, and those not significantly different: paired t-tests with Holm.

    None and () where the response has no direction or no value.
    """
    scores = better * y.mean(axis=1)
    if not better or not np.isfinite(scores).any():
        return None, ()
    best = int(np.nanargmax(scores))
    once = {point: n for n, point in reversed(list(enumerate(points)))}
    others = sorted(n for point, n in once.items() if point != points[best] and np.isfinite(scores[n]))
    p = holm([p_value(y[n] - y[best]) for n in others])
    return best, tuple(n for n, value in zip(others, p.tolist(), strict=True) if value > 1 - sensitivity.CONFIDENCE)


def _sensitivity(
    design: str, factors: Sequence[Factor], points: Sequence[Point], y: F8, seed: int
) -> results.Sensitivity:
    """Return the influence of the factors on a response y (n_points, n_replications)."""
    method, explained = design, {}
    effects: list[tuple[LevelEffect, ...]] = [()] * len(factors)
    if design == SOBOL:
        measures = sensitivity.sobol_indices(y, len(factors), seed)
    elif design == GRID:
        levels = [list(dict.fromkeys(level.text for level in column)) for column in zip(*points, strict=True)]
        numbers = np.array([[levels[i].index(level.text) for i, level in enumerate(point)] for point in points])
        measures = sensitivity.grid_indices(numbers, y, seed)
        effects = [
            tuple(LevelEffect(level=text, **asdict(each)) for text, each in zip(texts, found, strict=True))
            for texts, found in zip(levels, sensitivity.main_effects(numbers, y), strict=True)
        ]
    else:
        x = np.array([[level.number for level in point] for point in points])
        fits = {name: sensitivity.regression(x, y, seed, ranks=name == RANKS) for name in (LINEAR, RANKS)}
        measures = {name: fit.coefficients for name, fit in fits.items()}
        explained = {name: fit.explained for name, fit in fits.items()}
        method = LINEAR if explained[LINEAR] >= STRAIGHT else RANKS
    noise = results.NOISE if design in {GRID, SOBOL} and sensitivity.is_noise(y) else None
    unexplained = results.CONSTANT if sensitivity.is_constant(y) else noise
    return results.Sensitivity(
        method=method,
        factors={
            factor.address: results.FactorInfluence(
                measures={name: found[i] for name, found in measures.items()}, effects=effects[i]
            )
            for i, factor in enumerate(factors)
        },
        explained=explained,
        unexplained=_undefined(y) or unexplained,
    )


def _undefined(y: F8) -> str | None:
    """Return whether the response is undefined at some points or at all of them."""
    defined = np.isfinite(y)
    if defined.all():
        return None
    return results.UNDEFINED if defined.any() else results.NOWHERE
