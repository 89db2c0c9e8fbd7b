"""The made-up report and the browser that the tests of this folder share."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from report_sample import report_sample

if TYPE_CHECKING:
    from collections.abc import Iterator

    from factory_sim.views.html.report_data import ReportData


@pytest.fixture(scope="session")
def sample() -> ReportData:
    """Two scenarios, every section filled."""
    return report_sample()


CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless browser; of a module, because a second one cannot start while another one is open."""
    playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    if not CHROMIUM.exists():
        pytest.skip("no /usr/bin/chromium: apt-get install chromium")
    with playwright.sync_playwright() as program:
        started = program.chromium.launch(executable_path=str(CHROMIUM), headless=True, args=FLAGS)
        yield started
        started.close()
