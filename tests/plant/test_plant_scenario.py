"""Scenarios and typed changes do what they say, and say when they cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory_sim import units
from factory_sim.errors import ConfigError
from factory_sim.plant.load import load
from factory_sim.plant.spec import Investment
from factory_sim.plant.yaml import arithmetic

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from factory_sim.errors import Problem
    from factory_sim.plant.catalogue import Catalogue
    from factory_sim.plant.spec import Operation, Plant

    Read = Callable[..., Plant]
    Problems = Callable[..., list[Problem]]

HEAD = "extends: plant.yaml\n"


def op(plant: Plant, name: str) -> Operation:
    return next(o for o in plant.operations if o.name == name)


def test_a_set_value_replaces_the_plants(read: Read) -> None:
    plant = read(s=HEAD + "title: Faster\nquestion: What if?\nset: {operations.OP30.cycle_time: 37 s, base_load: 1 kW}")
    assert op(plant, "OP30").cycle_time.mean_s == 37
    assert plant.base_load_w == 1000
    assert (plant.name, plant.title) == ("everything", "Faster")
    assert plant.scenario is not None
    assert (plant.scenario.name, plant.scenario.question, plant.scenario.changes) == ("s", "What if?", ("other",))


@pytest.mark.parametrize(
    ("address", "value", "changed"),
    [
        ("operations.OP4*.buffer", "9", ["OP40"]),
        ("operations.*.buffer", "30", ["OP10", "OP20", "OP25", "OP26", "OP40"]),  # a join's buffers stand in its inputs
        ("sections.housing.operations.*.buffer", "9", ["OP10", "OP20"]),
        ("sections.g*.operations.*.buffer", "30", ["OP25", "OP26"]),
        ("kinds.cnc.operations.*.buffer", "9", ["OP10", "OP20", "OP25"]),
        ("kinds.[co]*.operations.OP2?.buffer", "30", ["OP20", "OP25", "OP26"]),
        ("OP1*.buffer", "9", ["OP10"]),
    ],
)
def test_patterns_reach_operations_by_name_section_and_kind(
    address: str, value: str, changed: list[str], read: Read
) -> None:
    plant = read(s=HEAD + f"set: {{'{address}': {value}}}")
    assert [o.name for o in plant.operations if len(o.inputs) == 1 and o.inputs[0].capacity == int(value)] == changed


def test_an_input_of_a_join_is_reached_by_number_or_origin(read: Read) -> None:
    plant = read(
        s=HEAD + "set: {OP30.inputs.0.buffer: 5, OP30.inputs.covers.buffer: 7}\nscale: {OP30.inputs.OP26.buffer: 2}"
    )
    assert [i.capacity for i in op(plant, "OP30").inputs] == [5, 20, 7]


def test_machines_are_reached_though_the_file_only_counts_them(read: Read) -> None:
    plant = read(s=HEAD + "scale: {'machines.M00[12].failures.tool.after': 0.5}")
    after = {m.name: m.failures[0].after.mean_s for m in plant.machines if m.kind == "cnc"}
    assert after == {"M001": 7200, "M002": 7200, "M003": 14400, "HOB1": 14400, "HOB2": 7200}


def test_what_a_kind_gives_can_be_scaled_at_an_operation(read: Read) -> None:
    plant = read(s=HEAD + "scale: {operations.OP20.failures.*.repair: 200 %}")
    assert [f.repair.mean_s for f in plant.machines[2].failures] == [1440, 7200]
    assert [f.repair.mean_s for f in plant.machines[0].failures] == [720, 3600]


def test_scaling_keeps_shape_unit_and_whole_numbers(read: Read) -> None:
    plant = read(
        s=HEAD
        + "scale: {operations.OP10.cycle_time: 0.5, agv.count: 2, kinds.cnc.power: 0.5, OP40.inspection.scrap: 3}"
    )
    assert (op(plant, "OP10").cycle_time.mean_s, op(plant, "OP10").cycle_time.b) == (42, 0.05)
    assert len(plant.fleets[0].units) == 6
    assert plant.machines[0].power_w[:5] == (25, 600, 600, 3000, 600)
    assert op(plant, "OP40").inspection.scrap == pytest.approx(0.03)  # type: ignore[union-attr]


def test_a_removed_operation_closes_up_with_its_neighbours(read: Read) -> None:
    plant = read(s=HEAD + "remove: [operations.OP26]\nset: {OP30.inputs.1.from: OP25}")
    assert [o.name for o in plant.operations] == ["OP10", "OP20", "OP25", "OP30", "OP40"]
    assert op(plant, "OP25").destination == 3


def test_a_machine_can_be_freed_of_what_its_kind_gives(read: Read) -> None:
    plant = read(
        s=HEAD
        + "remove: [machines.M001.failures.tool, machines.M001.maintenance.edge, operations.OP20.sensors.bearing]"
    )
    assert [f.name for f in plant.machines[0].failures] == ["fuse"]
    assert [f.name for f in plant.machines[1].failures] == ["tool", "fuse"]
    assert [plant.sensors[s].name for s in plant.machines[2].sensors] == ["spindle"]


def test_something_new_is_added_beside_what_is_there(read: Read) -> None:
    plant = read(
        s=HEAD
        + """
