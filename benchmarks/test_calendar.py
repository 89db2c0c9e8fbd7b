"""Rows of `factory-sim bench` about the compiled engine: each measured turn by turn with what it is compared with."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import textbook_simpy
from standard_line import MACHINES, plain_line
from stretch import H_US, QUICK, ROUNDS
from table import held, noted

from factory_sim import registry
from factory_sim.plant.states import State
from factory_sim.records import Window
from factory_sim.sim.counting import Counts, count_all
from factory_sim.sim.engines import compile_now
from factory_sim.sim.run import simulate

if TYPE_CHECKING:
    from collections.abc import Callable

    from factory_sim.plant.spec import Plant

SHIFT = Window(0, 8 * H_US)
REPLICATIONS = 40 if QUICK else 1000
REPLICATIONS_LIMIT_S, SHIFT_LIMIT_S, START_LIMIT_S, MEMORY_LIMIT_MB = 5.0, 0.15, 1.0, 200.0
OUT_LOW, OUT_HIGH = 225, 285  # parts of one replication: 255.4 on average, with a standard deviation of 7.5

FIRST_RESULT = """
import time
from factory_sim import registry
from factory_sim.sim.run import simulate
run = simulate(registry.load("gearbox_line"), until_us=8 * 3_600_000_000, engine="calendar")
print(run.truth.good_parts, len(run.log), time.time())
"""
MANY = """
from standard_line import plain_line
from factory_sim.records import Window
from factory_sim.sim.counting import count_all
counts = count_all(plain_line(), Window(0, 8 * 3_600_000_000), replications=%d, workers=2)
assert 250 < counts.good_parts.mean() < 261
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


@pytest.fixture(scope="module", autouse=True)
def _compiled() -> None:
    compile_now()


def cpu_s(work: Callable[[], Any]) -> float:
    """Processor seconds of `work`: others on the machine do not count."""
    begun = time.process_time()
    work()
    return time.process_time() - begun


def kpis(counts: Counts) -> dict[str, np.ndarray[Any, Any]]:
    """What a study asks of replications: output, cycle times, and how machines spend their time."""
    hours = (counts.window.t1_us - counts.window.t0_us) / H_US
    total_us = counts.state_us.sum(axis=2)
    return {
        "throughput_per_h": counts.good_parts / hours,
        "cycle_time_s": counts.busy_us / np.maximum(counts.parts, 1) / 1e6,
        **{state.name: counts.state_us[:, :, state] / total_us for state in (State.BUSY, State.STARVED, State.BLOCKED)},
    }


def replicated(plant: Plant, seed: int, replications: int = 1, workers: int = 1) -> Counts:
    """Replications of a shift with their KPIs; the parts out say that it is the line that it should be."""
    counts = count_all(plant, SHIFT, replications=replications, seed=seed, workers=workers, engine="calendar")
    assert OUT_LOW < kpis(counts)["throughput_per_h"].mean() * 8 < OUT_HIGH
    return counts


def test_calendar_ratio(benchmark: Any) -> None:
    """The standard line of textbooks: one replication of a shift with KPIs, a visit against a textbook's visit."""
    plant = plain_line()
    replicated(plant, 0)
    ours: list[float] = []
    textbook: list[float] = []

    def turn() -> None:
        seed = len(textbook) + 1
        visits = int(replicated(plant, seed).parts.sum())
        ours.append(cpu_s(lambda: [replicated(plant, seed) for _ in range(10)]) / 10 / visits)
        hours = 1.0 if QUICK else 8.0
        theirs: list[int] = []
        seconds = cpu_s(lambda: theirs.append(textbook_simpy.simulate(MACHINES, hours * 3600, seed)))
        textbook.append(seconds / theirs[0])

    benchmark.pedantic(turn, rounds=ROUNDS, iterations=1)
    ratio = statistics.median(theirs / mine for mine, theirs in zip(ours, textbook, strict=True))
    noted(benchmark, 1 / statistics.median(ours), "part visits/s", "textbook SimPy", ratio)


def test_calendar_1000_s(benchmark: Any) -> None:
    """A thousand replications of a shift on two threads of a warm process."""
    plant = plain_line()
    replicated(plant, 0)
    benchmark.pedantic(lambda: replicated(plant, 1, REPLICATIONS, workers=2), rounds=min(ROUNDS, 3), iterations=1)
    seconds = benchmark.stats.stats.min * 1000 / REPLICATIONS
    held(benchmark, seconds, "s", REPLICATIONS_LIMIT_S)


def test_reference_calendar_s(benchmark: Any) -> None:
    """The reference line with everything on, a shift of 8 hours with its log."""
    run = partial(simulate, registry.load("gearbox_line"), until_us=8 * H_US, engine="calendar")
    run()
    seconds: list[float] = []
    benchmark.pedantic(lambda: seconds.append(cpu_s(run)), rounds=ROUNDS, iterations=1)
    best = min(seconds)
    held(benchmark, best, "s", SHIFT_LIMIT_S)


def test_reference_calendar_ratio(benchmark: Any) -> None:
    """The same shift by both engines, which write the same log."""
    run = partial(simulate, registry.load("gearbox_line"), until_us=(1 if QUICK else 8) * H_US)
    ratios: list[float] = []

    def turn() -> None:
        simpy, calendar = (cpu_s(partial(run, engine=engine)) for engine in ("simpy", "calendar"))
        ratios.append(simpy / calendar)

    benchmark.pedantic(turn, rounds=min(ROUNDS, 3), iterations=1, warmup_rounds=1)
    ratio = statistics.median(ratios)
    noted(benchmark, ratio, "times as fast", "our SimPy engine", ratio)


def fresh(program: str) -> str:
    """What a new process prints."""
    folder = str(Path(__file__).parent)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([folder, os.environ.get("PYTHONPATH", "")])}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # compiled before: Python's own files too
    command = [sys.executable, "-c", program]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


def test_calendar_start_s(benchmark: Any) -> None:
    """A new process, compiled before: from its start to the first result, a shift of the reference line with log.

    Seconds on the clock, the interpreter's own start among them; the best of some starts.
    """
    seconds: list[float] = []

    def start() -> None:
        begun_s = time.time()
        good, rows, ended_s = fresh(FIRST_RESULT).split()
        assert int(good) > 300
        assert int(rows) > 50_000
        seconds.append(float(ended_s) - begun_s)

    benchmark.pedantic(start, rounds=ROUNDS, iterations=1, warmup_rounds=1)
    best = min(seconds)
    held(benchmark, best, "s", START_LIMIT_S)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells a process's highest memory")
def test_calendar_1000_mb(benchmark: Any) -> None:
    """The most memory that a new process needs for a thousand replications without logs, itself included."""
    peaks: list[float] = []
    benchmark.pedantic(lambda: peaks.append(int(fresh(MANY % REPLICATIONS)) / 1024), rounds=1, iterations=1)
    held(benchmark, peaks[0], "MB", MEMORY_LIMIT_MB)
