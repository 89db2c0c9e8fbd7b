"""`exact` as a person meets it: a table in, lines and a verdict out, an exit code that tells."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from factory_sim.cli import main

if TYPE_CHECKING:
    from pathlib import Path

RIGHT = {
    "name": "third",
    "model": "deterministic tandem line",
    "metric": "nth_departure",
    "s": [2, 3],
    "nth": 3,
    "value": 11,
}


def table(folder: Path, *rows: dict[str, Any]) -> Path:
    path = folder / "table.json"
    path.write_text(json.dumps({"rows": rows}))
    return path


def test_rows_that_hold_are_printed_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.json"
    assert main(["validate", "exact", str(table(tmp_path, RIGHT)), "--json", str(out), "--engine", "simpy"]) == 0
    said = capsys.readouterr().out
    assert said.split("\n")[0].split() == ["name", "exact", "simulated", "interval", "inside"]
    assert "third" in said
    assert "1 of 1 rows hold" in said
    written = json.loads(out.read_text())
    assert written["complete"]
    assert {"name": "third", "exact": 11.0, "simulated": 11.0, "inside": True}.items() <= written["rows"][0].items()


def test_a_row_that_misses_makes_exit_code_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = {**RIGHT, "name": "wrong", "value": 11.1}
    assert main(["validate", "exact", str(table(tmp_path, RIGHT, wrong)), "--engine", "simpy"]) == 1
    assert "NO" in capsys.readouterr().out


def test_a_row_that_is_not_understood_makes_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "exact", str(table(tmp_path, {**RIGHT, "model": "M/M/cc"}))]) == 2
    said = capsys.readouterr().err
    assert "rows[0] 'third': model" in said
    assert "Did you mean M/M/c?" in said


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_or_sigterm_ends_it_soon_and_keeps_the_file_whole(how: signal.Signals, tmp_path: Path) -> None:
    long = {"name": "long", "model": "M/M/1", "metric": "Lq", "lam": 0.99, "mu": 1, "value": 98.01}
    out = tmp_path / "out.json"
    words = [
        sys.executable,
        "-m",
        "factory_sim",
        "validate",
        "exact",
        str(table(tmp_path, long, RIGHT)),
        "--json",
        str(out),
    ]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=os.environ) as program:
        try:
            assert program.stdout is not None
            assert any(line.startswith("third") for line in program.stdout)
            program.send_signal(how)
            assert program.wait(60) == 130
        finally:
            program.kill()
    written = json.loads(out.read_text())
    assert [row["name"] for row in written["rows"]] == ["third"]
    assert not written["complete"]
