"""Constraints of every kind: `why` names the resource whose relief earns most, not the busiest operation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from study_lines import arm, study, trial

from factory_sim.plant.load import load
from factory_sim.plant.wall_clock import open_spans
from factory_sim.registry import catalogue
from factory_sim.results.compare import GAIN, PATH_SHARE
from factory_sim.results.resource import KINDS, Resource
from factory_sim.study import store
from factory_sim.study.arms import Variant
from factory_sim.study.compare import why
from factory_sim.study.compare.compare_study import run_study, run_why
from factory_sim.study.compare.pairing import base_of
from factory_sim.study.compare.path import first_resource
from factory_sim.study.compare.reliefs import RELIEFS
from factory_sim.study.runner import Progress, Request
from factory_sim.study_records import Probe

if TYPE_CHECKING:
    from factory_sim.results.why import WhyResult

CASES = Path(__file__).parent / "cases"
ENGINES = ("calendar", "simpy")
SMALL = """
plant: small
sources: {s: {SOURCE}}
crews: {op: {count: 1}, fix: {count: 1}}
robots: {arm: {}}
sections:
  x:
    operations:
      A: {cycle_time: exponential(30 s), buffer: 3, from: s, A}
      B: {cycle_time: exponential(30 s), buffer: 3, B}
      C: {cycle_time: exponential(30 s), buffer: 3, C}
"""
FAILS = "failures: {stop: {after: exponential(5 min), repair: exponential(10 min), crew: fix}}"


def write(folder: Path, *, source: str = "interarrival: saturated", a: str = "", b: str = "", c: str = "") -> Path:
    """Write a line of three operations with those keys."""
    text = SMALL.replace("{SOURCE}", f"{{{source}}}").replace(", A}", f", {a}}}").replace(", B}", f", {b}}}")
    text = text.replace(", C}", f", {c}}}").replace(", }", "}")
    unused = [("op: {count: 1}, " if "operator" not in text else ""), (", fix: {count: 1}" if "fix" not in a else "")]
    for words in unused:
        text = text.replace(words, "") if words else text
    file = folder / "small.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def why_of(
    file: Path | str, folder: Path, replications: int = 8, duration_s: float = 8 * 3600.0, engine: str = "auto"
) -> WhyResult:
    return run_why(
        Request(
            base=Variant(str(file)),
            replications=replications,
            duration_s=duration_s,
            warm_up_s=3600.0,
            workers=1,
            engine=engine,
            file=folder / "why.jsonl",
        ),
        Progress(),
    )


@pytest.mark.parametrize("engine", ENGINES)
def test_the_source_limits_a_line_that_waits_for_arrivals(engine: str, tmp_path: Path) -> None:
    found = why_of(CASES / "source.yaml", tmp_path, engine=engine)
    assert found.constraint == Resource(kind="source", name="s")
    assert found.by == GAIN
    gains = {(each.name, relief.change): relief.parts_per_shift for each in found.resources for relief in each.relief}
    assert gains["s", "10 % more arrivals"].mean == pytest.approx(28.8, rel=0.25)  # 10 % of 288
    assert not gains["B", "one second less"].low > 0


def test_the_source_limits_a_line_that_waits_for_the_arrivals_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "arrivals.csv").write_text("\n".join(str(100 * k) for k in range(400)) + "\n")
    file = write(tmp_path, source="file: arrivals.csv")
    found = why_of(file, tmp_path, replications=4)
    assert found.constraint == Resource(kind="source", name="s")
    (relief,) = found.resources[0].relief
    assert relief.parts_per_shift.mean == pytest.approx(28.8, rel=0.1)  # 10 % of 288


@pytest.mark.parametrize("engine", ENGINES)
def test_the_operator_limits_a_line_with_one_for_three_operations(engine: str, tmp_path: Path) -> None:
    found = why_of(CASES / "operator.yaml", tmp_path, replications=2, engine=engine)
    assert found.constraint == Resource(kind="operator", name="op")
    gain = found.resources[0].relief[0]
    assert gain.change == "one more"
    assert gain.parts_per_shift.mean == pytest.approx(0.78 * 360, rel=0.02)  # 360 parts of 80 s


def test_the_fleet_limits_the_reference_line_with_five_vehicles(tmp_path: Path) -> None:
    found = why_of(CASES / "five_vehicles.yaml", tmp_path, replications=6)
    assert found.constraint == Resource(kind="fleet", name="agv")
    assert found.resources[0].share.mean > 0.5
    kept = store.load(tmp_path / "why.jsonl")
    base = np.mean([each.line["good_parts"] for (arm, _), each in kept.trials.items() if arm == base_of(kept).name])
    gain = found.resources[0].relief[0].parts_per_shift.mean
    assert gain / (base / why.shifts_of(kept)) == pytest.approx(0.21, abs=0.05)


@pytest.mark.long(reason="runs the reference line in SimPy: half a minute")
def test_why_of_the_reference_line_with_five_vehicles_is_the_same_in_both_engines(tmp_path: Path) -> None:
    found = []
    for engine in ENGINES:
        (tmp_path / engine).mkdir()
        found.append(
            run_why(
                Request(
                    base=Variant(str(CASES / "five_vehicles.yaml")),
                    replications=3,
                    duration_s=4 * 3600.0,
                    warm_up_s=2 * 3600.0,
                    workers=1,
                    engine=engine,
                    file=tmp_path / engine / "why.jsonl",
                ),
                Progress(),
                top=1,
            )
        )
    assert found[0] == found[1]
    assert found[1].constraint == Resource(kind="fleet", name="agv")
    assert found[1].by == GAIN


def test_each_relief_is_a_valid_plant_with_another_digest(tmp_path: Path) -> None:
    assert set(RELIEFS) == set(KINDS)
    plant = load("gearbox_line", catalogue())
    with_robot = str(write(tmp_path, a="robot: arm"))
    first = {
        "operation": "OP410",
        "fleet": plant.fleets[0].name,
        "operator": plant.crews[0].name,
        "crew": plant.crews[-1].name,
        "robot": "arm",
        "source": plant.sources[0].name,
        "cards": plant.sources[0].name,
    }
    for kind, name in first.items():
        for relief in RELIEFS[kind]:
            if overrides := relief.overrides(plant, name):
                file = with_robot if kind == "robot" else "gearbox_line"
                changed = load(file, catalogue(), None, overrides)
                assert changed.digest != plant.digest, (kind, relief.change)


def test_few_cards_limit_a_line(tmp_path: Path) -> None:
    found = why_of(write(tmp_path, source="interarrival: saturated, cards: 1"), tmp_path)
    assert found.resources[0].kind == "cards"
    assert found.constraint == Resource(kind="cards", name="s")


def test_few_cards_limit_a_line_that_loses_the_arrivals_without_a_card(tmp_path: Path) -> None:
    file = write(tmp_path, source="interarrival: exponential(10 s), when_full: lose, cards: 1")
    found = why_of(file, tmp_path)
    assert found.constraint == Resource(kind="cards", name="s")
    cards = next(each for each in found.resources if each.kind == "cards")
    assert cards.share.mean == 0.0  # no part waits for a card: it is lost
    assert cards.relief[0].parts_per_shift.low > 100


def test_a_longer_shift_is_longer_on_dates_with_hours_of_their_own(tmp_path: Path) -> None:
    text = """
