"""Sensitivity against functions with known shares of the variance, also under noise larger than the effects."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import qmc

from factory_sim.study.sweep import sampling, sensitivity, sobol_sequence
from factory_sim.study.sweep.sampling import Factor

SEED = 3


def factors(n: int, low: float = 0.0, high: float = 1.0) -> list[Factor]:
    return [Factor(address=f"F{i}", title=f"F{i}", low=low, high=high) for i in range(n)]


def numbers(points: list[sampling.Point]) -> np.ndarray:
    return np.array([[level.number for level in point] for point in points])


def means(found: object) -> list[float]:
    return [each.mean for each in found]  # type: ignore[attr-defined]


def test_the_indices_of_an_additive_model_are_its_squared_slopes() -> None:
    x = numbers(sampling.sobol(factors(3), 1024, SEED))
    y = (x @ [3.0, 2.0, 1.0])[:, None] + [[0.0, 5.0, -1.0]]  # a shift per replication changes no index
    found = sensitivity.sobol_indices(y, 3, SEED)
    for share, first, total in zip([9 / 14, 4 / 14, 1 / 14], found["first"], found["total"], strict=True):
        assert first.mean == pytest.approx(share, abs=0.015)
        assert total.mean == pytest.approx(share, abs=0.01)
        assert first.low < share < first.high
        assert total.low < share < total.high


def test_the_ishigami_function_has_its_published_indices() -> None:
    x = numbers(sampling.sobol(factors(3, -np.pi, np.pi), 1024, SEED))
    y = np.sin(x[:, 0]) + 7 * np.sin(x[:, 1]) ** 2 + 0.1 * x[:, 2] ** 4 * np.sin(x[:, 0])
    found = sensitivity.sobol_indices(np.column_stack([y, y]), 3, SEED)
    assert means(found["first"]) == pytest.approx([0.3139, 0.4424, 0.0], abs=0.04)
    assert means(found["total"]) == pytest.approx([0.5576, 0.4424, 0.2437], abs=0.04)


def test_noise_larger_than_the_effects_widens_intervals_but_does_not_bias_indices() -> None:
    x = numbers(sampling.sobol(factors(2), 512, SEED))
    noise = np.random.default_rng(1).normal(0, 2.0, (len(x), 12))  # variance 4; the response's is (4 + 1) / 12
    found = sensitivity.sobol_indices((x @ [2.0, 1.0])[:, None] + noise, 2, SEED)
    assert found["total"][0].low < 0.8 < found["total"][0].high
    assert found["total"][1].low < 0.2 < found["total"][1].high
    assert found["total"][1].mean < 0.6  # with the noise's variance inside both totals would be near 1


def test_a_full_grid_gives_exact_indices_and_effects() -> None:
    levels = numbers(sampling.grid(factors(2, 0.0, 1.0), [2, 2])).astype(np.int64)
    a, b = levels.T
    y = (2.0 * a + b + 2 * a * b)[:, None] + [[0.0, 1.0]]
    found = sensitivity.grid_indices(levels, y, SEED)
    # means by a: 0.5, 3.5; by b: 1, 3; variance 13/4: a 9/4, b 1, both together 1/4
    variance = np.var(y[:, 0])
    assert means(found["first"]) == pytest.approx([2.25 / variance, 1.0 / variance])
    assert means(found["total"]) == pytest.approx([1 - 1.0 / variance, 1 - 2.25 / variance])
    effects = sensitivity.main_effects(levels, y)
    assert [each.mean for each in effects[0]] == pytest.approx([-1.5, 1.5])
    assert [each.mean for each in effects[1]] == pytest.approx([-1.0, 1.0])


def test_one_factor_alone_explains_everything() -> None:
    levels = np.arange(3)[:, None]
    found = sensitivity.grid_indices(levels, np.array([[1.0, 2.0], [3.0, 4.0], [9.0, 10.0]]), SEED)
    assert means(found["first"]) + means(found["total"]) == pytest.approx([1.0, 1.0])


def test_a_constant_response_has_no_indices() -> None:
    flat = np.tile([0.1, 0.4], (4, 1))
    found = sensitivity.grid_indices(np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), flat, SEED)
    assert np.isnan(means(found["first"]) + means(found["total"])).all()
    undefined = sensitivity.sobol_indices(np.full((16, 2), np.nan), 2, SEED)
    assert np.isnan(means(undefined["first"])).all()
    assert np.isnan(sensitivity.regression(np.arange(8.0).reshape(4, 2), flat, SEED).explained)


def test_regression_finds_slopes_and_ranks_find_monotone_dependence() -> None:
    x = numbers(sampling.latin_hypercube(factors(2), 200, SEED))
    straight = sensitivity.regression(x, np.tile((x @ [2.0, -1.0])[:, None], 2), SEED)
    assert means(straight.coefficients) == pytest.approx([2 / 5**0.5, -1 / 5**0.5], abs=0.03)
    assert straight.explained == pytest.approx(1.0)
    steep = np.exp(12 * x[:, 0])[:, None] * [[1.0, 1.0]]
    linear = sensitivity.regression(x, steep, SEED)
    ranked = sensitivity.regression(x, steep, SEED, ranks=True)
    assert linear.explained < 0.6
    assert ranked.explained == pytest.approx(1.0)
    assert ranked.coefficients[0].mean == pytest.approx(1.0, abs=0.01)
    assert ranked.coefficients[1].low < 0.01 < ranked.coefficients[1].high + 0.02


@settings(max_examples=25, deadline=None)
@given(n=st.integers(2, 40), k=st.integers(1, 4), seed=st.integers(0, 99))
def test_a_latin_hypercube_has_one_point_in_each_stratum(n: int, k: int, seed: int) -> None:
    x = numbers(sampling.latin_hypercube(factors(k), n, seed))
    assert (np.abs(np.sort(x, axis=0) - (np.arange(n)[:, None] + 0.5) / n) <= 0.5 / n + 1e-4).all()  # typed to 1e-4


@settings(max_examples=25, deadline=None)
@given(low=st.integers(0, 9), more=st.integers(1, 9), u=st.floats(0, 1, exclude_max=True))
def test_whole_numbers_stay_whole_and_inside(low: int, more: int, u: float) -> None:
    level = Factor(address="F", title="F", low=low, high=low + more, whole=True).at(u)
    assert low <= int(level.text) == level.number <= low + more


@pytest.mark.parametrize(
    ("value", "number", "unit"),
    [
        ("37 s", 37, "s"),
        (6, 6, ""),
        ("2.5 %", 2.5, "%"),
        ("12 EUR/h", 12, "EUR/h"),
        ("nearest", None, "nearest"),
        ("exponential(20 s)", None, "exponential(20 s)"),
        ("4 x", None, "4 x"),
    ],
)
def test_a_value_is_a_number_with_its_unit_or_a_text(value: str | int, number: float | None, unit: str) -> None:
    found, of = sampling.split(value)
    assert (of, None if np.isnan(found) else found) == (unit, number)


def test_units_of_one_dimension_convert_and_others_do_not() -> None:
    assert sampling.in_unit(2, "min", "s") == 120
    with pytest.raises(ValueError, match="has the unit kW, but the first value has s"):
        sampling.in_unit(2, "kW", "s")


def test_a_sobol_design_has_the_order_of_saltelli() -> None:
    k, n = 3, 8
    x = numbers(sampling.sobol(factors(k), n, SEED))
    a, b = x[:n], x[n : 2 * n]
    for i in range(k):
        mixed = x[(2 + i) * n : (3 + i) * n]
        assert (mixed[:, i] == b[:, i]).all()
        assert (np.delete(mixed, i, 1) == np.delete(a, i, 1)).all()
    assert qmc.discrepancy(np.clip(a, 0, 1)) < qmc.discrepancy(np.random.default_rng(0).random((n, k)))
    assert (numbers(sampling.sobol(factors(k), n, SEED + 1)) != x).any()


@pytest.mark.parametrize(("dimensions", "n"), [(1, 2), (3, 64), (17, 1024), (sobol_sequence.MOST_DIMENSIONS, 256)])
def test_a_sobol_sequence_has_the_scrambled_points_of_scipy(dimensions: int, n: int) -> None:
    found = sobol_sequence.scrambled(dimensions, n, np.random.default_rng(SEED))
    scipys = qmc.Sobol(dimensions, scramble=True, seed=np.random.default_rng(SEED)).random(n)
    assert (found == scipys).all()
    assert found.shape == (n, dimensions)


@given(st.integers(0, 10_000), st.floats(0.0, 3.0))
@settings(max_examples=60)
def test_shares_of_a_grid_lie_between_0_and_1_or_are_not_estimable(seed: int, effect: float) -> None:
    levels = np.array([[a, b] for a in range(4) for b in range(2)])
    noise = np.random.default_rng(seed).normal(0, 1.0, (8, 5))
    y = 100 + effect * levels[:, [0]] + noise
    found = sensitivity.grid_indices(levels, y, SEED)
    for each in (*found["first"], *found["total"]):
        assert np.isnan(each.mean) or (0 <= each.low <= each.mean <= each.high <= 1)
    if sensitivity.is_noise(y):
        assert all(np.isnan(each.mean) for each in found["total"])


def test_pure_noise_is_recognised_in_19_of_20_designs_and_an_effect_never_missed() -> None:
    rng, levels = np.random.default_rng(1), np.arange(8)
    noise = [sensitivity.is_noise(rng.normal(0, 1.0, (8, 5)) + rng.normal(0, 3.0, (1, 5))) for _ in range(400)]
    assert 0.92 < np.mean(noise) < 0.98
    assert not any(sensitivity.is_noise(2.0 * levels[:, None] + rng.normal(0, 1.0, (8, 5))) for _ in range(50))


def test_shares_of_a_sobol_design_lie_between_0_and_1_or_are_not_estimable() -> None:
    x = numbers(sampling.sobol(factors(3), 8, SEED))
    for seed in range(30):
        y = (x @ [1.0, 0.2, 0.0])[:, None] + np.random.default_rng(seed).normal(0, 0.5, (len(x), 4))
        found = sensitivity.sobol_indices(y, 3, SEED)
        for each in (*found["first"], *found["total"]):
            assert np.isnan(each.mean) or (0 <= each.mean <= 1)


@pytest.mark.filterwarnings("error")
def test_shares_are_not_estimable_where_both_samples_have_the_same_responses() -> None:
    y = np.array([[1.0], [2.0], [1.0], [2.0], [1.0], [2.0], [2.0], [1.0]])  # A, B, and two mixed samples
    for shares in sensitivity.sobol_indices(y, 2, 1).values():
        assert not any(each.is_defined for each in shares)
