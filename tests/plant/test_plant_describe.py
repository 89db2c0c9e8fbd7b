"""What is found of a plant, to subscribers and to the reader of `check`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from factory_sim.clock import datetime_from_ns
from factory_sim.plant.describe import describe, planned, seldom_intended, slowest
from factory_sim.plant.visits import visits
from factory_sim.plant.wall_clock import epoch_ns
from factory_sim.records import InputInfo, Meta, Window
from factory_sim.wire.meta import decode, encode

if TYPE_CHECKING:
    from collections.abc import Callable

    from factory_sim.plant.spec import Plant

HOUR_US = 3_600_000_000


@pytest.fixture
def plant(read: Callable[..., Plant]) -> Plant:
    return read()


@pytest.fixture
def meta(plant: Plant) -> Meta:
    return describe(plant, run_id="r1", epoch_ns=epoch_ns(plant), window=Window(HOUR_US, 9 * HOUR_US))


def test_the_run_starts_at_local_time(plant: Plant) -> None:
    assert datetime_from_ns(epoch_ns(plant)).isoformat() == "2026-01-06T04:00:00+00:00"


def test_every_unit_is_described_in_the_order_of_its_id(plant: Plant, meta: Meta) -> None:
    assert tuple(unit.name for unit in meta.units) == plant.units
    assert [unit.role for unit in meta.units] == [
        *["source"] * 3,
        *["machine"] * 8,
        "robot",
        *["vehicle"] * 3,
        "conveyor",
        *["crew"] * 2,
    ]
    hob = meta.units[6]
    assert (hob.kind, hob.section, meta.operations[hob.operation].name, hob.power_w[3]) == (
        "cnc",
        "gears",
        "OP25",
        6000,
    )


def test_operations_tell_their_inputs_and_destination(meta: Meta) -> None:
    join = meta.operations[4]
    assert join.inputs == (
        InputInfo(-1, 1, 1, 4, "fleet"),
        InputInfo(-1, 3, 2, 10, "fleet"),
        InputInfo(2, -1, 1, 8, ""),
    )
    assert (join.destination, meta.units[join.robot].name) == (5, "R1")
    assert (meta.operations[3].batch, meta.operations[5].rework_to, meta.operations[0].rework_to) == (16, 4, -1)
    assert meta.operations[1].inputs[0].transport == "conveyor"


def test_sensors_failure_modes_and_prices_are_described(plant: Plant, meta: Meta) -> None:
    assert [(s.id, s.unit, s.scale, s.period_us) for s in meta.sensors] == [
        (s.id, s.unit, s.scale, s.period_us) for s in plant.sensors
    ]
    assert meta.failure_modes[3] == ("tool", "fuse")
    assert meta.failure_modes[7] == ("tool",)
    assert meta.failure_modes[0] == ()
    assert meta.prices.material == ((0, 12.5), (1, 0.0), (2, 0.0))
    assert (meta.prices.currency, meta.prices.tariff_per_kwh) == ("EUR", (0.12, 0.22, 0.12))
    assert (meta.base_load_w, meta.pacing, meta.variants) == (12_000, 4, ("six", "eight"))


def test_planned_time_is_what_any_machines_shift_leaves_open(read: Callable[..., Plant], everything: str) -> None:
    window = Window(0, 48 * HOUR_US)
    assert planned(read(), window) == ((0, 48 * HOUR_US),)  # the gears work always
    by_day = read(everything.replace("    shift: always\n", ""))
    hours = [(a / HOUR_US, b / HOUR_US) for a, b in planned(by_day, window)]
    assert hours == [(1, 4), (4.25, 9), (25, 28), (28.25, 33)]
    assert planned(by_day, Window(2 * HOUR_US, 5 * HOUR_US)) == (
        (2 * HOUR_US, 4 * HOUR_US),
        (int(4.25 * HOUR_US), 5 * HOUR_US),
    )
    assert planned(by_day, Window(10 * HOUR_US, 20 * HOUR_US)) == ()


def test_without_shifts_the_whole_window_is_planned(read: Callable[..., Plant]) -> None:
    plant = read(
        "plant: p\nsources: {s: {interarrival: saturated}}\n"
        "sections: {a: {operations: {A: {cycle_time: 1 s, buffer: 0, from: s}}}}"
    )
    assert planned(plant, Window(5, 70)) == ((5, 70),)


def test_values_that_are_seldom_intended_are_reported(read: Callable[..., Plant]) -> None:
    found = seldom_intended(
        read(
            "plant: p\nsources: {s: {interarrival: saturated}, t: {interarrival: saturated}}\n"
            "sections: {a: {operations: {A: {cycle_time: 1 s, buffer: 0, from: s},"
            " B: {cycle_time: 1 s, buffer: 0, from: t}}}}"
        )
    )
    assert [word in hint for word, hint in zip(("A, B", "sensor", "power"), found, strict=True)] == [True] * 3


def test_the_shifts_of_most_machines_are_described(read: Callable[..., Plant], everything: str) -> None:
    named = everything.replace('open: "06:00-14:00"', 'open: {early: "06:00-14:00", late: "14:00-22:00"}')
    described = describe(read(named), "r", 0, Window(9 * HOUR_US, 34 * HOUR_US))  # from 14:00 to 15:00 on the next day
    found = [(name, begin / HOUR_US, end / HOUR_US) for name, begin, end in described.shifts]
    assert found == [("late", 9, 17), ("early", 25, 33), ("late", 33, 41)]
    assert decode(encode(described)) == described


def test_the_slowest_operation_is_that_per_finished_product(plant: Plant, read: Callable[..., Plant]) -> None:
    operation, seconds = slowest(plant)
    assert (operation.name, seconds) == ("OP26", 75.0)  # 10 min for a batch of 16, two of which go into a product
    joined = (
        "plant: p\nsources: {s: {interarrival: saturated}, t: {interarrival: saturated}}\nsections: {a: {operations: {"
        "WHEEL: {cycle_time: 10 s, machines: 2, buffer: 4, from: s}, FRAME: {cycle_time: 18 s, buffer: 1, from: t},"
        "CAR: {cycle_time: 15 s, inputs: [{from: FRAME, buffer: 1}, {from: WHEEL, quantity: 4, buffer: 4}]}}}}"
    )
    operation, seconds = slowest(read(joined))
    assert (operation.name, seconds) == ("WHEEL", 20.0)


def test_a_plan_is_described_and_changes_nothing_else(
    plant: Plant, meta: Meta, everything: str, read: Callable[..., Plant]
) -> None:
    planned_plant = read(everything.replace("currency: EUR", "currency: EUR\nplan: 480 parts/shift"))
    found = describe(planned_plant, run_id="r1", epoch_ns=epoch_ns(plant), window=meta.window)
    assert found.plan_parts == 480
    assert planned_plant.digest == plant.digest
    assert decode(encode(found)) == found
    assert b"plan_parts" not in encode(meta)


LOSSES = """
plant: p
sources: {s: {interarrival: saturated}, t: {interarrival: saturated}}
sections:
  a:
    operations:
      A: {cycle_time: 25 s, buffer: 1, from: s, inspection: {scrap: 50 %}}
      B: {cycle_time: 20 s, buffer: 1}
      C: {cycle_time: 10 s, buffer: 1, inspection: {scrap: 5 %, rework: 30 %, rework_to: B, max_loops: LIMIT}}
      D: {cycle_time: 10 s, buffer: 1, from: t}
      E:
        cycle_time: 10 s
        inputs: [{from: C, buffer: 1}, {from: D, quantity: 2, buffer: 4}]
        inspection: {rework: 20 %, rework_to: E, max_loops: unlimited}
