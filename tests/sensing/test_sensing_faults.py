"""Faults change the counts they should and nothing else; slices and warm-ups are invisible."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import sensing_line as line
from hypothesis import given, settings
from hypothesis import strategies as st

from factory_sim.distributions import Distribution, constant
from factory_sim.plant.spec import Plant, SensorFault
from factory_sim.records import EventLog, Readings, Samples
from factory_sim.sensing.faults import Spans

S = line.S
HOUR_US = 3600 * S
LOG = line.shift(2, 1.0)
CLEAN = line.plant(("cnc", "press"))
RANDOM = Distribution("exponential", 400.0)


def with_faults(*sensor_faults: SensorFault, sensor: str = "power", unit: tuple[SensorFault, ...] = ()) -> Plant:
    """The two machines; M0's `sensor` has these faults, M0 itself those of `unit`."""
    sensors = tuple(replace(s, faults=sensor_faults) if (s.unit, s.name) == (1, sensor) else s for s in CLEAN.sensors)
    machines = tuple(replace(m, faults=unit) if m.unit == 1 else m for m in CLEAN.machines)
    return replace(CLEAN, sensors=sensors, machines=machines)


def readings(plant: Plant, cuts_us: tuple[int, ...] = (HOUR_US,), t0_us: int = 0) -> list[Readings]:
    run_sensors, begin, pieces = line.sensing(plant, t0_us), t0_us, []
    for cut in cuts_us:
        pieces.append(run_sensors.sample(line.between(LOG, begin, cut), cut))
        begin = cut
    return pieces


def cells(pieces: list[Readings]) -> dict[int, dict[int, int]]:
    """sensor id -> tick -> count, of what is present; the first of two for a tick counts."""
    found: dict[int, dict[int, int]] = {s.id: {} for s in CLEAN.sensors}
    for block in (b for piece in pieces for b in piece.samples):
        _note(block, found)
    return found


def _note(block: Samples, found: dict[int, dict[int, int]]) -> None:
    for column, number in enumerate(block.sensor.tolist()):
        there = np.ones(len(block.raw), np.bool_) if block.present is None else block.present[:, column]
        for k in np.flatnonzero(there).tolist():
            found[number].setdefault(block.first_tick + k, int(block.raw[k, column]))


def series(plant: Plant, name: str = "power") -> np.ndarray:
    """Counts of M0's sensor, by tick; -1 where there is none."""
    number = next(s.id for s in CLEAN.sensors if (s.unit, s.name) == (1, name))
    own = cells(readings(plant))[number]
    return np.array([own.get(k, -1) for k in range(3600)])


def scale(name: str) -> float:
    return next(s.scale for s in CLEAN.sensors if s.name == name)


TRUE = {name: series(CLEAN, name) for name in ("power", "energy", "temperature")}


def test_a_stuck_sensor_repeats_its_last_count() -> None:
    found = series(with_faults(SensorFault("f", "stuck", 1000.0, duration=constant(500.0))))
    assert set(found[1000:1500]) == {TRUE["power"][999]}
    np.testing.assert_array_equal(np.delete(found, range(1000, 1500)), np.delete(TRUE["power"], range(1000, 1500)))


def test_a_sensor_that_is_stuck_from_the_start_repeats_its_first_count_forever() -> None:
    assert set(series(with_faults(SensorFault("f", "stuck")))) == {TRUE["power"][0]}


def test_a_drift_grows_evenly_and_ends() -> None:
    fault = SensorFault("f", "drift", 600.0, duration=constant(1200.0), size=20.0)
    off = (series(with_faults(fault, sensor="temperature"), "temperature") - TRUE["temperature"]) * scale("temperature")
    assert not off[:600].any()
    np.testing.assert_allclose(off[600:1800], np.arange(1200) / 1200 * 20.0, atol=scale("temperature"))
    assert not off[1800:].any()


def test_a_counter_keeps_what_it_counted_wrongly() -> None:
    fault = SensorFault("f", "drift", 600.0, duration=constant(1200.0), size=0.5)
    off = (series(with_faults(fault, sensor="energy"), "energy") - TRUE["energy"]) * scale("energy")
    np.testing.assert_allclose(off[1800:], 0.5)


def test_a_spike_without_duration_is_one_reading_high() -> None:
    off = series(with_faults(SensorFault("f", "spike", 1000.2, size=30.0))) - TRUE["power"]
    assert np.flatnonzero(off).tolist() == [1001]
    assert off[1001] == round(30.0 / scale("power"))


def test_counts_stay_within_the_range() -> None:
    found = series(with_faults(SensorFault("f", "spike", 1000.0, duration=constant(9.0), size=5000.0)))
    assert set(found[1000:1009]) == {round(100.0 / scale("power"))}


