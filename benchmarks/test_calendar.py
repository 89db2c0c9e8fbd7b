"""Rows of `factory-sim bench` about the compiled engine: each measured in turns with what it is compared with."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import textbook_simpy
from standard_line import MACHINES, plain_line
from stretch import H_US, QUICK, ROUNDS
from table import held, noted

from factory_sim import registry
from factory_sim.records import Window
from factory_sim.sim.calendar.calendar_run import CalendarRun
from factory_sim.sim.engines import compile_now
from factory_sim.sim.run import count, simulate
from factory_sim.study.study_json import dumped, trial_to_json
from factory_sim.study.trial import Detail, Setting, run_trial

if TYPE_CHECKING:
    from collections.abc import Callable

    from factory_sim.plant.spec import Plant
    from factory_sim.records import Truth

SHIFT = Window(0, 8 * H_US)
REPLICATIONS = 40 if QUICK else 1000
REPLICATIONS_LIMIT_S, SHIFT_LIMIT_S, START_LIMIT_S, MEMORY_LIMIT_MB = 10.0, 0.15, 1.0, 200.0
COMPILE_LIMIT_S, TRIAL_LIMIT_S = 25.0, 0.3
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
from concurrent.futures import ThreadPoolExecutor
from factory_sim.records import Window
from factory_sim.sim.run import count
plant, shift = plain_line(), Window(0, 8 * 3_600_000_000)
with ThreadPoolExecutor(2) as threads:
    counts = list(threads.map(lambda n: count(plant, shift, replication=n, engine="calendar"), range(%d)))
assert 250 < sum(truth.good_parts for truth in counts) / len(counts) < 261
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""
ALL_THAT_IS_COMPILED = """
from stretch import make
from factory_sim.analysis import kpis
from factory_sim.analysis.rebuild import Feed
from factory_sim.sim.engines import compile_now
from factory_sim.study.study_json import dumped, trial_to_json
from factory_sim.study.trial import Detail, Setting, run_trial
compile_now()
stretch = make()
run_trial(stretch.plant, Setting(1, 600.0, 1200.0, 300.0), 0, Detail.FULL, "calendar")
feed = Feed(stretch.meta)
for readings in stretch.readings:
    feed.add(readings)
kpis.table(feed.log(), stretch.meta, feed.blocks())
"""


@pytest.fixture(scope="module", autouse=True)
def _compiled() -> None:
    compile_now()


def cpu_s(work: Callable[[], Any]) -> float:
    """Return the CPU seconds of `work`: other processes do not count."""
    begun = time.process_time()
    work()
    return time.process_time() - begun


def counted(plant: Plant, seed: int) -> int:
    """Return the part visits of one replication without a log, the plant flattened anew."""
    run = CalendarRun(plant, seed=seed, replication=0, window=SHIFT, store=False)
    run.advance(SHIFT.t1_us)
    assert OUT_LOW < run.truth().good_parts < OUT_HIGH
    return int(run.truth().parts.sum())


def logged(plant: Plant, seed: int) -> int:
    """Return the part visits of one replication with its log."""
    return int(simulate(plant, seed=seed, until_us=SHIFT.t1_us, engine="calendar").truth.parts.sum())


def test_standard_line_ratio(benchmark: Any) -> None:
    """One replication of the standard line in counter-only mode, flattening included, per visit."""
    against_textbook(benchmark, counted)


def test_standard_line_log_ratio(benchmark: Any) -> None:
    """The same replication with its log."""
    against_textbook(benchmark, logged)


def against_textbook(benchmark: Any, replication: Callable[[Plant, int], int]) -> None:
    """Note the CPU time of a visit in `replication`, in turns with a textbook's SimPy model, each at its best.

    Both run the whole shift, in a quick look too: while the line fills, a visit of the textbook's model is dearer.
    """
    ours: list[float] = []
    textbook: list[float] = []
    replication(plain_line(), 0)

    def turn() -> None:
        lines, visits = [plain_line() for _ in range(10)], 0  # each of its own, so that each is flattened
        begun = time.process_time()
        for line in lines:
            visits += replication(line, 1)
        ours.append((time.process_time() - begun) / visits)
        begun = time.process_time()
        theirs = textbook_simpy.simulate(MACHINES, SHIFT.t1_us / 1e6, 1)
        textbook.append((time.process_time() - begun) / theirs)

    benchmark.pedantic(turn, rounds=2 * ROUNDS, iterations=1)
    noted(benchmark, 1 / min(ours), "part visits/s", "textbook SimPy", min(textbook) / min(ours))


def test_standard_line_vs_cimba(benchmark: Any) -> None:
    """One replication each on one core: ours in counter-only mode against cimba's compiled processes."""
    ours: list[float] = []
    cimba: list[float] = []
    program = Path(__file__).with_name("cimba_line.py")

    def turn() -> None:
        seed = len(cimba) + 1
        ours.append(min(cpu_s(lambda: counted(plain_line(), seed)) for _ in range(5)))
        words = [sys.executable, str(program), str(MACHINES), "28800.0", *[str(seed)] * 5]  # best of 5, as ours
        done = subprocess.run(words, check=False, capture_output=True, text=True)
        if done.returncode == 0:
            for seconds, out in json.loads(done.stdout):
                assert OUT_LOW < out < OUT_HIGH
                cimba.append(seconds)

    benchmark.pedantic(turn, rounds=min(ROUNDS, 3), iterations=1)
    against = "cimba" if cimba else "cimba, which is not installed (extra [peers])"
    noted(benchmark, min(ours), "s a shift", against, min(cimba) / min(ours) if cimba else None)


