"""Shapley values: they sum to the whole, agree with the definition over all orders, and sampling is no exception."""

from __future__ import annotations

from itertools import combinations, permutations
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from study_lines import game

from factory_sim.analysis.paired import percent
from factory_sim.study.attribute import EXACT, SAMPLED, attribution
from factory_sim.study.compare import line_rate

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
