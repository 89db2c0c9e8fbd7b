"""An optimisation: the exact best of a tandem line, a guarantee, the same digits again, contradictions told."""

from __future__ import annotations

import json
import re
import sys
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import factory_sim as fs
from factory_sim.cli import main
from factory_sim.errors import ConfigError
from factory_sim.study import store
from factory_sim.study.optimise.optimise_study import made, saved
from factory_sim.study.runner import Watcher
from factory_sim.study.store import StudyError
from factory_sim.study.sweep.sweep_study import Answered, Running
from factory_sim.views.html.points_page import optimise_html
from factory_sim.views.text.optimise_text import guarantee, optimise_lines

sys.path.insert(0, str(Path(__file__).parents[1] / "exact"))
from derivations import Tandem

if TYPE_CHECKING:
    from collections.abc import Callable

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
def optimised(tandem: Path) -> Callable[..., Answered]:
    """The optimisation of a text, by one worker and the reference engine."""

    def optimised(text: str = BUFFERS, watcher: Watcher | None = None, **running: Any) -> Answered:
        (tandem / "o.yaml").write_text(text, encoding="utf-8")
        usual = {"workers": 1, "engine": "simpy", "file": tandem / "o.jsonl"}
        return made(tandem / "o.yaml", Running(**(usual | running)), watcher or Watcher())

    return optimised


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Answered:
    folder = tmp_path_factory.mktemp("tandem")
    (folder / "tandem.yaml").write_text(TANDEM, encoding="utf-8")
    (folder / "o.yaml").write_text(BUFFERS, encoding="utf-8")
    return made(folder / "o.yaml", Running(1, "simpy", "", folder / "o.jsonl"), Watcher())


def exact(places: int) -> float:
    """Parts per hour with that many places before B, the rest before C, by the line's Markov chain."""
    return 60 * Tandem([1, 1, 1], [places, PLACES - places]).throughput()


def test_the_best_allocation_of_a_tandem_line_is_selected(finished: Answered) -> None:
    found = finished.answer
    best = max(range(PLACES + 1), key=exact)
    assert found["selected"]["values"] == {"B.buffer": best, "C.buffer": PLACES - best}
    assert best == PLACES - best  # the middle, as the line read backwards is the same line
    assert found["guarantee"]["decided"]
    assert found["guarantee"]["finalists"] == found["tried"] == PLACES + 1
    assert found["complete"]
    assert found["selected"]["cost"] == 2000


def test_rates_of_the_front_are_those_of_the_chain(finished: Answered) -> None:
    for choice in finished.answer["front"]:
        rate, true = choice["responses"]["good_parts_per_h"], exact(choice["values"]["B.buffer"])
        assert abs(rate["mean"] - true) < 2 * (rate["high"] - rate["mean"])  # 4.6 standard errors
    rates = [choice["responses"]["good_parts_per_h"]["mean"] for choice in finished.answer["front"]]
    wip = [choice["responses"]["wip"]["mean"] for choice in finished.answer["front"]]
    assert rates == sorted(rates, reverse=True)
    assert wip == sorted(wip, reverse=True)
    assert [choice["selected"] for choice in finished.answer["front"]].count(True) == 1


def test_all_rows_of_the_table_are_of_the_same_replications(optimised: Callable[..., Answered]) -> None:
    made = optimised(BUFFERS.replace("2 %", "1 %").replace("most: 120", "most: 12"))
    found, n = made.answer, 8
    assert n == found["front_replications"] < found["guarantee"]["replications"]
    before = [made.study.trials["tandem", r].line["wip"] for r in range(n)]
    assert found["before"]["wip"]["mean"] == pytest.approx(np.mean(before))
    chosen = next(choice for choice in found["front"] if choice["selected"])
    now, was = chosen["responses"]["wip"]["mean"], found["before"]["wip"]["mean"]
    assert chosen["change_pct"]["wip"]["mean"] == pytest.approx(100 * (now / was - 1))
    all_of_them = found["guarantee"]["replications"]
    foot = f"Every row is over the same 8 replications; the first line is over all {all_of_them}."
    assert foot in optimise_lines(found)
    assert foot in unescape(optimise_html(found))


def test_the_answer_is_in_the_study_file_alone(finished: Answered) -> None:
    assert saved(store.load(finished.file)) == finished.answer
    assert json.loads(json.dumps(finished.answer, allow_nan=False)) == finished.answer


def test_a_frame_has_a_row_a_choice(finished: Answered) -> None:
    frame = finished.to_pandas()
    assert list(frame.columns[:4]) == ["B.buffer", "C.buffer", "cost", "good_parts_per_h"]
    assert frame["selected"].sum() == 1


