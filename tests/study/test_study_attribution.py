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
from study_lines import Compared, game, request_of, trial

from factory_sim.analysis.paired import paired_percent_change
from factory_sim.study.compare.attribution import EXACT, SAMPLED, attribution, prepare, sampled_subsets
from factory_sim.study.compare.compare_study import run_study
from factory_sim.study.compare.pairing import line_rate
from factory_sim.study.runner import Progress

if TYPE_CHECKING:
    from pathlib import Path

    from factory_sim.study_records import Study

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
    assert sum(part.mean for part in found.contributions.values()) == pytest.approx(
        line_rate(study, "after").mean, abs=1e-9
    )


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
        part = found.contributions[group]
        assert part.mean == pytest.approx(np.mean(gains), abs=1e-9)
        assert (part.least, part.most) == pytest.approx((min(gains), max(gains)), abs=1e-9)


def _name(subset: frozenset[str]) -> str:
    return {0: "base", 3: "after"}.get(len(subset), "+".join(name for name in GROUPS if name in subset))


def test_with_a_subset_missing_the_sampled_orders_decide() -> None:
    study = played([0, 1, 2, 3, 4, 5, 6, 20], n=2)
    walked = {_name(frozenset(GROUPS[i] for i in s)) for s in sampled_subsets(3, 1, 0)}
    lost = next(name for name in study.arms if name not in walked)
    found = attribution(_without(study, {(lost, 0)}), study.arms["after"])
    assert found is not None
    assert found.method == SAMPLED
    whole = line_rate(study, "after").mean
    assert sum(part.mean for part in found.contributions.values()) == pytest.approx(whole, abs=1e-9)


def test_an_unfinished_attribution_says_nothing() -> None:
    study = played([0, 1, 2, 3, 4, 5, 6, 20])
    lost = {(_name(frozenset(GROUPS[i] for i in s)), 2) for s in sampled_subsets(3, 1, 2) if 0 < len(s) < 3}
    assert attribution(_without(study, lost), study.arms["after"]) is None


def _without(study: Study, lost: set[tuple[str, int]]) -> Study:
    kept = {key: trial for key, trial in study.trials.items() if key not in lost}
    return replace(study, trials=kept)


def test_eleven_groups_are_sampled_and_still_sum_to_the_whole() -> None:
    groups = tuple("abcdefghijk")
    walks = {frozenset(groups[i] for i in s) for r in range(6) for s in sampled_subsets(11, 1, r)}
    study = game(groups, lambda s, r: 100 + len(s) ** 1.5 + r / 10 + ("a" in s) * 5, 6, sorted(walks, key=sorted))
    found = attribution(study, study.arms["after"])
    assert found is not None
    assert found.method == SAMPLED
    whole = paired_percent_change(
        *([study.trials[name, r].line["good_parts_per_h"] for r in range(6)] for name in ("base", "after"))
    )
    assert sum(part.mean for part in found.contributions.values()) == pytest.approx(whole.mean, abs=1e-9)
    assert max(found.contributions, key=lambda name: found.contributions[name].mean) == "a"


@pytest.mark.parametrize(
    ("groups", "budget_s", "method", "trials"),
    [(3, 60, EXACT, 60), (3, 59, SAMPLED, 40), (5, 300, EXACT, 300), (10, 1e5, EXACT, 10220), (11, 1e9, SAMPLED, 200)],
)
@pytest.mark.parametrize("workers", [1, 8])
def test_an_attribution_is_exact_while_its_processor_time_is_within_the_budget(
    groups: int, budget_s: float, method: str, trials: int, workers: int
) -> None:
    """Ten pairs, a second a trial: said before the first of them but for the two that are timed."""
    names = [f"g{i}" for i in range(groups)]
    study = game(names, lambda s, r: 100 + len(s) + r, 10, [frozenset(), frozenset(names)])
    ran: list[tuple[str, int]] = []

    class Session:
        pool, setting, progress = Namespace(workers=workers), Namespace(seed=1), Progress()

        def __init__(self) -> None:
            self.study = replace(study, trials=dict(study.trials))
            self.plants = Namespace(load=lambda _: study.arms["base"])

        def add_probe(self, _variant: object, name: str, _about: object) -> str:
            return name

        def ensure(self, _stage: str, wanted: list[tuple[str, int]]) -> None:
            if len(wanted) > 1:
                assert said
            new = [key for key in wanted if key not in self.study.trials]
            ran.extend(new)
            self.study.trials.update({(name, r): replace(trial(name, r, 1.0), seconds=1.0) for name, r in new})

    said: list[str] = []
    Session.progress.message = said.append  # type: ignore[method-assign]
    prepare(Session(), replace(study.arms["after"], overrides=tuple(names)), budget_s)  # type: ignore[arg-type]
    assert len(set(ran)) == len(ran)
    assert abs(len(ran) - trials) <= 0.1 * trials * (method == SAMPLED)  # an order's reverse may pass the same subset
    assert f"attribution, {method}: {len(ran):,} trials, about " in said[0]


def test_changes_that_need_others_are_said_and_the_answer_stands(folder: Path, tmp_path: Path) -> None:
    crew = "{after: exponential(20 min), repair: exponential(90 s), crew: fitters}"
    (tmp_path / "line.yaml").write_text((folder / "line.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "better.yaml").write_text(
        "extends: line.yaml\nchanges:\n  crew:\n    add: {crews.fitters: {count: 1}}\n"
        f"  repairs:\n    set: {{kinds.lathe.failures.jam: {crew}, WASH.buffer: 9}}\n",
        encoding="utf-8",
    )
    said: list[str] = []
    progress = Progress()
    progress.message = said.append  # type: ignore[method-assign]
    answer = run_study(request_of(tmp_path, replications=2, duration_s=600.0), progress).result.to_dict()
    assert answer["change"]["line_rate_pct"]
    assert (answer["attribution"], answer["attribution_method"]) == (None, "not made")
    assert "no attribution: some of its changes are not a valid plant without the others" in said[-1]
    assert "'fitters' is not one of the plant's crews" in said[-1]


def test_a_scenario_is_told_apart_by_simulating_its_subsets(finished: Compared) -> None:
    answer = finished.result.to_dict()
    parts = answer["attribution"]
    assert list(parts) == ["washer", "repairs", "room"]
    assert sum(part["mean"] for part in parts.values()) == pytest.approx(
        answer["change"]["line_rate_pct"]["mean"], abs=1e-9
    )
    assert parts["washer"]["mean"] == max(part["mean"] for part in parts.values())
    assert all(part["low"] <= part["mean"] <= part["high"] for part in parts.values())
    assert all(part["least"] <= part["mean"] <= part["most"] for part in parts.values())
