"""The logs of the compiled engine and the reference model are bit-identical."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numba
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from factory_sim import registry
from factory_sim.errors import ConfigError, ModelError
from factory_sim.records import EventLog, Window
from factory_sim.sim import engines
from factory_sim.sim.calendar.calendar_run import CalendarRun
from factory_sim.sim.run import Simulation
from factory_sim.validation.engine_comparison import compare_engines, differ
from factory_sim.validation.random_plants import plants

if TYPE_CHECKING:
    from factory_sim.plant.spec import Plant

HOUR_US = 3_600_000_000


@pytest.fixture(scope="module")
def line() -> Plant:
    return registry.load("gearbox_line")


def same(ours: EventLog, theirs: EventLog) -> bool:
    return all(np.array_equal(getattr(ours, f.name), getattr(theirs, f.name)) for f in fields(EventLog))


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(plants())
def test_every_log_of_a_random_plant_is_the_same_in_both_engines(plant: Plant) -> None:
    assert differ(plant, 7, HOUR_US // 2)[0] == ""


def test_the_log_of_the_reference_line_is_the_same_in_both_engines(line: Plant) -> None:
    until_us = 2 * HOUR_US
    logs = [Simulation(line, seed=5, until_us=until_us, engine=e).advance(until_us) for e in ("simpy", "calendar")]
    assert len(logs[0]) > 10_000
    assert same(*logs)


def test_a_compiled_run_imports_only_what_it_requires() -> None:
    program = (
        "import sys\nfrom factory_sim import registry\nfrom factory_sim.sim.run import simulate\n"
        "simulate(registry.load('gearbox_line'), until_us=10**6, engine='calendar')\n"
        "idle = {'simpy', 'scipy.linalg', 'pandas', 'paho', 'google.protobuf', 'factory_sim.analysis'}\n"
        "idle &= set(sys.modules)\n"
        "sys.exit(', '.join(idle) or 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_other_code_in_the_process_can_still_compile_linear_algebra() -> None:
    product = numba.njit(lambda a, b: np.convolve(a, b) @ b[0:1].repeat(3))
    assert product(np.array([1.0, 2.0]), np.array([3.0, 1.0])) == pytest.approx(9 + 21 + 6)


def test_a_difference_is_reported_with_its_row(line: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = CalendarRun.advance

    def forged(self: CalendarRun, until_us: int) -> EventLog:
        log = honest(self, until_us)
        log.state[len(log) // 2 :][:1] ^= 1
        return log

    monkeypatch.setattr(CalendarRun, "advance", forged)
    assert "state" in differ(line, 1, HOUR_US // 10)[0]
    findings = compare_engines(5, until_us=HOUR_US // 10)
    assert "state" in findings.difference
    assert "plant:" in findings.difference


def test_advancing_in_slices_writes_the_same_rows_as_in_one_go(line: Plant) -> None:
    whole = Simulation(line, until_us=HOUR_US, engine="calendar").advance(HOUR_US)
    run = Simulation(line, until_us=HOUR_US, engine="calendar")
    assert same(EventLog.join([run.advance(t) for t in range(HOUR_US // 10, HOUR_US + 1, HOUR_US // 10)]), whole)


def test_counters_without_rows_equal_those_with_rows(line: Plant) -> None:
    window = Window(0, HOUR_US)
    stored, counted = (CalendarRun(line, seed=3, replication=1, window=window, store=s) for s in (True, False))
    assert len(stored.advance(HOUR_US)) > 0
    assert len(counted.advance(HOUR_US)) == 0
    assert stored.truth().parts.tolist() == counted.truth().parts.tolist()
    assert stored.balance() == counted.balance()


def test_a_policy_of_the_simpy_model_only_runs_there_and_the_reason_is_reported(line: Plant) -> None:
    strange = replace(line, fleets=tuple(replace(fleet, policy="my_own") for fleet in line.fleets))
    choice = engines.choose(strange)
    assert choice.engine == "simpy"
    assert "my_own" in choice.reason
    with pytest.raises(ConfigError, match="my_own"):
        engines.choose(strange, "calendar")


def test_an_unknown_engine_is_refused_with_the_nearest_name(line: Plant) -> None:
    with pytest.raises(ConfigError, match="Did you mean calendar"):
        engines.choose(line, "calender")


def test_a_plant_too_large_for_a_log_is_refused_before_the_run(line: Plant) -> None:
    huge = replace(line, units=tuple(f"U{i}" for i in range(40_000)))
    with pytest.raises(ModelError, match="40000 units"):
        Simulation(huge, until_us=HOUR_US)


def test_a_horizon_that_overflows_the_clock_is_refused(line: Plant) -> None:
    with pytest.raises(ModelError, match="window"):
        Simulation(line, until_us=2**62)


def test_a_horizon_that_the_event_list_cannot_represent_is_refused(line: Plant) -> None:
    with pytest.raises(ModelError, match=r"can represent \d+ years .* Run a shorter stretch, or use the engine simpy"):
        Simulation(line, until_us=2**60, engine="calendar")


_BESIDE = """
import os, sys, threading, time, pathlib
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(1)), daemon=True).start()
pathlib.Path({place!r}).write_text(str(os.getpid()))
time.sleep(600)
"""


def _cold(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Path:
    """Pretend that nothing is compiled; return the file that contains the id of the compiling process."""
    place = folder / "pid"
    monkeypatch.setattr(engines, "_marker", lambda name: folder / name)
    monkeypatch.setattr(engines, "_ASIDE", _BESIDE.format(place=str(place)))
    return place


def _number_in(place: Path) -> int:
    while not (place.exists() and place.read_text()):
        time.sleep(0.01)
    return int(place.read_text())


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return not Path(f"/proc/{pid}/stat").exists() or ") Z " not in Path(f"/proc/{pid}/stat").read_text()


def test_without_a_compiled_engine_simpy_runs_and_the_compiling_process_ends_with_the_block(
    line: Plant, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    place = _cold(monkeypatch, tmp_path)
    with engines.compiling_aside():
        assert engines.choose(line).engine == "simpy"
        assert "not compiled" in engines.choose(line).reason
        pid = _number_in(place)
        assert _runs(pid)
        with engines.compiling_aside():  # another command at the same time starts no second one
            assert int(place.read_text()) == pid
    assert not _runs(pid)
    assert not (tmp_path / "compiling").exists()


def test_the_compiling_process_ends_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    place = tmp_path / "pid"
    program = (
        "import sys, time; from pathlib import Path; from factory_sim.sim import engines\n"
        f"engines._marker = lambda name: Path({str(tmp_path)!r}) / name; engines._ASIDE = sys.argv[1]\n"
        "with engines.compiling_aside(): time.sleep(600)"
    )
    parent = subprocess.Popen([sys.executable, "-c", program, _BESIDE.format(place=str(place))])
    pid = _number_in(place)
    parent.kill()
    parent.wait()
    while _runs(pid):
        time.sleep(0.01)


def test_ctrl_c_at_the_start_of_the_compiling_process_leaves_no_lock(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    _cold(monkeypatch, tmp_path)
    monkeypatch.setattr(engines.subprocess, "Popen", stopped)
    with pytest.raises(KeyboardInterrupt), engines.compiling_aside():
        pass
    assert not (tmp_path / "compiling").exists()


@pytest.mark.parametrize("engine", ["simpy", "calendar"])
def test_later_slices_leave_earlier_ones_unchanged(line: Plant, engine: str) -> None:
    end_us = HOUR_US // 4
    whole = Simulation(line, seed=5, until_us=end_us, engine=engine).advance(end_us)
    run = Simulation(line, seed=5, until_us=end_us, engine=engine)
    slices = [run.advance(t_us) for t_us in range(20_000, end_us + 1, 20_000)]
    assert 1 in {len(each) for each in slices}  # a slice of one row was once a view of the engine's table
    assert same(EventLog.join(slices), whole)
