"""Rows of `factory-sim bench` about studies: the reference line and its retrofit, as `compare` does it by default."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from stretch import QUICK
from table import held

from factory_sim.sim import engines
from factory_sim.study.arms import Variant
from factory_sim.study.compare.compare_study import run_study
from factory_sim.study.compare.pairing import line_rate
from factory_sim.study.runner import Progress, Request

if TYPE_CHECKING:
    from factory_sim.study.compare.compare_study import FinishedComparison

PAIRS, WORKERS = (4, 2) if QUICK else (30, 2)
SECONDS, HALF_WIDTH_PCT, OVERHEAD_PCT = 20.0, 1.0, 5.0  # what it must reach


class Stages(Progress):
    """When each stage began and ended, and how many trials were made in it."""

    def __init__(self) -> None:
        self.begun: dict[str, float] = {}
        self.ended: dict[str, float] = {}
        self._stage = ""

    def stage(self, name: str, _total: int) -> None:
        self._stage = name
        self.begun[name] = time.perf_counter()

    def advance(self, _done: int) -> None:
        self.ended[self._stage] = time.perf_counter()


@dataclass(frozen=True)
class Compared:
    """A comparison, how long it took, and how much of their time the workers spent in its pairs of trials."""

    study: FinishedComparison
    seconds: float
    at_work: float


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Compared:
    engines.compile_now()
    request = Request(
        base=Variant("gearbox_line"),
        scenarios=(Variant("retrofit"),),
        replications=PAIRS,
        workers=WORKERS,
        file=tmp_path_factory.mktemp("compare") / "study.jsonl",
    )
    stages, begun = Stages(), time.perf_counter()
    found = run_study(request, stages, attribution=False)
    seconds = time.perf_counter() - begun
    spent = sum(trial.seconds for trial in found.study.trials.values() if found.study.arms[trial.arm].role != "probe")
    return Compared(found, seconds, spent / WORKERS / (stages.ended["trials"] - stages.begun["trials"]))


def record(benchmark: Any, value: float, unit: str, most: float) -> None:
    """A row of what has been measured already."""
    benchmark.pedantic(lambda: None, rounds=1, iterations=1)
    held(benchmark, value, unit, most)


def test_compare_30_s(benchmark: Any, compared: Compared) -> None:
    """Until the answer: plants loaded, warm-up found, pairs made and kept. What follows has a budget of its own."""
    record(benchmark, compared.seconds, "s", SECONDS)


def test_compare_30_half_width(benchmark: Any, compared: Compared) -> None:
    """Of the line rate's change."""
    record(benchmark, line_rate(compared.study.study, "retrofit").half_width, "points", HALF_WIDTH_PCT)


def test_compare_30_pool_overhead(benchmark: Any, compared: Compared) -> None:
    """Share of the workers' time in which they do not simulate, while pairs are made."""
    record(benchmark, max(100 * (1 - compared.at_work), 0.01), "%", OVERHEAD_PCT)
