"""Which change earned how much: Shapley values of a scenario's groups of changes on the line rate."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import factorial
from typing import TYPE_CHECKING, Any

import numpy as np

from factory_sim.analysis.paired import paired_percent_change
from factory_sim.errors import ConfigError
from factory_sim.study import arms
from factory_sim.study.compare.pairing import RATE, base_of, pairs, together

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from factory_sim.records import F8, Arm, Study
    from factory_sim.study.runner import Session

EXACT, SAMPLED = "exact", "sampled"
MOST_EXACT = 10  # groups: 1,024 subsets
BUDGET_S = 300.0  # of processor time
Subset = frozenset[int]


@dataclass(frozen=True, slots=True)
class Attribution:
    """group -> {mean, low, high, least, most} in points of the base's line rate; the means sum to the whole change."""

    parts: dict[str, dict[str, float]]
    method: str


def prepare(session: Session, arm: Arm, budget_s: float = BUDGET_S) -> None:
    """Run what an attribution of `arm` needs: exact if that takes `budget_s` at most, else sampled; says which, before.

    The estimate is processor time by the first two of these trials, which run alone and are kept: every number of
    workers takes the same way, and so does a study that was stopped.
    """
    if len(arm.groups) < 2:
        return
    if _based_elsewhere(session, arm):
        session.watcher.say(f"{arm.name}: no attribution: its changes start from another plant than the base")
        return
    try:
        method, wanted, a_trial_s = _planned(session, arm, budget_s)
    except ConfigError as error:
        msg = f"{arm.name}: no attribution: some of its changes are no plant without others of them\n{error}"
        session.watcher.say(msg)
        return
    if left := sum(key not in session.study.trials for key in wanted):
        took = _span(left * a_trial_s / session.pool.workers)
        session.watcher.say(f"{arm.name}: attribution, {method}: {len(wanted):,} trials, about {took}")
        if method == SAMPLED and len(arm.groups) <= MOST_EXACT:
            exact_s = _exact_s(session, arm, a_trial_s)
            session.watcher.say(f"  exact values would take {_span(exact_s)} of processor time: --budget")
    session.ensure("attribution", wanted)


def _planned(session: Session, arm: Arm, budget_s: float) -> tuple[str, list[tuple[str, int]], float]:
    """The method, its trials, and what one of them takes [s]. Raises ConfigError where a subset is no plant."""
    n, seed = len(arm.groups), session.setting.seed
    found = _replications(session.study, arm)
    if _exact_s(session, arm, session.study.trials[arm.name, found[0]].seconds) > budget_s:
        session.await_engine()
    a_trial_s = _a_trial_s(session, arm, found[0])
    method = EXACT if n <= MOST_EXACT and _exact_s(session, arm, a_trial_s) <= budget_s else SAMPLED
    subsets = {r: set(_subsets(n) if method == EXACT else _walks(n, seed, r)) for r in found}
    wanted = [(_arm(session, arm, s), r) for r in found for s in sorted(subsets[r], key=sorted) if 0 < len(s) < n]
    return method, wanted, a_trial_s


def _exact_s(session: Session, arm: Arm, a_trial_s: float) -> float:
    return a_trial_s * len(_replications(session.study, arm)) * ((1 << len(arm.groups)) - 2)


def _replications(study: Study, arm: Arm) -> list[int]:
    return pairs(study, base_of(study).name, arm.name)


def attribution(study: Study, arm: Arm) -> Attribution | None:
    """Shapley values from the trials that are there: of all subsets, else of sampled orders, else None."""
    values, n, seed = _Values(study, arm), len(arm.groups), study.header["seed"]
    if n < 2 or len(values.replications) < 2:
        return None
    if n <= MOST_EXACT and all(values.has(s, r) for s in _subsets(n) for r in values.replications):
        return _summed(values, _exact(values, n), EXACT)
    if all(values.has(s, r) for r in values.replications for s in _walks(n, seed, r)):
        return _summed(values, _sampled(values, n, seed), SAMPLED)
    return None


class _Values:
    """Line rates by subset of a scenario's groups and replication."""

    def __init__(self, study: Study, arm: Arm) -> None:
        self.study, self.arm, self._names = study, arm, _known(study, arm)
        self.replications = _replications(study, arm)

    def has(self, subset: Subset, replication: int) -> bool:
        """Whether that trial is there."""
        return subset in self._names and (self._names[subset], replication) in self.study.trials

    def one(self, subset: Subset, replication: int) -> float:
        """The line rate of one trial."""
        return self.study.trials[self._names[subset], replication].line[RATE]

    def all(self, subset: Subset) -> F8:
        """Of all replications, shape (n,)."""
        return np.array([self.one(subset, r) for r in self.replications])