add:
  sections.assembly.operations.OP50: {kind: robot, machines: 2, cycle_time: 20 s, buffer: 3}
  crews: {packers: {count: 1}}
  kinds.robot.failures: {grip: {after: 9 h, repair: 1 min}}
"""
    )
    assert [o.name for o in plant.operations][-1] == "OP50"
    assert op(plant, "OP40").destination == 6
    assert [plant.units[u] for u in op(plant, "OP50").machines] == ["OP50-1", "OP50-2"]
    assert plant.crews[1].name == "packers"
    assert [f.name for f in plant.machines[-1].failures] == ["grip"]


def test_a_pattern_sets_a_new_key_where_none_has_it(read: Read) -> None:
    plant = read(s=HEAD + "set: {'sections.housing.operations.*.inspection.scrap': 2 %}")
    assert [o.inspection.scrap if o.inspection else None for o in plant.operations] == [
        0.02,
        0.02,
        None,
        None,
        None,
        0.01,
    ]


def test_items_are_added_to_a_list(read: Read) -> None:
    plant = read(s=HEAD + "add: {crews.fitters.skills: [welding], sources.rings.schedule: 4 min}")
    assert plant.crews[0].skills == ("mechanical", "electrical", "welding")
    assert plant.sources[1].arrivals_s == (60, 120, 180, 240)


def test_a_machine_more_changes_no_other_machines_name(read: Read) -> None:
    before = read()
    after = read(s=HEAD + "set: {operations.OP10.machines: 4}")
    names = [[p.units[u] for u in op(p, "OP10").machines] for p in (before, after)]
    assert names == [["M001", "M002"], ["M001", "M002", "OP10-3", "OP10-4"]]
    assert {m.name for m in before.machines} == {m.name for m in after.machines} - {"OP10-3", "OP10-4"}


def test_a_machine_less_changes_no_other_machines_name(read: Read) -> None:
    after = read(s=HEAD + "set: {operations.OP10.machines: 1}")
    assert [m.name for m in after.machines] == ["M001", "M003", "HOB1", "HOB2", "M004", "M005", "M006"]


GROUPS = (
    HEAD
    + """
investment: {amount: 480000 EUR, hours_per_year: 4800, value_per_part: 30}
set: {base_load: 5 kW}
changes:
  faster_station: {set: {operations.OP30.cycle_time: 37 s}}
  more_vehicles:
    scale: {fleets.agv.count: 2}
