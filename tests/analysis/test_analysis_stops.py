"""Stop rules: published cases exactly, and each rule on a few states."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory_sim.analysis import stops
from factory_sim.analysis.stops import BREAK, LOW_SPEED, MICRO_STOP, OURS, Change, Span, StopRules
from factory_sim.plant.states import State
from factory_sim.validation import stop_cases

CASES = Path(__file__).parents[1] / "truth" / "umh"
S = 1_000_000_000
RUN, STOP, OFF, REPAIR = (int(state) for state in (State.BUSY, State.DOWN, State.OFF, State.REPAIR))
RULES = StopRules(minimum_run_s=60, ignore_below_s=20, micro_s=300, break_s=2100)


def changes(*rows: tuple[int, int]) -> list[Change]:
    return [Change(t * S, code) for t, code in rows]


@pytest.mark.parametrize("case", stop_cases.run(CASES), ids=lambda case: case.name)
def test_a_published_case_is_met_exactly(case: stop_cases.CaseResult) -> None:
    if case.name == "processStates 1601585625":  # the origin's file of counts is empty
        reason = "85 states of low speed are expected, but the file of counts is empty; 1004 of the 1004 other states"
        assert (case.ok, case.reason.partition(" are right")[0]) == (False, reason)
    else:
        assert case.ok, case.reason


def test_a_case_that_cannot_be_read_is_not_ok(tmp_path: Path) -> None:
    for path in CASES.glob("addUnknownMicrostops_*_1601323210.golden"):
        shutil.copy(path, tmp_path / path.name)
    (tmp_path / "addUnknownMicrostops_stateArray_1601323210.golden").write_text("[{", encoding="utf-8")
    shutil.copy(CASES / "addLowSpeedStates_stateArray_1601391491.golden", tmp_path)
    found = stop_cases.run(tmp_path)
    assert [case.ok for case in found] == [False, False]
    assert "missing" in found[0].reason
    assert "cannot be read" in found[1].reason


def test_a_short_run_is_removed_and_the_stop_before_it_continues() -> None:
    found = stops.apply(changes((0, RUN), (600, STOP), (1200, RUN), (1230, STOP), (2000, RUN)), RULES)
    assert found == changes((0, RUN), (600, STOP), (2000, RUN))


def test_a_short_stop_is_a_micro_stop_and_a_very_short_one_is_ignored() -> None:
    found = stops.apply(changes((0, RUN), (600, STOP), (610, RUN), (900, STOP), (1200, RUN), (1300, STOP)), RULES)
    assert found == changes((0, RUN), (610, RUN), (900, MICRO_STOP), (1200, RUN), (1300, STOP))


def test_an_unspecified_stop_takes_the_reason_that_follows_it() -> None:
    rows = changes((0, RUN), (600, STOP), (1200, STOP), (1500, REPAIR), (2000, RUN))
    assert stops.apply(rows, RULES) == changes((0, RUN), (600, REPAIR), (1500, REPAIR), (2000, RUN))
    assert stops.apply(rows, replace(RULES, specify=False))[1] == Change(600 * S, STOP)


def test_stops_between_shifts_are_breaks_or_closed_time_and_runs_continue() -> None:
    shifts = [Span(100 * S, 1000 * S), Span(1600 * S, 3000 * S), Span(9000 * S, 9900 * S)]
    found = stops.with_shifts(changes((0, STOP), (500, RUN)), shifts, RULES)
    assert found == changes((0, OFF), (100, STOP), (500, RUN))
    found = stops.with_shifts(changes((0, STOP), (500, REPAIR)), shifts, RULES)
    expected = [(0, OFF), (100, STOP), (500, REPAIR), (1000, BREAK), (1600, REPAIR), (3000, OFF), (9000, REPAIR)]
    assert found == changes(*expected, (9900, OFF))


def test_a_slow_minute_is_low_speed() -> None:
    times = np.arange(0, 300, 2) * S
    pieces = np.where((times >= 60 * S) & (times < 120 * S), 1, 4)
    rules = replace(RULES, low_speed_per_h=6600)
    found = stops.with_low_speed(changes((0, RUN), (290, STOP)), (times, pieces), rules)
    assert found == changes((0, RUN), (60, LOW_SPEED), (120, RUN), (290, STOP))


@pytest.mark.parametrize(("per_h", "slow"), [(10, False), (30, False), (40, True)])
def test_a_cycle_of_minutes_ends_with_its_piece(per_h: int, slow: bool) -> None:
    rows = changes((0, RUN), (120, STOP), (150, RUN), (270, STOP))
    counts = np.array([120, 270]) * S, np.ones(2, np.int64)
    found = stops.with_low_speed(rows, counts, replace(RULES, low_speed_per_h=per_h))
    assert found == [Change(t, LOW_SPEED if slow and code == RUN else code) for t, code in rows]


def test_losses_add_up_to_the_time_and_follow_the_table() -> None:
    rows = changes((0, RUN), (600, STOP), (900, MICRO_STOP), (1000, OFF))
    found = stops.losses_s(rows, 2000 * S)
    assert found == {"running": 600, "availability": 300, "performance": 100, "not planned": 1000, "unknown": 0}
    assert stops.losses_s(rows, 2000 * S, {"downtime": (STOP, MICRO_STOP)}) == {"running": 1600, "downtime": 400}


@given(st.lists(st.tuples(st.integers(0, 5000), st.sampled_from([RUN, STOP, REPAIR, OFF])), unique_by=lambda x: x[0]))
def test_rules_keep_the_order_of_time_and_never_invent_runs(rows: list[tuple[int, int]]) -> None:
    given_changes = changes(*sorted(rows))
    found = stops.apply(given_changes, RULES, shifts=[Span(500 * S, 1500 * S), Span(2000 * S, 4000 * S)])
    assert [c.t_ns for c in found] == sorted(c.t_ns for c in found)
    assert {c.code for c in found} <= {c.code for c in given_changes} | {MICRO_STOP, BREAK, OURS.no_shift}