def count_replications(plant: Plant, replications: int) -> list[Truth]:
    """Count a shift of each replication, on two threads: compiled code releases Python's lock."""
    with ThreadPoolExecutor(2) as threads:
        return list(threads.map(lambda n: count(plant, SHIFT, replication=n, engine="calendar"), range(replications)))


def test_standard_line_1000_s(benchmark: Any) -> None:
    """A thousand replications of a shift, counted on two threads of a warm process."""
    run = partial(count_replications, plain_line(), REPLICATIONS)
    benchmark.pedantic(run, rounds=min(ROUNDS, 3), iterations=1)
    held(benchmark, benchmark.stats.stats.min * 1000 / REPLICATIONS, "s", REPLICATIONS_LIMIT_S)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux reports a process's highest memory")
def test_standard_line_1000_mb(benchmark: Any) -> None:
    """The most memory that a new process needs for a thousand replications without logs, itself included."""
    peaks: list[float] = []
    benchmark.pedantic(lambda: peaks.append(int(fresh(MANY % REPLICATIONS)) / 1024), rounds=1, iterations=1)
    held(benchmark, peaks[0], "MB", MEMORY_LIMIT_MB)


def test_reference_calendar_s(benchmark: Any) -> None:
    """The reference line with everything on, a shift of 8 hours with its log."""
    run = partial(simulate, registry.load("gearbox_line"), until_us=8 * H_US, engine="calendar")
    run()
    seconds: list[float] = []
    benchmark.pedantic(lambda: seconds.append(cpu_s(run)), rounds=ROUNDS, iterations=1)
    held(benchmark, min(seconds), "s", SHIFT_LIMIT_S)


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


def test_trial_s(benchmark: Any) -> None:
    """A study's trial: 14 hours of the reference line, its KPIs, and the line that the study's file keeps."""
    plant, setting = registry.load("gearbox_line"), Setting(1, 6 * 3600.0, 8 * 3600.0, 300.0)
    seconds: list[float] = []

    def work() -> None:
        dumped(trial_to_json(run_trial(plant, setting, 0, Detail.FULL, "calendar")))

    benchmark.pedantic(lambda: seconds.append(cpu_s(work)), rounds=ROUNDS, iterations=1, warmup_rounds=1)
    held(benchmark, min(seconds), "s", TRIAL_LIMIT_S)


def fresh(program: str, **variables: str) -> str:
    """Return what a new process prints."""
    folder = str(Path(__file__).parent)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([folder, os.environ.get("PYTHONPATH", "")]), **variables}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # compiled before: Python's own files too
    command = [sys.executable, "-c", program]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


def test_compile_s(benchmark: Any, tmp_path: Path) -> None:
    """CPU time to compile all that `run`, `listen` and `compare` need: with an empty cache, less the same when warm."""
    compile_s: list[float] = []

    def children_s() -> float:
        times = os.times()
        return times.children_user + times.children_system

    def turn() -> None:
        cache = str(tmp_path / str(len(compile_s)))
        spent = [children_s()]
        for _ in range(2):
            fresh(ALL_THAT_IS_COMPILED, NUMBA_CACHE_DIR=cache, FACTORY_SIM_BENCH_QUICK="1")
            spent.append(children_s())
        compile_s.append((spent[1] - spent[0]) - (spent[2] - spent[1]))

    benchmark.pedantic(turn, rounds=1, iterations=1)
    held(benchmark, min(compile_s), "s", COMPILE_LIMIT_S)


def test_calendar_start_s(benchmark: Any) -> None:
    """A new process, compiled before: from its start to the first result, a shift of the reference line with log.

    Wall-clock seconds, the interpreter's own start included; the best of some starts.
    """
    seconds: list[float] = []

    def start() -> None:
        begun_s = time.time()
        good, rows, ended_s = fresh(FIRST_RESULT).split()
        assert int(good) > 300
        assert int(rows) > 50_000
        seconds.append(float(ended_s) - begun_s)

    benchmark.pedantic(start, rounds=ROUNDS, iterations=1, warmup_rounds=1)
    held(benchmark, min(seconds), "s", START_LIMIT_S)
