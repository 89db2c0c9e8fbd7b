"""The reference line and its scenarios: the published counts, marked assumptions, a clear constraint."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from factory_sim.clock import us_from_s
from factory_sim.plant.describe import planned
from factory_sim.plant.load import load
from factory_sim.plant.spec import SINK, Operation, Plant
from factory_sim.records import Window
from factory_sim.registry import catalogue
from factory_sim.sim.run import Simulation, simulate

if TYPE_CHECKING:
    from collections.abc import Iterator

HOME = Path(__file__).parents[1]
LINE = HOME / "configs" / "gearbox_line.yaml"
RETROFIT = HOME / "scenarios" / "retrofit.yaml"
SCENARIOS = sorted((HOME / "scenarios").glob("*.yaml"))

SECTIONS = {  # section -> operations, machines: the table of the published line
    "housing_machining": (10, 20),
    "shaft_machining": (12, 24),
    "gear_machining": (12, 26),
    "heat_treatment": (4, 8),
    "grinding": (8, 18),
    "washing": (4, 4),
    "sub_assembly": (14, 18),
    "main_assembly": (20, 20),
    "end_of_line_test": (4, 10),
    "finishing": (4, 5),
}
ORIGINS = ("published", "assumed", "calibrated")
WORDS = {"title", "question", "plant", "topic", "timezone", "from", "extends"}  # keys whose values are no numbers
NUMBER = re.compile(r"(?<![\w.])\d")


@cache
def plant(path: Path = LINE) -> Plant:
    return load(path, catalogue())


def numbers(path: Path) -> Iterator[tuple[int, str, str]]:
    """(line, value, comment of that line) of every value with a number in it."""
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    for key, node in values(yaml.compose(text)):
        if key not in WORDS and NUMBER.search(node.value):
            comment = lines[node.end_mark.line][node.end_mark.column :].partition("#")[2]
            yield node.end_mark.line + 1, node.value, comment


def values(node: yaml.Node, key: str = "") -> Iterator[tuple[str, yaml.ScalarNode]]:
    if isinstance(node, yaml.MappingNode):
        for key_node, value in node.value:
            yield from values(value, key_node.value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from values(item, key)
    elif isinstance(node, yaml.ScalarNode):
        yield key, node


def per_gearbox(p: Plant) -> list[int]:
    """Parts of each operation that one gearbox needs, operations in flow order, scrap aside."""
    need = [1] * len(p.operations)
    for index in reversed(range(len(p.operations))):
        for each in p.operations[index].inputs:
            if each.operation >= 0:
                need[each.operation] = need[index] * each.quantity
    return need


def availability(p: Plant, operation: Operation) -> float:
    """Busy time / (busy time + repairs) of a machine that is never idle, waiting for crews aside."""
    machine = next(m for m in p.machines if m.unit == operation.machines[0])
    return 1 / (1 + sum(mode.repair.mean_s / mode.after.mean_s for mode in machine.failures))


def station_times(p: Plant) -> dict[str, float]:
    """Seconds that each operation needs for one gearbox, by hand."""
    need = per_gearbox(p)
    at_once = [len(o.machines) * (o.batch.size if o.batch else 1) for o in p.operations]
    return {
        o.name: need[i] * o.cycle_time.mean_s / (at_once[i] * availability(p, o)) for i, o in enumerate(p.operations)
    }


def good_parts_per_s(p: Plant, hours: float) -> float:
    """Good parts per second of planned production, after a warm-up of four hours."""
    window = Window(us_from_s(4 * 3600.0), us_from_s((4 + hours) * 3600.0))
    made = simulate(p, seed=5, warm_up_us=window.t0_us, until_us=window.t1_us).truth.good_parts
    return made / sum(end - begin for begin, end in planned(p, window)) * 1e6


# ---- the published counts


def test_the_line_has_153_machines_92_operations_and_ten_sections() -> None:
    p = plant()
    operations = Counter(p.sections[o.section] for o in p.operations)
    machines = Counter(p.sections[p.operations[m.operation].section] for m in p.machines)
    assert (len(p.machines), len(p.operations)) == (153, 92)
    assert {name: (operations[name], machines[name]) for name in p.sections} == SECTIONS
    assert [m.name for m in p.machines] == [f"M{n:03}" for n in range(1, 154)]


def test_the_machines_carry_1224_sensors_read_once_a_second() -> None:
    p = plant()
    units = {m.unit for m in p.machines}
    on_machines = [s for s in p.sensors if s.unit in units]
    assert len(on_machines) == 1224
    assert {s.period_us for s in on_machines} == {1_000_000}
    assert min(Counter(s.unit for s in on_machines).values()) == 8


def test_every_machine_has_one_meter_of_all_its_energy() -> None:
    meters = [s for s in plant().sensors if s.kind == "energy" and dict(s.params)["share"] == 1.0]
    assert {m.unit for m in plant().machines} <= {s.unit for s in meters}


def test_three_branches_meet_in_sub_assembly_and_main_assembly() -> None:
    p = plant()
    sections = {source.name: path_to_sink(p, i) for i, source in enumerate(p.sources)}
    hard = ["heat_treatment", "grinding", "washing", "sub_assembly", "main_assembly", "end_of_line_test", "finishing"]
    assert sections["shaft_blanks"] == ["shaft_machining", *hard]
    assert sections["gear_blanks"] == ["gear_machining", *hard]
    assert sections["housing_castings"] == ["housing_machining", *hard[2:]]
    joins = {o.name: p.sections[o.section] for o in p.operations if sum(i.operation >= 0 for i in o.inputs) > 1}
    assert joins == {"OP510": "sub_assembly", "OP650": "main_assembly"}
    assert [o.quantity for o in p.operations[50].inputs][:2] == [2, 2]


def path_to_sink(p: Plant, source: int) -> list[str]:
    """Sections that a source's parts pass, in order."""
    at = next(i for i, o in enumerate(p.operations) if any(each.source == source for each in o.inputs))
    passed: list[str] = []
    while at != SINK:
        passed.append(p.sections[p.operations[at].section])
        at = p.operations[at].destination
    return list(dict.fromkeys(passed))


