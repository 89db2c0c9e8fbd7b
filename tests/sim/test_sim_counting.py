"""Runs that are only counted: the same digits as a run with its log, by every loop and on any number of threads."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from factory_sim import registry
from factory_sim.errors import ModelError
from factory_sim.plant.spec import FailureMode, Source
from factory_sim.records import Window
from factory_sim.sim.calendar import plain_run
from factory_sim.sim.counting import Counts, count_all
from factory_sim.validation.exact.lines import Stop, exponential, line
from factory_sim.validation.random_plants import FEATURES, plants

if TYPE_CHECKING:
    from factory_sim.plant.spec import Plant

HOUR_US = 3_600_000_000
PLAIN = {"parallel", "joins", "arrivals", "variants"}  # what the plain loop has
ARRAYS = [field.name for field in fields(Counts)][3:]
SOON = Window(HOUR_US // 7, HOUR_US // 2)


def tandem(machines: int = 4) -> Plant:
    return line([Stop(exponential(37.0), 1 + i % 2, i % 3) for i in range(machines)], Source("in", 0))


def unequal(ours: Counts, theirs: Counts) -> list[str]:
    return [name for name in ARRAYS if not np.array_equal(getattr(ours, name), getattr(theirs, name))]


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(plants(without=set(FEATURES) - PLAIN))
def test_every_counter_of_a_random_plain_plant_is_the_same_with_and_without_a_log(plant: Plant) -> None:
    plain, simpy = (count_all(plant, SOON, replications=1, seed=3, engine=engine) for engine in ("auto", "simpy"))
    assert unequal(plain, simpy) == []


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(plants())
def test_every_counter_of_a_random_plant_is_the_same_with_and_without_a_log(plant: Plant) -> None:
    try:
        simpy = count_all(plant, SOON, replications=1, seed=5, engine="simpy")
    except ModelError as blocked:  # in a circle of cards or rework: without a log it is found as well
        with pytest.raises(ModelError, match=re.escape(str(blocked))):
            count_all(plant, SOON, replications=1, seed=5)
    else:
        assert unequal(count_all(plant, SOON, replications=1, seed=5), simpy) == []


def test_threads_are_invisible() -> None:
    one, four = (count_all(tandem(), SOON, replications=9, workers=workers) for workers in (1, 4))
    assert one.slower_because == ""
    assert unequal(one, four) == []
    assert len({*one.good_parts.tolist()}) > 1


def test_a_line_with_a_hundred_machines_counts_like_its_log() -> None:
    plant, window = tandem(100), Window(0, 2 * HOUR_US)  # more stations than a word has bits, more units than a block
    plain, simpy = (count_all(plant, window, replications=1, engine=engine) for engine in ("auto", "simpy"))
    assert unequal(plain, simpy) == []
    assert plain.state_us.sum(axis=2).tolist() == [[2 * HOUR_US] * len(plant.units)]


def test_a_plain_run_goes_on_where_it_stopped() -> None:
    whole, sliced = (plain_run.PlainRun(tandem(9), seed=1, replication=0, window=SOON) for _ in range(2))
    whole.advance(SOON.t1_us)
    for t_us in range(0, SOON.t1_us + 1, SOON.t1_us // 10):
        sliced.advance(t_us)
        assert sliced.state_times().sum(axis=1).max() == max(t_us - SOON.t0_us, 0)
    assert np.array_equal(whole.state_times(), sliced.state_times())
    assert whole.balance() == sliced.balance()


def test_the_plain_loop_says_what_it_cannot_do() -> None:
    reference = registry.load("gearbox_line")
    minute = Window(0, 60_000_000)
    assert "robots, vehicles, conveyors or crews" in count_all(reference, minute, replications=1).slower_because
    modes = (FailureMode("jam", exponential(600.0), exponential(20.0)),)
    failing = line([Stop(exponential(37.0), failures=modes, capacity=3)], Source("in", 0))
    assert count_all(failing, minute, replications=1).slower_because == "M1 has failures"
    assert "too long" in plain_run.obstacle(tandem(), 2**60)


def test_a_window_that_overflows_the_clock_is_refused_before_the_run() -> None:
    with pytest.raises(ModelError, match="window"):
        count_all(tandem(), Window(0, 2**62), replications=1)
