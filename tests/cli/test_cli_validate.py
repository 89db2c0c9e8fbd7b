"""The commands that `validate` replaced answer with the new command."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from factory_sim.cli import main

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (["exact", "table.json", "--workers", "2"], "factory-sim validate exact table.json --workers 2"),
        (["selftest", "why", "--lines", "150"], "factory-sim validate detectors --lines 150"),
        (["selftest", "engines"], "factory-sim validate engines"),
        (["selftest"], "factory-sim validate"),
        (["replay", "my.study.jsonl"], "factory-sim validate study my.study.jsonl"),
        (["bench", "--calibration"], "factory-sim validate calibration"),
    ],
)
def test_a_replaced_command_names_its_successor(old: list[str], new: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(old) == 2
    assert f"`{new}`" in capsys.readouterr().err


def test_validate_engines_writes_what_it_compared(tmp_path: Path) -> None:
    out = tmp_path / "engines.json"
    assert main(["validate", "engines", "--plants", "3", "--json", str(out)]) == 0
    found = json.loads(out.read_text(encoding="utf-8"))
    assert (found["format"], found["plants"], found["difference"]) == (1, 3, "")
    assert set(found["pairs"]) >= {"batches with joins"}
