"""Sensor ranges, scales and counts fit each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory_sim.plant.resolve.sensors import finest_scale, in_unit

if TYPE_CHECKING:
    from collections.abc import Callable

    from factory_sim.plant.spec import Plant, Sensor

COUNTS = st.sampled_from([2**15 - 1, 2**31 - 1])


@given(st.floats(1e-9, 1e12), COUNTS)
def test_the_finest_scale_reaches_and_the_next_finer_does_not(reach: float, counts: int) -> None:
    scale = finest_scale(reach, counts)
    assert scale * counts >= reach * (1 - 1e-9)
    finer = max(s for s in (scale / 2, scale / 2.5) if f"{s:e}"[0] in "125" and f"{s:.6e}"[2:8] == "000000")
    assert finer * counts < reach * (1 + 1e-9)


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (20, "kW", 20),
        ("20 kW", "W", 20_000),
        ("500 W", "kW", 0.5),
        ("5 mm/s", "mm/s", 5),
        ("80 °C", "°C", 80),
        ("2 bar", "Pa", 2e5),
        ("50 %", "%", 50),
        ("3 rpm", "rpm", 3),
        (-5.5, "°C", -5.5),
    ],
)
def test_ranges_are_read_in_any_unit_of_the_sensors_dimension(value: object, unit: str, expected: float) -> None:
    assert in_unit(value, unit) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("value", "unit"), [("5 bar", "W"), ("5", "W"), (True, "W"), (None, "W"), ([1], "W"), (float("inf"), "W")]
)
def test_what_is_no_value_of_the_unit_is_refused(value: object, unit: str) -> None:
    with pytest.raises(ValueError, match=f"expected a number in {unit}"):
        in_unit(value, unit)


def sensor(read: Callable[..., Plant], text: str) -> Sensor:
    plant = read(
        f"plant: p\nsources: {{s: {{interarrival: saturated}}}}\nkinds: {{k: {{sensors: {{x: {text}}}}}}}\n"
        "sections: {a: {operations: {A: {kind: k, cycle_time: 1 s, buffer: 0, from: s}}}}"
    )
    return plant.sensors[0]


def test_a_sensor_takes_what_it_does_not_say_from_its_kind(read: Callable[..., Plant]) -> None:
    energy = sensor(read, "{kind: energy}")
    assert (energy.scale, energy.bits, energy.high, energy.period_us) == (0.001, 32, 1e6, 1_000_000)


def test_a_range_of_its_own_brings_a_scale_of_its_own(read: Callable[..., Plant]) -> None:
    small = sensor(read, "{kind: power, high: 2 kW, rate: 20 Hz}")
    assert (small.high, small.scale, small.period_us) == (2000, 0.1, 50_000)
    assert sensor(read, "{kind: power, high: 2 kW, bits: 32}").scale == 1e-6
    assert sensor(read, "{kind: energy, high: 1000000}").scale == 0.0005


def test_a_scale_and_offset_of_its_own_are_kept(read: Callable[..., Plant]) -> None:
    own = sensor(read, "{kind: power, low: 10 kW, high: 12 kW, offset: 11 kW, scale: 0.05}")
    assert (own.low, own.offset, own.scale) == (10_000, 11_000, 0.05)
