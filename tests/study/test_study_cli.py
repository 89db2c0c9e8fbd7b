"""`compare`, `whatif`, `why`, `validate study` and the Python calls: the answer stands first."""

from __future__ import annotations

import itertools
import json
import re
from typing import TYPE_CHECKING, Any

import pytest

import factory_sim as fs
from factory_sim.cli import main
from factory_sim.study.pool import Pool

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from study_lines import Compared

    from factory_sim.study.pool import Task
    from factory_sim.study.trial import Setting

SHORT = ("--replications", "3", "--duration", "30 min", "--warm-up", "10 min", "--workers", "1", "--engine", "simpy")


def run(*words: object, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str], str]:
    code = main([str(word) for word in words])
    said = capsys.readouterr()
    return code, said.out.splitlines(), said.err


@pytest.mark.parametrize("command", ["compare", "whatif", "why", "validate study"])
def test_every_help_has_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(*command.split(), "--help", capsys=capsys)
    assert code == 0
    assert f"Example: factory-sim {command}" in "\n".join(out)


def test_compare_says_the_answer_first_and_writes_it(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = folder / "line.yaml", folder / "better.yaml"
    study, answer = tmp_path / "s.jsonl", tmp_path / "answer.json"
    code, out, _ = run("compare", *files, *SHORT, "--study", study, "--json", answer, capsys=capsys)
    assert code == 0
    written = json.loads(answer.read_text(encoding="utf-8"))
    assert out[0].startswith(f"line rate {written['change']['line_rate_pct']['mean']:+.2f} % [")
    assert set(written["attribution"]) == {"washer", "repairs", "room"}
    assert any(line.startswith("Payback") for line in out)
    where = [
        next(i for i, line in enumerate(out) if line.startswith(word)) for word in ("Intervals", "Runs", "Contribution")
    ]
    assert where == sorted(where)
    code, out, _ = run("validate", "study", study, "--workers", "1", "--engine", "simpy", capsys=capsys)
    assert (code, out[0]) == (0, "same: yes")


def test_two_pairs_print_neither_interval_nor_constraint(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files, study = (folder / "line.yaml", folder / "better.yaml"), tmp_path / "s.jsonl"
    code, out, _ = run("compare", *files, *SHORT, "--replications", "2", "--study", study, capsys=capsys)
    assert code == 0
    assert re.match(r"line rate [+-]?\d+\.\d\d %   better against line, 2 pairs", out[0])
    assert any(re.fullmatch(r"Payback     [\d.]+ years", line.rstrip()) for line in out)
    shown = "\n".join(out)
    assert not re.search(r"\[[+-]?\d|Constraint|Intervals|n\.s\.", shown)


def test_a_report_drawn_at_once_simulates_nothing_more_unless_asked(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files, study, page = (folder / "line.yaml", folder / "better.yaml"), tmp_path / "s.jsonl", tmp_path / "r.html"
    words = ("compare", *files, *SHORT, "--replications", "10", "--study", study, "--no-attribution")
    assert run(*words, capsys=capsys)[0] == 0
    assert run("report", study, "--out", page, capsys=capsys)[0] == 0
    assert "factory-sim why s.jsonl --arm better" in page.read_text(encoding="utf-8")
    before = study.read_bytes()
    code, out, _ = run(*words, "--report", page, capsys=capsys)
    assert (code, out[-1]) == (0, f"Report      {page}")
    assert study.read_bytes() == before
    assert sum("(by path share)" in line for line in out) == 1
    for reported in (r"better: why, \d+ trials", ""):  # the second call finds the gains in the study
        code, out, err = run(*words, "--report", page, "--with-why", capsys=capsys)
        assert code == 0
        assert re.search(reported, err)
        assert sum("(by gain)" in line for line in out) == 1
    drawn, _, _ = page.read_text(encoding="utf-8").partition('<script type="application/json"')
    assert "factory-sim why" not in drawn


def test_whatif_takes_changes_as_typed(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = tmp_path / "answer.json"
    typed = ("WASH.cycle_time=35 s", "TEST.buffer+2")
    code, out, err = run("whatif", folder / "line.yaml", *typed, *SHORT, "--json", answer, capsys=capsys)
    assert code == 0
    assert re.match(r"line rate \+\d+\.\d\d % \[", out[0])
    assert "2 pairs" in err
    assert json.loads(answer.read_text(encoding="utf-8"))["constraint"]["before"]["name"] == "WASH"


def test_why_names_the_constraint_first(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run("why", folder / "line.yaml", *SHORT, "--replications", "10", "--top", "1", capsys=capsys)
    assert code == 0
    assert re.match(r"operation WASH limits line: \d+ % of the critical path; [a-z ]+: \+", out[0])


def test_why_reads_a_study(finished: Compared, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = tmp_path / "study.of.last.week"
    study.write_bytes(finished.file.read_bytes())
    words = ("why", study, "--arm", "better", "--top", "1", "--workers", "1", "--engine", "simpy")
    code, out, _ = run(*words, capsys=capsys)
    assert code == 0
    assert " limits better: " in out[0]
    code, _, err = run("why", study, "--arm", "missing", capsys=capsys)
    assert code == 2
    assert "Its arms are: line, better" in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("compare", "gearbox_line", "retrofitt"), "Did you mean retrofit?"),
        (("compare", "gearbox_line", "retrofit", "--until", "narrow"), "half-width above 0"),
        (("whatif", "gearbox_line", "OP41.cycle_time=34s"), "OP41"),
        (("validate", "study", "nowhere.jsonl"), "cannot be read"),
        (("why", "nowhere.jsonl"), "cannot be read"),
    ],
)
def test_what_cannot_be_done_is_said_at_once(
    words: tuple[str, ...],
    said: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = run(*words, capsys=capsys)
    assert code == 2
    assert said in err.replace("\n", " ")
    assert out == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("words", [("whatif", "line.yaml", "TEST.buffer+2"), ("why", "line.yaml")])
def test_ctrl_c_says_what_is_kept_and_what_is_not(
    words: tuple[str, ...],
    kept: bool,
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trials = itertools.count()

    def stopped(self: Pool, tasks: Sequence[Task], setting: Setting) -> Iterator[tuple[Task, dict[str, Any]]]:
        for each in run_all(self, tasks, setting):
            if next(trials) == 2:
                raise KeyboardInterrupt
            yield each

    run_all = Pool.run
    monkeypatch.setattr(Pool, "run", stopped)
    monkeypatch.chdir(folder)
    study = ("--study", tmp_path / "s.jsonl") if kept else ()
    code, out, err = run(*words, *SHORT, *study, capsys=capsys)
    assert (code, out) == (130, [])
    assert (f"Finished trials are kept in {tmp_path / 's.jsonl'}; the same command" in err) is kept
    assert ("Stopped. Nothing is kept." in err) is not kept
    assert [path.name for path in tmp_path.iterdir()] == ["s.jsonl"] * kept


def test_python_compares_in_one_call(folder: Path, tmp_path: Path) -> None:
    study = fs.compare(
        folder / "line.yaml",
        changes=("WASH.cycle_time=35 s",),
        replications=2,
        duration="20 min",
        warm_up="10 min",
        workers=1,
        engine="simpy",
        attribution=False,
        study=tmp_path / "s.jsonl",
    )
    assert study.result.to_dict()["change"]["station_time_pct"]["mean"] < -15
    assert len(study.to_pandas()) == 4
    assert study.why(top=1).resources[0].name == "WASH"


def test_python_loads_and_simulates(folder: Path) -> None:
    plant = fs.load(folder / "line.yaml", "WASH.buffer+2")
    done = fs.simulate(plant, duration="10 min", engine="simpy")
    assert done.good_parts > 0
