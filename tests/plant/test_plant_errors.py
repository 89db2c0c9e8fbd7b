"""Everything wrong with a file is reported at once, with place, expectation and nearest correct answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory_sim.errors import ConfigError
from factory_sim.plant.load import find, load

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from factory_sim.errors import Problem
    from factory_sim.plant.catalogue import Catalogue
    from factory_sim.plant.spec import Plant

# what is replaced in the good plant, by what, the reported address, words of the message, the hint
MISTAKES = [
    ("title: One of each", "title: One of each\nplan: 480", "plan", "parts/shift", ""),
    ("title: One of each", "title: One of each\nplan: 60 parts/h", "plan", "parts/shift", ""),
    # keys and values
    ("cycle_time: 40 s", "cycle_tme: 40 s", "operations.OP20.cycle_tme", "not a known key", "Did you mean cycle_time?"),
    ("pacing: OP30", "pacng: OP30", "pacng", "not a known key", "Did you mean pacing?"),
    ("wear: yes", "wear: maybe", "kinds.cnc.failures.tool.wear", "expected yes or no", ""),
    ("busy: 6 kW", "busy: 6 kJ", "kinds.cnc.power.busy", "'kJ', which is not a unit of power", ""),
    ("busy: 6 kW", "busi: 6 kW", "kinds.cnc.power.busi", "not a known key", "Did you mean busy?"),
    ("cycle_time: 56 s", "cycle_time: 56", "operations.OP30.cycle_time", "has no unit", ""),
    ("cycle_time: 56 s", "cycle_time: '56,5 s'", "operations.OP30.cycle_time", "decimal comma; write 56.5 s", ""),
    (
        "cycle_time: 56 s",
        "cycle_time: 'lognormal(56,5 s, cv 0,1)'",
        "operations.OP30.cycle_time",
        "If a comma is a decimal mark, write lognormal(56.5 s, cv 0.1)",
        "",
    ),
    ("cycle_time: 56 s", "cycle_time: [56 s]", "operations.OP30.cycle_time", "expected one value, got a list", ""),
    (
        "lognormal(84 s, cv 0.05)",
        "lognorml(84 s, cv 0.05)",
        "operations.OP10.cycle_time",
        "Did you mean lognormal?",
        "",
    ),
    ("at_end: finish", "at_end: stop", "shifts.day.at_end", "expected pause or finish", ""),
    ("machines: 2", "machines: 0", "operations.OP10.machines", "whole number from 1 to 10,000", ""),
    ("machines: 2", "machines: 99999", "operations.OP10.machines", "whole number from 1 to 10,000", ""),
    ("cycle_time: 56 s", "cycle_time: 1e300 d", "operations.OP30.cycle_time", "longer than 300 years", ""),
    ("every: 24 h", "every: 1 ms", "kinds.cnc.maintenance.oil.every", "more than once a second", ""),
    ("timeout: 15 min", "timeout: 1e9 d", "operations.OP26.batch.timeout", "out of range", ""),
    ("buffer: 6", "buffer: -6", "operations.OP10.buffer", "at least 0 or unlimited", ""),
    ("buffer: 6", "buffer: 6.5", "operations.OP10.buffer", "whole number", ""),
    ("material_cost: 12.50 EUR", "material_cost: 12.50 USD", "sources.castings.material_cost", "a price in EUR", ""),
    ("count: 3", "count: three", "fleets.agv.count", "whole number", ""),
    (
        "crew: fitters, priority",
        "crew: x, skill: electrical, priority",
        "kinds.cnc.failures.tool.crew",
        "plant's crews",
        "",
    ),
    ("[HOB1, HOB2]", "[R1, HOB2]", "operations.OP25.machines", "used twice", ""),
    ("OP40: {kind", "OP#40: {kind", "operations.OP#40", "cannot be a level of a topic", "OP_40"),
    ("cycle_time: 56 s", "cycle_time: 0 s", "operations.OP30.cycle_time", "at least 1 ms", ""),
    ("after: 200 h", "after: 0 s", "operations.OP26.failures.coil.after", "always be down", ""),
    ("title: Housings", "title: [1]", "sections.housing.title", "expected a text", ""),
    # the head
    ("plant: everything", "plant: every thing", "plant", "cannot be a level of a topic", "such as every_thing"),
    ("topic: acme/north/line1", "topic: acme/+/line1", "topic", "is not a path of topic levels", ""),
    ("start: 2026-01-06 05:00", "start: tomorrow", "start", "expected a local time", ""),
    (
        "timezone: Europe/Berlin",
        "timezone: Europe/Berlni",
        "timezone",
        "is not an IANA time zone",
        "Did you mean Europe/Berlin?",
    ),
    ("pacing: OP30", "pacing: OP3O", "pacing", "not an operation", "Did you mean OP30?"),
    ('"22:00": 0.12', '"25:00": 0.12', "tariff.25:00", "is not a time of day", ""),
    ("profile: 5g", "profile: 6g", "link.profile", "expected wired or wifi or 5g", ""),
    ("loss: 0.5 %", "loss: 101 %", "link.loss", "out of range", ""),
    ("currency: EUR", "currency: euro", "currency", "is not a currency code", ""),
    # names
    ("  oven:\n", "  'big oven':\n", "kinds.big oven", "cannot be a level of a topic", "big_oven"),
    ("assembly:\n", "meta:\n", "sections.meta", "reserved", ""),
    ("[HOB1, HOB2]", "[HOB1, HOB1]", "operations.OP25.machines", "used twice", ""),
    ("[HOB1, HOB2]", "[HOB#, HOB2]", "operations.OP25.machines", "cannot be a machine's name", ""),
    ("robots: {R1: {", "robots: {R1-2: {}, R1: {count: 2, ", "robots.R1.count", "would be 'R1-2'", "Rename"),
    ("robots: {R1", "robots: {castings", "robots.castings", "also one of sources", "unique"),
    ("  HOB2: {", "  HOB3: {", "machines.HOB3", "there is no machine", "Did you mean HOB"),
    # references
    ("kind: oven", "kind: ovn", "operations.OP26.kind", "not one of the plant's kinds", "Did you mean oven?"),
    (
        "crew: fitters, priority",
        "crew: fiters, priority",
        "kinds.cnc.failures.tool.crew",
        "plant's crews",
        "Did you mean fitters?",
    ),
    ("skill: electrical", "skill: hydraulic", "kinds.cnc.failures.fuse.skill", "no crew has the skill", ""),
    (
        "crew: fitters, priority: 1",
        "crew: fitters, skill: welding",
        "kinds.cnc.failures.tool.skill",
        "crew fitters has no skill",
        "",
    ),
    ("by: belt", "by: blet", "operations.OP20.by", "neither a fleet nor a conveyor", "Did you mean belt?"),
    (
        "{from: covers, buffer: 8}",
        "{from: covers, buffer: 8, by: agv}",
        "operations.OP30.inputs.2.by",
        "covers is a source",
        "",
    ),
    ("robot: R1", "robot: R2", "operations.OP30.robot", "plant's robots", "R1"),
    (
        "        operator: fitters",
        "        operator: fitter",
        "operations.OP30.operator",
        "plant's crews",
        "Did you mean fitters?",
    ),
    ("shift: always", "shift: night", "sections.gears.shift", "plant's shifts", ""),
    ("policy: nearest", "policy: nearst", "fleets.agv.policy", "not a dispatch policy", "Did you mean nearest?"),
    (
        "kind: vibration",
        "kind: vibrato",
        "kinds.cnc.sensors.bearing.kind",
        "not a sensor kind",
        "Did you mean vibration?",
    ),
    ("kind: level", "kind: vibration", "fleets.agv.sensors.battery.kind", "a vehicle cannot carry a sensor", "level"),
    ("  robot:\n", "  robot:\n    behaviour: machinning\n", "kinds.robot.behaviour", "not a behaviour", "machining"),
    # flow
    (
        "from: castings",
        "from: castngs",
        "operations.OP10.from",
        "neither an operation nor a source",
        "Did you mean castings?",
    ),
    (", from: castings", "", "operations.OP10.from", "nothing feeds this operation", "castings"),
    ("from: castings", "from: OP20", "operations.OP10.from", "in a cycle: OP10 -> OP20 -> OP10", "rework"),
    ("{from: OP26, quantity", "{from: OP20, quantity", "operations.OP30.inputs.1.from", "OP20 already feeds OP30", ""),
    ("buffer: 2, inspection", "inspection", "operations.OP40.buffer", "is missing", "buffer: 4"),
    ("cycle_time: 56 s\n", "unit_time: 56 s\n", "operations.OP30.cycle_time", "is missing", "cycle_time: 37 s"),
    ("buffer: 10, by: agv", "buffer: 1, by: agv", "operations.OP30.inputs.1.buffer", "only 1 can wait", "buffer: 2"),
    (
        "from: covers, buffer: 8",
        "from: covers, buffer: 0",
        "operations.OP30.inputs.2.buffer",
        "only 0 can wait",
        "buffer: 1",
    ),
    (
        "buffer: 20, batch",
        "buffer: 12, batch",
        "operations.OP26.batch.size",
        "more than the 12 that can wait",
        "buffer: 16",
    ),
    ("minimum: 8", "minimum: 18", "operations.OP26.batch.minimum", "more than the size 16", ""),
    ("        robot: R1\n", "        robot: R1\n        batch: {size: 2}\n", "operations.OP30.batch", "one input", ""),
    ("        robot: R1\n", "        buffer: 2\n", "operations.OP30.inputs", "cannot be combined with", ""),
    # quality
    ("scrap: 1 %, rework: 3 %", "scrap: 60 %, rework: 50 %", "operations.OP40.inspection.rework", "more than 1", ""),
    ("rework: 3 %", "rework: 130 %", "operations.OP40.inspection.rework", "between 0 and 1", ""),
    ("rework: 3 %", "rework: -3 %", "operations.OP40.inspection.rework", "between 0 and 1", ""),
    (", rework_to: OP30", "", "operations.OP40.inspection.rework_to", "is missing", ""),
    (
        "rework_to: OP30",
        "rework_to: OP3",
        "operations.OP40.inspection.rework_to",
        "not an operation",
        "Did you mean OP30?",
    ),
    (
        "by: belt, ",
        "by: belt, inspection: {rework: 1 %, rework_to: OP40}, ",
        "operations.OP20.inspection.rework_to",
        "never come back",
        "OP20",
    ),
    (
        "scrap: 1 %, rework: 3 %, rework_to: OP30, max_loops: 2",
        "rework: 100 %, rework_to: OP30, max_loops: unlimited",
        "operations.OP40.inspection.rework",
        "forever",
        "max_loops: 1",
    ),
    # sources and variants
    ("interarrival: saturated", "cards: 3", "sources.covers", "does not define when parts arrive", "saturated"),
    (
        "interarrival: saturated",
        "interarrival: saturated, schedule: [1 s]",
        "sources.covers",
        "both interarrival and schedule",
        "",
    ),
    (
        "interarrival: exponential(50 s)",
        "interarrival: 0 s",
        "sources.castings.interarrival",
        "below 1 ms",
        "saturated",
    ),
    ("schedule: [1 min, 2 min", "schedule: [3 min, 2 min", "sources.rings.schedule", "rising order", ""),
    ("mix: {six: 60 %", "mix: {six: 50 %", "sources.castings.mix", "add up to 90 %", ""),
    ("mix: {six: 60 %", "mix: {sxi: 60 %", "sources.castings.mix.sxi", "plant's variants", "Did you mean six?"),
    ("sequence: [six, six, eight]", "sequence: [six, nine]", "sources.rings.sequence.1", "plant's variants", ""),
    (", mix: {six: 100 %}", "", "sources.covers", "which variants", "mix"),
    ("setup: 5 min", "setup: {six: {eight: 5 min}}", "operations.OP20.setup", "lacks the change from eight to six", ""),
    (
        "variant_factor: {eight: 1.25}",
        "variant_factor: {ten: 1.25}",
        "operations.OP20.variant_factor.ten",
        "variants",
        "",
    ),
    # failures and maintenance
    (', repair: "lognormal(12 min, cv 0.5)"', "", "kinds.cnc.failures.tool.repair", "is missing", "repair: 12 min"),
    ("clock: calendar", "clock: calendar, wear: yes", "kinds.cnc.failures.fuse.wear", "clock: busy", ""),
    ("{every: 24 h, duration", "{duration", "kinds.cnc.maintenance.oil", "is never due", "every: 8 h"),
    ("{every: 24 h, duration: 20 min", "{every: 24 h", "kinds.cnc.maintenance.oil.duration", "is missing", ""),
    ("wear: yes, ", "", "kinds.cnc.maintenance.edge.at_wear", "needs a failure mode with wear", ""),
    # transport
    (
        "gears: {assembly: 45 m, housing: 35 m}",
        "gears: {housing: 35 m}",
        "fleets.agv.distances",
        "has holes: gears to assembly",
        "",
    ),
    ("gears: {assembly: 45 m", "gears: {assembly: -45 m", "fleets.agv.distances.gears.assembly", "at least 0", ""),
    (
        "distances: {housing",
        "distances: {hosing",
        "fleets.agv.distances.hosing",
        "plant's sections",
        "Did you mean housing?",
    ),
    ("speed: 1.2 m/s\n", "speed: 0 m/s\n", "fleets.agv.speed", "out of range", ""),
    ("    load: 15 s\n", "", "fleets.agv.load", "is missing", ""),
    ("moving_time: 6 h", "moving_time: 0 s", "fleets.agv.battery", "above 0 s", ""),
    ("charge_time: 50 min", "charge_time: 0 s", "fleets.agv.battery", "above 0 s", ""),
    ("{delay: 20 s, ", "{", "conveyors.belt.delay", "is missing", ""),
    (
        "{from: covers, buffer: 8}",
        "{from: covers, buffer: 8, by: belt}",
        "operations.OP30.inputs.2.by",
        "already leads to OP20",
        "",
    ),
    # shifts
    ('open: "06:00-14:00"', 'open: "06:00-14:60"', "shifts.day.open", "is not a time of day", ""),
    ('open: "06:00-14:00"', 'open: "6 to 14"', "shifts.day.open", "expected hours", ""),
    (
        'open: "06:00-14:00"',
        'open: ["06:00-08:00", "Mun 08:00-09:00"]',
        "shifts.day.open.1",
        "is not a day of the week",
        "",
    ),
    ('open: "06:00-14:00"', 'open: "06:00-06:00"', "shifts.day.open", "same time", ""),
    ('breaks: "09:00-09:15"', 'breaks: "05:00-15:00"', "shifts.day", "never opens", ""),
    ('open: "06:00-14:00", ', "", "shifts.day.open", "is missing", "open: 06:00-14:00"),
    ("at_end: finish", "at_end: pause", "shifts.day.at_end", "crew fitters works in this shift", "without at_end"),
    (
        "cycle_time: 10 min, buffer: 20, batch: {size: 16, minimum: 8, timeout: 15 min}",
        "cycle_time: 10 min, buffer: 20, behaviour: batching",
        "operations.OP26.behaviour",
        "batching needs a batch",
        "batch: {size: 8}",
    ),
    # sensors
    (
        "{kind: power, rate: 2 Hz",
        "{kind: power, rte: 2 Hz",
        "kinds.cnc.sensors.spindle.rte",
        "neither a key",
        "Did you mean rate?",
    ),
    ("noise: 5 W", "noise: 5 s", "kinds.cnc.sensors.spindle.noise", "not a unit of power", ""),
    ("noise: 5 W", "low: 20 kW, high: 1 kW", "kinds.cnc.sensors.spindle", "is empty", "low below high"),
    ("noise: 5 W", "scale: 0.1", "kinds.cnc.sensors.spindle", "does not fit into 16 bits", "bits: 32"),
    ("noise: 5 W", "bits: 12", "kinds.cnc.sensors.spindle.bits", "16 or 32", ""),
    ("noise: 5 W", "high: 5 bar", "kinds.cnc.sensors.spindle.high", "expected a number in W", ""),
    ("{kind: vibration}", "{rate: 1 Hz}", "kinds.cnc.sensors.bearing.kind", "is missing", "vibration"),
    ("{kind: vibration}", "{kind: vibration, rate: 0 Hz}", "kinds.cnc.sensors.bearing.rate", "out of range", ""),
]


@pytest.mark.parametrize(("old", "new", "key", "words", "hint"), MISTAKES)
def test_one_mistake_is_reported_once_and_in_place(  # noqa: PLR0913 - a mistake and its report
    old: str, new: str, key: str, words: str, hint: str, everything: str, problems: Callable[..., list[Problem]]
) -> None:
    assert old in everything, "the mistake must be made"
    text = everything.replace(old, new, 1)
    (problem,) = [p for p in problems(text) if p.key == key]
    assert words in f"{problem.message} {problem.hint}"
    assert hint in problem.hint
    line = text.splitlines()[problem.line - 1]
    last = key.rpartition(".")[2]
    assert (
        last in line
        or problem.message.startswith(("is missing", "does not define", "has both", "has holes", "lacks"))
        or last.isdigit()
    )
    assert 1 <= problem.column <= len(line)


# What these replace is named elsewhere too, so they cause more than one problem.
MANIFOLD = {"currency: euro", "  'big oven':\n", "meta:\n", "[HOB1, HOB1]", "robots: {castings", "from: OP20"}


@pytest.mark.parametrize(("old", "new"), [(m[0], m[1]) for m in MISTAKES if m[1] not in MANIFOLD])
def test_one_mistake_makes_one_problem(
    old: str, new: str, everything: str, problems: Callable[..., list[Problem]]
) -> None:
    assert len(problems(everything.replace(old, new, 1))) == 1


def test_all_mistakes_are_reported_in_file_order(everything: str, problems: Callable[..., list[Problem]]) -> None:
    text = everything
    made = ["pacing: OP30", "wear: yes", "cycle_time: 40 s", "cycle_time: 56 s", "policy: nearest", "rework_to: OP30"]
    for old in made:
        new = next(m[1] for m in MISTAKES if m[0] == old)
        text = text.replace(old, new, 1)
    text = text.replace("title: One of each", "title: One of each\ntitle: Two")
    found = problems(text)
    keys = [p.key for p in found]
    assert keys[:2] == ["title", "pacng"]
    assert {
        "operations.OP20.cycle_tme",
        "operations.OP30.cycle_time",
        "kinds.cnc.failures.tool.wear",
        "fleets.agv.policy",
        "operations.OP40.inspection.rework_to",
    } <= set(keys)
    assert [p.line for p in found] == sorted(p.line for p in found)


def test_a_message_finishes_its_sentence(
    everything: str, problems: Callable[..., list[Problem]], tmp_path: Path
) -> None:
    (problem,) = problems(everything.replace("policy: nearest", "policy: nearst"))
    line = everything.partition("policy: nearest")[0].count("\n") + 1
    assert str(problem) == (
        f"{tmp_path}/plant.yaml:{line}:13: fleets.agv.policy: 'nearst' is not a dispatch policy\n"
        "  Did you mean nearest?"
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("# only a comment\n", "empty"),
        ("- a\n- b\n", "expected a mapping"),
        ("plant: p\n\tx: 1\n", "cannot be read as YAML"),
        ("plant: [1, 2\n", "cannot be read as YAML"),
        ("plant: p\n---\nplant: q\n", "cannot be read as YAML"),
        ("a: &x [*x]\n", "circular"),
        ("plant: !!python/object:os.system x\n", "tags are not allowed"),
        ("plant: !secret x\n", "tags are not allowed"),
        ("{" * 60, "YAML"),
        ("[" * 5000, "YAML"),
        ("[" * 900 + "]" * 900, "deep"),
        ("a: " + "{a: " * 50 + "1" + "}" * 50, "deep"),
        ("plant: p\nplant: q\n", "appears twice"),
        ("? [a, b]\n: c\n", "a key must be a plain text"),
        ("plant: p\n", "no operations"),
        ("plant: p\nsections: 5\n", "expected a mapping"),
    ],
)
def test_what_is_no_plant_at_all_is_refused(text: str, words: str, problems: Callable[..., list[Problem]]) -> None:
    assert any(words in p.message for p in problems(text))


def test_an_alias_bomb_is_refused_quickly(problems: Callable[..., list[Problem]]) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    assert "too many" in problems("\n".join(lines))[0].message


def test_yaml_of_today_has_no_surprises(read: Callable[..., object], everything: str) -> None:
    plant = read(everything.replace("title: One of each", "title: off"))
    assert plant.title == "off"  # type: ignore[attr-defined]


def test_a_file_that_is_not_there_names_the_nearest(tmp_path: Path, catalogue: Catalogue, everything: str) -> None:
    (tmp_path / "my_line.yaml").write_text(everything)
    with pytest.raises(ConfigError, match=r"Did you mean .*my_line\.yaml"):
        load(tmp_path / "my_lin.yaml", catalogue)
    with pytest.raises(ConfigError, match="is a folder"):
        find(tmp_path)


def test_a_data_file_that_does_not_exist_is_reported_where_it_is_named(
    tmp_path: Path, everything: str, problems: Callable[..., list[Problem]]
) -> None:
    (tmp_path / "times.csv").write_text("1\n")
    (problem,) = problems(everything.replace("cycle_time: 56 s", "cycle_time: empirical(tmes.csv)"))
    assert (problem.key, problem.hint) == ("sections.assembly.operations.OP30.cycle_time", "Did you mean times.csv?")


def test_a_bad_line_of_a_data_file_is_reported_with_its_line(
    tmp_path: Path, everything: str, problems: Callable[..., list[Problem]]
) -> None:
    (tmp_path / "times.csv").write_text("seconds\n1\ntwo\n")
    (problem,) = problems(everything.replace("cycle_time: 56 s", "cycle_time: empirical(times.csv)"))
    assert problem.file.endswith("times.csv")
    assert problem.line == 3


@settings(max_examples=200)
@given(data=st.data())
def test_no_damage_to_a_file_makes_the_loader_fail_otherwise(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory, catalogue: Catalogue, everything: str
) -> None:
    text = everything.encode()
    start = data.draw(st.integers(0, len(text)))
    end = min(len(text), start + data.draw(st.integers(0, 40)))
    damaged = (
        text[:start]
        + data.draw(st.binary(max_size=12) | st.text(" :-{}[],\"'#&*!|>%@0123456789abc\n").map(str.encode))
        + text[end:]
    )
    path = tmp_path_factory.getbasetemp() / "damaged.yaml"
    path.write_bytes(damaged)
    try:
        assert load(path, catalogue).operations
    except ConfigError as error:
        assert all(problem.message for problem in error.problems)  # noqa: PT017


def many_operations(n: int, kind: str = "cnc") -> str:
    operations = (
        f"      O{i}: {{kind: {kind}, cycle_time: 30 s, buffer: 4, operator: fitters"
        + (f", inspection: {{rework: 1 %, rework_to: O{i - 1}}}" if i % 10 else ", from: s" if not i else "")
        + "}"
        for i in range(n)
    )
    return (
        "plant: big\nkinds: {cnc: {failures: {tool: {after: 4 h, repair: 5 min, crew: fitters}}}}\n"
        "crews: {fitters: {count: 2}}\nsources: {s: {interarrival: saturated, cards: 9}}\n"
        "sections:\n  a:\n    operations:\n" + "\n".join(operations) + "\n"
    )


def test_thousands_of_operations_load(read: Callable[..., Plant]) -> None:
    plant = read(many_operations(3000))
    assert len(plant.operations) == len(plant.machines) == 3000
    assert plant.operations[2998].destination == 2999
    assert plant.operations[0].rework_from == (1,)


def test_at_most_two_hundred_problems_are_reported(problems: Callable[..., list[Problem]]) -> None:
    assert len(problems(many_operations(1000, kind="cnx"))) == 200