def _exact(values: _Values, n: int) -> tuple[F8, F8]:
    """Shapley values (n, n_replications), and each group's mean gain in every order, (n, 2**(n-1))."""
    rate = {s: values.all(s) for s in _subsets(n)}
    shares, gains = [], []
    for i in range(n):
        without = [s for s in rate if i not in s]
        steps = np.array([rate[s | {i}] - rate[s] for s in without])
        weight = np.array([factorial(len(s)) * factorial(n - len(s) - 1) / factorial(n) for s in without])
        shares.append(weight @ steps)
        gains.append(steps.mean(axis=1))
    return np.array(shares), np.array(gains)


def _sampled(values: _Values, n: int, seed: int) -> tuple[F8, F8]:
    """Mean gain over each replication's two orders (n, n_replications), and in each order, (n, 2 n_replications)."""
    steps = np.empty((n, len(values.replications), 2))
    for at, r in enumerate(values.replications):
        forth = _order(n, seed, r)
        for way, order in enumerate((forth, forth[::-1])):
            for k, i in enumerate(order):
                after, before = frozenset(order[: k + 1]), frozenset(order[:k])
                steps[i, at, way] = values.one(after, r) - values.one(before, r)
    return steps.mean(axis=2), steps.reshape(n, -1)


def _summed(values: _Values, found: tuple[F8, F8], method: str) -> Attribution:
    """In percent of the base's mean line rate; the intervals of all groups hold together."""
    base, groups = values.all(frozenset()), values.arm.groups
    to_pct, confidence = 100 / float(base.mean()), together(values.study, len(groups))
    parts = {}
    for name, share, gain in zip(groups, *found, strict=True):
        earned = paired_percent_change(base, base + share, confidence)
        parts[name] = {
            "mean": earned.mean,
            "low": earned.low,
            "high": earned.high,
            "least": to_pct * float(gain.min()),
            "most": to_pct * float(gain.max()),
        }
    return Attribution(parts, method)


def _subsets(n: int) -> Iterator[Subset]:
    return (frozenset(chosen) for size in range(n + 1) for chosen in combinations(range(n), size))


def _walks(n: int, seed: int, replication: int) -> Iterator[Subset]:
    """All subsets that one replication's random order and its reverse pass."""
    order = _order(n, seed, replication)
    return (frozenset(way[:k]) for way in (order, order[::-1]) for k in range(n + 1))


def _order(n: int, seed: int, replication: int) -> list[int]:
    order: list[int] = np.random.default_rng([seed, replication]).permutation(n).tolist()
    return order


def _a_trial_s(session: Session, arm: Arm, replication: int) -> float:
    """What a trial takes when it runs alone: the quicker of two that both methods need [s]."""
    order = _order(len(arm.groups), session.setting.seed, replication)
    keys = [(_arm(session, arm, frozenset(some)), replication) for some in (order[:1], order[1:])]
    for key in keys:
        session.ensure("attribution", [key])
    return min(session.study.trials[key].seconds for key in keys)


def _based_elsewhere(session: Session, arm: Arm) -> bool:
    nothing = session.bench.load(arms.variant_of(arm).only(()))
    return nothing.digest != base_of(session.study).digest


def _arm(session: Session, arm: Arm, subset: Subset) -> str:
    """Name of the probe that has some of a scenario's groups, kept with it."""
    groups = [name for i, name in enumerate(arm.groups) if i in subset]
    about: dict[str, Any] = {"kind": "subset", "of": arm.name, "groups": groups}
    return session.probe(arms.variant_of(arm).only(groups), f"{arm.name}: only {' + '.join(groups)}", about)


def _known(study: Study, arm: Arm) -> Mapping[Subset, str]:
    """Name of the arm that has each subset of the scenario's groups."""
    index = {name: i for i, name in enumerate(arm.groups)}
    known = {frozenset(): base_of(study).name, frozenset(range(len(arm.groups))): arm.name}
    for each in study.arms.values():
        if each.probe and each.probe["kind"] == "subset" and each.probe["of"] == arm.name:
            known[frozenset(index[name] for name in each.probe["groups"])] = each.name
    return known


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
