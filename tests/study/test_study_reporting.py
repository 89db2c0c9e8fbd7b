"""From a saved study to its report: what the page shows is what the study holds, and nothing is simulated."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import pytest
from study_lines import Compared, arm

from factory_sim.cli import main
from factory_sim.plant.states import State
from factory_sim.study import store
from factory_sim.study.compare import pairing
from factory_sim.study.compare.report_content import report_data, titled, welch
from factory_sim.study.store import StudyError
from factory_sim.views.html import palette
from factory_sim.views.html.report_page import html

if TYPE_CHECKING:
    from pathlib import Path

    from factory_sim.views.html.report_data import ReportData


@pytest.fixture(scope="module")
def data(finished: Compared) -> ReportData:
    return report_data(store.load(finished.file), finished.file.name)


def test_the_headline_is_the_answer_of_compare(data: ReportData, finished: Compared) -> None:
    change = finished.result.to_dict()["change"]["line_rate_pct"]
    shown = data.rows[0].changes[1]
    assert (shown.mean, shown.low, shown.high) == (change["mean"], change["low"], change["high"])


def test_the_waterfall_sums_to_the_headline(data: ReportData) -> None:
    found = data.sides[1].attribution
    assert found is not None
    assert sum(share.earned.mean for share in found.shares) == pytest.approx(data.rows[0].changes[1].mean, abs=1e-9)


def test_state_shares_of_each_machine_add_up_to_one(data: ReportData) -> None:
    for side in data.sides:
        assert np.sum(side.states, axis=1) == pytest.approx(np.ones(len(side.machines)))


def test_energy_and_cost_by_cause_add_up_to_those_of_a_part(data: ReportData) -> None:
    rows = {row.key: row for row in data.rows}
    for i, side in enumerate(data.sides):
        assert sum(each.mean for each in side.energy.values()) == pytest.approx(rows["kwh_per_part"].values[i].mean)
        assert sum(each.mean for each in side.cost.values()) == pytest.approx(rows["cost_per_part"].values[i].mean)


def test_lost_hours_are_the_hours_of_the_states_they_are_lost_in(data: ReportData) -> None:
    hours = data.duration_s / 3600
    states = list(palette.MACHINE_STATES)
    for side in data.sides:
        for state, reason in ((State.STARVED, "starved"), (State.BLOCKED, "blocked"), (State.SETUP, "setup")):
            spent = hours * sum(shares[states.index(state)] for shares in side.states)
            assert sum(lost.hours for lost in side.losses if lost.reason == reason) == pytest.approx(spent, abs=0.01)


def test_the_strip_agrees_with_the_shares_of_its_replication(data: ReportData, finished: Compared) -> None:
    for side in data.sides:
        kept = finished.study.trials[side.name, 0]
        codes = np.frombuffer(side.strip.encode(), np.uint8).reshape(len(side.machines), -1) - ord("0")
        assert (codes == State.BUSY).mean(axis=1) == pytest.approx(kept.state_share["busy"], abs=0.05)


def test_the_window_begins_by_the_plants_clock(data: ReportData, finished: Compared) -> None:
    start, warm_up_s = finished.study.arms["line"].start, finished.study.header.warm_up_s
    began = datetime.fromisoformat(data.begins) - datetime.fromisoformat(start)
    assert began.total_seconds() == warm_up_s == 900
    arms = {name: replace(arm, start="") for name, arm in finished.study.arms.items()}
    assert not report_data(replace(finished.study, arms=arms), "older").begins


def test_the_output_interval_is_planned_time_per_part(data: ReportData, finished: Compared) -> None:
    base = pairing.base_of(finished.study)
    output = data.sides[0].output
    assert output is not None
    known = [value for value in output.mean if value is not None]
    rate = np.mean([finished.study.trials[base.name, r].line["good_parts_per_h"] for r in range(data.replications)])
    assert np.mean(known) == pytest.approx(3600 / rate, rel=0.15)


def test_an_operation_is_called_by_its_name_once() -> None:
    of = arm("line", operations=("A", "B"), operation_titles=("A", "Bending"))
    assert [titled(of, name) for name in ("A", "B", "")] == ["A", "B Bending", "No operation"]


@pytest.mark.parametrize("strip", [{}, {"codes": "not base64!"}, {"codes": "AAAA"}, {"codes": None}])
def test_a_damaged_strip_is_refused(strip: dict[str, object], finished: Compared, tmp_path: Path) -> None:
    lines = finished.file.read_text(encoding="utf-8").splitlines()
    at = next(n for n, line in enumerate(lines) if '"strip"' in line)
    entry = json.loads(lines[at])
    entry["trial"]["strip"] = strip
    file = tmp_path / "damaged.study.jsonl"
    file.write_text("\n".join([*lines[:at], json.dumps(entry), *lines[at + 1 :], ""]), encoding="utf-8")
    with pytest.raises(StudyError, match=f":{at + 1}: .*the file is damaged"):
        store.load(file)


def test_report_draws_the_file_without_the_plants(
    finished: Compared, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = tmp_path / "kept.study.jsonl"
    study.write_bytes(finished.file.read_bytes())
    assert main(["report", str(study)]) == 0
    page = (tmp_path / "kept.html").read_text(encoding="utf-8")
    assert page == html(report_data(store.load(study), study.name))
    assert "kept.html" in capsys.readouterr().out


def test_a_study_without_finished_trials_is_said(
    finished: Compared, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = finished.file.read_text(encoding="utf-8").splitlines(keepends=True)
    study = tmp_path / "empty.study.jsonl"
    study.write_text("".join(line for line in lines if not line.startswith('{"trial"')), encoding="utf-8")
    assert main(["report", str(study)]) == 2
    assert "is not finished" in capsys.readouterr().err
    assert not (tmp_path / "empty.html").exists()


@pytest.mark.parametrize("content", ["", "{}", "not a study"])
def test_a_file_that_is_no_study_is_said(tmp_path: Path, content: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.jsonl").write_text(content, encoding="utf-8")
    assert main(["report", str(tmp_path / "x.jsonl")]) == 2
    assert "is not a study file" in capsys.readouterr().err
    assert main(["report", str(tmp_path / "none.jsonl")]) == 2
    assert "cannot be read" in capsys.readouterr().err


def test_a_page_that_cannot_be_written_is_said(
    finished: Compared, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "300")  # a long temporary path must not break the message into two lines
    assert main(["report", str(finished.file), "--out", str(tmp_path / "no" / "such" / "folder.html")]) == 2
    assert "does not exist" in capsys.readouterr().err
    assert main(["report", str(finished.file), "--out", str(finished.file)]) == 2


def test_a_break_is_a_gap_in_welchs_plot_and_no_dip_of_its_average(finished: Compared) -> None:
    """A line that makes a part a minute, but for an hour of break in the third of eight."""
    study = store.load(finished.file)
    hour_us, bins = 3_600_000_000, 96
    line = replace(study.arms["line"], planned_us=((0, 2 * hour_us), (3 * hour_us, 8 * hour_us)))
    out = np.full(bins, 5)
    out[24:36] = 0
    trials = [replace(study.trials["line", r], out=out) for r in range(2)]
    raw, smooth = welch(replace(study, header=replace(study.header, bin_s=300.0)), line, trials)
    assert raw.mean == (*[60.0] * 24, *[None] * 12, *[60.0] * 60)
    assert smooth.mean == pytest.approx([60.0] * (bins - 6))
