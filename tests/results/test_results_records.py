"""Records of answers: their JSON form, and the keys that every file begins with."""

from __future__ import annotations

import json
import math
import tomllib
from pathlib import Path

import pytest

from factory_sim.results.compare import GAIN, Attribution, ComparisonResult, Constraint, Contribution, ScenarioResult
from factory_sim.results.estimate import Estimate
from factory_sim.results.record import to_json
from factory_sim.results.resource import Resource
from factory_sim.results.study_summary import PILOT, StudySummary, WarmUp
from factory_sim.results.why import CycleTimeGain, WhyResult
from factory_sim.version import VERSION


def estimate(mean: float, reach: float = 1.0) -> Estimate:
    return Estimate(mean=mean, low=mean - reach, high=mean + reach, n=5, confidence=0.99)


def scenario(name: str) -> ScenarioResult:
    share = Contribution(mean=2.0, low=1.0, high=3.0, n=5, least=1.5, most=2.5)
    return ScenarioResult(
        scenario=name,
        title="Faster",
        replications=5,
        confidence=0.95,
        station="OP10",
        currency="EUR",
        change={"line_rate_pct": estimate(2.0), "wip_pct": estimate(math.nan)},
        before={"line_rate_pct": estimate(10.0), "wip_pct": estimate(0.0)},
        after={"line_rate_pct": estimate(10.2), "wip_pct": estimate(1.0, math.inf)},
        constraint=Constraint(before=Resource(kind="operation", name="OP10"), after=Resource(kind="fleet", name="agv")),
        attribution=Attribution(method="exact", contributions={"speed": share}),
        shifts={},
        payback_years=None,
    )


def comparison(*names: str) -> ComparisonResult:
    summary = StudySummary(
        seed=1,
        warm_up_s=60.0,
        duration_s=600.0,
        warm_up=WarmUp(by=PILOT, mser5_s=10.0, fill_s=20.0, settled=False),
        trials=10,
        digest="ab",
    )
    return ComparisonResult(base="line", scenarios=tuple(map(scenario, names)), study=summary)


def test_a_file_begins_with_format_and_version() -> None:
    found = WhyResult(
        of="line",
        replications=2,
        constraint=None,
        by=GAIN,
        reason="No good part was produced.",
        resources=(),
        operations=(),
        first_by={},
        next=None,
    ).to_dict()
    assert list(found)[:2] == ["format", "version"]
    assert (found["format"], found["version"]) == (1, VERSION)


def test_the_version_in_the_code_is_that_of_the_package() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["version"] == VERSION


def test_the_first_scenario_is_at_the_top_and_all_are_below() -> None:
    found = json.loads(json.dumps(comparison("a", "b").to_dict(), allow_nan=False))
    assert list(found["scenarios"]) == ["a", "b"]
    assert {key: found[key] for key in found["scenarios"]["a"]} == found["scenarios"]["a"]
    assert found["base"] == "line"
    assert found["study"]["warm_up"] == {"by": "pilot", "mser5_s": 10.0, "fill_s": 20.0, "settled": False}


def test_a_comparison_without_scenarios_has_the_keys_of_the_study_alone() -> None:
    assert set(comparison().to_dict()) == {"format", "version", "base", "scenarios", "study"}


def test_a_change_carries_its_confidence_and_is_null_where_it_is_not_defined() -> None:
    found = json.loads(json.dumps(scenario("a").to_dict(), allow_nan=False))
    assert found["change"] == {
        "line_rate_pct": {"mean": 2.0, "low": 1.0, "high": 3.0, "confidence": 0.99},
        "wip_pct": None,
    }
    assert found["after"]["wip_pct"] == {"mean": 1.0, "low": None, "high": None}
    assert found["attribution"] == {"speed": {"mean": 2.0, "low": 1.0, "high": 3.0, "least": 1.5, "most": 2.5}}
    assert found["attribution_method"] == "exact"


def test_a_gain_carries_the_seconds_that_it_is_worth() -> None:
    gain = CycleTimeGain(mean=1.0, low=0.0, high=2.0, n=3, less_s=0.5)
    assert to_json(gain) == {"mean": 1.0, "low": 0.0, "high": 2.0, "less_s": 0.5}


def test_what_has_no_json_form_is_refused() -> None:
    with pytest.raises(AssertionError, match="no JSON form"):
        to_json(object())