plant: dated
start: 2026-01-05 06:00
holidays: [2026-01-07]
shift: day
shifts:
  day:
    open: [06:00-14:00]
    exceptions: {2026-01-05: 08:00-12:00, 2026-01-06: [06:00-10:00, 23:50-24:00], 2026-01-08: 00:00-08:00}
sources: {s: {interarrival: saturated}}
sections: {x: {operations: {A: {cycle_time: 30 s, buffer: 2, from: s}}}}
"""
    file = tmp_path / "dated.yaml"
    file.write_text(text, encoding="utf-8")
    (relief,) = RELIEFS["shift"]
    plant = load(file, catalogue())
    longer = load(file, catalogue(), None, relief.overrides(plant, "day"))
    open_h = [
        [(b - a) / 3.6e9 for a, b in open_spans(each, each.shifts[0], 0, 5 * 24 * 3_600_000_000)]
        for each in (plant, longer)
    ]
    assert open_h[0] == pytest.approx([4, 4, 1 / 6, 8, 8])
    assert open_h[1] == pytest.approx([4.5, 4, 1 / 6 + 0.5, 8.5, 8.5])  # the holiday stays closed


def test_waiting_for_the_crew_belongs_to_the_crew_and_its_work_to_the_operation(tmp_path: Path) -> None:
    found = why_of(write(tmp_path, a=FAILS, b=FAILS, c=FAILS), tmp_path)
    shares = {f"{each.kind} {each.name}": each for each in found.resources}
    assert shares["crew fix"].share.mean > 0.2
    assert all(shares[f"operation {name}"].parts["failures"] > 0.05 for name in "AB")
    assert [each.change for each in shares["crew fix"].relief] == ["one more"]
    assert shares["crew fix"].relief[0].parts_per_shift.mean > 10


def test_a_robot_that_serves_all_operations_limits_them_and_a_second_one_is_measured(tmp_path: Path) -> None:
    found = why_of(write(tmp_path, a="robot: arm", b="robot: arm", c="robot: arm"), tmp_path)
    assert found.constraint == Resource(kind="robot", name="arm")
    robot = next(each for each in found.resources if each.kind == "robot")
    assert [each.change for each in robot.relief] == ["one more"]
    assert robot.relief[0].parts_per_shift.low > 100  # of the 320 that one robot handles alone in eight hours


OWN_FAILURES = """
plant: own
sources: {s: {interarrival: saturated}}
kinds: {k: {failures: {jam: {after: 5 min, repair: 8 min}, tool: {after: 10 min, repair: 4 min}}}}
machines:
  LEFT: {failures: {jam: null, leak: {after: 20 min, repair: 10 min}}}
  RIGHT: {failures: {tool: {repair: 2 min}}}