"""


@pytest.mark.parametrize(("limit", "entered"), [("unlimited", 0.7 / 0.65), ("2", 1 / (0.65 * (1 + 0.3 + 0.09)))])
def test_visits_of_a_finished_product_count_scrap_and_rework(
    limit: str, entered: float, read: Callable[..., Plant]
) -> None:
    plant = read(LOSSES.replace("LIMIT", limit))
    found = dict(zip((each.name for each in plant.operations), visits(plant), strict=True))
    # E: 1 / 0.8 visits, each with two of D; C passes on 65 % of its visits; A passes on a half
    assert found == pytest.approx({"A": 2 * entered, "B": 1 / 0.65, "C": 1 / 0.65, "D": 2.5, "E": 1.25})


def test_the_slowest_operation_with_losses_is_another_one(read: Callable[..., Plant]) -> None:
    plant = read(LOSSES.replace("LIMIT", "unlimited"))
    assert [slowest(plant)[0].name, slowest(plant, with_losses=True)[0].name] == ["A", "A"]
    faster = read(LOSSES.replace("LIMIT", "unlimited").replace("50 %", "1 %"))
    assert [slowest(faster)[0].name, slowest(faster, with_losses=True)[0].name] == ["A", "B"]


def test_the_slowest_operation_weighs_variants_by_the_mix(read: Callable[..., Plant]) -> None:
    text = (
        "plant: p\nvariants: [a, b]\nsources: {s: {interarrival: saturated, mix: {a: 90 %, b: 10 %}}}\n"
        "sections: {x: {operations: {A: {cycle_time: 10 s, buffer: 2, from: s, variant_factor: {b: 3}},"
        "B: {cycle_time: 13 s, buffer: 2}}}}"
    )
    assert slowest(read(text)) == (read(text).operations[1], 13.0)
    assert slowest(read(text.replace("mix: {a: 90 %, b: 10 %}", "sequence: [b, a, b]")))[1] == pytest.approx(70 / 3)


def test_a_plant_that_scraps_everything_finishes_no_product(read: Callable[..., Plant]) -> None:
    plant = read(LOSSES.replace("LIMIT", "1").replace("50 %", "100 %"))
    assert slowest(plant, with_losses=True)[1] == float("inf")
