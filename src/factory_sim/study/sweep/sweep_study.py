"""`factory-sim sweep`: every point of a design on common random numbers, and which factor matters how much."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from factory_sim.analysis.kpis import KPIS
from factory_sim.analysis.paired import holm, mean_estimate, p_value, paired_percent_change
from factory_sim.study import store
from factory_sim.study.arms import Bench, Variant
from factory_sim.study.compare.pairing import as_dict, base_of, finished, finite, line_values
from factory_sim.study.dask_pool import hired
from factory_sim.study.runner import Request, Session, begin
from factory_sim.study.sweep import plans, sampling, sensitivity
from factory_sim.study.sweep.sampling import GRID, SOBOL
from factory_sim.views.frames import choice_frame, point_frame

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from factory_sim.records import F8, Study
    from factory_sim.study.runner import Watcher
    from factory_sim.study.sweep.plans import Plan
    from factory_sim.study.sweep.sampling import Factor
    from factory_sim.study.sweep.sensitivity import Indices

TOGETHER = 256  # plants that are in memory at a time
LINEAR = 0.9  # share of the variance from which on a straight line is a fair summary


@dataclass(frozen=True, slots=True)
class Running:
    """Where a study runs and is kept."""

    workers: int = field(default_factory=lambda: os.cpu_count() or 1)
    engine: str = "auto"
    dask: str = ""
    file: Path | None = None  # None: named after the plan, in the working folder


@dataclass(frozen=True, slots=True)
class Answered:
    """A finished study that a file described, and its own file."""

    study: Study
    file: Path
    answer: dict[str, Any]  # what `--json` writes (docs/sweeps.md)

    def to_pandas(self) -> Any:
        """A pandas table: of a sweep one row a point, of an optimisation one row a choice of the Pareto front."""
        return point_frame(self.answer) if "points" in self.answer else choice_frame(self.answer)


def made(path: str | Path, running: Running, watcher: Watcher) -> Answered:
    """Make the sweep that a file describes, or go on with it. Raises ConfigError, StudyError, TrialError."""
    bench = Bench()
    file, plan = plans.sweep_file(path, bench)
    design = plan.header()
    kept = running.file or plans.file_name(plan.name, bench, plan.base, file.shape, design)
    request = Request(
        base=plan.base,
        replications=plan.replications,
        duration_s=plan.duration_s,
        warm_up_s=plan.warm_up_s,
        seed=plan.seed,
        workers=running.workers,
        engine=running.engine,
        dask=running.dask,
        file=kept,
        pilots=plan.corners,
        design=design,
        words=plan.words(),
    )
    with hired(running.workers, running.engine, running.dask) as pool:
        session = begin(request, pool, watcher)
        with session.kept:
            run(session, plan)
            return Answered(session.study, session.kept.path, answer(session.study))


def run(session: Session, plan: Plan) -> None:
    """Run the plant as it is, and every point of the plan; all plants are loaded before the first trial."""
    session.watcher.stage("points", len(plan.points))
    arms: list[str] = []
    for n, point in enumerate(plan.points):
        arms.append(keep(session, plan.variant(point)))
        if n % TOGETHER == TOGETHER - 1:
            session.bench = Bench()
        session.watcher.reached(n + 1)
    each = range(plan.replications)
    session.ensure("plant as it is", [(base_of(session.study).name, r) for r in each])
    run_arms(session, "trials", arms, each)


def run_arms(session: Session, stage: str, arms: Iterable[str], replications: Iterable[int]) -> None:
    """Run these replications of many arms, a few hundred plants in memory at a time."""
    names, chosen = list(dict.fromkeys(arms)), list(replications)
    for first in range(0, len(names), TOGETHER):
        some = names[first : first + TOGETHER]
        if len(names) > TOGETHER:
            session.bench = Bench()
        about = f"{stage}, {first + 1}–{first + len(some)} of {len(names)}" if len(names) > len(some) else stage
        session.ensure(about, [(name, r) for name in some for r in chosen])


def keep(session: Session, variant: Variant) -> str:
    """The arm of a variant, kept if it is new: named by its changes; without any the base itself."""
    base = base_of(session.study).name
    if not variant.overrides:
        return base
    return session.probe(variant, sampling.arm_name(variant.overrides), {"kind": "point", "of": base})


# ---- what it says


def answer(study: Study) -> dict[str, Any]:
    """Everything that `--json` writes (docs/sweeps.md), of replications that every point has finished."""
    about, base = study.header["sweep"], base_of(study)
    factors = [plans.factor_of(each) for each in about["factors"]]
    chosen = tuple(study.header["responses"])
    names = [_arm_of(factors, texts) or base.name for texts in about["points"]]
    found = finished(study, base.name, *names)
    y = {kpi: np.array([line_values(study, name, kpi, found) for name in names]) for kpi in chosen}
    before = {kpi: line_values(study, base.name, kpi, found) for kpi in chosen}
    return {
        "title": study.header["title"],
        "question": study.header["question"],
        "base": base.name,
        "design": about["design"],
        "replications": len(found),
        "confidence": sensitivity.CONFIDENCE,
        "responses": {kpi: about_kpi(kpi, base.currency) for kpi in chosen},
        "factors": [{"address": f.address, "title": f.title, "unit": f.unit, "scale": f.scale} for f in factors],
        "before": {kpi: as_dict(mean_estimate(before[kpi])) for kpi in chosen},
        "points": [
            {
                "values": {f.address: text for f, text in zip(factors, texts, strict=True)},
                "responses": {kpi: as_dict(mean_estimate(y[kpi][n])) for kpi in chosen},
                "change_pct": {kpi: change(before[kpi], y[kpi][n]) for kpi in chosen},
            }
            for n, texts in enumerate(about["points"])
        ],
        **_best(y[chosen[0]], KPIS[chosen[0]].better, [tuple(texts) for texts in about["points"]]),
        "sensitivity": {
            kpi: _sensitivity(about, factors, y[kpi], study.header["seed"]) | {"unexplained": _unexplained(y[kpi])}
            for kpi in chosen
        },
        "study": about_study(study),
    }


def about_study(study: Study) -> dict[str, Any]:
    """Seed, window and digest of a study."""
    names = ("seed", "warm_up_s", "duration_s", "warm_up")
    return {name: study.header[name] for name in names} | {"trials": len(study.trials), "digest": store.digest(study)}


def about_kpi(kpi: str, currency: str) -> dict[str, Any]:
    """Unit of a KPI and whether more is better."""
    return {"unit": KPIS[kpi].unit.replace("currency", currency), "better": KPIS[kpi].better}


def change(before: F8, after: F8) -> dict[str, float | None] | None:
    """Paired change [%] with its interval; None where one side is not defined."""
    if not (np.isfinite(before).all() and np.isfinite(after).all()) or before.sum() == 0:
        return None
    return as_dict(paired_percent_change(before, after))


def _arm_of(factors: Sequence[Factor], texts: Sequence[str]) -> str:
    return sampling.arm_name(sampling.typed(factors, _levels(factors, texts)))


def _levels(factors: Sequence[Factor], texts: Sequence[str]) -> list[sampling.Level]:
    """Levels as typed, with their numbers."""
    known = [{level.text: level for level in factor.levels} for factor in factors]
    return [
        of[text] if text in of else sampling.Level(text, sampling.split(text)[0])
        for of, text in zip(known, texts, strict=True)
    ]


def _best(y: F8, better: int, points: Sequence[tuple[str, ...]]) -> dict[str, Any]:
    """The point with the best mean response, and those not told apart from it: by paired t-tests, adjusted by Holm.

    None and [] where no better is known or no value.
    """
    means = better * y.mean(axis=1)
    if not better or not np.isfinite(means).any():
        return {"best": None, "not_told_apart": []}
    best = int(np.nanargmax(means))
    once = {point: n for n, point in reversed(list(enumerate(points)))}
    others = sorted(n for point, n in once.items() if point != points[best] and np.isfinite(means[n]))
    p = holm([p_value(y[n] - y[best]) for n in others])
    near = [n for n, value in zip(others, p.tolist(), strict=True) if value > 1 - sensitivity.CONFIDENCE]
    return {"best": best, "not_told_apart": near}


def _sensitivity(about: Mapping[str, Any], factors: Sequence[Factor], y: F8, seed: int) -> dict[str, Any]:
    table = [_levels(factors, texts) for texts in about["points"]]
    if about["design"] == SOBOL:
        return _shares("sobol", factors, sensitivity.sobol_indices(y, len(factors), seed))
    if about["design"] == GRID:
        values = [list(dict.fromkeys(row[i].text for row in table)) for i in range(len(factors))]
        numbers = np.array([[values[i].index(level.text) for i, level in enumerate(row)] for row in table])
        found = _shares("grid", factors, sensitivity.grid_indices(numbers, y, seed))
        for i, effects in enumerate(sensitivity.main_effects(numbers, y)):
            found["factors"][factors[i].address]["effects"] = [
                {"level": text} | as_dict(effect) for text, effect in zip(values[i], effects, strict=True)
            ]
        return found
    x = np.array([[level.number for level in row] for row in table])
    fits = {"src": sensitivity.regression(x, y, seed), "srrc": sensitivity.regression(x, y, seed, ranks=True)}
    method = "src" if fits["src"].explained >= LINEAR else "srrc"
    return {
        "method": method,
        "explained": {name: finite(fit.explained) for name, fit in fits.items()},
        "factors": {
            f.address: {name: as_dict(fit.coefficients[i]) for name, fit in fits.items()} for i, f in enumerate(factors)
        },
    }


def _unexplained(y: F8) -> str | None:
    """Why no factor can explain a response, before any is asked: it is constant, or not defined at some points."""
    if not np.isfinite(y).all():
        return "undefined"
    return "constant" if sensitivity.is_constant(y) else None


def _shares(method: str, factors: Sequence[Factor], found: Indices) -> dict[str, Any]:
    each = {
        f.address: {"first": as_dict(found.first[i]), "total": as_dict(found.total[i])} for i, f in enumerate(factors)
    }
    return {"method": method, "factors": each}
