"""`validate detectors`: the truth is a truth, a hit is a hit, and what was finished is not made again."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np
import pytest

from factory_sim.cli import main
from factory_sim.study.arms import Variant
from factory_sim.study.compare.why import DETECTORS
from factory_sim.study.pool import Pool
from factory_sim.validation import constraint_lines, detectors
from factory_sim.validation.constraint_lines import ConstraintLine
from factory_sim.validation.detectors import Line
from factory_sim.validation.ledger import Ledger, LedgerError

if TYPE_CHECKING:
    from pathlib import Path

SLOW_SECOND = """
plant: slow_second
kinds: {machine: {}}
sources: {parts: {interarrival: saturated}}
sections:
  line:
    operations:
      OP1: {kind: machine, from: parts, cycle_time: "lognormal(20 s, cv 0.2)", buffer: 2}
      OP2: {kind: machine, cycle_time: "lognormal(40 s, cv 0.2)", buffer: 2}
      OP3: {kind: machine, cycle_time: "lognormal(20 s, cv 0.2)", buffer: 2}
"""


def line(number: int, pick: int, gains: tuple[float, ...] = (1.0, 5.0, 4.1)) -> Line:
    best, picks = int(np.argmax(gains)), dict.fromkeys(DETECTORS, pick)
    return Line(number=number, gains_pct=gains, best=best, picks=picks, pairs=20, separated=True)


def constraint_line(
    number: int, by_gain: str = "fleet agv", by_share: str = "fleet agv", gains: dict[str, float] | None = None
) -> ConstraintLine:
    gains = gains or {"fleet agv": 10.0, "operation OP1": 1.0}
    return ConstraintLine(number=number, drawn="vehicle", gains=gains, by_share=by_share, by_gain=by_gain, pairs=20)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = {"BASELINE_RUNS": 2, "WARM_UP_S": 600.0, "DURATION_S": 3600.0, "ROUND": 4, "MOST_PAIRS": 8}
    for name, value in sizes.items():
        monkeypatch.setattr(detectors, name, value)


@pytest.mark.parametrize(("pick", "hit"), [(0, False), (1, True), (2, True), (-1, False)])
def test_a_hit_earns_nearly_what_the_best_station_earns(pick: int, *, hit: bool) -> None:
    assert line(0, pick).hit("arrow") is hit


def test_a_summary_counts_hits_and_names_the_lines_that_were_missed() -> None:
    good = constraint_lines.summarize([constraint_line(0)])
    found = detectors.summarize([line(0, 1), line(1, 0), line(2, 2), line(3, 1)], good)
    assert found.hit == dict.fromkeys(DETECTORS, 0.75)
    assert (found.missed, found.ok) == ((1,), False)
    assert detectors.summarize([line(n, 1) for n in range(20)], good).ok
    assert not detectors.summarize([line(0, 1)], constraint_lines.summarize([constraint_line(0, "operation OP1")])).ok


def test_answers_on_other_constraints_are_counted_by_the_true_kind() -> None:
    lines = [
        constraint_line(0),
        constraint_line(1, by_share="operation OP1"),
        constraint_line(2, "", gains={"crew c": 3.0, "operation OP1": 2.5}),
        constraint_line(3, "operation OP1", gains={"crew c": 3.0, "operation OP1": 2.5}),
    ]
    found = constraint_lines.summarize(lines)
    assert found.by_kind == {
        "crew": {"lines": 2, "why": 0.5, "path_share": 0.0},
        "fleet": {"lines": 2, "why": 1.0, "path_share": 0.5},
    }
    assert (found.why, found.ok, found.missed) == (0.75, False, (2,))


@pytest.mark.parametrize("drawn", constraint_lines.DRAWN)
def test_a_drawn_line_has_the_constraint_that_was_drawn(drawn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = {"WHY_RUNS": 6, "WARM_UP_S": 1800.0, "DURATION_S": 4 * 3600.0, "ROUND": 4, "MOST_PAIRS": 8}
    for name, value in sizes.items():
        monkeypatch.setattr(constraint_lines, name, value)
    found = constraint_lines.assess(1, constraint_lines.DRAWN.index(drawn), "calendar")
    assert found.drawn == drawn
    kinds = {"vehicle": "fleet", "setup": "operation"}
    if drawn == "crew":  # so few pairs do not separate it from the stations
        assert {"crew fitters", "operation OP1"} <= set(found.gains)
    else:
        assert found.best.startswith(kinds.get(drawn, drawn))


@pytest.mark.usefixtures("quick")
def test_five_percent_more_speed_at_the_slow_station_is_worth_five_percent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detectors, "draw_line", lambda _: SLOW_SECOND)
    found = detectors.assess(1, 0, "simpy")
    assert found.best == 1
    assert found.separated
    assert found.gains_pct[1] == pytest.approx(5, abs=1)
    assert abs(found.gains_pct[0]) < 1
    assert all(found.picks[each] == 1 for each in ("critical_path_share", "active_share", "turning_point", "arrow"))


def test_random_lines_are_lines_as_a_person_writes_them(tmp_path: Path) -> None:
    texts = {detectors.draw_line(np.random.default_rng([1, number])) for number in range(20)}
    assert len(texts) == 20
    for text in texts:
        file = tmp_path / "line.yaml"
        file.write_text(text, encoding="utf-8")
        plant = Variant(str(file)).load()
        assert len(plant.operations) == detectors.STATIONS
        assert all(1 <= each.inputs[0].capacity <= 10 for each in plant.operations)
        assert any(machine.failures for machine in plant.machines)


def test_finished_lines_are_not_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    def assess(_seed: int, number: int, _engine: str) -> Line:
        made.append(number)
        return line(number, 1)

    monkeypatch.setattr(detectors, "assess", assess)
    file, progress = tmp_path / "kept.jsonl", list[int]()
    with Ledger(file, detectors.header(1)) as kept:
        for number in (0, 2):
            kept.add(asdict(line(number, 0)))
    with file.open("a", encoding="utf-8") as torn:
        torn.write('{"number": 1, "gai')
    with Ledger(file, detectors.header(1)) as kept:
        found = detectors.measure(4, 1, Pool(1), kept, progress.append)
    assert made == [1, 3]
    assert progress == [2, 3, 4]
    assert [each.hit("arrow") for each in found] == [False, True, False, True]
    with pytest.raises(LedgerError, match="belongs to another"):
        Ledger(file, detectors.header(2))
    assert len(file.read_text(encoding="utf-8").splitlines()) == 5


@pytest.mark.parametrize(("pick", "code", "said"), [(1, 0, "100.0 % hits"), (0, 1, "TOO FEW")])
def test_the_command_prints_every_method_and_fails_below_the_promise(
    pick: int, code: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(detectors, "assess", lambda _seed, number, _engine: line(number, pick))
    monkeypatch.setattr(constraint_lines, "assess", lambda _seed, number, _engine: constraint_line(number))
    monkeypatch.setattr("factory_sim.sim.engines.compile_now", lambda: None)
    assert main(["validate", "detectors", "--lines", "3", "--workers", "1", "--json", "why.json"]) == code
    out = capsys.readouterr().out
    assert said in out
    assert all(detector in out for detector in DETECTORS)
    assert set(json.loads((tmp_path / "why.json").read_text(encoding="utf-8"))["hit"]) == set(DETECTORS)
    assert [each.name for each in tmp_path.iterdir()] == ["why.json"]
