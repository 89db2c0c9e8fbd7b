"""Optimisations: the exact best of a tandem line, the guarantee, bit-identical repetition, contradictions."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import factory_sim as fs
from factory_sim.cli import main
from factory_sim.errors import ConfigError, MissingExtraError
from factory_sim.study import store
from factory_sim.study.compare.pairing import base_of
from factory_sim.study.compare.report_content import drawing
from factory_sim.study.file_study import Execution
from factory_sim.study.optimise.optimise_study import optimisation_result, run_optimisation
from factory_sim.study.runner import FinishedStudy, Progress
from factory_sim.study.store import StudyError
from factory_sim.study.study_json import study_digest
from factory_sim.views.frames import variant_frame
from factory_sim.views.html.points_page import optimise_html
from factory_sim.views.text.optimise_text import front, guarantee, optimise_lines

sys.path.insert(0, str(Path(__file__).parents[1] / "validation"))
from derivations import Tandem

if TYPE_CHECKING:
    from collections.abc import Callable

    from factory_sim.results.optimise import OptimisationResult

    Optimised = FinishedStudy[OptimisationResult]

PLACES = 4
TANDEM = """
plant: tandem
kinds: {machine: {power: {busy: 5 kW, starved: 1 kW}}}
sources: {parts: {interarrival: saturated}}
sections:
  line:
    operations:
      A: {kind: machine, from: parts, cycle_time: "exponential(60 s)", buffer: 0}
      B: {kind: machine, cycle_time: "exponential(60 s)", buffer: 1}
      C: {kind: machine, cycle_time: "exponential(60 s)", buffer: 1}
"""
BUFFERS = """
optimise: tandem.yaml
variables:
  B.buffer: {low: 0, high: 4, price: 500}
  C.buffer: {low: 0, high: 4, price: 500}
limits: {places: {of: "*.buffer", exactly: 4}}
budget: 2000
objectives: [good_parts_per_h, wip]
first: 8
most: 120
indifference: 2 %
duration: 4 h
warm_up: 1 h
"""
LIMITED = """limits: {places: {of: "*.buffer", exactly: 4}}
budget: 2000
"""
SEARCHED = BUFFERS.replace(LIMITED, "candidates: 10\nscreening: 2\nfinalists: 3\n")


@pytest.fixture
def tandem(tmp_path: Path) -> Path:
    (tmp_path / "tandem.yaml").write_text(TANDEM, encoding="utf-8")
    return tmp_path


@pytest.fixture
def optimised(tandem: Path) -> Callable[..., Optimised]:
    """Return a function that runs the optimisation of a text with one worker and the reference engine."""

    def optimised(text: str = BUFFERS, progress: Progress | None = None, **execution: Any) -> Optimised:
        (tandem / "o.yaml").write_text(text, encoding="utf-8")
        usual = {"workers": 1, "engine": "simpy", "file": tandem / "o.jsonl"}
        return run_optimisation(tandem / "o.yaml", Execution(**(usual | execution)), progress or Progress())

    return optimised


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Optimised:
    folder = tmp_path_factory.mktemp("tandem")
    (folder / "tandem.yaml").write_text(TANDEM, encoding="utf-8")
    (folder / "o.yaml").write_text(BUFFERS, encoding="utf-8")
    execution = Execution(workers=1, engine="simpy", file=folder / "o.jsonl")
    return run_optimisation(folder / "o.yaml", execution, Progress())


def exact(places: int) -> float:
    """Return parts per hour with that many places before B and the rest before C, by the line's Markov chain."""
    return 60 * Tandem([1, 1, 1], [places, PLACES - places]).throughput()


def test_the_best_allocation_of_a_tandem_line_is_selected(finished: Optimised) -> None:
    found = finished.result
    best = max(range(PLACES + 1), key=exact)
    assert found.selected.values == {"B.buffer": best, "C.buffer": PLACES - best}
    assert best == PLACES - best  # the line is symmetric
    assert found.guarantee.decided
    assert found.guarantee.finalists == found.tried == PLACES + 1
    assert found.complete
    assert found.selected.cost == 2000


