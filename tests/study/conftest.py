"""A small line, a scenario of it, and their finished study; the tests of this folder share study_lines.py."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from study_lines import BETTER, LINE, Compared, request_of

from factory_sim.study.compare.compare_study import run_study
from factory_sim.study.runner import Progress


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds line.yaml and better.yaml."""
    home = tmp_path_factory.mktemp("plants")
    (home / "line.yaml").write_text(LINE, encoding="utf-8")
    (home / "better.yaml").write_text(BETTER, encoding="utf-8")
    return home


@pytest.fixture(scope="session")
def finished(folder: Path) -> Compared:
    """Five pairs with their attribution."""
    return run_study(request_of(folder), Progress(), budget_s=3600.0)
