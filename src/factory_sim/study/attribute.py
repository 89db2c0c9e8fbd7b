"""Which change earned how much: Shapley values of a scenario's groups of changes on the line rate."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import factorial
from typing import TYPE_CHECKING, Any

import numpy as np

from factory_sim.analysis.paired import percent
from factory_sim.study import design
from factory_sim.study.design import BASE
from factory_sim.study.trials import Detail

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from factory_sim.records import F8, Arm, Study
    from factory_sim.study.run import Session

EXACT, SAMPLED = "exact", "sampled"
MOST_EXACT = 10  # groups: 1,024 subsets
RATE = "good_parts_per_h"
Subset = frozenset[int]


@dataclass(frozen=True, slots=True)
class Attribution:
    """group -> {mean, low, high, least, most} in points of the base's line rate; the means sum to the whole change."""

    parts: dict[str, dict[str, float]]
    method: str


def prepare(session: Session, arm: Arm, budget_s: float) -> None:
    """Run what an attribution of `arm` needs: exact if that fits the budget, else sampled, else none; says which."""
    if len(arm.groups) < 2:
        return
    if _based_elsewhere(session, arm):
        session.watcher.say(f"{arm.name}: no attribution: its changes start from another plant than the base")
        return
    replications = _replications(session.study, arm)
    n = len(arm.groups)
    plans = {EXACT: [(s, r) for s in _subsets(n) for r in replications]} if n <= MOST_EXACT else {}
    plans[SAMPLED] = [(s, r) for r in replications for s in _walks(n, session.setting.seed, r)]
    for method, plan in plans.items():
        missing = len({(s, r) for s, r in plan if 0 < len(s) < n})
        seconds = missing * session.seconds(Detail.PROBE) / session.pool.workers
        if seconds <= budget_s:
            cost = f"{missing:,} trials, about {_span(seconds)}"
            session.watcher.say(f"{arm.name}: attribution, {method}: {cost}")
            names = {s: _probe(session, arm, s) for s in dict.fromkeys(s for s, _ in plan)}
            session.ensure("attribution", [(names[s], r) for s, r in plan])
            return
    cost = f"{missing:,} trials would take about {_span(seconds)}"
    session.watcher.say(f"{arm.name}: no attribution: {cost}; --budget allows {_span(budget_s)}")


def attribution(study: Study, arm: Arm) -> Attribution | None:
    """Shapley values from the trials that are there: of all subsets, else of all sampled orders, else None."""
    n = len(arm.groups)
    if n < 2:
        return None
    names = _known(study, arm)
    replications = _replications(study, arm)
    values = _Values(study, names, replications)
    if len(replications) < 2:
        return None
    if n <= MOST_EXACT and values.have(_subsets(n)):
        return _summed(arm, values.base(), *_exact(values, n), EXACT)
    seed = study.header["seed"]
    if all(values.have(_walks(n, seed, r), r) for r in replications):
        return _summed(arm, values.base(), *_sampled(values, n, seed), SAMPLED)
    return None


class _Values:
    """Line rates by subset of groups and replication."""

    def __init__(self, study: Study, names: Mapping[Subset, str], replications: Sequence[int]) -> None:
        self._study, self._names, self.replications = study, names, replications

    def have(self, subsets: Iterator[Subset], replication: int | None = None) -> bool:
        """Whether the trials of all subsets are there."""
        wanted = self.replications if replication is None else [replication]
        return all(s in self._names and (self._names[s], r) in self._study.trials for s in subsets for r in wanted)

    def one(self, subset: Subset, replication: int) -> float:
        """The line rate of one trial."""
        return self._study.trials[self._names[subset], replication].line[RATE]

    def all(self, subset: Subset) -> F8:
        """Of all replications, shape (n,)."""
        return np.array([self.one(subset, r) for r in self.replications])

    def base(self) -> F8:
        """With no change."""
        return self.all(frozenset())


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


def _summed(arm: Arm, base: F8, shares: F8, gains: F8, method: str) -> Attribution:
    """In percent of the base's mean line rate; the interval is that of a ratio of totals."""
    parts = {}
    for name, share, gain in zip(arm.groups, shares, gains, strict=True):
        found = percent(base, base + share)
        to_pct = 100 / float(base.mean())
        parts[name] = {
            "mean": to_pct * float(share.mean()), "low": found.low, "high": found.high,
            "least": to_pct * float(gain.min()), "most": to_pct * float(gain.max()),
        }  # fmt: skip
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


def _replications(study: Study, arm: Arm) -> list[int]:
    base = next(each.name for each in study.arms.values() if each.role == BASE)
    return sorted(r for name, r in study.trials if name == arm.name and (base, r) in study.trials)


def _based_elsewhere(session: Session, arm: Arm) -> bool:
    nothing = session.bench.load(design.variant_of(arm).only(()))
    return nothing.digest != session.study.arms[session.names(BASE)[0]].digest


def _probe(session: Session, arm: Arm, subset: Subset) -> str:
    groups = [name for i, name in enumerate(arm.groups) if i in subset]
    if len(groups) == len(arm.groups):
        return arm.name
    if not groups:
        return session.names(BASE)[0]
    about: dict[str, Any] = {"kind": "subset", "of": arm.name, "groups": groups}
    return session.probe(design.variant_of(arm).only(groups), f"{arm.name}: only {' + '.join(groups)}", about)


def _known(study: Study, arm: Arm) -> dict[Subset, str]:
    """Name of the arm that has each subset of the scenario's groups."""
    base = next(each.name for each in study.arms.values() if each.role == BASE)
    index = {name: i for i, name in enumerate(arm.groups)}
    known = {frozenset(): base, frozenset(range(len(arm.groups))): arm.name}
    for each in study.arms.values():
        if each.probe and each.probe["kind"] == "subset" and each.probe["of"] == arm.name:
            known[frozenset(index[name] for name in each.probe["groups"])] = each.name
    return known


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
