"""What limits a plant: the constraint, what one second less is worth at each operation, and the next constraint."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import numpy as np

from factory_sim.analysis.paired import bonferroni, mean_estimate, paired_difference
from factory_sim.results.why import CycleTimeGain, NextConstraint, OperationLimit, WhyResult
from factory_sim.study.arms import LESS, RELIEVED, Variant, variant_of
from factory_sim.study.compare.comparison import constraint, path_shares
from factory_sim.study.compare.pairing import CONFIDENCE, line_values, pairs
from factory_sim.study_records import Probe
from factory_sim.views import labels

if TYPE_CHECKING:
    from factory_sim.records import F8
    from factory_sim.results.estimate import Estimate
    from factory_sim.study.runner import Session
    from factory_sim.study_records import Arm, Study

TOP = 10
PAIRS = 10  # enough to show what a second is worth
LESS_S = 1.0
RELIEF = 0.5  # of the cycle time: an operation that stays the constraint is limited by its failures
SHIFT_H = 8.0
DETECTORS = ("critical_path_share", *labels.DETECTORS)  # KPIs that rank bottlenecks; the first is this project's own


def prepare(session: Session, name: str, replications: int, top: int = TOP) -> None:
    """Run the trials of `why`: the arm itself, one second less at each top operation, and the constraint relieved."""
    arm = session.study.arms[name]
    session.ensure("trials", [(name, r) for r in range(replications)])
    first = constraint(session.study, name)
    if not first:
        return
    probes = [_add_less(session, arm, arm.operations[i]) for i in ranked(session.study, name)[:top]]
    probe = Probe(kind=RELIEVED, of=name, operation=first)
    probes.append(session.add_probe(_scaled(arm, first, RELIEF), f"{name}: {first} relieved", probe))
    wanted = [(probe, r) for r in range(replications) for probe in probes]
    trials = session.study.trials
    if left := sum(key not in trials for key in wanted):
        most_s = left * np.mean([trials[name, r].seconds for r in range(replications)]) / session.pool.workers
        session.progress.message(f"{name}: why, {left:,} trials, less than {most_s:.0f} s")
    session.ensure("one second less", wanted)


def why(study: Study, name: str, top: int = TOP) -> WhyResult:
    """Return what limits an arm; gains are None where their trials were not run."""
    arm, first, replications = study.arms[name], constraint(study, name), len(pairs(study, name))
    if not first:
        return WhyResult(of=name, replications=replications, constraint=None, operations=(), first_by={}, next=None)
    shares, ranks = path_shares(study, name), ranks_of(study, name)
    probes, order = _probes(study, name), ranked(study, name)[:top]
    confidence = bonferroni(CONFIDENCE, sum((LESS, arm.operations[i]) in probes for i in order))
    operations = tuple(
        OperationLimit(
            operation=arm.operations[i],
            title=arm.operation_titles[i],
            critical_path_share=mean_estimate(shares[:, i]),
            ranks={detector: ranks[detector][i] for detector in DETECTORS},
            one_second_less=_second_less(study, arm, probes.get((LESS, arm.operations[i])), confidence),
        )
        for i in order
    )
    first_by = {name: arm.operations[places.index(1)] for name, places in ranks.items() if 1 in places}
    following = _next(study, arm, probes.get((RELIEVED, first)))
    return WhyResult(
        of=name, replications=replications, constraint=first, operations=operations, first_by=first_by, next=following
    )


def ranked(study: Study, name: str) -> list[int]:
    """Return the operations that are on the critical path, the largest mean share first."""
    shares = np.nan_to_num(path_shares(study, name)).mean(axis=0)
    return [i for i in np.argsort(-shares, kind="stable").tolist() if shares[i] > 0]


def ranks_of(study: Study, name: str) -> dict[str, list[int | None]]:
    """Return the rank of each operation by detector; 1: the bottleneck, None: the detector does not point at it."""
    return {detector: _ranks(_mean(study, name, detector)) for detector in DETECTORS}


def _mean(study: Study, name: str, kpi: str) -> F8:
    values = np.nan_to_num([study.trials[name, r].operation[kpi] for r in pairs(study, name)])
    mean: F8 = values.mean(axis=0)
    return mean


def _ranks(score: F8) -> list[int | None]:
    place = np.empty(len(score), np.int64)
    place[np.argsort(-score, kind="stable")] = np.arange(1, len(score) + 1)
    return [int(p) if s > 0 else None for p, s in zip(place, score, strict=True)]


def _add_less(session: Session, arm: Arm, operation: str) -> str:
    plant = session.plants.plant_of(arm)
    mean_s = next(each.cycle_time.mean_s for each in plant.operations if each.name == operation)
    less_s = min(LESS_S, mean_s / 2)
    probe = Probe(kind=LESS, of=arm.name, operation=operation, less_s=less_s)
    variant = _scaled(arm, operation, 1 - less_s / mean_s)
    return session.add_probe(variant, f"{arm.name}: {operation} {less_s:g} s less", probe)


def _scaled(arm: Arm, operation: str, factor: float) -> Variant:
    variant = variant_of(arm)
    return replace(variant, overrides=(*variant.overrides, f"operations.{operation}.cycle_time*{factor!r}"))


def _probes(study: Study, of: str) -> dict[tuple[str, str], Arm]:
    return {
        (arm.probe.kind, arm.probe.operation): arm
        for arm in study.arms.values()
        if arm.probe and arm.probe.of == of and arm.probe.operation is not None
    }


def _gain(study: Study, arm: Arm, probe: Arm, confidence: float) -> Estimate | None:
    """Return the additional good parts per shift, paired; None with fewer than two pairs."""
    found = pairs(study, arm.name, probe.name)
    if len(found) < 2:
        return None
    to_shift = SHIFT_H * 3600 / study.header.duration_s
    before, after = (to_shift * line_values(study, each.name, "good_parts", found) for each in (arm, probe))
    return paired_difference(before, after, confidence)


def _second_less(study: Study, arm: Arm, probe: Arm | None, confidence: float) -> CycleTimeGain | None:
    gain = _gain(study, arm, probe, confidence) if probe else None
    if gain is None or probe is None or probe.probe is None:
        return None
    less_s = probe.probe.less_s or LESS_S
    return CycleTimeGain(**asdict(gain), less_s=less_s)


def _next(study: Study, arm: Arm, probe: Arm | None) -> NextConstraint | None:
    gain = _gain(study, arm, probe, CONFIDENCE) if probe else None
    if probe is None or gain is None:
        return None
    name = constraint(study, probe.name)
    share = path_shares(study, probe.name)[:, probe.operations.index(name)]
    return NextConstraint(operation=name, critical_path_share=mean_estimate(share), parts_per_shift=gain)
