"""The contribution of each group of changes to the line rate of a scenario: Shapley values."""

from __future__ import annotations

from dataclasses import asdict
from itertools import combinations
from math import factorial
from typing import TYPE_CHECKING

import numpy as np

from factory_sim.analysis.paired import paired_percent_change
from factory_sim.errors import ConfigError
from factory_sim.results.compare import Attribution, Contribution
from factory_sim.study.arms import SUBSET, variant_of
from factory_sim.study.compare.pairing import RATE, base_of, joint_confidence, line_values, pairs
from factory_sim.study_records import Probe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from factory_sim.records import F8
    from factory_sim.study.runner import Session
    from factory_sim.study_records import Arm, Study

EXACT, SAMPLED = "exact", "sampled"
MOST_EXACT = 10  # groups: 1,024 subsets
BUDGET_S = 300.0  # of CPU time
Subset = frozenset[int]
Rates = dict[tuple[Subset, int], float]  # by subset of a scenario's groups and replication


def prepare(session: Session, arm: Arm, budget_s: float = BUDGET_S) -> None:
    """Run the trials of an attribution of `arm`: exact if that takes at most `budget_s` of CPU time, else sampled.

    The first two of these trials run alone and give the estimate. They are written to the study, so that the choice
    does not depend on the number of workers or on interruptions.
    """
    if len(arm.groups) < 2:
        return
    if session.plants.load(variant_of(arm).only(())).digest != base_of(session.study).digest:
        session.progress.message(f"{arm.name}: no attribution: its changes do not start from the base")
        return
    try:
        method, wanted, trial_s = _planned(session, arm, budget_s)
    except ConfigError as error:
        msg = f"{arm.name}: no attribution: some of its changes are not a valid plant without the others\n{error}"
        session.progress.message(msg)
        return
    if left := sum(key not in session.study.trials for key in wanted):
        took = _span(left * trial_s / session.pool.workers)
        session.progress.message(f"{arm.name}: attribution, {method}: {len(wanted):,} trials, about {took}")
        if method == SAMPLED and len(arm.groups) <= MOST_EXACT:
            exact_s = _exact_s(session, arm, trial_s)
            session.progress.message(
                f"  exact values would take {_span(exact_s)} of CPU time; allow them with --budget"
            )
    session.ensure("attribution", wanted)


def _planned(session: Session, arm: Arm, budget_s: float) -> tuple[str, list[tuple[str, int]], float]:
    """Return the method, its trials, and the CPU time of one [s]. Raise ConfigError when a subset is not a plant."""
    n, seed = len(arm.groups), session.setting.seed
    found = _replications(session.study, arm)
    trial_s = _trial_s(session, arm, found[0])
    method = EXACT if n <= MOST_EXACT and _exact_s(session, arm, trial_s) <= budget_s else SAMPLED
    subsets = {r: set(_subsets(n) if method == EXACT else sampled_subsets(n, seed, r)) for r in found}
    wanted = [(_arm(session, arm, s), r) for r in found for s in sorted(subsets[r], key=sorted) if 0 < len(s) < n]
    return method, wanted, trial_s


def _exact_s(session: Session, arm: Arm, trial_s: float) -> float:
    return trial_s * len(_replications(session.study, arm)) * ((1 << len(arm.groups)) - 2)


def _replications(study: Study, arm: Arm) -> list[int]:
    return pairs(study, base_of(study).name, arm.name)


def attribution(study: Study, arm: Arm) -> Attribution | None:
    """Return Shapley values by all subsets, else by sampled orders; None without their trials or parts of the base."""
    found, n, seed = _replications(study, arm), len(arm.groups), study.header.seed
    if n < 2 or len(found) < 2:
        return None
    rates = _rates(study, arm)
    if not any(rates[frozenset(), r] for r in found):
        return None
    if n <= MOST_EXACT and all((s, r) in rates for s in _subsets(n) for r in found):
        return _contributions(study, arm, _exact(rates, n, found), EXACT)
    if all((s, r) in rates for r in found for s in sampled_subsets(n, seed, r)):
        return _contributions(study, arm, _sampled(rates, n, seed, found), SAMPLED)
    return None


