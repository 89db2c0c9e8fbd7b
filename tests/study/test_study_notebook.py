"""The notebook in docs/ was run, holds its outputs, nothing of the machine that made them, and its cells still run."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from study_lines import BETTER, LINE

if TYPE_CHECKING:
    import pytest

NOTEBOOK = Path(__file__).parents[2] / "docs" / "notebook.ipynb"
CELLS = [cell for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]


def test_every_cell_was_run_in_order() -> None:
    assert [cell["execution_count"] for cell in CELLS] == list(range(1, len(CELLS) + 1))
    assert all(cell["outputs"] for cell in CELLS)


def test_it_holds_no_path_of_a_machine() -> None:
    assert not re.findall(r"(?:/home|/root|/tmp|/work|/usr|C:\\)[^\"\s]*", json.dumps(CELLS))


def test_its_cells_run_on_a_small_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gearbox_line.yaml").write_text(LINE.replace("plant: line", "plant: gearbox_line"), encoding="utf-8")
    (tmp_path / "retrofit.yaml").write_text(BETTER.replace("line.yaml", "gearbox_line.yaml"), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for cell in CELLS:
        source = "".join(cell["source"]).replace('"4 h"', '"20 min"').replace('"8 h"', '"20 min"')
        source = source.replace('"gearbox_line", "retrofit",', '"gearbox_line.yaml", "retrofit.yaml",')
        exec(compile(source, NOTEBOOK.name, "exec"), names)  # noqa: S102 - as the notebook does
    assert (tmp_path / "retrofit.study.jsonl").exists()
    assert names["why"]["operations"]  # type: ignore[index]