@pytest.mark.slow
def test_a_stopped_search_goes_on_to_the_same_digest_with_any_number_of_workers(
    optimised: Callable[..., Answered], tandem: Path
) -> None:
    pytest.importorskip("optuna")
    alone = optimised(SEARCHED)
    assert not alone.answer["complete"]
    assert alone.answer["guarantee"]["finalists"] == 3
    assert saved(alone.study) == alone.answer
    stopped = tandem / "stopped.jsonl"

    class Stopping(Watcher):
        def reached(self, done: int) -> None:  # noqa: ARG002
            if stopped.exists() and len(store.load(stopped).trials) == 13:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        optimised(SEARCHED, Stopping(), file=stopped)
    with pytest.raises(StudyError, match="not finished"):
        saved(store.load(stopped))
    again = optimised(SEARCHED, workers=2, file=stopped)
    assert store.digest(again.study) == store.digest(alone.study)
    assert again.answer == alone.answer


def test_a_search_needs_optuna_before_the_first_run(
    optimised: Callable[..., Answered], tandem: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(StudyError, match=r"\[optimise\]"):
        optimised(SEARCHED)
    assert not (tandem / "o.jsonl").exists()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("exactly: 4", "exactly: 9", r"o.yaml:6:\d+: limits.places: asks for exactly 9, but .* from 0 to 8"),
        ("exactly: 4", "at_least: 5, at_most: 3", r"asks for at least 5 and at most 3, but"),
        ("exactly: 4", "exactly: 4, at_most: 3", "stands beside at_least or at_most"),
        (", exactly: 4", "", "bounds nothing"),
        ('"*.buffer"', '"*.bufer"', r"'\*.bufer' matches none of the variables"),
        ("budget: 2000", "budget: 1500", "no choice keeps limits.places and budget together"),
        ("low: 0, high: 4, price: 500}\n  C", "low: 5, high: 6, price: 500}\n  C", "limits.places: asks for exactly 4"),
        ("budget: 2000", "budget: 20 USD", "price in EUR"),
        ("low: 0, high: 4", "low: 4, high: 0", "low must not be above high, got 4 and 0"),
        ("low: 0, high: 4", "low: 0", "needs low and high"),
        ("low: 0, high: 4", "low: 0, high: four", "expected a whole number of at least 0, got 'four'"),
        ("B.buffer:", "B.bufer:", r"variables.B.bufer.*is not a known key.*Did you mean buffer"),
        ("B.buffer:", "E.buffer:", r"variables.E.buffer.low: .*'E' is neither a name nor a key of the plant"),
        ("B.buffer:", "B.machines:", "whole number from 1"),
        ("wip]", "oee, machines]", "'machines' is no KPI of the line that has a better and a worse"),
        ("[good_parts_per_h, wip]", "[]", "objectives: names no KPI"),
        ("  C.buffer", "  operations.B.buffer", "means the same value as B.buffer"),
        ("high: 4, price: 500}\n  C", "high: 4.5}\n  C", r"^[^\n]*variables.B.buffer.high: expected a whole[^\n]*$"),
        ("most: 120", "most: 4", "is 4, fewer than first"),
        ("most: 120", "confidence: 100 %", "from 50 % to below 100 %"),
        ("indifference: 2 %", "indifference: 0", "a difference above 0, such as 0.5 %"),
        ("optimise: tandem.yaml", "sweep: tandem.yaml", "is a file for `factory-sim sweep`"),
        (", price: 500", "", "cannot be spent: no variable has a price"),
    ],
)
def test_a_contradiction_is_told_before_anything_runs(
    optimised: Callable[..., Answered], tandem: Path, old: str, new: str, said: str
) -> None:
    with pytest.raises(ConfigError) as error:
        optimised(BUFFERS.replace(old, new))
    assert re.search(said, str(error.value), re.DOTALL), str(error.value)
    assert not (tandem / "o.jsonl").exists()


def test_a_line_that_makes_nothing_has_no_best(optimised: Callable[..., Answered]) -> None:
    text = BUFFERS.replace("duration: 4 h", "duration: 1 s").replace("warm_up: 1 h", "warm_up: 0 s")
    with pytest.raises(StudyError, match="Write indifference as a number in its unit"):
        optimised(text)


def test_the_command_says_the_choice_and_its_guarantee_first(
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
    found = fs.optimise("o.yaml", workers=1, engine="simpy")  # goes on with the same study: runs stay good
    assert found.answer["guarantee"]["decided"]
    assert len(list(tandem.glob("o-*.study.jsonl"))) == 1
    assert main(["report", str(found.file), "--out", "p.html"]) == 0
    page = unescape((tandem / "p.html").read_text(encoding="utf-8"))
    said = guarantee(found.answer)
    assert said.startswith("with at least 95 % probability the best of all 5 allowed choices")
    assert f"Guarantee: {said}." in page
    assert page == unescape(optimise_html(found.answer))
    assert saved(store.load(found.file)) == found.answer