def test_rates_of_the_front_are_those_of_the_chain(finished: Optimised) -> None:
    front = finished.result.front
    for choice in front:
        rate, true = choice.responses["good_parts_per_h"], exact(choice.values["B.buffer"])
        assert abs(rate.mean - true) < 2 * rate.half_width  # 4.6 standard errors
    for kpi in ("good_parts_per_h", "wip"):
        means = [choice.responses[kpi].mean for choice in front]
        assert means == sorted(means, reverse=True)
    assert [choice.selected for choice in front].count(True) == 1


def test_the_front_is_explained_in_a_sentence(finished: Optimised) -> None:
    two = finished.result
    text = (
        "Pareto front: the selected choice, and each choice for which no other has more good parts per planned hour "
        "and less work in progress at once."
    )
    assert list(two.objectives) == ["good_parts_per_h", "wip"]
    assert text in optimise_lines(two)
    assert text in unescape(optimise_html(two))
    one = replace(two, objectives={"good_parts_per_h": two.objectives["good_parts_per_h"]})
    assert front(one).endswith("for which no other has more good parts per planned hour.")


def test_all_rows_of_the_table_are_of_the_same_replications(optimised: Callable[..., Optimised]) -> None:
    study = optimised(BUFFERS.replace("2 %", "1 %").replace("most: 120", "most: 12"))
    found, n, all_of_them = study.result, 8, study.result.guarantee.replications
    assert n == found.front_replications < all_of_them
    before = [study.study.trials["tandem", r].line["wip"] for r in range(n)]
    assert found.before["wip"].mean == pytest.approx(np.mean(before))
    chosen = next(choice for choice in found.front if choice.selected)
    now, was = chosen.responses["wip"].mean, found.before["wip"].mean
    assert chosen.change_pct["wip"].mean == pytest.approx(100 * (now / was - 1))
    foot = f"* marks the selected choice. All rows use the same 8 replications; the first line uses all {all_of_them}."
    assert foot in optimise_lines(found)
    assert foot in unescape(optimise_html(found))


def test_the_result_follows_from_the_study_file_alone(finished: Optimised) -> None:
    assert optimisation_result(store.load(finished.file)) == finished.result
    content = finished.result.to_dict()
    assert json.loads(json.dumps(content, allow_nan=False)) == json.loads(json.dumps(content))


def test_a_frame_has_a_row_per_choice(finished: Optimised) -> None:
    frame = variant_frame(finished.result)
    assert list(frame.columns[:4]) == ["B.buffer", "C.buffer", "cost", "good_parts_per_h"]
    assert frame["selected"].sum() == 1


@pytest.mark.slow
def test_an_interrupted_search_resumes_to_the_same_digest_with_any_number_of_workers(
    optimised: Callable[..., Optimised], tandem: Path
) -> None:
    pytest.importorskip("optuna")
    alone = optimised(SEARCHED)
    assert not alone.result.complete
    assert alone.result.guarantee.finalists == 3
    assert optimisation_result(alone.study) == alone.result
    stopped = tandem / "stopped.jsonl"

    class Stopping(Progress):
        def advance(self, done: int) -> None:  # noqa: ARG002
            if stopped.exists() and len(store.load(stopped).trials) == 13:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        optimised(SEARCHED, Stopping(), file=stopped)
    with pytest.raises(StudyError, match="not finished"):
        optimisation_result(store.load(stopped))
    again = optimised(SEARCHED, workers=2, file=stopped)
    assert study_digest(again.study) == study_digest(alone.study)
    assert again.result == alone.result