"""
)


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (None, (37, 6, 5000)),
        ((), (56, 3, 12000)),
        (("faster_station",), (37, 3, 12000)),
        (("more_vehicles", "other"), (56, 6, 5000)),
    ],
)
def test_groups_of_changes_can_be_applied_apart(
    chosen: tuple[str, ...] | None, expected: tuple[float, ...], read: Read
) -> None:
    plant = read(s=GROUPS, changes=chosen)
    assert (op(plant, "OP30").cycle_time.mean_s, len(plant.fleets[0].units), plant.base_load_w) == expected
    assert plant.scenario is not None
    assert set(plant.scenario.changes) == set(
        ("other", "faster_station", "more_vehicles") if chosen is None else chosen
    )
    assert plant.scenario.investment == Investment(480_000, 4800, 30)


def test_without_any_group_a_scenario_is_the_plant_it_extends(read: Read) -> None:
    assert read(s=GROUPS, changes=()).digest == read().digest


def test_the_names_of_groups_stand_in_the_order_of_the_file(read: Read) -> None:
    scenario = read(s=GROUPS).scenario
    assert scenario is not None
    assert scenario.changes == ("other", "faster_station", "more_vehicles")


def test_a_scenario_can_extend_a_scenario(read: Read) -> None:
    plant = read(first=HEAD + "set: {OP30.cycle_time: 50 s}", s="extends: first.yaml\nscale: {OP30.cycle_time: 0.5}")
    assert op(plant, "OP30").cycle_time.mean_s == 25


def test_mistakes_in_values_of_a_scenario_are_reported_in_the_scenario(problems: Problems, tmp_path: Path) -> None:
    (problem,) = problems(s=HEAD + "set:\n  operations.OP30.cycle_tme: 37 s\n")
    assert (problem.file, problem.line, problem.key) == (str(tmp_path / "s.yaml"), 3, "operations.OP30.cycle_tme")
    assert "Did you mean cycle_time?" in problem.hint


MISTAKES = [
    ("set: {operations.OP31.cycle_time: 1 s}", "operations.OP31.cycle_time", "matches nothing", "Did you mean OP30?"),
    ("set: {OP31.cycle_time: 1 s}", "OP31.cycle_time", "matches nothing", "Did you mean OP30?"),
    ("set: {operations.OP9*.buffer: 1}", "operations.OP9*.buffer", "matches nothing", ""),
    ("set: {operations.*.failures.tol.after: 1 h}", "operations.OP10.failures.tol.repair", "is missing", ""),
    ("set: {OP30.cycle_time: 56s}", "OP30.cycle_time", "changes nothing", ""),
    ("scale: {OP30.cycle_time: 1}", "OP30.cycle_time", "changes nothing", ""),
    ("scale: {OP30.cycle_tme: 2}", "OP30.cycle_tme", "has no value to change", "Did you mean cycle_time?"),
    ("scale: {sources.covers.interarrival: 2}", "sources.covers.interarrival", "cannot be scaled", ""),
    ("scale: {OP30.cycle_time: fast}", "scale.OP30.cycle_time", "expected a share", ""),
    ("remove: [operations.OP3]", "operations.OP3", "matches nothing", "OP30"),
    ("remove: [kinds.cnc.powr]", "kinds.cnc.powr", "no value", "Did you mean power?"),
    ("remove: [machines.M001.power.busy]", "machines.M001.power.busy", "comes from the kind", ""),
    (
        "add: {sections.housing.operations.OP10: {buffer: 3}}",
        "sections.housing.operations.OP10",
        "already exists",
        "Use set",
    ),
    ("add: {operations.OP99: {buffer: 3}}", "operations.OP99", "lacks the section", "sections.NAME.operations.OP99"),
    ("add: {operations.*.title: x}", "operations.*.title", "is a pattern", ""),
    ("set: {operations..buffer: 3}", "operations..buffer", "is not an address", ""),
    ("set: {link.latency.x: 3 s}", "link.latency.x", "", ""),
    ("set: {variants.x.y: 3 s}", "variants.x.y", "", ""),
    ("sett: {OP30.cycle_time: 3 s}", "sett", "not a known key", "Did you mean set?"),
    ("title: nothing", "", "changes nothing", ""),
    (
        "changes: {a: {set: {OP30.cycle_time: 40 s}}, b: {set: {operations.OP3*.cycle_time: 41 s}}}",
        "operations.OP3*.cycle_time",
        "set by two groups: a sets '40 s', b sets '41 s'",
        "",
    ),
    ("set: {fleets.agv.policy: furthest}", "fleets.agv.policy", "not a dispatch policy", "first_come"),
    ("set: {everything.x: 3}", "everything.x", "neither a name nor a key", ""),
    ("set: {agv: 3}", "fleets.agv", "expected a mapping", ""),
]


@pytest.mark.parametrize(("text", "key", "words", "hint"), MISTAKES)
def test_an_impossible_change_is_reported_with_its_line(
    text: str, key: str, words: str, hint: str, problems: Problems
) -> None:
    found = problems(s=HEAD + "\n\n" + text)
    assert [p.key for p in found][:1] == [key], found
    assert words in found[0].message
    assert hint in found[0].hint
    assert found[0].line in {1, 4}


def test_all_mistakes_in_both_files_are_reported_at_once(problems: Problems, everything: str) -> None:
    found = problems(
        everything.replace("policy: nearest", "policy: nearst"), s=HEAD + "set: {OP31.buffer: 3, OP10.buffer: -3}"
    )
    assert {p.key for p in found} == {"fleets.agv.policy", "OP31.buffer", "operations.OP10.buffer"}


def test_two_groups_may_agree(read: Read) -> None:
    text = HEAD + "changes: {a: {set: {OP30.cycle_time: 40 s}}, b: {set: {OP30.cycle_time: 40 s}}}"
    assert op(read(s=text), "OP30").cycle_time.mean_s == 40


def test_scenarios_that_extend_each_other_are_refused(problems: Problems) -> None:
    (problem,) = problems(a="extends: b.yaml", b="extends: a.yaml")
    assert "leads back" in problem.message


def test_an_extended_file_that_does_not_exist_is_reported(problems: Problems) -> None:
    (problem,) = problems(s="extends: plnt.yaml\nset: {OP30.buffer: 3}")
    assert (problem.line, problem.key) == (1, "extends")


def test_a_group_that_does_not_exist_is_reported(problems: Problems) -> None:
    (problem,) = problems(s=GROUPS, changes=("faster_staton",))
    assert problem.hint == "Did you mean faster_station?"
    (problem,) = problems(changes=("faster_station",))
    assert "not a scenario" in problem.message


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (("OP30.cycle_time=34s",), 34),
        (("OP30.cycle_time = 34 s",), 34),
        (("operations.OP30.cycle_time*0.5",), 28),
        (("OP30.cycle_time-2s",), 54),
        (("OP30.cycle_time + 0.1 min",), 62),
        (("OP3*.cycle_time*50%",), 28),
        (("OP30.cycle_time=lognormal(34 s, cv 0.1)",), 34),
        (("OP30.cycle_time=50s", "OP30.cycle_time-1s"), 49),
        (("OP30.cycle_time*1e-1",), 5.6),
    ],
)
def test_a_typed_change_is_understood(texts: tuple[str, ...], expected: float, read: Read) -> None:
    assert op(read(overrides=texts), "OP30").cycle_time.mean_s == pytest.approx(expected)


def test_counts_remain_whole_after_changes(read: Read) -> None:
    plant = read(overrides=("agv.count+2", "fitters.count-1", "OP10.machines*2", "OP40.inspection.scrap+1%"))
    assert (len(plant.fleets[0].units), len(plant.crews[0].units), len(op(plant, "OP10").machines)) == (5, 1, 4)
    assert op(plant, "OP40").inspection.scrap == pytest.approx(0.02)  # type: ignore[union-attr]


def test_a_value_can_be_set_that_may_be_there_already(read: Read, problems: Problems) -> None:
    same = read(overrides=("OP30.cycle_time:=56 s", "agv.count:= 4"))
    assert same.digest == read(overrides=("agv.count=4",)).digest
    assert "changes nothing" in problems(overrides=("OP30.cycle_time=56 s",))[0].message


def test_a_typed_change_reaches_one_machine_by_its_name(read: Read) -> None:
    assert read(overrides=("HOB1.power.busy=9kW",)).machines[3].power_w[3] == 9000


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("OP30.cycle_time", "is not a change"),
        ("", "is not a change"),
        ("OP30.cycle_tme=3s", "not a known key"),
        ("OP30.cycle_time+2W", "units differ"),
        ("agv.count+2s", "not a unit of number"),
        ("castings.interarrival+1s", "use = or"),
        ("OP33.buffer=2", "matches nothing"),
        ("OP30.cycle_time=fast", "expected a time"),
        ("OP10.buffer-60", "at least 0"),
        ("rings.cards+1", "no value to change"),  # without cards there is no limit, which one more would not raise
        ("OP10.inspection.max_loops+1", "no value to change"),
    ],
)
def test_an_impossible_change_on_the_command_line_is_reported(text: str, words: str, problems: Problems) -> None:
    found = problems(overrides=(text,))
    assert words in f"{found[0].message} {found[0].hint}"
    assert found[0].file == "changes"


def test_typed_changes_come_after_the_scenario(read: Read, catalogue: Catalogue, tmp_path: Path) -> None:
    read(s=GROUPS)
    plant = load(tmp_path / "s.yaml", catalogue, overrides=["OP30.cycle_time*2"])
    assert op(plant, "OP30").cycle_time.mean_s == 74


def test_a_plant_broken_by_a_scenario_is_refused(catalogue: Catalogue, tmp_path: Path, read: Read) -> None:
    read()
    (tmp_path / "s.yaml").write_text(HEAD + "remove: [sources.castings]")
    with pytest.raises(ConfigError, match="neither an operation nor a source"):
        load(tmp_path / "s.yaml", catalogue)


@given(st.floats(1e-3, 1e6), st.sampled_from(["s", "min", "h", "ms"]), st.floats(1e-3, 1e3))
def test_scaling_a_text_scales_its_value(number: float, unit: str, factor: float) -> None:
    text = f"{number!r} {unit}"
    assert units.parse(arithmetic.scaled(text, factor), "time") == pytest.approx(
        units.parse(text, "time") * factor, rel=1e-12
    )


@given(st.floats(1, 1e6), st.sampled_from(["s", "min", "h"]), st.floats(0, 1e3), st.sampled_from(["s", "min", "h"]))
def test_adding_to_a_text_adds_to_its_value(number: float, unit: str, more: float, other: str) -> None:
    total = arithmetic.added(f"{number!r} {unit}", f"{more!r} {other}", 1)
    expected = units.parse(f"{number!r} {unit}", "time") + units.parse(f"{more!r} {other}", "time")
    assert units.parse(total, "time") == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("change", "machines"), [("OP20.machines+1", 2), ("OP20.machines*3", 3), ("operations.OP[24]0.machines+1", 2)]
)
def test_arithmetic_works_on_counts_that_the_file_does_not_state(
    change: str, machines: int, read: Callable[..., Plant]
) -> None:
    assert len(read(overrides=[change]).operations[1].machines) == machines


ONE = """
plant: one
sources: {s: {interarrival: saturated}}
sections:
  a: {operations: {A: {cycle_time: 30 s, buffer: 4, from: s, inspection: {rework: 2 %, rework_to: A}}}}
