"""A plant file becomes the plant that it describes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from factory_sim.distributions import Distribution
from factory_sim.errors import ConfigError
from factory_sim.plant.load import find, load, packaged
from factory_sim.plant.spec import SINK, UNLIMITED, Input, Origin
from factory_sim.plant.states import KNOWN_STATES, State
from factory_sim.plant.wall_clock import open_spans

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from factory_sim.plant.catalogue import Catalogue
    from factory_sim.plant.spec import Plant


@pytest.fixture
def plant(read: Callable[..., Plant]) -> Plant:
    return read()


def test_the_head_of_the_file_is_read_in_si_units(plant: Plant) -> None:
    assert (plant.name, plant.title, plant.start, plant.timezone) == (
        "everything",
        "One of each",
        "2026-01-06T05:00:00",
        "Europe/Berlin",
    )
    assert plant.topic_root == "acme/north/line1"
    assert plant.base_load_w == 12_000
    assert (plant.cost.machine_per_h, plant.cost.labour_per_h, plant.cost.repair_per_h, plant.cost.scrap_per_part) == (
        28,
        240,
        65,
        40,
    )
    assert plant.variants == ("six", "eight")
    assert plant.operations[plant.pacing].name == "OP30"


def test_the_last_price_of_a_day_holds_after_midnight(plant: Plant) -> None:
    assert plant.cost.tariff.from_s == (0, 6 * 3600, 22 * 3600)
    assert plant.cost.tariff.price_per_kwh == (0.12, 0.22, 0.12)


def test_a_link_takes_from_its_profile_what_it_does_not_say(plant: Plant) -> None:
    assert (plant.link.name, plant.link.loss) == ("5g", 0.005)
    assert plant.link.latency_s > 0.001


def test_units_are_numbered_by_role_and_every_reference_is_an_index(plant: Plant) -> None:
    assert plant.units == (
        "castings",
        "rings",
        "covers",
        "M001",
        "M002",
        "M003",
        "HOB1",
        "HOB2",
        "M004",
        "M005",
        "M006",
        "R1",
        "agv-1",
        "agv-2",
        "agv-3",
        "belt",
        "fitters-1",
        "fitters-2",
    )
    units = [*plant.sources, *plant.machines, *plant.conveyors]
    assert all(plant.units[thing.unit] == thing.name for thing in units)
    assert [plant.units[u] for u in plant.fleets[0].units] == ["agv-1", "agv-2", "agv-3"]
    assert [plant.units[u] for u in plant.crews[0].units] == ["fitters-1", "fitters-2"]
    for n, operation in enumerate(plant.operations):
        assert all(plant.machines[unit - len(plant.sources)].operation == n for unit in operation.machines)
    for unit in range(len(plant.units)):
        assert all(sensor.id == n for n, sensor in enumerate(plant.sensors) if sensor.unit == unit)
    for machine in plant.machines:
        assert all(plant.sensors[s].unit == machine.unit for s in machine.sensors)


def test_operations_stand_in_flow_order_and_feed_each_other(plant: Plant) -> None:
    names = [o.name for o in plant.operations]
    assert names == ["OP10", "OP20", "OP25", "OP26", "OP30", "OP40"]
    assert [o.destination for o in plant.operations] == [1, 4, 3, 4, 5, SINK]
    assert plant.operations[4].inputs == (
        Input(operation=1, quantity=1, capacity=4, fleet=0),
        Input(operation=3, quantity=2, capacity=10, fleet=0),
        Input(source=2, capacity=8),
    )
    assert plant.operations[1].inputs == (Input(operation=0, capacity=4, conveyor=0),)
    assert plant.operations[2].inputs[0].capacity == UNLIMITED


def test_behaviour_follows_from_inputs_and_batch(plant: Plant) -> None:
    assert [o.behaviour for o in plant.operations] == [
        "machining",
        "machining",
        "machining",
        "batching",
        "joining",
        "machining",
    ]


def test_an_operation_has_all_values_of_the_file(plant: Plant) -> None:
    turning, milling, _, furnace, assembly, test = plant.operations
    assert turning.cycle_time == Distribution("lognormal", 84.0, 0.05)
    assert (turning.unit_time_s, milling.unit_time_s) == (80.0, 40.0)
    assert milling.setup_s == ((0, 300), (300, 0))
    assert (milling.setup_operator, milling.variant_factor) == (0, (1.0, 1.25))
    assert furnace.batch is not None
    assert (furnace.batch.size, furnace.batch.minimum, furnace.batch.timeout_s) == (16, 8, 900)
    assert (assembly.robot, assembly.operator) == (0, 0)
    assert test.inspection is not None
    assert (test.inspection.scrap, test.inspection.rework, test.inspection.rework_to, test.inspection.max_loops) == (
        0.01,
        0.03,
        4,
        2,
    )


def test_sources_are_saturated_timed_or_scheduled(plant: Plant) -> None:
    castings, rings, covers = plant.sources
    assert castings.interarrival == Distribution("exponential", 50.0)
    assert (castings.when_full, castings.cards, castings.mix, castings.material_cost) == ("lose", 40, (0.6, 0.4), 12.5)
    assert (rings.interarrival, rings.arrivals_s, rings.sequence) == (None, (60, 120, 180), (0, 0, 1))
    assert (covers.interarrival, covers.arrivals_s) == (None, ())


def test_machines_inherit_from_their_kind(plant: Plant) -> None:
    machine = plant.machines[0]
    assert [mode.name for mode in machine.failures] == ["tool", "fuse"]
    assert machine.failures[0].wear
    assert machine.failures[0].priority == 1
    assert machine.failures[1].clock == "calendar"
    assert [mode.crew for mode in machine.failures] == [0, 0]
    assert [(m.name, m.every_s, m.at_wear, m.crew) for m in machine.maintenance] == [
        ("oil", 86400, 0, 0),
        ("edge", 0, 0.8, -1),
    ]
    assert [plant.sensors[s].name for s in machine.sensors] == ["spindle", "bearing"]


def test_states_without_a_power_have_that_of_a_similar_state(plant: Plant) -> None:
    power = plant.machines[0].power_w
    assert len(power) == len(KNOWN_STATES)
    assert power[State.BUSY] == 6000
    assert power[State.BLOCKED] == power[State.SETUP] == power[State.WAITING] == power[State.STARVED] == 1200
    assert power[State.DOWN] == power[State.MAINTENANCE] == power[State.OFF] == 50
    assert power[State.REPAIR] == 600


def test_one_machine_differs_only_in_its_own_values(plant: Plant) -> None:
    first, second = plant.machines[3], plant.machines[4]
    assert (first.name, second.name) == ("HOB1", "HOB2")
    assert [mode.after.mean_s for mode in first.failures] == [4 * 3600, 90 * 3600]
    assert [(mode.name, mode.after.mean_s, mode.repair, mode.wear) for mode in second.failures] == [
        ("tool", 7200, first.failures[0].repair, True)
    ]
    assert (first.power_w[State.BUSY], second.power_w[State.BUSY]) == (6000, 7000)
    assert second.power_w[State.STARVED] == first.power_w[State.STARVED]
    assert [plant.sensors[s].name for s in second.sensors] == ["spindle", "bearing", "extra"]


def test_an_operation_adds_to_its_kind(plant: Plant) -> None:
    assert [mode.name for mode in plant.machines[5].failures] == ["coil"]


def test_the_nearest_shift_counts(plant: Plant) -> None:
    day, always = 0, 1
    assert [m.shift for m in plant.machines] == [day, day, day, always, day, always, day, day]


def test_a_shift_is_placed_on_the_dates_of_the_run(plant: Plant) -> None:
    day, always = plant.shifts
    hours = [(a / 3.6e9, b / 3.6e9) for a, b in open_spans(plant, day, 0, 86_400_000_000)]
    assert hours == [(1, 4), (4.25, 9)]  # the run starts at 05:00
    assert day.at_end == "finish"
    assert open_spans(plant, always, 0, 86_400_000_000) == ((0, 86_400_000_000),)


def test_sensors_have_the_finest_scale_that_covers_their_range(plant: Plant) -> None:
    spindle = plant.sensors[0]
    assert (spindle.unit_text, spindle.scale, spindle.offset, spindle.low, spindle.high) == (
        "W",
        1.0,
        0.0,
        0.0,
        20_000.0,
    )
    assert (spindle.period_us, spindle.bits) == (500_000, 16)
    assert spindle.params == (("noise", 5.0), ("share", 1.0))
    assert plant.sensors[1].period_us == 100_000


def test_further_robots_are_units_with_sensors_and_the_first_keeps_its_name(
    read: Callable[..., Plant], everything: str
) -> None:
    more = read(everything.replace("robots: {R1: {", "robots: {R1: {count: 3, "))
    (robots,) = more.robots
    assert [more.units[unit] for unit in robots.units] == ["R1", "R1-2", "R1-3"]
    assert more.pools[0].units == robots.units
    assert [more.sensors[sensor].unit for (sensor,) in robots.sensors] == list(robots.units)


def test_vehicles_and_robots_have_their_own_sensors_and_power(plant: Plant) -> None:
    fleet = plant.fleets[0]
    assert [[plant.sensors[s].name for s in of] for of in fleet.sensors] == [["battery"]] * 3
    assert fleet.power_w[State.MOVING_LOADED] == 900
    assert plant.robots[0].power_w[State.BUSY] == 1500
    assert [plant.sensors[s].name for s in plant.robots[0].sensors[0]] == ["joint"]


def test_the_way_back_is_as_long_unless_given(plant: Plant) -> None:
    assert plant.fleets[0].distance_m == ((0, 30, 60), (35, 0, 45), (60, 45, 0))
    assert plant.fleets[0].unload == plant.fleets[0].load == Distribution("constant", 15.0)
    assert (plant.fleets[0].battery_s, plant.fleets[0].charge_below, plant.fleets[0].charge_s) == (21600, 0.25, 3000)


def test_every_operation_has_its_place_in_the_file(plant: Plant, everything: str) -> None:
    for operation in plant.operations:
        assert operation.place is not None
        line = everything.splitlines()[operation.place.line - 1]
        assert line[operation.place.column - 1 :].startswith(operation.name)


def test_assumptions_are_collected_from_comments(plant: Plant) -> None:
    assert plant.assumptions == ("base_load = 12 kW (assumed: light)",)


def test_the_digest_follows_content_not_layout(read: Callable[..., Plant], everything: str) -> None:
    first = read().digest
    assert read("# a comment\n" + everything.replace("title: One of each", "title: Another")).digest == first
    assert read(everything.replace("cycle_time: 56 s", "cycle_time: 57 s")).digest != first


def test_file_order_gives_way_to_flow_order(read: Callable[..., Plant]) -> None:
    plant = read("""
