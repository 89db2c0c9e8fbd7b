"""Why a plant makes what it makes: which operation limits it, what a second there is worth, and what limits it next."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from factory_sim.analysis.paired import bonferroni, mean_estimate, paired_difference
from factory_sim.study import arms
from factory_sim.study.compare.comparison import constraint, path_shares
from factory_sim.study.compare.pairing import CONFIDENCE, as_dict, line_values, pairs

if TYPE_CHECKING:
    from factory_sim.records import F8, Arm, Study
    from factory_sim.study.runner import Session

TOP = 10
PAIRS = 10  # that are enough to see what a second is worth, unless someone asks for more
LESS_S = 1.0
RELIEVED = 0.5  # of the cycle time: nothing stays the constraint with it but by its failures
SHIFT_H = 8.0
# KPIs of operations that rank bottlenecks; the first is ours
DETECTORS = (
    "critical_path_share",
    "average_active_period_s",
    "momentary_active_share",
    "active_share",
    "turning_point",
    "arrow",
)


def prepare(session: Session, name: str, replications: int, top: int = TOP) -> None:
    """Run what `why` asks for: the arm itself, a second less at each top operation, and the first one relieved."""
    study, arm = session.study, session.study.arms[name]
    session.ensure("trials", [(name, r) for r in range(replications)])
    first = constraint(study, name)
    if not first:
        return
    probes = [_less(session, arm, arm.operations[i]) for i in ranked(study, name)[:top]]
    variant = _scaled(arm, first, RELIEVED)
    about = {"kind": "relieved", "of": name, "operation": first}
    probes.append(session.probe(variant, f"{name}: {first} relieved", about))
    wanted = [(probe, r) for r in range(replications) for probe in probes]
    if left := sum(key not in study.trials for key in wanted):
        most_s = left * np.mean([study.trials[name, r].seconds for r in range(replications)]) / session.pool.workers
        session.watcher.say(f"{name}: why, {left:,} trials, less than {most_s:.0f} s")
    session.ensure("one second less", wanted)


def why(study: Study, name: str, top: int = TOP) -> dict[str, Any]:
    """The answer as plain data; `one_second_less` and `next` are None where their trials were not made."""
    arm, first = study.arms[name], constraint(study, name)
    if not first:
        return {"of": name, "replications": len(pairs(study, name)), "constraint": None, "operations": [], "next": None}
    shares, ranks = path_shares(study, name), ranks_of(study, name)
    probes, order = _probes(study, name), ranked(study, name)[:top]
    confidence = bonferroni(CONFIDENCE, sum(("less", arm.operations[i]) in probes for i in order))
    rows: list[dict[str, Any]] = [
        {
            "operation": arm.operations[i],
            "title": arm.operation_titles[i],
            "critical_path_share": as_dict(mean_estimate(shares[:, i])),
            "ranks": {detector: ranks[detector][i] for detector in DETECTORS},
            "one_second_less": _worth(study, arm, probes.get(("less", arm.operations[i])), confidence),
        }
        for i in order
    ]
    return {
        "of": name,
        "replications": len(pairs(study, name)),
        "constraint": first,
        "operations": rows,
        "first_by": {
            detector: arm.operations[ranks[detector].index(1)] for detector in DETECTORS if 1 in ranks[detector]
        },
        "next": _next(study, arm, probes.get(("relieved", first))),
    }


def ranked(study: Study, name: str) -> list[int]:
    """Operations that are on the critical path, the largest mean share first."""
    shares = np.nan_to_num(path_shares(study, name)).mean(axis=0)
    return [i for i in np.argsort(-shares, kind="stable").tolist() if shares[i] > 0]


def ranks_of(study: Study, name: str) -> dict[str, list[int | None]]:
    """Detector -> rank of each operation, 1 the bottleneck; None where the detector does not point at it at all."""
    return {detector: _ranks(_mean(study, name, detector)) for detector in DETECTORS}


def _mean(study: Study, name: str, kpi: str) -> F8:
    values = np.nan_to_num([study.trials[name, r].operation[kpi] for r in pairs(study, name)])
    mean: F8 = values.mean(axis=0)
    return mean


def _ranks(score: F8) -> list[int | None]:
    place = np.empty(len(score), np.int64)
    place[np.argsort(-score, kind="stable")] = np.arange(1, len(score) + 1)
    return [int(p) if s > 0 else None for p, s in zip(place, score, strict=True)]


def _less(session: Session, arm: Arm, operation: str) -> str:
    plant = session.bench.of(arm)
    mean_s = next(each.cycle_time.mean_s for each in plant.operations if each.name == operation)
    less_s = min(LESS_S, mean_s / 2)
    about = {"kind": "less", "of": arm.name, "operation": operation, "less_s": less_s}
    variant = _scaled(arm, operation, 1 - less_s / mean_s)
    return session.probe(variant, f"{arm.name}: {operation} {less_s:g} s less", about)


def _scaled(arm: Arm, operation: str, factor: float) -> arms.Variant:
    variant = arms.variant_of(arm)
    return replace(variant, overrides=(*variant.overrides, f"operations.{operation}.cycle_time*{factor!r}"))


def _probes(study: Study, of: str) -> dict[tuple[str, str], Arm]:
    return {
        (arm.probe["kind"], arm.probe["operation"]): arm
        for arm in study.arms.values()
        if arm.probe and arm.probe["of"] == of and "operation" in arm.probe
    }


def _worth(study: Study, arm: Arm, probe: Arm | None, confidence: float) -> dict[str, Any] | None:
    """Good parts more per shift, paired."""
    found = pairs(study, arm.name, probe.name) if probe else []
    if probe is None or len(found) < 2:
        return None
    to_shift = SHIFT_H * 3600 / study.header["duration_s"]
    before, after = (to_shift * line_values(study, each.name, "good_parts", found) for each in (arm, probe))
    about = {"less_s": probe.probe["less_s"]} if probe.probe and "less_s" in probe.probe else {}
    return {**as_dict(paired_difference(before, after, confidence)), **about}


def _next(study: Study, arm: Arm, probe: Arm | None) -> dict[str, Any] | None:
    worth = _worth(study, arm, probe, CONFIDENCE)
    if probe is None or worth is None:
        return None
    name = constraint(study, probe.name)
    share = path_shares(study, probe.name)[:, probe.operations.index(name)]
    return {"operation": name, "critical_path_share": as_dict(mean_estimate(share)), "parts_per_shift": worth}