sections:
  x:
    operations:
      A: {cycle_time: 30 s, buffer: 3, from: s, kind: k, machines: [LEFT, RIGHT], failures: {jam: null}}
"""


def test_reliefs_reach_named_machines_and_failures_of_their_own_and_restore_no_removed_ones(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(OWN_FAILURES, encoding="utf-8")
    plant = load(file, catalogue())
    changes = {each.change: each.overrides(plant, "A") for each in RELIEFS["operation"]}
    halved = load(file, catalogue(), None, changes["half its repair time"])
    repairs = [{mode.name: mode.repair.mean_s for mode in machine.failures} for machine in halved.machines]
    assert repairs == [{"tool": 120.0, "leak": 300.0}, {"tool": 60.0}]
    assert load(file, catalogue(), None, changes["one more machine"]).units[1:] == ("LEFT", "RIGHT", "A-3")


def test_setup_is_a_part_of_an_operation_s_share(tmp_path: Path) -> None:
    file = write(tmp_path, b="setup: 5 min", source="interarrival: saturated, mix: {x: 0.5, y: 0.5}")
    file.write_text(file.read_text(encoding="utf-8") + "variants: [x, y]\n", encoding="utf-8")
    first = why_of(file, tmp_path).resources[0]
    assert (first.kind, first.name) == ("operation", "B")
    assert first.parts["setup"] > first.parts["processing"]
    gains = {each.change: each.parts_per_shift for each in first.relief}
    assert gains["half its setup"].low > 0
    assert gains["one more machine"].mean > gains["half its setup"].mean > gains["one second less"].mean


def test_a_robot_that_serves_all_operations_has_the_largest_share(tmp_path: Path) -> None:
    found = why_of(write(tmp_path, a="robot: arm", b="robot: arm", c="robot: arm"), tmp_path, replications=2)
    assert (found.resources[0].kind, found.resources[0].name) == ("robot", "arm")


def test_the_shares_sum_to_the_path_and_those_of_an_operation_to_its_share(tmp_path: Path) -> None:
    found = why_of(write(tmp_path, a=FAILS, c="operator: op"), tmp_path, replications=2)
    assert sum(each.share.mean for each in found.resources) == pytest.approx(1.0)
    for each in found.resources:
        if each.kind == "operation":
            assert sum(each.parts.values()) == pytest.approx(each.share.mean)


def test_without_a_significant_gain_there_is_no_constraint_but_a_reason() -> None:
    probe = Probe(kind="relief", of="base", resource="operation A", change="one more machine")
    arms = [arm("base", "base"), arm("more", "probe", probe=probe)]
    gains = (3.0, -2.0, 1.0)
    trials = [trial("base", r, 100.0) for r in range(3)] + [trial("more", r, 100.0 + g) for r, g in enumerate(gains)]
    found = why.constraint(study(arms, trials), "base")
    assert (found.resource, found.by, found.reason) == (None, GAIN, why.NO_GAIN)
    better = [trial("base", r, 100.0) for r in range(3)] + [trial("more", r, 110.0 + r / 9) for r in range(3)]
    assert why.constraint(study(arms, better), "base").resource == Resource(kind="operation", name="A")


def test_a_comparison_names_constraints_by_path_share_unless_gains_are_measured(tmp_path: Path) -> None:
    request = Request(
        base=Variant(str(CASES / "operator.yaml")),
        scenarios=(Variant(str(CASES / "operator.yaml"), None, ("crews.op.count+1",)),),
        replications=2,
        duration_s=3600.0,
        warm_up_s=3600.0,
        workers=1,
        file=tmp_path / "s.jsonl",
    )
    constraint = run_study(request, Progress(), attribution=False).result.scenarios[0].constraint
    assert constraint.by == PATH_SHARE
    assert constraint.before == Resource(kind="operator", name="op")
    assert constraint.after == Resource(kind="operation", name="B")
    measured = run_study(request, Progress(), attribution=False, with_why=True).result.scenarios[0].constraint
    assert measured.by == GAIN
    assert measured.before == Resource(kind="operator", name="op")


def test_a_trial_keeps_its_path_in_the_file(tmp_path: Path) -> None:
    why_of(CASES / "operator.yaml", tmp_path, replications=2)
    kept = store.load(tmp_path / "why.jsonl")
    assert first_resource(kept, "opl") == Resource(kind="operator", name="op")
    assert sum(sum(shares) for shares in kept.trials["opl", 0].path.values()) == pytest.approx(1.0)
