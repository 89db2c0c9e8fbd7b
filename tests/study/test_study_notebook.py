"""The notebook in docs/ is executed, contains no path of a machine, and its cells run on a small line."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from study_lines import BETTER, LINE

if TYPE_CHECKING:
    import pytest

SENSOR = "lathe:\n    sensors: {spindle_power: {kind: power, rate: 1 Hz}}"
NOTEBOOK = Path(__file__).parents[2] / "docs" / "notebook.ipynb"
CELLS = [cell for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]


def test_every_cell_is_executed_in_order() -> None:
    assert [cell["execution_count"] for cell in CELLS] == list(range(1, len(CELLS) + 1))
    assert all(cell["outputs"] for cell in CELLS)


def test_it_contains_no_path_of_a_machine() -> None:
    assert not re.findall(r"(?:/home|/root|/tmp|/work|/usr|C:\\)[^\"\s]*", json.dumps(CELLS))


def test_its_cells_run_on_a_small_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    line = LINE.replace("plant: line", "plant: gearbox_line").replace("WASH", "OP410").replace("lathe:", SENSOR, 1)
    (tmp_path / "gearbox_line.yaml").write_text(line, encoding="utf-8")
    scenario = BETTER.replace("line.yaml", "gearbox_line.yaml").replace("WASH", "OP410")
    (tmp_path / "retrofit.yaml").write_text(scenario, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for cell in CELLS:
        source = "".join(cell["source"]).replace('"4 h"', '"20 min"').replace('"8 h"', '"20 min"')
        source = source.replace('"gearbox_line"', '"gearbox_line.yaml"').replace(
            '"retrofit", rep', '"retrofit.yaml", rep'
        )
        source = source.replace('"M041"', '"M002"')
        exec(compile(source, NOTEBOOK.name, "exec"), names)  # noqa: S102 - as the notebook does
    assert (tmp_path / "retrofit.study.jsonl").exists()
    assert names["study"].change["line_rate_pct"].mean > 0
    assert len(names["power"]) == 20 * 60
    assert names["why"].operations
