"""Which of several signals `map` takes for the state."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from factory_sim.api.foreign.reading import first_map

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("columns", ["mode,execution", "execution,mode"])
def test_the_state_is_what_changes_and_not_the_mode(tmp_path: Path, columns: str) -> None:
    words = {"mode": ("AUTOMATIC", "AUTOMATIC"), "execution": ("ACTIVE", "READY")}
    rows = [
        f"2026-05-04T06:{minute:02}:00Z,{','.join(words[column][minute % 2] for column in columns.split(','))}"
        for minute in range(20)
    ]
    (tmp_path / "mill.csv").write_text("\n".join([f"time,{columns}", *rows]), encoding="utf-8")
    text = first_map(tmp_path / "mill.csv")
    assert "state: execution" in text
    assert "ACTIVE: busy" in text
    assert "#   csv mill.csv: mode (words AUTOMATIC)" in text


def test_a_mode_alone_is_to_be_checked(tmp_path: Path) -> None:
    lines = [f"2026-05-04T06:{minute:02}:00Z|mode|AUTOMATIC|count|{minute}" for minute in range(20)]
    (tmp_path / "mill.txt").write_text("\n".join(lines), encoding="utf-8")
    assert "AUTOMATIC: busy  # seen 20 times; CHECK: does it mean this state?" in first_map(tmp_path / "mill.txt")
