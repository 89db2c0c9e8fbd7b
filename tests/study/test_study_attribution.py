"""Shapley values: they sum to the whole, agree with the definition over all orders, and sampling is no exception."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, permutations
from types import SimpleNamespace as Namespace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from study_lines import game

from factory_sim.analysis.paired import percent
from factory_sim.study.attribute import EXACT, SAMPLED, attribution, prepare
from factory_sim.study.pairing import line_rate
from factory_sim.study.run import Watcher

if TYPE_CHECKING:
    from factory_sim.records import Study
    from factory_sim.study.api import Comparison

GROUPS = ("a", "b", "c")
ALL = [frozenset(chosen) for size in range(4) for chosen in combinations(GROUPS, size)]


def played(rates: list[float], n: int = 4) -> Study:
    """A study of three groups with a rate a subset, and noise that differs by replication and subset."""
    by = dict(zip(ALL, rates, strict=True))
    return game(GROUPS, lambda s, r: 100 + by[s] + ((7 * r + 3 * len(s) + ALL.index(s)) % 5) / 10, n, ALL)


@given(st.lists(st.floats(-20, 20), min_size=8, max_size=8))
def test_the_parts_sum_to_the_whole_change(rates: list[float]) -> None:
    study = played(rates)
    found = attribution(study, study.arms["after"])
    assert found is not None
    assert found.method == EXACT
    assert sum(part["mean"] for part in found.parts.values()) == pytest.approx(line_rate(study, "after").mean, abs=1e-9)


@given(st.lists(st.floats(-20, 20), min_size=8, max_size=8))
def test_the_parts_are_the_mean_gain_over_all_orders(rates: list[float]) -> None:
    study = played(rates)
    mean = {s: np.mean([study.trials[_name(s), r].line["good_parts_per_h"] for r in range(4)]) for s in ALL}
    found = attribution(study, study.arms["after"])
    assert found is not None
    for group in GROUPS:
        gains = [
            100 * (mean[frozenset(order[: k + 1])] - mean[frozenset(order[:k])]) / mean[frozenset()]
            for order in permutations(GROUPS)
            for k in [order.index(group)]
        ]
        part = found.parts[group]
        assert part["mean"] == pytest.approx(np.mean(gains), abs=1e-9)
        assert (part["least"], part["most"]) == pytest.approx((min(gains), max(gains)), abs=1e-9)


def _name(subset: frozenset[str]) -> str:
    return {0: "base", 3: "after"}.get(len(subset), "+".join(name for name in GROUPS if name in subset))


def test_with_a_subset_missing_the_sampled_orders_decide() -> None:
    study = played([0, 1, 2, 3, 4, 5, 6, 20], n=2)
    kept = {key: trial for key, trial in study.trials.items() if key != ("b", 0)}
    without = type(study)(study.header, study.arms, kept)
    found = attribution(without, study.arms["after"])
    assert found is None or found.method == SAMPLED
    if found is not None:
        whole = line_rate(study, "after").mean
        assert sum(part["mean"] for part in found.parts.values()) == pytest.approx(whole, abs=1e-9)


def test_eleven_groups_are_sampled_and_still_sum_to_the_whole() -> None:
    groups = tuple("abcdefghijk")
    from factory_sim.study.attribute import _walks  # noqa: PLC0415 - which subsets sampling asks for is its own affair

    walks = {frozenset(groups[i] for i in s) for r in range(6) for s in _walks(11, 1, r)}
    study = game(groups, lambda s, r: 100 + len(s) ** 1.5 + r / 10 + ("a" in s) * 5, 6, sorted(walks, key=sorted))
    found = attribution(study, study.arms["after"])
    assert found is not None
    assert found.method == SAMPLED
    whole = percent(*([study.trials[name, r].line["good_parts_per_h"] for r in range(6)] for name in ("base", "after")))
    assert sum(part["mean"] for part in found.parts.values()) == pytest.approx(whole.mean, abs=1e-9)
    assert max(found.parts, key=lambda name: found.parts[name]["mean"]) == "a"


def test_shares_known_in_some_pairs_are_brought_to_all_of_them() -> None:
    """Noise that all subsets of a replication share: six pairs of thirty, corrected, know what all thirty know."""
    noise = np.random.default_rng(1).normal(0, 5, 30)
    worth = {"a": 1.0, "b": 3.0, "c": 6.0}

    def rate(subset: frozenset[str], r: int) -> float:
        return 100 + sum(worth[g] for g in subset) * (1 + noise[r] / 10)

    study = game(GROUPS, rate, 30, ALL)
    whole = attribution(study, study.arms["after"])
    few = {key: t for key, t in study.trials.items() if key[1] < 6 or key[0] in {"base", "after"}}
    some = attribution(type(study)(study.header, study.arms, few), study.arms["after"])
    assert whole is not None
    assert some is not None
    assert (whole.pairs, some.pairs, some.method) == (30, 6, EXACT)
    assert sum(part["mean"] for part in some.parts.values()) == pytest.approx(line_rate(study, "after").mean, abs=1e-9)
    for group in GROUPS:
        assert some.parts[group]["mean"] == pytest.approx(whole.parts[group]["mean"], abs=1e-6)
        assert whole.parts[group]["low"] <= 100 * worth[group] / 100 <= whole.parts[group]["high"]


@pytest.mark.parametrize(
    ("groups", "pairs", "method", "trials"),
    [(3, 10, EXACT, 60), (3, 40, EXACT, 120), (5, 30, EXACT, 120), (6, 30, SAMPLED, 120), (30, 30, SAMPLED, 232)],
)
def test_without_a_budget_the_plan_depends_on_numbers_alone(groups: int, pairs: int, method: str, trials: int) -> None:
    names = [f"g{i}" for i in range(groups)]
    study = game(names, lambda s, r: 100 + len(s) + r, pairs, [frozenset(), frozenset(names)])
    ran: list[tuple[str, int]] = []

    class Session:
        pool, setting, watcher = Namespace(workers=7), Namespace(seed=1), Watcher()

        def __init__(self) -> None:
            self.study, self.bench = study, Namespace(load=lambda _: study.arms["base"])

        def seconds(self, _detail: object) -> float:
            return 1e9

        def names(self, *_: str) -> list[str]:
            return ["base"]

        def probe(self, _variant: object, name: str, _about: object) -> str:
            return name

        def ensure(self, _stage: str, wanted: list[tuple[str, int]]) -> None:
            ran.extend(key for key in wanted if key not in study.trials)

    said: list[str] = []
    Session.watcher.say = said.append  # type: ignore[method-assign]
    prepare(Session(), replace(study.arms["after"], overrides=tuple(names)))  # type: ignore[arg-type]
    assert len(set(ran)) == trials
    assert f"attribution, {method} in " in said[0]


def test_a_scenario_is_told_apart_by_simulating_its_subsets(finished: Comparison) -> None:
    answer = finished.answer
    parts = answer["attribution"]
    assert list(parts) == ["washer", "repairs", "room"]
    assert sum(part["mean"] for part in parts.values()) == pytest.approx(
        answer["change"]["line_rate_pct"]["mean"], abs=1e-9
    )
    assert parts["washer"]["mean"] == max(part["mean"] for part in parts.values())
    assert all(part["low"] <= part["mean"] <= part["high"] for part in parts.values())
    assert all(part["least"] <= part["mean"] <= part["most"] for part in parts.values())
