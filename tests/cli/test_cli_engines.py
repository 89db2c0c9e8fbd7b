"""What the command line says of engines."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from factory_sim.cli import main

if TYPE_CHECKING:
    import pytest


def test_check_says_which_engine_runs_a_plant_and_why(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "gearbox_line", "--engines"]) == 0
    printed = capsys.readouterr().out
    assert "engine auto: " in printed
    assert "engine calendar: exact for everything in this plant" in printed
    assert "engine simpy: the reference" in printed


def test_validate_engines_prints_how_many_plants_exercised_each_feature(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "engines", "--plants", "8"]) == 0
    printed = capsys.readouterr().out
    assert "engines equal on 8 plants" in printed
    assert "failures" in printed
    assert "the rarest pair" in printed
    assert re.search(
        r"resumed from the file: [1-8] plants, bit-identical", printed
    )  # one that deadlocks is not resumed
