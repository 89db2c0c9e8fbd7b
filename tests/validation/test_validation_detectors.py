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
from factory_sim.validation import detectors
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


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = {"BASELINE_RUNS": 2, "WARM_UP_S": 600.0, "DURATION_S": 3600.0, "ROUND": 4, "MOST_PAIRS": 8}
    for name, value in sizes.items():
        monkeypatch.setattr(detectors, name, value)


@pytest.mark.parametrize(("pick", "hit"), [(0, False), (1, True), (2, True), (-1, False)])
def test_a_hit_earns_nearly_what_the_best_station_earns(pick: int, *, hit: bool) -> None:
    assert line(0, pick).hit("arrow") is hit


def test_a_summary_counts_hits_and_names_the_lines_that_were_missed() -> None:
    found = detectors.summarize([line(0, 1), line(1, 0), line(2, 2), line(3, 1)])
    assert found.hit == dict.fromkeys(DETECTORS, 0.75)
    assert (found.missed, found.ok) == ((1,), False)
    assert detectors.summarize([line(n, 1) for n in range(20)]).ok


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
    monkeypatch.setattr("factory_sim.sim.engines.compile_now", lambda: None)
    assert main(["validate", "detectors", "--lines", "3", "--workers", "1", "--json", "why.json"]) == code
    out = capsys.readouterr().out
    assert said in out
    assert all(detector in out for detector in DETECTORS)
    assert set(json.loads((tmp_path / "why.json").read_text(encoding="utf-8"))["hit"]) == set(DETECTORS)
    assert [each.name for each in tmp_path.iterdir()] == ["why.json"]
