"""Allowed choices against brute force, and the selection against its guarantee."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory_sim.errors import MissingExtraError
from factory_sim.results.optimise import Limit, Variable
from factory_sim.study.optimise import ranking, search
from factory_sim.study.optimise.allocation import Space
from factory_sim.study.optimise.ranking import Rule


@st.composite
def spaces(draw: st.DrawFn) -> Space:
    variables = []
    for n in range(draw(st.integers(1, 3))):
        low = draw(st.integers(0, 3))
        price, owned = draw(st.sampled_from([0.0, 2.5, 10.0])), draw(st.integers(0, 2))
        variables.append(variable(f"V{n}", low, low + draw(st.integers(0, 4)), price, owned))
    limits = []
    for _ in range(draw(st.integers(0, 2))):
        members = draw(st.sets(st.integers(0, len(variables) - 1), min_size=1))
        low = draw(st.integers(0, 8))
        limits.append(limit(tuple(sorted(members)), low, low + draw(st.integers(0, 3))))
    return Space(tuple(variables), tuple(limits), draw(st.sampled_from([None, 5.0, 25.0, 60.0])))


def variable(name: str, low: int, high: int, price: float = 0.0, owned: int = 0) -> Variable:
    return Variable(address=name, title=name, low=low, high=high, price=price, owned=owned)


def limit(members: tuple[int, ...], low: int, high: int) -> Limit:
    return Limit(name="sum", members=members, at_least=low, at_most=high)


def brute(space: Space) -> list[tuple[int, ...]]:
    return [choice for choice in product(*(range(v.low, v.high + 1) for v in space.variables)) if space.allows(choice)]


@settings(max_examples=60, deadline=None)
@given(space=spaces())
def test_every_allowed_choice_is_found_and_no_other(space: Space) -> None:
    allowed = brute(space)
    assert space.every(len(allowed)) == allowed
    if allowed:
        assert space.every(len(allowed) - 1) is None


@settings(max_examples=60, deadline=None)
@given(space=spaces(), wanted=st.lists(st.integers(0, 9), min_size=3, max_size=3))
def test_the_nearest_choice_is_allowed_and_none_is_nearer(space: Space, wanted: list[int]) -> None:
    asked = wanted[: len(space.variables)]
    found, allowed = space.nearest(asked), brute(space)
    if not allowed:
        assert found is None
        return
    assert found in allowed

    def distance(choice: tuple[int, ...]) -> tuple[int, int]:
        steps = [abs(a - b) for a, b in zip(choice, asked, strict=True)]
        return max(steps), sum(steps)

    assert distance(found) == min(map(distance, allowed))


def test_owned_numbers_cost_nothing_and_are_not_refunded() -> None:
    space = Space((variable("agv.count", 0, 9, 100.0, 4),))
    assert [space.cost((n,)) for n in (2, 4, 7)] == [0.0, 0.0, 300.0]


def test_the_best_is_selected_with_the_guaranteed_probability() -> None:
    rule, systems, n = Rule(confidence=0.9, indifference=0.5, first=6, most=2000), 4, 300
    right = dismissed = 0
    for seed in range(n):
        generator = np.random.default_rng(seed)
        shared = generator.normal(0, 3.0, 2000)  # common random numbers: one part is the same for all
        x = shared + generator.normal(0, 2.0, (systems, 2000))
        x[2] += rule.indifference  # the least favourable case: all others just δ below
        found = ranking.select(systems, rule, lambda some, r, x=x: x[list(some), :r])  # type: ignore[misc]
        assert found.decided
        right += found.best == 2
        dismissed += found.replications
    assert right / n >= 0.9 - 3 * (0.9 * 0.1 / n) ** 0.5
    assert rule.first < dismissed / n < 400  # neither at the first comparison nor at the last


def test_an_undecided_selection_lists_the_systems_that_are_left() -> None:
    x = np.random.default_rng(0).normal(0, 1.0, (3, 40))
    x[2] -= 50.0
    found = ranking.select(3, Rule(0.95, 0.05, 10, 20), lambda some, r: x[list(some), :r])
    assert not found.decided
    assert set(found.left) == {0, 1}
    assert found.replications == 20
    assert found.best == np.argmax(x[:2, :20].mean(axis=1))


def test_a_system_without_a_value_in_some_replication_is_dismissed() -> None:
    x = np.random.default_rng(1).normal(0, 1.0, (3, 200))
    x[1] += 5.0
    x[1, 12:] = -np.inf
    x[0] += 2.0
    found = ranking.select(3, Rule(0.95, 0.1, 10, 200), lambda some, r: x[list(some), :r])
    assert (found.best, found.decided) == (0, True)  # the second best has a value in all


def test_one_system_and_systems_without_noise_are_decided_at_the_first_comparison() -> None:
    rule = Rule(0.95, 1.0, 3, 100)
    alone = ranking.select(1, rule, lambda some, r: np.zeros((len(some), r)))
    assert (alone.best, alone.decided, alone.replications) == (0, True, 3)
    certain = ranking.select(3, rule, lambda some, r: np.array([[5.0], [7.0], [7.0]])[list(some)] * np.ones(r))
    assert (certain.best, certain.decided, certain.replications) == (1, True, 3)


def test_no_choice_on_the_front_is_dominated() -> None:
    y = np.array([[3.0, 9.0], [2.0, 5.0], [2.0, 6.0], [1.0, 5.0], [np.nan, 0.0], [3.0, 9.0]])
    assert ranking.on_front(y, [1, -1]) == [True, True, False, False, False, True]


def test_the_search_finds_a_peak_within_the_limits_and_is_reproducible() -> None:
    pytest.importorskip("optuna")
    variables = tuple(variable(f"V{n}", 0, 20) for n in range(3))
    space = Space(variables, (limit((0, 1, 2), 30, 30),))
    asked: list[tuple[int, ...]] = []

    def evaluate(choices: list[tuple[int, ...]]) -> list[list[float]]:
        asked.extend(choices)
        return [[-sum((a - b) ** 2 for a, b in zip(choice, (5, 15, 10), strict=True))] for choice in choices]

    found = search.search(space, [1], 60, 7, evaluate)  # type: ignore[arg-type]
    assert len(found) >= 60 > len(space.every(10_000) or ()) / 10
    assert found == asked == list(dict.fromkeys(asked))  # nothing twice
    assert all(space.allows(choice) for choice in found)
    assert max(evaluate(found))[0] >= -6  # seven of 166 allowed choices are that near
    assert search.search(space, [1], 60, 7, evaluate) == found  # type: ignore[arg-type]


def test_a_search_without_optuna_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "optuna", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'smart-factory-sim\[optimise\]'"):
        search.import_optuna()
