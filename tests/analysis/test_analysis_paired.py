"""Paired comparison: intervals, percent changes and adjusted p-values against SciPy and their definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from factory_sim.analysis import paired
from factory_sim.results.estimate import Estimate

floats = st.floats(-1e6, 1e6)


@given(st.lists(floats, min_size=2, max_size=30))
def test_an_interval_is_students_t_interval(values: list[float]) -> None:
    found = paired.mean_estimate(values, 0.9)
    reach = stats.t.ppf(0.95, len(values) - 1) * stats.sem(values)
    assert found.mean == pytest.approx(np.mean(values))
    assert found.half_width == pytest.approx(reach, abs=1e-9)
    assert found.n == len(values)


def test_common_random_numbers_narrow_the_interval_of_a_difference() -> None:
    rng = np.random.default_rng(1)
    shared = rng.normal(0, 100, 20)
    before, after = 1000 + shared, 1010 + shared + rng.normal(0, 1, 20)
    assert paired.paired_difference(before, after).half_width < 1
    assert paired.p_value(after - before) < 1e-12
    assert paired.p_value(after - before) == pytest.approx(stats.ttest_1samp(after - before, 0).pvalue, rel=1e-6)


def test_a_percent_change_is_the_ratio_of_totals() -> None:
    assert paired.paired_percent_change([1.0, 3.0], [2.0, 4.0]).mean == pytest.approx(50.0)
    doubled = paired.paired_percent_change([1.0, 2.0, 5.0], [2.0, 4.0, 10.0])
    assert (doubled.mean, doubled.half_width) == (pytest.approx(100.0), pytest.approx(0.0))
    assert math.isnan(paired.paired_percent_change([0.0, 0.0], [1.0, 2.0]).mean)


def test_intervals_of_percent_changes_cover_the_true_change() -> None:
    rng, hits = np.random.default_rng(7), 0
    for _ in range(400):
        shared = rng.normal(0, 10, 12)
        before, after = 100 + shared + rng.normal(0, 3, 12), 130 + 1.3 * shared + rng.normal(0, 3, 12)
        found = paired.paired_percent_change(before, after)
        hits += found.low <= 30 <= found.high
    assert 0.92 <= hits / 400 <= 0.98


def test_fewer_than_two_values_give_an_unbounded_interval() -> None:
    assert paired.mean_estimate([3.0]) == Estimate(mean=3.0, low=-math.inf, high=math.inf, n=1)
    assert math.isnan(paired.mean_estimate([]).mean)
    assert paired.paired_percent_change([2.0], [3.0]).low == -math.inf
    assert paired.p_value([1.0]) == 1
    assert paired.p_value([2.0, 2.0]) == 0


def test_pairs_of_unequal_length_are_refused() -> None:
    with pytest.raises(ValueError, match="equal length"):
        paired.paired_difference([1.0, 2.0], [1.0])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_agrees_with_its_stepwise_definition(p: list[float]) -> None:
    adjusted = paired.holm(p)
    for alpha in (0.01, 0.05, 0.2):
        rejected = set()
        for rank, i in enumerate(np.argsort(p, kind="stable").tolist()):
            if p[i] * (len(p) - rank) > alpha:
                break
            rejected.add(i)
        assert rejected == set(np.flatnonzero(adjusted <= alpha).tolist())


def test_bonferroni_divides_the_error_probability() -> None:
    assert paired.bonferroni(0.95, 10) == pytest.approx(0.995)
    assert paired.bonferroni(0.95, 0) == pytest.approx(0.95)


def test_a_percent_change_of_values_that_are_not_finite_is_not_defined() -> None:
    for before, after in (([1.0, math.inf], [1.0, 2.0]), ([1.0, 2.0], [math.nan, 2.0]), ([], [])):
        found = paired.paired_percent_change(before, after)
        assert not found.is_defined
        assert found.to_dict() == {"mean": None, "low": None, "high": None}


def test_an_estimate_scales_and_shows_whether_it_includes_zero() -> None:
    found = paired.mean_estimate([1.0, 2.0, 3.0])
    assert found.scaled(60.0).to_dict() == {name: 60 * value for name, value in found.to_dict().items()}
    assert found.includes_zero
    assert not paired.mean_estimate([1.0, 1.1, 1.2]).includes_zero
