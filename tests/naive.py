"""Naive twins of the analysis kernels: one question at a time, without carried state."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

from factory_sim.analysis.kernels.path_walk import Part
from factory_sim.analysis.kernels.row_tables import Role
from factory_sim.plant.states import N_STATES, Outcome, State

GIVES = (Outcome.PASSED, Outcome.REWORK, Outcome.SCRAPPED, Outcome.LEFT)
GOOD = (Outcome.PASSED, Outcome.LEFT)
DOWN = (State.DOWN, State.REPAIR)


class Row(NamedTuple):
    t: int
    unit: int
    state: int
    part: int
    outcome: int
    detail: int


def stretches(rows: list[Row], unit: int, t0: int, t1: int) -> list[tuple[int, int, Row | None]]:
    """The unit's stretches within [t0, t1): (from, to, the row that began it)."""
    mine = [r for r in rows if r.unit == unit]
    moments = [t0, *(min(max(r.t, t0), t1) for r in mine), t1]
    return [(begin, end, row) for (begin, end), row in zip(pairwise(moments), [None, *mine], strict=True)]


def state_times(rows: list[Row], n_units: int, t0: int, t1: int) -> list[list[int]]:
    table = [[0] * N_STATES for _ in range(n_units)]
    for unit in range(n_units):
        for begin, end, row in stretches(rows, unit, t0, t1):
            table[unit][row.state if row else State.UNKNOWN] += end - begin
    return table


def cycles(rows: list[Row], n_units: int, t0: int, t1: int) -> list[dict[str, int]]:
    """Parts, timed parts, their cycles' busy time, and verdicts, by unit."""
    found = []
    for unit in range(n_units):
        mine = [r for r in rows if r.unit == unit]
        count = dict.fromkeys(("parts", "timed", "cycle_us", "good", "scrap", "rework"), 0)
        for i, row in enumerate(mine):
            if row.outcome not in GIVES or not t0 <= row.t < t1:
                continue
            count["parts"] += 1
            count["good"] += row.outcome in GOOD
            count["scrap"] += row.outcome == Outcome.SCRAPPED
            count["rework"] += row.outcome == Outcome.REWORK
            start, left = open_cycle(mine[:i])
            count["timed"] += left > 0
            if left == 1:
                count["cycle_us"] += sum(
                    b.t - a.t
                    for a, b in zip(mine[start:i], mine[start + 1 : i + 1], strict=True)
                    if a.state == State.BUSY
                )
        found.append(count)
    return found


def open_cycle(mine: list[Row]) -> tuple[int, int]:
    """Row at which the last cycle of a unit began, and number of its parts that are still inside."""
    start, left, taken_at = -1, 0, None
    for i, row in enumerate(mine):
        if row.outcome == Outcome.TOOK:
            if left == 0 or row.t != taken_at:
                start, left, taken_at = i, 0, row.t
            left += 1
        elif row.outcome in GIVES:
            left = max(left - 1, 0)
    return start, left


def first_passes(rows: list[Row], operation: list[int], t0: int, t1: int) -> tuple[list[int], list[int]]:
    tried, passed = [0] * len(operation), [0] * len(operation)
    gives = [r for r in rows if r.outcome in GIVES and operation[r.unit] >= 0 and r.part >= 0]
    for i, row in enumerate(gives):
        reached = [operation[r.unit] for r in gives[:i] if r.part == row.part]
        if operation[row.unit] > max(reached, default=-1) and t0 <= row.t < t1:
            tried[row.unit] += 1
            passed[row.unit] += row.outcome in GOOD
    return tried, passed


def flow(rows: list[Row], n_parts: int, t0: int, t1: int) -> list[int]:
    def inside(row: Row) -> bool:
        return t0 <= row.t < t1

    ends = (Outcome.LEFT, Outcome.SCRAPPED, Outcome.MERGED)
    of_parts = [r for r in rows if r.part >= 0]
    out = [sum(inside(r) and r.outcome == o for r in rows) for o in (Outcome.ENTERED, *ends)]
    out.append(sum(inside(r) and r.outcome == Outcome.LOST for r in rows))
    lives = []
    for part in range(n_parts):
        mine = [r for r in of_parts if r.part == part]
        if not mine:  # no row names the number: the part had left before the feed began
            continue
        enter = [r.t for r in mine if r.outcome == Outcome.ENTERED]
        leave = [r.t for r in mine if r.outcome in ends]
        lives.append((enter[-1] if enter else None, min(leave[-1], t1) if leave else t1))
    out.append(sum((enter is None or enter < t0) and leave >= t0 for enter, leave in lives))
    out.append(sum(max(leave - max(t0 if enter is None else enter, t0), 0) for enter, leave in lives))
    seen = []
    fresh = 0
    for i, row in enumerate(of_parts):
        if row.outcome == Outcome.LEFT and inside(row):
            before = [r for r in of_parts[:i] if r.part == row.part]
            enter = [r.t for r in before if r.outcome == Outcome.ENTERED]
            seen += [row.t - enter[-1]] if enter else []
            fresh += not any(r.outcome == Outcome.REWORK for r in before)
    return [*out, len(seen), sum(seen), fresh]