# ---- honest numbers


@pytest.mark.parametrize("path", [LINE, *SCENARIOS], ids=lambda path: path.stem)
def test_every_number_says_where_it_comes_from(path: Path) -> None:
    silent = [(line, value) for line, value, comment in numbers(path) if not comment.strip().startswith(ORIGINS)]
    assert silent == []


def test_at_most_six_numbers_are_calibrated() -> None:
    lines = {(p, line) for p in (LINE, RETROFIT) for line, _, comment in numbers(p) if "calibrated" in comment}
    assert 1 <= len(lines) <= 6


def test_a_number_without_origin_would_be_found(tmp_path: Path) -> None:
    file = tmp_path / "line.yaml"
    file.write_text('a: 3 s  # assumed\nb: {c: "uniform(1 s, 2 s)", from: OP010}\n', encoding="utf-8")
    assert [comment for _, _, comment in numbers(file)] == [" assumed", ""]


# ---- the published headline


def test_56_s_and_37_s_are_inputs_of_one_station() -> None:
    before, after = plant(LINE), plant(RETROFIT)
    assert before.operations[before.pacing].cycle_time.mean_s == 56.0
    assert after.operations[after.pacing].cycle_time.mean_s == 37.0
    assert {before.operations[before.pacing].cycle_time.b, after.operations[after.pacing].cycle_time.b} == {0.03}  # cv


def test_the_pacing_station_limits_the_baseline_and_flank_grinding_the_retrofit() -> None:
    before, after = station_times(plant(LINE)), station_times(plant(RETROFIT))
    assert max(before, key=before.get) == "OP750"
    assert max(after, key=after.get) == "OP410"
    others = [time for name, time in after.items() if name != "OP410"]
    assert max(others) <= 0.9 * after["OP410"]
    assert before["OP750"] / after["OP410"] - 1 == pytest.approx(0.3019, abs=0.025)  # what starving costs aside


@pytest.mark.slow
def test_the_line_gains_less_than_its_station() -> None:
    before, after = good_parts_per_s(plant(LINE), 4.0), good_parts_per_s(plant(RETROFIT), 4.0)
    assert before == pytest.approx(1 / station_times(plant(LINE))["OP750"], rel=0.04)
    assert 0.2 < after / before - 1 < 0.4 < 56 / 37 - 1


# ---- the whole plant


def test_the_line_uses_everything_a_plant_file_can_say() -> None:
    p = plant()
    assert {o.batch.size for o in p.operations if p.sections[o.section] == "heat_treatment" and o.batch} == {24}
    assert len(p.fleets[0].units) > 0
    assert p.fleets[0].battery_s > 0
    assert len(p.conveyors) == 10
    assert {len([o for o in p.operations if o.robot == n]) for n in range(len(p.robots))} == {2}
    assert {skill for crew in p.crews for skill in crew.skills} == {"tools", "mechanics", "automation"}
    assert {m.crew >= 0 for machine in p.machines for m in machine.failures if m.name != "micro_stop"} == {True}
    assert any(o.inspection and o.inspection.rework > 0 and o.inspection.max_loops == 2 for o in p.operations)
    assert any(o.setup_s for o in p.operations)
    assert any(o.variant_factor for o in p.operations)
    assert any(o.operator >= 0 for o in p.operations)
    assert any(source.cards for source in p.sources)
    plans = [plan for machine in (*p.machines, *plant(RETROFIT).machines) for plan in machine.maintenance]
    assert any(plan.every_s for plan in plans)
    assert any(plan.every_parts for plan in plans)
    assert any(plan.at_wear for plan in plans)
    assert len(p.cost.tariff.from_s) > 1


def test_breaks_are_planned_downtime() -> None:
    eight_h = Window(us_from_s(4 * 3600.0), us_from_s(12 * 3600.0))
    assert sum(end - begin for begin, end in planned(plant(), eight_h)) == us_from_s(8 * 3600.0 - 40 * 60.0)


def test_the_retrofit_has_its_published_measures_by_name() -> None:
    scenario = plant(RETROFIT).scenario
    assert scenario is not None
    assert scenario.changes == (
        "faster_station",
        "predictive_maintenance",
        "dispatching",
        "vehicles",
        "data_acquisition",
    )


# ---- scenarios


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_every_scenario_says_its_question_and_runs(path: Path) -> None:
    p = plant(path)
    assert p.scenario is not None
    assert p.scenario.question.endswith("?")
    assert path.read_text(encoding="utf-8").startswith("# Question: ")
    until = us_from_s(2 * 3600.0)
    simulation = Simulation(p, seed=3, until_us=until)
    log = simulation.advance(until)
    entered, left, scrapped, merged, inside = simulation.balance()
    assert entered == left + scrapped + merged + inside
    assert left > 0
    assert len(log) > 10_000
