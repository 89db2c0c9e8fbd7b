"""What a study says: the documented keys, changes over pairs, joint significance, payback."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from study_lines import BETTER, LINE, Compared, N, arm, game, request_of, study, trial

from factory_sim.analysis.paired import paired_percent_change
from factory_sim.errors import ConfigError
from factory_sim.study.arms import Variant
from factory_sim.study.compare import comparison
from factory_sim.study.compare.compare_study import run_study
from factory_sim.study.compare.pairing import line_rate
from factory_sim.study.compare.report_content import report_data
from factory_sim.study.runner import Progress, Request
from factory_sim.study.store import StudyError
from factory_sim.study_records import Payback
from factory_sim.views.text.study_text import comparison_lines

if TYPE_CHECKING:
    from pathlib import Path


def test_the_answer_has_the_keys_that_are_promised(finished: Compared) -> None:
    answer = finished.result.to_dict()
    assert answer["replications"] == N
    assert set(answer["change"]["line_rate_pct"]) >= {"mean", "low", "high"}
    assert answer["constraint"]["before"] == {"kind": "operation", "name": "WASH"}
    assert answer["constraint"]["by"] == "path share"
    for name in ("station_time_pct", "station_rate_pct", "kwh_per_part_pct", "cost_per_part_pct", "oee_pct", "wip_pct"):
        change = answer["change"][name]
        assert change["low"] <= change["mean"] <= change["high"]
    assert answer["change"]["station_time_pct"]["mean"] == pytest.approx(100 * (33 / 45 - 1), abs=2)
    assert answer["scenarios"]["better"]["change"] == answer["change"]


def test_a_change_is_that_of_the_totals() -> None:
    rates = {"base": [100.0, 110.0, 90.0], "after": [130.0, 140.0, 120.0]}
    found = comparison.comparison(
        study(
            [arm("base", "base"), arm("after")],
            [trial(name, r, rate) for name, all_rates in rates.items() for r, rate in enumerate(all_rates)],
        )
    ).to_dict()
    rate = found["change"]["line_rate_pct"]
    assert rate["mean"] == pytest.approx(30)
    assert rate["low"] < 30 < rate["high"]
    assert found["before"]["line_rate_pct"]["mean"] == pytest.approx(100)
    assert found["change"]["station_time_pct"]["mean"] == 0


def test_the_line_rate_keeps_its_own_interval_and_those_beside_it_hold_together(finished: Compared) -> None:
    study, beside = finished.study, len(comparison.BESIDE)
    for name, confidence in (("line_rate_pct", 0.95), ("wip_pct", 1 - 0.05 / beside), ("good_parts_pct", 0.95)):
        kpi = {"line_rate_pct": "good_parts_per_h"}.get(name, name.removesuffix("_pct"))
        sides = [[study.trials[arm, r].line[kpi] for r in range(N)] for arm in ("line", "better")]
        alone = paired_percent_change(*sides, confidence)
        assert finished.result.to_dict()["change"][name] == alone.to_dict() | {"confidence": pytest.approx(confidence)}


def test_line_rates_of_several_scenarios_hold_together() -> None:
    arms = [arm("base", "base"), arm("one"), arm("two")]
    rates = {"base": (100.0, 110.0, 90.0), "one": (130.0, 142.0, 120.0), "two": (99.0, 113.0, 90.0)}
    found = study(arms, [trial(name, r, rate) for name, row in rates.items() for r, rate in enumerate(row)])
    wide = paired_percent_change(rates["base"], rates["one"], 1 - 0.05 / 2)
    assert line_rate(found, "one") == wide
    change = comparison.comparison(found).to_dict()["scenarios"]["one"]["change"]
    assert (change["line_rate_pct"]["low"], change["line_rate_pct"]["high"]) == (wide.low, wide.high)
    assert change["oee_pct"]["confidence"] == pytest.approx(1 - 0.05 / (2 * len(comparison.BESIDE)))


@pytest.mark.parametrize(
    ("after", "mean", "bounded"),
    [([120, 121, 122], True, True), ([100, 140, 90], True, False), ([90, 91, 92], False, False)],
)
def test_payback_has_an_upper_end_only_when_the_gain_is_sure(after: list[float], *, mean: bool, bounded: bool) -> None:
    money = Payback(amount=1e6, hours_per_year=4000, value_per_part=60)
    trials = [
        [trial(name, r, rate) for r, rate in enumerate(rates)] for name, rates in (("b", [100, 100, 101]), ("a", after))
    ]
    found = comparison.payback(*trials, arm("a", investment=money))
    assert found is not None
    years = found.to_dict()
    assert (years["mean"] is not None, years["high"] is not None) == (mean, bounded)
    if bounded:
        assert found.low < found.mean < found.high
        gain = sum(after) / 3 - 301 / 3
        assert found.mean == pytest.approx(1e6 / (gain * 50 * 4000))


def test_without_investment_there_is_no_payback() -> None:
    assert comparison.payback([trial("b", 0, 1)], [trial("a", 0, 2)], arm("a")) is None


def test_a_quantity_that_one_side_lacks_has_no_change() -> None:
    trials = [
        trial(name, r, 100.0, cost=float("nan") if name == "base" else 1.0)
        for name in ("base", "after")
        for r in (0, 1)
    ]
    found = comparison.comparison(study([arm("base", "base"), arm("after")], trials)).to_dict()
    assert found["change"]["cost_per_part_pct"] is None
    assert found["before"]["cost_per_part_pct"]["mean"] is None


def test_a_scenario_that_is_the_base_is_refused(folder: Path, tmp_path: Path) -> None:
    same = Variant(str(folder / "line.yaml"))
    with pytest.raises(StudyError, match="changes nothing"):
        run_study(request_of(folder, scenarios=(same,), file=tmp_path / "s.jsonl"), Progress())
    assert not (tmp_path / "s.jsonl").exists()


@pytest.mark.parametrize("typed", ["WASSH.cycle_time=3s", "WASH.cycle_time=45"])
def test_a_change_that_addresses_nothing_or_breaks_the_plant_is_refused_before_anything_runs(
    folder: Path, tmp_path: Path, typed: str
) -> None:
    variant = Variant(str(folder / "line.yaml"), None, (typed,))
    with pytest.raises(ConfigError):
        run_study(request_of(folder, scenarios=(variant,), file=tmp_path / "s.jsonl"), Progress())
    assert not (tmp_path / "s.jsonl").exists()


def test_one_replication_is_refused(folder: Path) -> None:
    with pytest.raises(StudyError, match="at least 2"):
        run_study(request_of(folder, replications=1), Progress())


def test_a_request_names_its_file_by_what_it_compares() -> None:
    from factory_sim.study.runner import default_name  # noqa: PLC0415

    request = Request(base=Variant("a"))
    names = {default_name(request, [("base", "1"), ("better", digest)]) for digest in ("2", "3")}
    assert len(names) == 2
    assert all(name.startswith("better-vs-base-") and name.endswith(".study.jsonl") for name in names)


def test_an_investment_is_in_the_currency_of_its_plant(tmp_path: Path) -> None:
    for name, text in (("line.yaml", f"currency: CNY\n{LINE}"), ("better.yaml", BETTER)):
        (tmp_path / name).write_text(text.replace("EUR", "CNY"), encoding="utf-8")
    answer = run_study(request_of(tmp_path, replications=3, duration_s=1800.0), Progress()).result.to_dict()
    assert answer["currency"] == "CNY"
    assert set(answer["attribution"]) == {"washer", "repairs", "room"}
    years = answer["payback_years"]
    assert years["low"] <= years["mean"] <= (years["high"] or years["mean"])


def test_a_base_without_good_parts_has_no_contributions_and_no_report() -> None:
    groups = ("one", "two")
    played = game(
        groups, lambda subset, _: 10.0 * len(subset), 3, [frozenset(s) for s in ((), ("one",), ("two",), groups)]
    )
    found = comparison.comparison(played)
    assert found.scenarios[0].attribution is None
    assert "line rate not defined" in str(comparison_lines(found)[0])
    with pytest.raises(StudyError, match="base produces no good parts in its window"):
        report_data(played, "study.jsonl")
