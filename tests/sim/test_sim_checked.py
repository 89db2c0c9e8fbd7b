"""The checked build of the compiled engine, and internal linkage, each in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

INVALID = """
from factory_sim.records import Window
from factory_sim.sim.calendar.calendar_run import CalendarRun
from factory_sim.plant.spec import Source
from factory_sim.validation.exact.lines import Stop, exponential, line
plant = line([Stop(exponential(37.0), 1, 3)] * 3, Source("in", 0))
run = CalendarRun(plant, seed=1, replication=0, window=Window(0, 10**9))
run.advance(10**8)
run._arrays["unit"]["place"] = {index}
try:
    run.advance(10**9)
except IndexError as error:
    print(error)
"""
COMPARED = """
from factory_sim.sim.calendar.linkage import is_linked
from factory_sim.validation.engine_comparison import compare_engines
found = compare_engines(15)
print(is_linked(), found.plants, found.difference or "equal")
import numba
print(numba.njit(lambda a, b: min(a, b) + max(a, b) + abs(a))(3, 4))
"""


def printed(program: str, **variables: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, **variables}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.mark.long(reason="compiles the checked build: half a minute")
@pytest.mark.parametrize("index", [-3, 99_999])
def test_the_checked_build_reports_an_invalid_index_with_table_index_and_length(cache: Path, index: int) -> None:
    found = printed(INVALID.format(index=index), FACTORY_SIM_CHECKED="1", NUMBA_CACHE_DIR=str(cache))
    assert f"table place): index {index}, length 4" in found


def test_both_engines_are_equal_in_the_checked_build(cache: Path) -> None:
    found = printed(COMPARED, FACTORY_SIM_CHECKED="1", NUMBA_CACHE_DIR=str(cache))
    assert found.splitlines() == ["True 15 equal", "10"]


@pytest.mark.long(reason="compiles the engine a second time")
def test_the_engine_without_internal_linkage_is_the_same(tmp_path: Path) -> None:
    found = printed(COMPARED, FACTORY_SIM_LINKAGE="0", NUMBA_CACHE_DIR=str(tmp_path))
    assert found.splitlines() == ["False 15 equal", "10"]