def _exact(rates: Rates, n: int, replications: list[int]) -> tuple[F8, F8]:
    """Return Shapley values (n, n_replications), and each group's mean gain in every order, (n, 2**(n-1))."""
    rate = {s: np.array([rates[s, r] for r in replications]) for s in _subsets(n)}
    shares, gains = [], []
    for i in range(n):
        without = [s for s in rate if i not in s]
        steps = np.array([rate[s | {i}] - rate[s] for s in without])
        weight = np.array([factorial(len(s)) * factorial(n - len(s) - 1) / factorial(n) for s in without])
        shares.append(weight @ steps)
        gains.append(steps.mean(axis=1))
    return np.array(shares), np.array(gains)


def _sampled(rates: Rates, n: int, seed: int, replications: list[int]) -> tuple[F8, F8]:
    """Return mean gains over each replication's two orders (n, n_replications), and in each (n, 2 n_replications)."""
    steps = np.empty((n, len(replications), 2))
    for at, r in enumerate(replications):
        forth = _order(n, seed, r)
        for way, order in enumerate((forth, forth[::-1])):
            for k, i in enumerate(order):
                after, before = frozenset(order[: k + 1]), frozenset(order[:k])
                steps[i, at, way] = rates[after, r] - rates[before, r]
    return steps.mean(axis=2), steps.reshape(n, -1)


def _contributions(study: Study, arm: Arm, found: tuple[F8, F8], method: str) -> Attribution:
    """Return contributions in percent of the base's mean line rate; the intervals of all groups hold jointly."""
    base, groups = line_values(study, base_of(study).name, RATE, _replications(study, arm)), arm.groups
    to_pct, confidence = 100 / float(base.mean()), joint_confidence(study, len(groups))
    contributions = {}
    for name, share, gain in zip(groups, *found, strict=True):
        earned = paired_percent_change(base, base + share, confidence)
        least, most = to_pct * float(gain.min()), to_pct * float(gain.max())
        contributions[name] = Contribution(**asdict(earned), least=least, most=most)
    return Attribution(method=method, contributions=contributions)


def _subsets(n: int) -> Iterator[Subset]:
    return (frozenset(chosen) for size in range(n + 1) for chosen in combinations(range(n), size))


def sampled_subsets(n: int, seed: int, replication: int) -> Iterator[Subset]:
    """Return all subsets along one replication's random order and its reverse."""
    order = _order(n, seed, replication)
    return (frozenset(way[:k]) for way in (order, order[::-1]) for k in range(n + 1))


def _order(n: int, seed: int, replication: int) -> list[int]:
    order: list[int] = np.random.default_rng([seed, replication]).permutation(n).tolist()
    return order


def _trial_s(session: Session, arm: Arm, replication: int) -> float:
    """Return the CPU time of a trial [s]: the quicker of two that both methods need."""
    order = _order(len(arm.groups), session.setting.seed, replication)
    keys = [(_arm(session, arm, frozenset(some)), replication) for some in (order[:1], order[1:])]
    for key in keys:
        session.ensure("attribution", [key])
    return min(session.study.trials[key].seconds for key in keys)


def _arm(session: Session, arm: Arm, subset: Subset) -> str:
    """Return the name of the probe with some of a scenario's groups, which is added if it is new."""
    groups = tuple(name for i, name in enumerate(arm.groups) if i in subset)
    probe = Probe(kind=SUBSET, of=arm.name, groups=groups)
    return session.add_probe(variant_of(arm).only(groups), f"{arm.name}: only {' + '.join(groups)}", probe)


def _rates(study: Study, arm: Arm) -> Rates:
    """Return the line rates of all trials with a subset of the scenario's groups."""
    index = {name: i for i, name in enumerate(arm.groups)}
    subsets = {base_of(study).name: frozenset(), arm.name: frozenset(index.values())}
    for each in study.arms.values():
        if each.probe and each.probe.kind == SUBSET and each.probe.of == arm.name:
            subsets[each.name] = frozenset(index[name] for name in each.probe.groups or ())
    return {(subsets[name], r): trial.line[RATE] for (name, r), trial in study.trials.items() if name in subsets}


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