"""
SUMS = ("base_load+2 kW", "costs.machine+10 EUR/h", "s.material_cost+1.5 EUR", "A.inspection.scrap+2 %")


def test_sums_work_on_quantities_that_the_file_does_not_state(read: Read, problems: Problems) -> None:
    plant = read(ONE, overrides=SUMS)
    assert (plant.base_load_w, plant.cost.machine_per_h) == (2000.0, 10.0)
    assert plant.sources[0].material_cost == 1.5
    inspection = plant.operations[0].inspection
    assert inspection is not None
    assert inspection.scrap == 0.02
    for change, words in {"base_load-2 kW": "out of range", "base_load*2": "no value to change"}.items():
        assert words in problems(ONE, overrides=(change,))[0].message


@pytest.mark.parametrize(
    ("change", "names"),
    [("OP10.machines+1", ("a", "b", "OP10-3")), ("OP10.machines-1", ("a",)), ("OP10.machines-2", None)],
)
def test_machines_with_names_are_counted_too(
    change: str, names: tuple[str, ...] | None, everything: str, read: Read, problems: Problems
) -> None:
    named = everything.replace("machines: 2,", "machines: [a, b],", 1)
    assert named != everything
    if names is None:
        assert "2 named machines" in problems(everything=named, overrides=(change,))[0].message
    else:
        plant = read(everything=named, overrides=(change,))
        assert tuple(plant.units[plant.machines[i].unit] for i in range(len(names))) == names