def test_a_search_without_optuna_is_refused_before_the_first_run(
    optimised: Callable[..., Optimised], tandem: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtraError, match=r"\[optimise\]"):
        optimised(SEARCHED)
    assert not (tandem / "o.jsonl").exists()


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("exactly: 4", "exactly: 9", r"o.yaml:6:\d+: limits.places: requires exactly 9, but .* from 0 to 8"),
        ("exactly: 4", "at_least: 5, at_most: 3", r"requires at least 5 and at most 3, but"),
        ("exactly: 4", "exactly: 4, at_most: 3", "cannot be combined with at_least or at_most"),
        (", exactly: 4", "", "has no bound"),
        ('"*.buffer"', '"*.bufer"', r"'\*.bufer' matches none of the variables"),
        ("budget: 2000", "budget: 1500", "no choice meets limits.places and budget at once"),
        ("low: 0, high: 4, price: 500}\n  C", "low: 5, high: 6, price: 500}\n  C", "limits.places: requires exactly 4"),
        ("budget: 2000", "budget: 20 USD", "price in EUR"),
        ("low: 0, high: 4", "low: 4, high: 0", "low must not be above high, got 4 and 0"),
        ("low: 0, high: 4", "low: 0", "needs low and high"),
        ("low: 0, high: 4", "low: 0, high: four", "expected a whole number of at least 0, got 'four'"),
        ("B.buffer:", "B.bufer:", r"variables.B.bufer.*is not a known key.*Did you mean buffer"),
        ("B.buffer:", "E.buffer:", r"variables.E.buffer.low: .*'E' is neither a name nor a key of the plant"),
        ("B.buffer:", "B.machines:", "whole number from 1"),
        ("wip]", "oee, machines]", "'machines' is not a KPI of the line with a direction"),
        ("[good_parts_per_h, wip]", "[]", "objectives: contains no KPI"),
        ("  C.buffer", "  operations.B.buffer", "means the same value as B.buffer"),
        ("high: 4, price: 500}\n  C", "high: 4.5}\n  C", r"^[^\n]*variables.B.buffer.high: expected a whole[^\n]*$"),
        ("most: 120", "most: 4", "is 4, fewer than first"),
        ("most: 120", "confidence: 100 %", "from 50 % to below 100 %"),
        ("indifference: 2 %", "indifference: 0", "a difference above 0, such as 0.5 %"),
        ("optimise: tandem.yaml", "sweep: tandem.yaml", "is a file for `factory-sim sweep`"),
        (", price: 500", "", "has no effect: no variable has a price"),
    ],
)
def test_a_contradiction_is_reported_before_anything_runs(
    optimised: Callable[..., Optimised], tandem: Path, old: str, new: str, expected: str
) -> None:
    with pytest.raises(ConfigError) as error:
        optimised(BUFFERS.replace(old, new))
    assert re.search(expected, str(error.value), re.DOTALL), str(error.value)
    assert not (tandem / "o.jsonl").exists()


def test_a_line_without_good_parts_has_no_best_choice(optimised: Callable[..., Optimised]) -> None:
    text = BUFFERS.replace("duration: 4 h", "duration: 1 s").replace("warm_up: 1 h", "warm_up: 0 s")
    with pytest.raises(StudyError, match="Write indifference as a number in its unit"):
        optimised(text)


def test_the_command_prints_the_choice_and_its_guarantee_first(
    tandem: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tandem)
    short = BUFFERS.replace("most: 120", "most: 8").replace("duration: 4 h", "duration: 1 h")
    (tandem / "o.yaml").write_text(short, encoding="utf-8")
    words = ["optimise", "o.yaml", "--workers", "1", "--engine", "simpy", "--json", "a.json", "--csv", "a.csv"]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert out.startswith("leading, not decided: B.buffer ")
    assert "none yet: " in out
    assert "(assumed by you): 500 per B.buffer" in out
    assert not json.loads((tandem / "a.json").read_text(encoding="utf-8"))["guarantee"]["decided"]
    (tandem / "o.yaml").write_text(short.replace("2 %", "40 %"), encoding="utf-8")
    found = fs.optimise("o.yaml", workers=1, engine="simpy")  # resumes the same study: its trials stay valid
    assert found.result.guarantee.decided
    assert len(list(tandem.glob("o-*.study.jsonl"))) == 1
    assert main(["report", str(found.file), "--out", "p.html"]) == 0
    page = unescape((tandem / "p.html").read_text(encoding="utf-8"))
    expected = guarantee(found.result)
    assert expected.startswith("with at least 95 % probability the best of all 5 allowed choices")
    assert f"Guarantee: {expected}." in page
    picture = drawing(base_of(store.load(found.file)))
    assert picture.startswith("<svg")
    assert page == unescape(optimise_html(found.result, picture))
    assert optimisation_result(store.load(found.file)) == found.result