plant: p
sources: {s: {interarrival: saturated}}
sections:
  a: {operations: {LAST: {cycle_time: 1 s, buffer: 1, from: MID}}}
  b: {operations: {FIRST: {cycle_time: 1 s, buffer: 1, from: s}, MID: {cycle_time: 1 s, buffer: 0}}}
""")
    assert [o.name for o in plant.operations] == ["FIRST", "MID", "LAST"]
    assert [o.section for o in plant.operations] == [1, 1, 0]
    assert [m.name for m in plant.machines] == ["M002", "M003", "M001"]  # names follow the file, units the flow


def test_a_minimal_plant_needs_no_kinds(read: Callable[..., Plant]) -> None:
    plant = read(
        "plant: p\nsources: {s: {interarrival: saturated}}\n"
        "sections: {a: {operations: {A: {cycle_time: exponential(1 s), buffer: 0, from: s}}}}\n"
    )
    assert plant.machines[0].kind == "machine"
    assert plant.machines[0].power_w == ()
    assert plant.cost.tariff.price_per_kwh == (0.0,)


def test_empirical_times_come_from_a_file_beside_the_plant(
    tmp_path: Path, read: Callable[..., Plant], everything: str
) -> None:
    (tmp_path / "times.csv").write_text("time [min]\n0.5\n45 s\n00:01:00\n")
    plant = read(everything.replace("cycle_time: 56 s", "cycle_time: empirical(times.csv)"))
    assert plant.operations[4].cycle_time == Distribution("empirical", values=(30.0, 45.0, 60.0))
    assert math.isclose(plant.operations[4].unit_time_s, 45.0)


def test_arrivals_come_from_a_file_beside_the_plant(
    tmp_path: Path, read: Callable[..., Plant], everything: str
) -> None:
    (tmp_path / "arrivals.csv").write_text("10\n20.5\n")
    plant = read(everything.replace("schedule: [1 min, 2 min, 3 min]", "file: arrivals.csv"))
    assert plant.sources[1].arrivals_s == (10.0, 20.5)


def test_the_plants_of_this_checkout_are_packaged() -> None:
    assert {"gearbox_line", "retrofit"} <= set(packaged())
    assert find("gearbox_line").name == "gearbox_line.yaml"


def test_a_plant_is_found_by_its_packaged_name(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, everything: str
) -> None:
    (tmp_path / "small_line.yaml").write_text(everything)
    monkeypatch.setattr("factory_sim.plant.yaml.files.homes", lambda: iter([tmp_path]))
    assert load("small_line", catalogue).name == "everything"
    assert load("configs/small_line.yaml", catalogue).name == "everything"


def test_what_a_missing_file_may_have_meant_are_files_of_its_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "j1").mkdir()
    for name in ("mine_table.csv", "answer.json", "wxyz.yaml"):
        (tmp_path / name).touch()
    monkeypatch.setattr("factory_sim.plant.yaml.files.homes", lambda: iter([]))
    with pytest.raises(ConfigError) as plant:
        find("qqqqq")
    assert plant.value.problems[0].hint == "Known: wxyz.yaml."
    with pytest.raises(ConfigError) as moment:
        find("now.npz")
    assert str(moment.value).strip() == "now.npz: no such file"


def test_a_plant_carries_the_arguments_it_was_loaded_with(
    tmp_path: Path, everything: str, catalogue: Catalogue
) -> None:
    (tmp_path / "plant.yaml").write_text(everything)
    scenario = tmp_path / "faster.yaml"
    scenario.write_text(
        "extends: plant.yaml\nchanges: {a: {set: {OP30.cycle_time: 50 s}}, b: {scale: {OP10.buffer: 2}}}\n"
    )
    origin = load(scenario, catalogue, ["a"], ["agv.count+2"]).origin
    assert origin == Origin(str(scenario), ("a",), ("agv.count+2",))
    assert load(origin.file, catalogue, origin.groups, origin.changes) == load(
        scenario, catalogue, ["a"], ["agv.count+2"]
    )
