"""Every kernel agrees with its naive twin on random input, whether plausible or not."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import naive
from factory_sim.analysis import kernels
from factory_sim.analysis.kernels import cause_walk, part_visits, path_walk, state_times
from factory_sim.analysis.kernels.path_walk import Part
from factory_sim.analysis.kernels.row_tables import Role
from factory_sim.analysis.warm_kernels import warm
from factory_sim.plant.states import N_STATES, Outcome, State

UNITS, PARTS, MODES = 4, 5, 3
T0, T1 = 20, 80

row = st.tuples(
    st.sampled_from([0, 0, 1, 5, 20]),
    st.integers(0, UNITS - 1),
    st.integers(0, N_STATES - 1),
    st.integers(-1, PARTS - 1),
    st.integers(0, len(Outcome) - 1),
    st.integers(-1, MODES),
)


@st.composite
def logs(draw: st.DrawFn) -> list[naive.Row]:
    drawn = draw(st.lists(row, max_size=24))
    t_us = np.cumsum([r[0] for r in drawn]).tolist() if drawn else []
    return [naive.Row(t, *r[1:]) for t, r in zip(t_us, drawn, strict=True)]


def columns(rows: list[naive.Row]) -> dict[str, np.ndarray]:
    kinds = (np.int64, np.int16, np.uint8, np.int64, np.uint8, np.int32)
    return {n: np.array([getattr(r, n) for r in rows], kind) for n, kind in zip(naive.Row._fields, kinds, strict=True)}


def zeros(*shape: int) -> np.ndarray:
    return np.zeros(shape, np.int64)


@given(logs())
def test_state_times_equal_their_twin_and_add_up_to_the_window(rows: list[naive.Row]) -> None:
    c, out = columns(rows), zeros(UNITS, N_STATES)
    state_times.state_times(c["t"], c["unit"], c["state"], T0, T1, out)
    assert out.tolist() == naive.state_times(rows, UNITS, T0, T1)
    assert (out.sum(axis=1) == T1 - T0).all()


@given(logs())
def test_cycles_equal_their_twin(rows: list[naive.Row]) -> None:
    c, visits = columns(rows), np.zeros(UNITS, part_visits.VISITS)
    part_visits.cycles(c["t"], c["unit"], c["state"], c["outcome"], T0, T1, visits)
    names = ["parts", "timed", "cycle_us", "good", "scrap", "rework"]
    assert [dict(zip(names, each.tolist(), strict=True)) for each in visits[names]] == naive.cycles(rows, UNITS, T0, T1)


@given(logs(), st.lists(st.integers(-1, 3), min_size=UNITS, max_size=UNITS))
def test_first_passes_equal_their_twin(rows: list[naive.Row], operation: list[int]) -> None:
    c, visits = columns(rows), np.zeros(UNITS, part_visits.VISITS)
    where = np.array(operation, np.int64)
    part_visits.first_passes(c["t"], c["unit"], c["part"], c["outcome"], where, PARTS, T0, T1, visits)
    assert (visits["tried"].tolist(), visits["passed"].tolist()) == naive.first_passes(rows, operation, T0, T1)


@given(logs())
def test_flow_equals_its_twin(rows: list[naive.Row]) -> None:
    c, out, entered = columns(rows), np.zeros(1, part_visits.FLOW), zeros(UNITS)
    parts = np.empty(PARTS, part_visits.PART)
    part_visits.flow(c["t"], c["unit"], c["part"], c["outcome"], T0, T1, parts, entered, out)
    assert list(out[0].item()) == naive.flow(rows, PARTS, T0, T1)
    assert entered.sum() == out["entered"]


@given(logs())
def test_failures_equal_their_twin(rows: list[naive.Row]) -> None:
    c, out = columns(rows), [zeros(UNITS, MODES) for _ in range(4)]
    state_times.failures(c["t"], c["unit"], c["state"], c["outcome"], c["detail"], T0, T1, *out)
    assert tuple(each.tolist() for each in out) == naive.failures(rows, UNITS, MODES, T0, T1)


@given(logs(), st.lists(st.booleans(), min_size=N_STATES, max_size=N_STATES))
def test_active_periods_equal_their_twin(rows: list[naive.Row], active: list[bool]) -> None:
    c, out = columns(rows), [zeros(len(rows) + UNITS) for _ in range(3)]
    n = state_times.active_periods(c["t"], c["unit"], c["state"], np.array(active), T0, T1, UNITS, *out)
    found = set(zip(*(each[:n].tolist() for each in out), strict=True))
    assert len(found) == n
    assert found == naive.active_periods(rows, UNITS, active, T0, T1)


@given(logs(), st.data())
def test_the_walk_equals_its_twin(rows: list[naive.Row], data: st.DataObject) -> None:
    if not rows:
        return
    cause = [data.draw(st.integers(-1, i)) for i in range(len(rows))]
    c, out = columns(rows), zeros(UNITS)
    cause_walk.walk(c["t"], c["unit"], np.array(cause), len(rows) - 1, T0, out)
    assert out.tolist() == naive.walk(rows, cause, len(rows) - 1, T0, UNITS)


# Mostly machines that wait for members of a pool, so that waits overlap on the path.
PATH_STATES = [*[State.WAITING] * 3, State.BUSY, State.SETUP, State.DOWN, State.REPAIR, State.MAINTENANCE, State.OFF]
PATH_OUTCOMES = [*[Outcome.NONE] * 3, Outcome.ENTERED, Outcome.LEFT, Outcome.SCRAPPED, Outcome.MERGED]
ROLES = [Role.SOURCE, Role.MACHINE, Role.MACHINE, Role.POOL]
path_row = st.tuples(
    st.sampled_from([0, 1, 5, 20]),
    st.sampled_from([0, 1, 1, 2, 2, 3, 3, 3]),
    st.sampled_from(PATH_STATES),
    st.sampled_from(PATH_OUTCOMES),
)


@settings(max_examples=500)
@given(st.lists(path_row, min_size=8, max_size=24), st.data())
def test_the_divided_path_equals_its_twin_and_adds_up_to_the_walk(
    drawn: list[tuple[int, int, int, int]], data: st.DataObject
) -> None:
    t_us = np.cumsum([r[0] for r in drawn]).tolist()
    rows = [naive.Row(t, unit, state, -1, outcome, 0) for t, (_, unit, state, outcome) in zip(t_us, drawn, strict=True)]
    cause = [i - data.draw(st.sampled_from([1, 1, 1, 2, 3])) for i in range(len(rows))]
    last, c, out, walked = len(rows) - 1, columns(rows), zeros(UNITS, len(Part)), zeros(UNITS)
    fields = (c["t"], c["unit"], c["state"], c["outcome"], np.array(cause))
    path_walk.divide(*fields, np.array(ROLES), np.empty(len(rows), np.int64), last, T0, out)
    assert out.tolist() == naive.path_parts(rows, cause, last, T0, ROLES, len(Part))
    cause_walk.walk(c["t"], c["unit"], np.array(cause), last, T0, walked)
    assert out.sum() == walked.sum()


@given(logs(), st.data())
def test_attributed_waiting_times_add_up_to_the_state_times(rows: list[naive.Row], data: st.DataObject) -> None:
    cause = np.array([data.draw(st.integers(-1, i)) for i in range(len(rows))], np.int64)
    operation = np.array([0, 1, 1, -1])
    waits = np.full(N_STATES, -1)
    waits[[2, 4]] = 0, 1
    c, out, times = columns(rows), zeros(2, 2, UNITS + 1), zeros(UNITS, N_STATES)
    cause_walk.attribute_waits(c["t"], c["unit"], c["state"], c["outcome"], cause, operation, waits, T0, T1, out)
    state_times.state_times(c["t"], c["unit"], c["state"], T0, T1, times)
    assert (out >= 0).all()
    for place in (0, 1):
        assert out[place].sum(axis=1).tolist() == times[operation == place][:, [2, 4]].sum(axis=0).tolist()


def test_compile_leaves_no_kernel_to_be_compiled_later() -> None:
    warm(studies=True)
    modules = [import_module(f"{kernels.__name__}.{each.name}") for each in iter_modules(kernels.__path__)]
    entries = {f"{m.__name__}.{name}": value for m in modules for name, value in vars(m).items() if is_entry(value)}
    assert len(entries) > 10
    assert [name for name, entry in entries.items() if not entry.signatures] == []


def is_entry(value: Any) -> bool:
    """Return whether Python may call a compiled function."""
    return hasattr(value, "signatures") and not value.targetoptions.get("no_cpython_wrapper")
