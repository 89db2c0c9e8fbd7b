"""What limits a plant: the resources on the critical path, and what relieving each of them earns."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from factory_sim.analysis.critical_path import STATION_PARTS
from factory_sim.analysis.paired import bonferroni, mean_estimate, paired_difference
from factory_sim.clock import us_from_s
from factory_sim.errors import ConfigError
from factory_sim.results.compare import GAIN, PATH_SHARE
from factory_sim.results.resource import Resource
from factory_sim.results.why import CycleTimeGain, NextConstraint, OperationLimit, ReliefGain, ResourceLimit, WhyResult
from factory_sim.study.arms import LESS, RELIEF, RELIEVED, Variant, variant_of
from factory_sim.study.compare.pairing import CONFIDENCE, base_of, line_values, pairs
from factory_sim.study.compare.path import first_operation, first_resource, operation_shares, resource_shares
from factory_sim.study.compare.reliefs import LESS_S, RELIEFS, SECOND_LESS, second_less_s
from factory_sim.study_records import Probe
from factory_sim.views import labels

if TYPE_CHECKING:
    from collections.abc import Mapping

    from factory_sim.plant.spec import Plant
    from factory_sim.records import F8
    from factory_sim.results.estimate import Estimate
    from factory_sim.study.runner import Session
    from factory_sim.study_records import Arm, Study

TOP = 10
PAIRS = 10  # enough to show what a second is worth
HALF = 0.5  # of the cycle time: an operation that stays the constraint is limited by its failures
DETECTORS = ("critical_path_share", *labels.DETECTORS)  # KPIs that rank bottlenecks; the first is this project's own
NO_PARTS = "No good part was produced."
NO_GAIN = "No change of a resource has a gain whose interval excludes 0. Use more replications or a longer duration."

Gains = dict[tuple[Resource, str], "Estimate"]  # by resource and change


@dataclass(frozen=True, slots=True)
class Found:
    """The constraint of an arm, how it was found, and why there is none."""

    resource: Resource | None
    by: str
    reason: str | None = None


def prepare(session: Session, name: str, replications: int, top: int = TOP) -> None:
    """Run the trials of `why`: the arm itself, the reliefs of its top resources, and the constraint relieved."""
    arm = session.study.arms[name]
    session.ensure("trials", [(name, r) for r in range(replications)])
    resources = list(resource_shares(session.study, name))[:top]
    resources += [each for each in _lossy_cards(session.plants.plant_of(arm)) if each not in resources]
    probes = [probe for resource in resources for probe in _add_reliefs(session, arm, resource)]
    wanted = [(probe, r) for r in range(replications) for probe in probes]
    trials = session.study.trials
    if left := sum(key not in trials for key in wanted):
        most_s = left * np.mean([trials[name, r].seconds for r in range(replications)]) / session.pool.workers
        session.progress.message(f"{name}: why, {left:,} trials, less than {most_s:.0f} s")
    session.ensure("reliefs", wanted)
    found = constraint(session.study, name).resource
    if found is not None and found.kind == "operation":
        probe = Probe(kind=RELIEVED, of=name, operation=found.name)
        half = _changed(arm, f"operations.{found.name}.cycle_time*{HALF!r}")
        relieved = session.add_probe(half, f"{name}: {found.name} relieved", probe)
        session.ensure("next constraint", [(relieved, r) for r in range(replications)])


def _lossy_cards(plant: Plant) -> list[Resource]:
    """Return the cards of sources that lose arrivals: no part waits for them, so none of their time is on the path."""
    return [Resource(kind="cards", name=each.name) for each in plant.sources if each.cards and each.when_full == "lose"]


def _add_reliefs(session: Session, arm: Arm, resource: Resource) -> list[str]:
    """Add a probe for each relief of a resource that is a valid plant, and return their names."""
    plant, names = session.plants.plant_of(arm), []
    for relief in RELIEFS[resource.kind]:
        if overrides := relief.overrides(plant, resource.name):
            probe = Probe(kind=RELIEF, of=arm.name, resource=str(resource), change=relief.change)
            title = f"{arm.name}: {resource}, {relief.change}"
            if relief.change == SECOND_LESS:
                less_s = second_less_s(plant, resource.name)
                probe = Probe(kind=LESS, of=arm.name, operation=resource.name, less_s=less_s)
                title = f"{arm.name}: {resource.name} {less_s:g} s less"
            try:
                names.append(session.add_probe(_changed(arm, *overrides), title, probe))
            except ConfigError:
                continue
    return names


def _changed(arm: Arm, *overrides: str) -> Variant:
    variant = variant_of(arm)
    return replace(variant, overrides=(*variant.overrides, *overrides))


def why(study: Study, name: str, top: int = TOP) -> WhyResult:
    """Return what limits an arm; by path share alone while no relief was simulated."""
    shares, gains = resource_shares(study, name), _gains(study, name)
    if shares:
        none = np.zeros((len(pairs(study, name)), 1))
        shares |= {resource: none for resource, _ in gains if resource not in shares}
    found = constraint(study, name)
    relieved = found.resource.name if found.resource and found.resource.kind == "operation" else None
    return WhyResult(
        of=name,
        replications=len(pairs(study, name)),
        constraint=found.resource,
        by=found.by,
        reason=found.reason,
        resources=tuple(_resource(resource, values, gains) for resource, values in shares.items()),
        operations=_operations(study, name, gains, top) if shares else (),
        first_by=_first_by(study, name) if shares else {},
        next=_next(study, name, relieved) if relieved else None,
    )


def constraint(study: Study, name: str) -> Found:
    """Return the resource with the largest significant gain; without measured gains that of the largest path share."""
    gains, first = _gains(study, name), first_resource(study, name)
    measured = any(change != SECOND_LESS for _, change in gains)  # version 0.1 measured a second only
    if first is None:
        return Found(None, GAIN if measured else PATH_SHARE, NO_PARTS)
    if not measured:
        return Found(first, PATH_SHARE)
    significant = {key: gain for key, gain in gains.items() if gain.low > 0}
    if not significant:
        return Found(None, GAIN, NO_GAIN)
    return Found(max(significant, key=lambda key: significant[key].mean)[0], GAIN)


def _resource(resource: Resource, values: F8, gains: Gains) -> ResourceLimit:
    split = resource.kind == "operation"
    return ResourceLimit(
        kind=resource.kind,
        name=resource.name,
        share=mean_estimate(values.sum(axis=1)),
        parts={
            part.name.lower(): share for part, share in zip(STATION_PARTS, values.mean(axis=0).tolist(), strict=True)
        }
        if split
        else {},
        relief=tuple(
            ReliefGain(change=change, parts_per_shift=gain) for (of, change), gain in gains.items() if of == resource
        ),
    )


def _operations(study: Study, name: str, gains: Gains, top: int) -> tuple[OperationLimit, ...]:
    """Return the operations on the critical path, the largest mean share first, at most `top` of them."""
    arm, shares, ranks = study.arms[name], operation_shares(study, name), ranks_of(study, name)
    means, less_s = np.nan_to_num(shares).mean(axis=0), _less_s(study, name)
    return tuple(
        OperationLimit(
            operation=arm.operations[i],
            title=arm.operation_titles[i],
            critical_path_share=mean_estimate(shares[:, i]),
            ranks={detector: ranks[detector][i] for detector in DETECTORS},
            one_second_less=_second_less(gains, less_s, arm.operations[i]),
        )
        for i in np.argsort(-means, kind="stable").tolist()[:top]
        if means[i] > 0
    )


def _second_less(gains: Gains, less_s: Mapping[str, float], operation: str) -> CycleTimeGain | None:
    gain = gains.get((Resource(kind="operation", name=operation), SECOND_LESS))
    return CycleTimeGain(**asdict(gain), less_s=less_s[operation]) if gain else None


def _first_by(study: Study, name: str) -> dict[str, str]:
    operations = study.arms[name].operations
    return {each: operations[places.index(1)] for each, places in ranks_of(study, name).items() if 1 in places}


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


def _probes(study: Study, of: str) -> dict[str, Probe]:
    """Return the probes of an arm by name."""
    return {arm.name: arm.probe for arm in study.arms.values() if arm.probe and arm.probe.of == of}


def _less_s(study: Study, of: str) -> dict[str, float]:
    probes = _probes(study, of).values()
    return {each.operation: each.less_s or LESS_S for each in probes if each.kind == LESS and each.operation}


def _gains(study: Study, name: str) -> Gains:
    """Return the gains of all reliefs that were simulated; they hold jointly."""
    probes: dict[tuple[Resource, str], str] = {}
    for arm, probe in _probes(study, name).items():
        if len(pairs(study, name, arm)) < 2:
            continue
        if probe.kind == LESS and probe.operation:
            probes[Resource(kind="operation", name=probe.operation), SECOND_LESS] = arm
        elif probe.kind == RELIEF and probe.resource and probe.change:
            probes[Resource.of(probe.resource), probe.change] = arm
    confidence = bonferroni(CONFIDENCE, len(probes))
    return {key: _gain(study, name, arm, confidence) for key, arm in probes.items()}


def _gain(study: Study, name: str, probe: str, confidence: float) -> Estimate:
    """Return the additional good parts per shift, paired."""
    found, to_shift = pairs(study, name, probe), 1 / shifts_of(study)
    before, after = (to_shift * line_values(study, arm, "good_parts", found) for arm in (name, probe))
    return paired_difference(before, after, confidence)


def shifts_of(study: Study) -> float:
    """Return the length of a window in shifts of the base calendar, by planned time."""
    base, head = base_of(study), study.header
    t0, t1 = us_from_s(head.warm_up_s), us_from_s(head.warm_up_s + head.duration_s)
    planned_h = sum(max(0, min(b, t1) - max(a, t0)) for a, b in base.planned_us) / 3.6e9
    return planned_h * base.week_shifts / base.week_h if base.week_h else math.nan


def _next(study: Study, name: str, operation: str) -> NextConstraint | None:
    arms = [arm for arm, each in _probes(study, name).items() if each.kind == RELIEVED and each.operation == operation]
    if not arms or len(pairs(study, name, arms[0])) < 2:
        return None
    following = first_operation(study, arms[0])
    share = operation_shares(study, arms[0])[:, study.arms[arms[0]].operations.index(following)]
    gain = _gain(study, name, arms[0], CONFIDENCE)
    return NextConstraint(operation=following, critical_path_share=mean_estimate(share), parts_per_shift=gain)
