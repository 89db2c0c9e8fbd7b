"""Readings do not depend on slice borders, rows that no longer matter, other machines or another seed's noise."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from sensing_line import STANDARD, S, between, log_of, machine_rows, plant, read, sensing, sensor, shift

from factory_sim.plant.states import Outcome, State

if TYPE_CHECKING:
    from factory_sim.records import EventLog, Readings

MIXED = plant(["cnc", "press", "unknown"], periods_s=(1.0, 0.5, 7.0))


def assert_same(one: Readings, two: Readings) -> None:
    for name in ("t_ns", "unit", "seq", "state", "part", "outcome", "detail"):
        assert np.array_equal(getattr(one.rows, name), getattr(two.rows, name))
    assert len(one.samples) == len(two.samples)
    for a, b in zip(one.samples, two.samples, strict=True):
        assert (a.period_us, a.first_tick) == (b.period_us, b.first_tick)
        assert np.array_equal(a.sensor, b.sensor)
        assert np.array_equal(a.raw, b.raw)


def test_one_call_for_an_hour_equals_3600_calls_for_a_second() -> None:
    log = shift(3, 1.0)
    assert_same(read(MIXED, log, [3600 * S]), read(MIXED, log, range(S, 3601 * S, S)))


@st.composite
def rows(draw: st.DrawFn) -> EventLog:
    """Arbitrary rows, including states that no machine has, zero lengths and ties with ticks."""
    times = st.one_of(st.integers(0, 119).map(float), st.floats(0, 119.9))
    row = st.tuples(
        times,
        st.integers(0, 3),
        st.sampled_from(list(State)),
        st.integers(-1, 5),
        st.sampled_from(list(Outcome)),
        st.integers(0, 1_000_000),
    )
    return log_of(draw(st.lists(row, max_size=40)))


@settings(max_examples=60)
@given(log=rows(), cuts=st.sets(st.integers(1, 120 * S - 1), max_size=12), t0_us=st.integers(0, 60 * S))
def test_a_slice_border_is_invisible_wherever_it_falls(log: EventLog, cuts: set[int], t0_us: int) -> None:
    cuts_us = [cut for cut in sorted(cuts) if cut > t0_us] + [120 * S]
    assert_same(read(MIXED, log, cuts_us, t0_us), read(MIXED, log, [120 * S], t0_us))


@settings(max_examples=30)
@given(cuts=st.sets(st.integers(1, 600 * S - 1), min_size=1, max_size=30))
def test_readings_after_any_slices_are_bit_identical(cuts: set[int]) -> None:
    log = shift(3, 1.0)
    one, many, begin = sensing(MIXED), sensing(MIXED), 0
    one.sample(between(log, 0, 600 * S), 600 * S)
    for cut in [*sorted(cuts), 600 * S]:
        many.sample(between(log, begin, cut), cut)
        begin = cut
    rest = between(log, 600 * S, 900 * S)
    assert_same(one.sample(rest, 900 * S), many.sample(rest, 900 * S))


def test_rows_before_the_part_in_work_was_taken_do_not_matter() -> None:
    log = shift(1, 1.0)
    for t0_us in range(1000 * S, 3000 * S, 137 * S):
        before = np.flatnonzero(log.t_us < t0_us)
        took = [i for i in before if log.outcome[i] == Outcome.TOOK or log.state[i] == State.STARVED]
        opening = log.take(slice(took[-1], None))
        whole, short = (read(MIXED, rows, [3600 * S], t0_us) for rows in (log, opening))
        for a, b in zip(whole.samples, short.samples, strict=True):
            assert np.array_equal(a.raw, b.raw)


def test_readings_of_a_machine_do_not_depend_on_its_neighbours() -> None:
    alone, pair = plant(["cnc"]), plant(["cnc", "press"])
    one = read(alone, log_of(machine_rows(1, 0.5, 3)), [1800 * S])
    two = read(pair, shift(2, 0.5, 3), [1800 * S])
    assert np.array_equal(one.samples[0].raw, two.samples[0].raw[:, : len(STANDARD)])


def test_another_sensor_on_the_machine_changes_no_reading_of_the_first() -> None:
    line, log = plant(sensors=["vibration"]), shift(1, 0.5)
    more = replace(line, sensors=(*line.sensors, sensor(1, 1, "power")))
    one, two = (read(seen, log, [1800 * S]).samples[0].raw for seen in (line, more))
    assert np.array_equal(one[:, 0], two[:, 0])


def test_seed_and_replication_change_only_the_noise() -> None:
    line, log = plant(sensors=["vibration", "energy"]), shift(1, 0.5)
    one, two = (read(line, log, [1800 * S], seed=seed).samples[0].raw for seed in (1, 2))
    assert not np.array_equal(one[:, 0], two[:, 0])
    assert np.array_equal(one[:, 1], two[:, 1])
