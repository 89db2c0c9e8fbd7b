"""`--start` moves the calendar of the plant to those dates, and a time that does not exist is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from factory_sim.cli import main

SKIPPED = """
plant: spring
start: 2026-03-29 00:00
timezone: Europe/Berlin
shifts: {day: {open: "02:30-14:00"}}
shift: day
sources: {s: {interarrival: saturated}}
sections: {x: {operations: {OP: {cycle_time: 60 s, buffer: 2, from: s}}}}
"""
CASES = Path(__file__).parents[1] / "cases" / "calendar"


def run(case: str, start: str, tmp_path: Path, *more: str) -> int:
    log = str(tmp_path / "log.csv")
    return main(
        [
            "run",
            str(CASES / f"{case}.yaml"),
            "--speed",
            "max",
            "--start",
            start,
            "--log",
            log,
            "--warm-up",
            "0 s",
            *more,
        ]
    )


@pytest.mark.parametrize("engine", ["simpy", "calendar"])
@pytest.mark.parametrize(("start", "parts"), [("2026-01-09T08:00", "104"), ("2026-01-10T08:00", "0")])
def test_a_week_shift_works_on_friday_and_not_on_saturday(
    start: str, parts: str, engine: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("weekend", start, tmp_path, "--duration", "2h", "--engine", engine) == 0
    assert f"{parts} good parts" in capsys.readouterr().out


def test_a_snapshot_keeps_the_start_of_its_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved = str(tmp_path / "saved.npz")
    assert run("weekend", "2026-01-09T13:30", tmp_path, "--duration", "1h", "--save", saved) == 0
    log = str(tmp_path / "rest.csv")
    capsys.readouterr()
    assert main(["run", "--resume", saved, "--speed", "max", "--log", log, "--duration", "60h"]) == 0
    assert " 0 good parts" in capsys.readouterr().out  # until Monday 02:30


def test_a_log_alone_starts_at_the_time_of_the_plant_s_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["run", str(CASES / "spring.yaml"), "--duration", "48h", "--warm-up", "0s", "--log"]
    logs = [tmp_path / "default.csv", tmp_path / "plant.csv"]
    assert main([*words, str(logs[0])]) == 0
    assert main([*words, str(logs[1]), "--start", "plant"]) == 0
    assert logs[0].read_bytes() == logs[1].read_bytes()
    assert capsys.readouterr().out.count("959 good parts") == 2  # 16 h of one minute each


def test_a_start_that_the_clock_skips_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("spring", "2026-03-29T02:30", tmp_path) == 2
    assert "does not exist in Europe/Berlin" in " ".join(capsys.readouterr().err.split())


def test_a_start_that_occurs_twice_is_the_first_and_is_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("autumn", "2026-10-25T02:30", tmp_path, "--duration", "1h", "--engine", "simpy") == 0
    assert "occurs twice in Europe/Berlin; the first counts" in capsys.readouterr().err


def test_check_reports_edges_that_the_clock_skips_or_repeats(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (CASES / "spring.yaml").read_text(encoding="utf-8").replace("06:00-14:00", "02:30-14:00")
    (tmp_path / "plant.yaml").write_text(text, encoding="utf-8")
    assert main(["check", str(tmp_path / "plant.yaml")]) == 0
    out = capsys.readouterr().out
    assert "shift day: 2026-03-29 02:30 does not exist in Europe/Berlin; it takes effect after the change." in out
    assert "shift day: 2026-10-25 02:30 occurs twice in Europe/Berlin; the first counts." in out


@pytest.mark.parametrize(
    ("command", "more"), [("compare", ["longer.yaml"]), ("whatif", ["OP.cycle_time=70 s"]), ("why", [])]
)
def test_a_study_reports_an_edge_that_the_clock_skips_once(
    command: str, more: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("plant.yaml").write_text(SKIPPED, encoding="utf-8")
    Path("longer.yaml").write_text(SKIPPED.replace("cycle_time: 60 s", "cycle_time: 70 s"), encoding="utf-8")
    window = ["--replications", "5", "--duration", "4h", "--warm-up", "0 s", "--workers", "1", "--engine", "simpy"]
    assert main([command, "plant.yaml", *more, *window, "--study", "now.study.jsonl"]) == 0
    line = "shift day: 2026-03-29 02:30 does not exist in Europe/Berlin; it takes effect after the change."
    assert " ".join(capsys.readouterr().err.split()).count(line) == 1


LATE_FILLING = """
plant: filling
start: 2026-01-05 06:00
shifts: {day: {open: "Mon-Fri 06:00-14:00"}}
shift: day
sources: {s: {interarrival: saturated}}
sections:
  x:
    operations:
      A: {cycle_time: 50 s, buffer: 1, from: s}
      B: {cycle_time: 60 s, buffer: 60}
      C: {cycle_time: 70 s, buffer: 60}
"""


@pytest.mark.parametrize("start", ["plant", "2026-01-05T06:00", "2026-01-12T06:00"])
def test_the_warm_up_before_a_shift_contains_planned_time(
    start: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "filling.yaml").write_text(LATE_FILLING)
    words = ["run", str(tmp_path / "filling.yaml"), "--log", str(tmp_path / "log.csv"), "--start", start]
    assert main([*words, "--duration", "2h"]) == 0
    captured = capsys.readouterr()
    assert "of which" in captured.err
    assert "are planned time" in captured.err
    assert "103 good parts" in captured.out  # 7,200 s at one part in 70 s; from an empty plant 100


def test_a_stated_warm_up_lies_before_the_start_of_the_plant_s_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "filling.yaml").write_text(LATE_FILLING)
    words = ["run", str(tmp_path / "filling.yaml"), "--log", str(tmp_path / "log.csv"), "--start", "plant"]
    assert main([*words, "--duration", "10h", "--warm-up", "1 h"]) == 0
    captured = capsys.readouterr()
    assert "(1 shift)" in captured.out  # 06:00 to 14:00 lies within the window
    assert "The warm-up has no planned time" in captured.err
