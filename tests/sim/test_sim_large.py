"""Plants at the limits: many places, many parts at one instant, more rows than a log can index."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from factory_sim.distributions import Distribution
from factory_sim.errors import ConfigError, ModelError
from factory_sim.plant.spec import Batch, Plant, Source
from factory_sim.records import EventLog, Window
from factory_sim.sim import engines
from factory_sim.sim.calendar.calendar_run import MOST_ROWS, CalendarRun
from factory_sim.sim.run import simulate
from factory_sim.validation.exact.lines import Stop, exponential, line

MINUTES_US = 600_000_000
SERVICE = exponential(37.0)


def tandem(capacity: int, source: Source | None = None) -> Plant:
    return line([Stop(SERVICE, 2, capacity), Stop(SERVICE, 1, 3)], source or Source("in", 0))


def logs(plant: Plant) -> list[EventLog]:
    return [simulate(plant, until_us=MINUTES_US, engine=engine).log for engine in ("simpy", "calendar")]


@pytest.mark.parametrize(
    "source",
    [
        Source("in", 0),
        Source("in", 0, arrivals_s=(5.0,) * 3_000),
        Source("in", 0, arrivals_s=(5.0,) * 9_000, when_full="lose"),
    ],
)
def test_thousands_of_parts_at_one_instant_are_the_same_in_both_engines(source: Source) -> None:
    ours, theirs = logs(tandem(5_000, source))
    assert len(ours) > 3_000
    assert all(np.array_equal(getattr(ours, f.name), getattr(theirs, f.name)) for f in fields(EventLog))


def test_a_buffer_of_two_thousand_million_places_costs_nothing() -> None:
    plant = line([Stop(SERVICE, 1, 10), Stop(SERVICE, 1, 2_000_000_000)], Source("in", 0))
    assert len(simulate(plant, until_us=MINUTES_US, engine="calendar").log) > 20


def test_a_batch_too_large_for_the_compiled_engine_runs_in_simpy() -> None:
    furnace = Stop(Distribution("constant", 60.0), 1, 10**9, batch=Batch(10**9, 1))
    plant = line([furnace], Source("in", 0, interarrival=exponential(60.0)))
    assert "OP" in engines.obstacle(plant)
    assert engines.choose(plant).engine == "simpy"
    with pytest.raises(ConfigError, match="1000000000 parts at once"):
        engines.choose(plant, "calendar")


def test_a_full_log_is_reported() -> None:
    run = CalendarRun(tandem(10), seed=1, replication=0, window=Window(0, MINUTES_US))
    run.advance(MINUTES_US // 2)
    run._arrays["line"]["rows"] = run._arrays["line"]["first_row"] = MOST_ROWS
    with pytest.raises(ModelError, match="more rows than a log can name"):
        run.advance(MINUTES_US)


def test_a_horizon_that_the_event_list_cannot_represent_is_refused() -> None:
    with pytest.raises(ModelError, match="Run a shorter stretch, or use the engine simpy"):
        CalendarRun(tandem(10), seed=1, replication=0, window=Window(0, 2**61 - 1))


def test_stations_that_share_a_bit_of_the_set_of_marked_ones_move_in_the_same_order() -> None:
    plant = line([Stop(exponential(1.0), 1, 1)] * 4_200, Source("in", 0))  # more than 64 words of 64 stations
    ours, theirs = (simulate(plant, until_us=240_000_000, engine=engine).log for engine in ("calendar", "simpy"))
    assert ours.unit.max() > 2 * 64
    assert all(np.array_equal(getattr(ours, f.name), getattr(theirs, f.name)) for f in fields(EventLog))
