"""Which change earned how much: Shapley values of a scenario's groups of changes on the line rate."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from math import factorial
from typing import TYPE_CHECKING, Any

import numpy as np

from factory_sim.analysis.paired import interval, percent
from factory_sim.study import design
from factory_sim.study.design import BASE
from factory_sim.study.trials import Detail

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from factory_sim.records import F8, Arm, Study
    from factory_sim.study.run import Session

EXACT, SAMPLED = "exact", "sampled"
MOST_EXACT = 10  # groups: 1,024 subsets
TRIALS = 120  # where no budget is given: so that the same study is made on every machine, by any number of workers
LEAST = 4  # pairs of an attribution, unless the study has fewer
RATE = "good_parts_per_h"
Subset = frozenset[int]


@dataclass(frozen=True, slots=True)
class Attribution:
    """group -> {mean, low, high, least, most} in points of the base's line rate; the means sum to the whole change."""

    parts: dict[str, dict[str, float]]
    method: str
    pairs: int  # of the study's, in which subsets of the changes were simulated


def prepare(session: Session, arm: Arm, budget_s: float | None = None) -> None:
    """Run what an attribution of `arm` needs: exact in as many pairs as it may cost, else sampled; says which, before.

    budget_s: what it may take by the time that trials took so far; None: at most `TRIALS`, but four sampled pairs.
    """
    if len(arm.groups) < 2:
        return
    if _based_elsewhere(session, arm):
        session.watcher.say(f"{arm.name}: no attribution: its changes start from another plant than the base")
        return
    a_trial_s = session.seconds(Detail.COUNT) / session.pool.workers
    most = TRIALS if budget_s is None else int(budget_s / a_trial_s) if a_trial_s else TRIALS
    for method, replications, subsets in _plans(session, arm, most, anyway=budget_s is None):
        names = {s: _probe(session, arm, s) for r in replications for s in subsets(r)}
        wanted = [(names[s], r) for r in replications for s in subsets(r)]
        missing = len({key for key in wanted if key not in session.study.trials})
        of = f"{len(replications)} of {len(_replications(session.study, arm))} pairs"
        cost = f"{missing:,} trials, about {_span(missing * a_trial_s)}"
        session.watcher.say(f"{arm.name}: attribution, {method} in {of}: {cost}")
        session.ensure("attribution", wanted)
        return
    session.watcher.say(f"{arm.name}: no attribution: --budget allows {most:,} trials, which are too few")


def _plans(
    session: Session, arm: Arm, most: int, *, anyway: bool
) -> Iterator[tuple[str, list[int], Callable[[int], list[Subset]]]]:
    """(method, replications, subsets of one) of what can be done with `most` trials, the best first."""
    n, seed, every = len(arm.groups), session.setting.seed, _replications(session.study, arm)
    ways: list[tuple[str, Callable[[int], list[Subset]]]] = [
        (EXACT, lambda _: list(_subsets(n))),
        (SAMPLED, lambda r: list(_walks(n, seed, r))),
    ]
    for method, subsets in ways if n <= MOST_EXACT else ways[1:]:
        spent = np.cumsum([len({s for s in subsets(r) if 0 < len(s) < n}) for r in every])
        enough = int(np.searchsorted(spent, most, side="right"))
        least = min(LEAST, len(every))
        if enough < least and anyway and method == SAMPLED:
            enough = least
        if enough >= least:
            yield method, every[:enough], subsets


def attribution(study: Study, arm: Arm) -> Attribution | None:
    """Shapley values from the trials that are there: of all subsets, else of sampled orders, else None."""
    n, seed = len(arm.groups), study.header["seed"]
    every = _replications(study, arm)
    if n < 2 or len(every) < 2:
        return None
    names, least = _known(study, arm), min(LEAST, len(every))
    exact = _Values(study, names, [r for r in every if n <= MOST_EXACT and _have(study, names, _subsets(n), r)])
    if len(exact.replications) >= least:
        return _summed(_Values(study, names, every), exact, arm, _exact(exact, n), EXACT)
    sampled = _Values(study, names, [r for r in every if _have(study, names, _walks(n, seed, r), r)])
    if len(sampled.replications) >= least:
        return _summed(_Values(study, names, every), sampled, arm, _sampled(sampled, n, seed), SAMPLED)
    return None


def _have(study: Study, names: Mapping[Subset, str], subsets: Iterator[Subset], replication: int) -> bool:
    return all(s in names and (names[s], replication) in study.trials for s in subsets)


class _Values:
    """Line rates by subset of groups and replication."""

    def __init__(self, study: Study, names: Mapping[Subset, str], replications: Sequence[int]) -> None:
        self._study, self._names, self.replications = study, names, replications

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


def _summed(every: _Values, some: _Values, arm: Arm, found: tuple[F8, F8], method: str) -> Attribution:
    """In percent of the base's mean line rate.

    Shares known in some of the pairs only are brought to all of them by regression on the whole change, which is known
    in all: double sampling [Cochran 1977, 12.6]. The slopes sum to 1, so that the parts still sum to the whole.
    """
    shares, gains = found
    whole = frozenset(range(len(arm.groups)))
    base, after = every.base(), every.all(whole)
    to_pct, total = 100 / float(base.mean()), shares.sum(axis=0)
    slopes = _slopes(shares, total)
    moved = float((after - base).mean() - total.mean())
    parts = {}
    for name, share, slope, gain in zip(arm.groups, shares, slopes.tolist(), gains, strict=True):
        mean = to_pct * (float(share.mean()) + slope * moved)
        if len(some.replications) == len(every.replications):
            reach = percent(base, base + share).half_width
        else:
            rest = interval(to_pct * (share - slope * total)).half_width
            reach = math.hypot(rest, slope * percent(base, after).half_width)
        parts[name] = {
            "mean": mean, "low": mean - reach, "high": mean + reach,
            "least": to_pct * float(gain.min()), "most": to_pct * float(gain.max()),
        }  # fmt: skip
    return Attribution(parts, method, len(some.replications))


def _slopes(shares: F8, total: F8) -> F8:
    """Of every group's share on the total over replications, shape (n,); their sum is 1."""
    away = total - total.mean()
    spread = float(away @ away)
    slopes: F8 = shares @ away / spread if spread else np.full(len(shares), 1 / len(shares))
    return slopes


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
