"""Rows and bookkeeping: sequence numbers, hidden wear, opening rows, refused slices."""

from __future__ import annotations

import numpy as np
import pytest
from sensing_line import EPOCH_NS, S, between, log_of, plant, read, sensing, shift, with_vehicle

from factory_sim.plant.states import Outcome, State
from factory_sim.records import EventLog


def test_every_log_row_becomes_a_row_in_causal_order() -> None:
    log = shift(3, 1.0)
    rows = read(plant(["cnc"] * 3), log, [3600 * S]).rows
    assert np.array_equal(rows.t_ns, log.t_us * 1000 + EPOCH_NS)
    for name in ("unit", "state", "part", "outcome"):
        assert np.array_equal(getattr(rows, name), getattr(log, name))


def test_each_unit_counts_its_own_rows_from_0_without_gaps_across_slices() -> None:
    log = shift(3, 1.0)
    rows = read(plant(["cnc"] * 3), log, [600 * S, 601 * S, 3600 * S]).rows
    for unit in (1, 2, 3):
        own = rows.seq[rows.unit == unit]
        assert np.array_equal(own, np.arange(len(own)))


def test_wear_is_not_reported_but_every_other_detail_is() -> None:
    log = log_of(
        [
            (0.0, 1, State.STARVED, -1, Outcome.NONE, 0),
            (1.0, 1, State.BUSY, 1, Outcome.TOOK, 400_000),
            (1.0, 1, State.BUSY, 2, Outcome.MERGED, 400_000),
            (5.0, 1, State.DOWN, 1, Outcome.NONE, 1),
            (7.0, 1, State.BUSY, 1, Outcome.NONE, 410_000),
            (9.0, 1, State.STARVED, 1, Outcome.PASSED, 3),
            (9.0, 1, State.BUSY, 4, Outcome.PASSED, 3),
        ]
    )
    assert read(plant(), log, [10 * S]).rows.detail.tolist() == [0, 0, 0, 1, 0, 3, 3]


def test_rows_of_a_robot_name_the_unit_it_serves() -> None:
    robot, served = 2, 1
    log = log_of([(0.0, robot, State.IDLE, -1, Outcome.NONE, 0), (1.0, robot, State.BUSY, -1, Outcome.NONE, served)])
    assert read(with_vehicle(plant()), log, [10 * S]).rows.detail.tolist() == [0, served]


def test_opening_rows_come_first_with_their_true_times_and_count_from_0() -> None:
    log = shift(1, 1.0)
    late = log.take(log.t_us > 1700 * S)
    readings = read(plant(), late, [2400 * S], t0_us=1800 * S)
    assert readings.rows.t_ns[0] == late.t_us[0] * 1000 + EPOCH_NS
    assert readings.rows.seq[0] == 0
    assert readings.samples[0].first_tick == 1800


def test_sent_rows_and_ticks_are_counted() -> None:
    line, log = plant(["cnc"] * 2, periods_s=(1.0, 0.25)), shift(2, 0.5)
    run_sensors = sensing(line, t0_us=100 * S + 1)
    readings = run_sensors.sample(between(log, 0, 500 * S), 500 * S)
    assert run_sensors.sent_rows() == tuple(int((readings.rows.unit == u).sum()) for u in range(3))
    assert run_sensors.sent_ticks() == ((250_000, 401, 1599), (S, 101, 399))
    assert sum(ticks * 8 for _, _, ticks in run_sensors.sent_ticks()) + 4 * len(readings.rows) == readings.count()


def test_an_empty_slice_gives_no_readings_and_changes_nothing() -> None:
    line, log = plant(), shift(1, 0.1)
    run_sensors = sensing(line)
    run_sensors.sample(between(log, 0, 100 * S), 100 * S)
    assert run_sensors.sample(EventLog.empty(), 100 * S).count() == 0
    whole = read(line, log, [360 * S])
    rest = run_sensors.sample(between(log, 100 * S, 360 * S), 360 * S)
    assert np.array_equal(rest.samples[0].raw, whole.samples[0].raw[100:])


def test_a_plant_without_sensors_still_has_rows() -> None:
    log = shift(1, 0.1)
    readings = read(plant(sensors=()), log, [360 * S])
    assert (len(readings.rows), readings.samples) == (len(log), ())


@pytest.mark.parametrize(("first", "last", "end"), [(50, 90, 80), (50, 90, 200), (110, 210, 200), (110, 120, 90)])
def test_rows_and_ends_outside_of_the_slice_are_refused(first: int, last: int, end: int) -> None:
    run_sensors = sensing(plant())
    run_sensors.sample(EventLog.empty(), 100 * S)
    log = log_of([(t, 1, State.BUSY, 1, Outcome.NONE, 0) for t in (first, last)])
    with pytest.raises(ValueError, match="slice"):
        run_sensors.sample(log, end * S)
