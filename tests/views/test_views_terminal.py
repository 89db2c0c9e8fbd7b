"""Lines in a terminal are wrapped between words; pipes and files get them whole."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from factory_sim.views.text.terminal import say, wrapped

if TYPE_CHECKING:
    from pathlib import Path

PROSE = "Before and after come from one streamed window of 8 h, changes from 10 pairs of such windows; one may differ."


@pytest.mark.parametrize("width", [20, 40, 80, 100])
def test_no_word_is_broken_and_none_is_lost(width: int) -> None:
    lines = wrapped(PROSE, width).split("\n")
    assert " ".join(lines) == PROSE
    assert max(map(len, lines)) <= width


@pytest.mark.parametrize(
    ("line", "indent"),
    [
        ("Feed    75,149,256 readings in 2,820 messages sent, 75,149,256 received; 0 lost.", 8),
        ("  saturated  A source that always has another part, whatever the line does with it.", 13),
        ("  hint: A buffer of 0 places blocks the machine before it at once; write 1 or more.", 2),
        ("  ! M041 spindle_power: stuck: no change for 600 s while the machine was working hard.", 4),
        ("A sentence that begins at the margin and has no label continues at the margin as well.", 0),
    ],
)
def test_a_line_continues_below_its_own_text(line: str, indent: int) -> None:
    first, *others = wrapped(line, 40).split("\n")
    assert others
    assert all(len(each) - len(each.lstrip()) == indent for each in others)
    assert " ".join([first, *map(str.strip, others)]) == line


def test_a_command_to_be_copied_is_not_broken() -> None:
    command = "`factory-sim validate calibration --replications 200 --json calibration.json`"
    text = f"It is now replaced by another command, {command}, which does the same."
    assert command in wrapped(text, 60).split("\n")[1]
    again = "factory-sim run line.yaml --seed 1 --replication 3 --warm-up 14400.0s --log trial.parquet"
    assert again in wrapped(f"  Reproduce: {again}", 40)


def test_a_pipe_gets_the_line_whole(capsys: pytest.CaptureFixture[str]) -> None:
    say(PROSE)
    say(PROSE, err=True, style="yellow")
    assert capsys.readouterr() == (f"{PROSE}\n", f"{PROSE}\n")


@pytest.mark.skipif(os.name == "nt", reason="pseudo-terminals of POSIX")
@pytest.mark.parametrize(
    "words",
    [
        ["check", "no_such_plant_of_a_name_that_is_long.yaml"],
        ["run", "gearbox_line", "--speed", "as fast as possible, and if you can, even a little faster than that"],
        ["validate", "engines", "--plants", "0"],
        ["compare"],
    ],
    ids=lambda words: words[0],
)
def test_errors_fit_a_terminal(words: list[str], tmp_path: Path) -> None:
    import pty  # noqa: PLC0415 - exists on POSIX only

    own, other = pty.openpty()
    environment = {**os.environ, "COLUMNS": "60"}
    done = subprocess.run(
        [sys.executable, "-m", "factory_sim", *words], cwd=tmp_path, env=environment, stderr=other, check=False
    )
    os.close(other)
    said = os.read(own, 65_536).decode()
    os.close(own)
    assert done.returncode == 2
    assert max(map(len, said.splitlines())) <= 60
