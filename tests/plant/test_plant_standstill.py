"""Plants that would stop forever are refused at load, with what to change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from factory_sim import registry
from factory_sim.errors import ConfigError
from factory_sim.plant.describe import seldom_intended

if TYPE_CHECKING:
    from pathlib import Path

GOOD = """
plant: small
sources: {in: {interarrival: saturated}}
kinds: {m: {failures: {jam: {after: exponential(1 h), repair: 5 min, crew: fix}}}}
crews: {fix: {count: 1}}
fleets: {agv: {count: 1, speed: 1 m/s, load: 5 s, distances: {s: {t: 10 m}}}}
shifts: {day: {open: "06:00-14:00"}, night: {open: "22:00-06:00"}, week: {open: "Mon-Fri 06:00-14:00"}}
sections:
  s: {operations: {A: {kind: m, cycle_time: 10 s, from: in, buffer: 8, shift: day}}}
  t: {operations: {B: {kind: m, cycle_time: 10 s, from: A, buffer: 2, by: agv}}}
"""
FURNACE = "buffer: 8, batch: {size: 8, minimum: 6}"
BACK = "inspection: {rework: 95 %, scrap: 5 %, rework_to: A}"
# what is replaced, by what, the reported address, words of the message, the hint
STANDSTILLS = [
    ([("buffer: 2", "buffer: 0")], "operations.B.buffer", "need a place to unload", "buffer: 1"),
    ([("buffer: 8", "buffer: unlimited")], "operations.A.buffer", "an unlimited buffer would grow forever", "cards"),
    ([("buffer: 8", FURNACE), ("saturated", "saturated, cards: 5")], "operations.A", "let only 5 in", "more cards"),
    ([("by: agv", f"by: agv, {BACK}")], "operations.B.inspection.rework", "no good part", "share that passes"),
    (
        [("shift: day", "shift: day, operator: fix"), ("count: 1}", "count: 1, shift: night}")],
        "operations.A.operator",
        "never work at the same time",
        "hours in which",
    ),
]
FINE = [
    [("buffer: 8", FURNACE), ("saturated", "saturated, cards: 6")],
    [("buffer: 8", FURNACE.replace("6}", "6, timeout: 1 h}")), ("saturated", "saturated, cards: 1")],
    [("buffer: 8", "buffer: unlimited"), ("saturated", "saturated, cards: 5")],
    [("by: agv", f"by: agv, {BACK.replace('95', '90')}")],
    [("shift: day", "shift: day, operator: fix"), ("count: 1}", "count: 1, shift: week}")],
]


def written(folder: Path, changes: list[tuple[str, str]]) -> str:
    text = GOOD
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    path = folder / "plant.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(("changes", "address", "words", "hint"), STANDSTILLS, ids=[s[1] for s in STANDSTILLS])
def test_a_plant_that_would_stop_forever_is_refused_with_what_to_change(
    changes: list[tuple[str, str]], address: str, words: str, hint: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError) as caught:
        registry.load(written(tmp_path, changes))
    (problem,) = caught.value.problems
    assert problem.key == address
    assert words in problem.message
    assert hint in problem.hint
    assert problem.line > 1


@pytest.mark.parametrize("changes", [[], *FINE])
def test_a_similar_plant_that_works_is_loaded(changes: list[tuple[str, str]], tmp_path: Path) -> None:
    assert len(registry.load(written(tmp_path, changes)).operations) == 2


RACK = "inspection: {rework: 10 %, rework_to: A}"
RACKS = [
    ("buffer: 8", "buffer: 8, rework_places: 3", "operations.A.rework_places", "no inspection sends parts back to A"),
    ("buffer: 8", "buffer: 8, rework_first: no", "operations.A.rework_first", "no inspection sends parts back to A"),
    (
        "by: agv",
        f"by: agv, {RACK}, rework_places: 0",
        "operations.B.rework_places",
        "no inspection sends parts back to B",
    ),
    (
        "by: agv",
        f"by: agv, {RACK.replace('A}', 'B}')}, rework_places: 0",
        "operations.B.rework_places",
        "needs a place",
    ),
]


@pytest.mark.parametrize(("old", "new", "address", "words"), RACKS)
def test_a_rack_without_senders_or_places_is_refused(
    old: str, new: str, address: str, words: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError) as caught:
        registry.load(written(tmp_path, [(old, new)]))
    (problem,) = caught.value.problems
    assert (problem.key, words in problem.message) == (address, True)


@pytest.mark.parametrize(
    ("changes", "cycle"),
    [
        ([("buffer: 8", "buffer: 8, rework_places: 3"), ("by: agv", f"by: agv, {RACK}")], "A -> B -> A"),
        ([("by: agv", f"by: agv, {RACK.replace('A}', 'B}')}, rework_places: 3, rework_first: no")], "B -> B"),
        ([("by: agv", f"by: agv, {RACK.replace('A}', 'B}')}, rework_places: 3")], ""),  # it takes them back at once
        ([("by: agv", f"by: agv, {RACK}")], ""),
        (
            [
                ("buffer: 8", "buffer: 8, rework_places: 3"),
                ("by: agv", f"by: agv, {RACK}"),
                ("saturated", "saturated, cards: 3"),
            ],
            "",
        ),
    ],
)
def test_check_names_the_cycle_of_operations_that_a_full_rack_can_stop(
    changes: list[tuple[str, str]], cycle: str, tmp_path: Path
) -> None:
    hints = [hint for hint in seldom_intended(registry.load(written(tmp_path, changes))) if "deadlock" in hint]
    assert len(hints) == bool(cycle)
    assert all(cycle in hint and "rework_places" in hint for hint in hints)