def test_a_drop_out_does_not_affect_other_sensors() -> None:
    fault = SensorFault("f", "drop_out", 100.0, duration=constant(50.0))
    clean, found = cells(readings(CLEAN)), cells(readings(with_faults(fault)))
    for sensor in CLEAN.sensors:
        gone = set(clean[sensor.id]) - set(found[sensor.id])
        assert gone == (set(range(100, 150)) if (sensor.unit, sensor.name) == (1, "power") else set())


def test_rows_and_neighbours_of_a_silent_machine_remain() -> None:
    plant = with_faults(unit=(SensorFault("f", "drop_out", 100.0, duration=constant(50.0)),))
    clean, [found] = cells(readings(CLEAN)), readings(plant)
    own = cells([found])
    for sensor in CLEAN.sensors:
        assert set(clean[sensor.id]) - set(own[sensor.id]) == (set(range(100, 150)) if sensor.unit == 1 else set())
    assert len(found.rows) == len(readings(CLEAN)[0].rows)


@pytest.mark.parametrize("ahead_s", [4.0, -4.0])
def test_a_wrong_clock_shifts_rows_and_ticks_of_its_machine_only(ahead_s: float) -> None:
    plant = with_faults(unit=(SensorFault("f", "clock_skew", 1000.0, size=ahead_s),))
    [clean], [found] = readings(CLEAN), readings(plant)
    off = found.rows.t_ns - clean.rows.t_ns
    late = (clean.rows.t_ns - line.EPOCH_NS >= 1000 * 10**9) & (clean.rows.unit == 1)
    assert set(off[late].tolist()) == {round(ahead_s * 1e9)}
    assert not off[~late].any()
    true, own = cells([clean]), cells([found])
    for sensor in CLEAN.sensors:
        if sensor.unit == 2:
            assert own[sensor.id] == true[sensor.id]
        else:
            assert all(own[sensor.id][k + int(ahead_s)] == true[sensor.id][k] for k in range(1005, 3590))


def test_a_clock_that_is_behind_reports_nothing_before_the_run_s_start() -> None:
    plant = with_faults(unit=(SensorFault("f", "clock_skew", 0.0, size=-100.0),))
    [found] = readings(plant)
    assert found.rows.t_ns.min() >= line.EPOCH_NS
    assert min(block.first_tick for block in found.samples) >= 0


MIXED = with_faults(
    SensorFault("a", "stuck", 0.0, RANDOM, constant(60.0)),
    SensorFault("b", "spike", 0.0, RANDOM, None, 30.0),
    SensorFault("c", "drop_out", 200.0, RANDOM, Distribution("uniform", 1.0, 40.0)),
    SensorFault("d", "drift", 0.0, RANDOM, constant(300.0), -2.0),
    unit=(
        SensorFault("e", "clock_skew", 0.0, RANDOM, constant(90.0), 3.0),
        SensorFault("g", "drop_out", 0.0, RANDOM, constant(9.0)),
    ),
)
WHOLE = readings(MIXED)


@settings(max_examples=12)
@given(cuts=st.lists(st.integers(1, HOUR_US - 1), max_size=8))
def test_slices_are_invisible(cuts: list[int]) -> None:
    found = readings(MIXED, (*sorted(set(cuts)), HOUR_US))
    # a clock that is set back repeats ticks: their order does not depend on slices
    assert cells(found) == cells(WHOLE)
    assert np.concatenate([piece.rows.t_ns for piece in found]).tolist() == WHOLE[0].rows.t_ns.tolist()


def test_another_fault_changes_none_of_a_fault_s_draws() -> None:
    alone = with_faults(SensorFault("c", "drop_out", 200.0, RANDOM, Distribution("uniform", 1.0, 40.0)))
    both = with_faults(
        SensorFault("c", "drop_out", 200.0, RANDOM, Distribution("uniform", 1.0, 40.0)),
        SensorFault("a", "stuck", 0.0, RANDOM, constant(60.0)),
    )
    np.testing.assert_array_equal(series(alone) == -1, series(both) == -1)
    assert (series(alone) == -1).any()


def test_stretches_at_random_have_their_mean_times_and_never_overlap() -> None:
    fault = SensorFault("f", "stuck", 50.0, Distribution("exponential", 100.0), Distribution("exponential", 20.0))
    begin, end = Spans(fault, (1, 0, "M", "x")).until(1_000_000 * S)
    assert (end[:-1] <= begin[1:]).all()
    assert abs(np.diff(begin).mean() / S - 120.0) < 5
    assert abs((end - begin).mean() / S - 20.0) < 1
    assert begin[0] > 50 * S


def test_a_line_without_faults_is_untouched() -> None:
    [found] = readings(CLEAN)
    assert all(block.present is None for block in found.samples)


def test_an_empty_slice_has_no_rows_to_shift() -> None:
    run_sensors = line.sensing(MIXED)
    assert len(run_sensors.sample(EventLog.empty(), 10 * S).rows) == 0
