"""Runs without a log: the same counters as a run with its log, in both engines and on any number of threads."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from factory_sim.errors import ModelError
from factory_sim.plant.spec import Source
from factory_sim.records import Truth, Window
from factory_sim.sim.engines import choose, obstacle, open_run
from factory_sim.sim.run import count
from factory_sim.validation.exact.lines import Stop, exponential, line
from factory_sim.validation.random_plants import plants

if TYPE_CHECKING:
    from factory_sim.plant.spec import Plant

HOUR_US = 3_600_000_000
SOON = Window(HOUR_US // 7, HOUR_US // 2)


def tandem(machines: int = 4) -> Plant:
    return line([Stop(exponential(37.0), 1 + i % 2, i % 3) for i in range(machines)], Source("in", 0))


def numbers(truth: Truth) -> list[int]:
    return [*truth.parts.tolist(), *truth.busy_us.tolist(), *truth.scrapped.tolist(), truth.good_parts]


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(plants())
def test_every_counter_of_a_random_plant_is_the_same_with_and_without_a_log(plant: Plant) -> None:
    assert obstacle(plant) == ""
    try:
        with_log = count(plant, SOON, seed=5, engine="simpy")
    except ModelError as deadlock:
        with pytest.raises(ModelError, match=re.escape(str(deadlock))):
            count(plant, SOON, seed=5, engine="calendar")
    else:
        assert numbers(count(plant, SOON, seed=5, engine="calendar")) == numbers(with_log)


def test_the_number_of_threads_does_not_change_the_counters() -> None:
    def one_run(replication: int) -> Truth:
        return count(tandem(), SOON, replication=replication, engine="calendar")

    one = list(map(one_run, range(9)))
    with ThreadPoolExecutor(4) as threads:
        four = list(threads.map(one_run, range(9)))
    assert [numbers(truth) for truth in one] == [numbers(truth) for truth in four]
    assert len({truth.good_parts for truth in one}) > 1


def test_a_line_with_a_hundred_machines_counts_the_same_with_and_without_a_log() -> None:
    plant, window = tandem(100), Window(0, 2 * HOUR_US)  # more stations than bits in a word
    without, simpy = (count(plant, window, engine=engine) for engine in ("calendar", "simpy"))
    assert without.parts.sum() > 1000
    assert numbers(without) == numbers(simpy)


def test_a_run_without_a_log_resumes_where_it_stopped() -> None:
    choice = choose(tandem(9), "calendar")
    whole, sliced = (open_run(choice, tandem(9), seed=1, replication=0, window=SOON, store=False) for _ in range(2))
    whole.advance(SOON.t1_us)
    for t_us in range(0, SOON.t1_us + 1, SOON.t1_us // 10):
        assert len(sliced.advance(t_us)) == 0
    sliced.advance(SOON.t1_us)
    assert np.array_equal(whole.truth().parts, sliced.truth().parts)
    assert whole.balance() == sliced.balance()


def test_a_window_that_overflows_the_clock_is_refused_before_the_run() -> None:
    with pytest.raises(ModelError, match="window"):
        count(tandem(), Window(0, 2**62))