def failures(rows: list[Row], n_units: int, n_modes: int, t0: int, t1: int) -> tuple[list, list, list, list]:
    count, wait, repair, worked = ([[0] * n_modes for _ in range(n_units)] for _ in range(4))
    for unit in range(n_units):
        mode, before, is_worked = -1, None, False
        for begin, end, row in stretches(rows, unit, t0, t1):
            was, before = before, row and row.state
            if row is not None and row.state == State.OFF and mode >= 0:
                if was == State.OFF and row.outcome == Outcome.NONE:
                    mode, is_worked = (-1, False) if is_worked else (mode, True)
                worked[unit][mode] += is_worked * (end - begin)
                continue
            is_worked = False
            if row is None or row.state not in DOWN:
                mode = -1
                continue
            is_worked = row.state == State.REPAIR
            if row.outcome == Outcome.NONE or mode < 0:
                named = row.detail if row.outcome == Outcome.NONE and 0 <= row.detail < n_modes else 0
                count[unit][named] += named != mode and t0 <= row.t < t1
                mode = named
            (wait if row.state == State.DOWN else repair)[unit][mode] += end - begin
            worked[unit][mode] += is_worked * (end - begin)
    return count, wait, repair, worked


def active_periods(rows: list[Row], n_units: int, active: list[bool], t0: int, t1: int) -> set[tuple[int, int, int]]:
    found = set()
    for unit in range(n_units):
        merged: list[list[int]] = []
        for begin, end, row in stretches(rows, unit, t0, t1):
            if row is None or not active[row.state] or begin == end:
                continue
            if merged and merged[-1][1] == begin:
                merged[-1][1] = end
            else:
                merged.append([begin, end])
        found |= {(unit, begin, end) for begin, end in merged}
    return found


def walk(rows: list[Row], cause: list[int], last: int, t0: int, n_units: int) -> list[int]:
    out = [0] * n_units
    chain = [last]
    while rows[chain[-1]].t > t0 and 0 <= cause[chain[-1]] < chain[-1]:
        chain.append(cause[chain[-1]])
    for later, earlier in pairwise(chain):
        out[rows[earlier].unit] += rows[later].t - max(rows[earlier].t, t0)
    return out


def path_parts(rows: list[Row], cause: list[int], last: int, t0: int, role: list[int], n_parts: int) -> list[list[int]]:
    """Time of the critical path by unit and part (CAUSE-11), microsecond by microsecond."""
    out = [[0] * n_parts for _ in role]
    chain = [last]
    while rows[chain[-1]].t > t0 and 0 <= cause[chain[-1]] < chain[-1]:
        chain.append(cause[chain[-1]])
    steps = list(pairwise(chain))
    waits = [pool_wait(rows, later, earlier, role) for later, earlier in steps]
    owner: tuple[int, int] | None = None
    since = 0
    for (later, earlier), wait in zip(steps, waits, strict=True):
        if wait is not None and (owner is None or wait[0] < since):
            since, owner = wait[0], wait[1:]
        state, unit = rows[earlier].state, rows[earlier].unit
        for t in range(max(rows[earlier].t, t0), rows[later].t):
            inside = owner is not None and t >= since and state != State.OFF
            who, part = owner if inside and owner is not None else (unit, own_part(state))
            out[who][part] += 1
        if since >= max(rows[earlier].t, t0):
            owner = None
    return out


def pool_wait(rows: list[Row], later: int, earlier: int, role: list[int]) -> tuple[int, int, int] | None:
    """Beginning, owner and part of a wait for a pool or a card that ends at row `later`."""
    row, enabler = rows[later], rows[earlier]
    mine = [i for i in range(later) if rows[i].unit == row.unit]
    if not mine or mine[-1] == earlier:
        return None
    before = rows[mine[-1]]
    if row.outcome == Outcome.ENTERED:
        is_card = enabler.outcome in (Outcome.LEFT, Outcome.SCRAPPED, Outcome.MERGED)
        return (before.t, row.unit, Part.CARDS) if is_card else None
    if (role[row.unit], role[enabler.unit]) != (Role.MACHINE, Role.POOL):
        return None
    if before.state == State.WAITING:
        return before.t, enabler.unit, Part.SERVICE
    is_repair = row.state in (State.REPAIR, State.MAINTENANCE)
    return (before.t, enabler.unit, Part.REPAIR) if is_repair else None


def own_part(state: int) -> int:
    of = {
        State.SETUP: Part.SETUP,
        State.DOWN: Part.FAILURES,
        State.REPAIR: Part.FAILURES,
        State.MAINTENANCE: Part.MAINTENANCE,
        State.OFF: Part.CLOSED,
    }
    return of.get(State(state), Part.PROCESSING)


def blocks(readings: list[tuple[int, int, int]], period: int) -> dict[tuple[int, int], dict[str, int]]:
    """Statistics by (minute, sensor) of readings (tick, sensor, raw), each tick and sensor counted once."""
    once: dict[tuple[int, int], int] = {}
    for tick, sensor, raw in readings:
        once.setdefault((tick, sensor), raw)
    groups: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for (tick, sensor), raw in sorted(once.items()):
        groups.setdefault((tick * period // 60_000_000, sensor), []).append((tick, raw))
    return {
        key: {
            "count": len(own),
            "total": sum(r for _, r in own),
            "low": min(r for _, r in own),
            "high": max(r for _, r in own),
            "first_tick": own[0][0],
            "first_raw": own[0][1],
            "last_tick": own[-1][0],
            "last_raw": own[-1][1],
        }
        for key, own in groups.items()
    }
