"""Two engines, one log: the compiled engine writes what the reference writes, to the last bit."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from factory_sim import doors
from factory_sim.errors import ConfigError, ModelError
from factory_sim.records import EventLog, Window
from factory_sim.selftest.engines import compare_on, differ
from factory_sim.selftest.plants import plants
from factory_sim.sim import engines
from factory_sim.sim.calendar.engine import CalendarRun
from factory_sim.sim.run import Simulation

if TYPE_CHECKING:
    from factory_sim.plant.spec import Plant

HOUR_US = 3_600_000_000


@pytest.fixture(scope="module")
def line() -> Plant:
    return doors.load("gearbox_line")


def same(ours: EventLog, theirs: EventLog) -> bool:
    return all(np.array_equal(getattr(ours, f.name), getattr(theirs, f.name)) for f in fields(EventLog))


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(plants())
def test_every_log_of_a_random_plant_is_the_same_in_both_engines(plant: Plant) -> None:
    assert differ(plant, 7, HOUR_US // 2)[0] == ""


def test_the_reference_line_runs_alike_in_both_engines(line: Plant) -> None:
    until_us = 2 * HOUR_US
    logs = [Simulation(line, seed=5, until_us=until_us, engine=e).advance(until_us) for e in ("simpy", "calendar")]
    assert len(logs[0]) > 10_000
    assert same(*logs)


def test_a_difference_is_told_with_its_row(line: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = CalendarRun.advance

    def forged(self: CalendarRun, until_us: int) -> EventLog:
        log = honest(self, until_us)
        log.state[len(log) // 2] ^= 1
        return log

    monkeypatch.setattr(CalendarRun, "advance", forged)
    assert "state" in differ(line, 1, HOUR_US // 10)[0]
    findings = compare_on(5, until_us=HOUR_US // 10)
    assert "state" in findings.difference
    assert "plant:" in findings.difference


def test_advancing_in_slices_writes_the_same_rows_as_in_one_go(line: Plant) -> None:
    whole = Simulation(line, until_us=HOUR_US, engine="calendar").advance(HOUR_US)
    run = Simulation(line, until_us=HOUR_US, engine="calendar")
    assert same(EventLog.join([run.advance(t) for t in range(HOUR_US // 10, HOUR_US + 1, HOUR_US // 10)]), whole)


def test_a_snapshot_goes_on_as_if_nothing_had_happened(line: Plant) -> None:
    run = CalendarRun(line, seed=1, replication=0, window=Window(0, HOUR_US))
    run.advance(HOUR_US // 2)
    moment = run.snapshot()
    first = run.advance(HOUR_US)
    run.restore(moment)
    assert same(run.advance(HOUR_US), first)


def test_a_fork_shares_the_past_and_draws_its_own_future(line: Plant) -> None:
    run = CalendarRun(line, seed=1, replication=0, window=Window(0, HOUR_US))
    run.advance(HOUR_US // 2)
    twin, other = run.fork(seed=1, replication=0), run.fork(seed=2, replication=0)
    future = run.advance(HOUR_US)
    assert same(twin.advance(HOUR_US), future)
    assert not same(other.advance(HOUR_US), future)


def test_counters_without_rows_equal_those_with_rows(line: Plant) -> None:
    window = Window(0, HOUR_US)
    stored, counted = (CalendarRun(line, seed=3, replication=1, window=window, store=s) for s in (True, False))
    assert len(stored.advance(HOUR_US)) > 0
    assert len(counted.advance(HOUR_US)) == 0
    assert np.array_equal(stored.state_times(), counted.state_times())
    assert stored.balance() == counted.balance()
    assert (stored.state_times().sum(axis=1) == HOUR_US).all()


def test_a_policy_that_only_simpy_knows_runs_there_and_says_so(line: Plant) -> None:
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
