"""The made-up report that the tests of this folder share."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from report_sample import report_sample

if TYPE_CHECKING:
    from factory_sim.views.html.report_data import ReportData


@pytest.fixture(scope="session")
def sample() -> ReportData:
    """Two scenarios, every section filled."""
    return report_sample()
