"""Causes of rows inferred from the line's rules, and walks back over them."""
# ruff: noqa: PLR0911 - one return a rule

from __future__ import annotations

import numpy as np

from factory_sim.analysis.kernels.row_tables import Role, record
from factory_sim.jit import inner_njit, njit
from factory_sim.plant.states import Outcome, State

# of a unit: its last row, the time from which its part could leave, the unit it serves, the row of the pool member sent
# to it, the last row by which a part of this source left the line
UNIT_MEMORY = record("last", "offered_us", "client", "sent", "gone")
PART_MEMORY = record("arrived", "origin")  # the row that brought the part, its source
PLACE_MEMORY = record("taken", "given")  # of an operation: the first row of its last take, the last that gave to it


@njit
def infer(rows, units, direct, now, places, parts, before, cause):
    """Fill `cause` (n,) by rules CAUSE-7 to CAUSE-9 of docs/model.md; part numbers count from 0, -1 for none.

    rows (n,) of ROW; units (n_units,) of UNIT; direct (n_operations, n_units): parts sent there need an idle machine.
    Memory that is -1 at first: now (n_units,) of UNIT_MEMORY; places (n_operations,) of PLACE_MEMORY; parts (n_parts,)
    of PART_MEMORY; before (n,), the previous row of the same unit.
    """
    for i in range(len(rows)):
        u, o, p = rows[i].unit, rows[i].outcome, rows[i].part
        own = before[i] = now[u].last
        if own >= 0 and rows[own].state == State.BUSY and rows[i].state != State.BUSY:
            now[u].offered_us = rows[i].t_us
        cause[i] = _enabler(i, rows, units, direct, now, places, parts, cause)
        if o == Outcome.TOOK and units[u].role == Role.CARRIER and p >= 0 and parts[p].arrived >= 0:
            _call(own, parts[p].arrived, rows, before, cause)
        if (
            o == Outcome.TOOK
            and units[u].operation >= 0
            and (own < 0 or cause[own] != cause[i] or rows[own].outcome != Outcome.TOOK)
        ):
            places[units[u].operation].taken = i
        now[u].last = i
        if p >= 0 and (Outcome.PASSED <= o <= Outcome.REWORK or o == Outcome.ENTERED):
            parts[p].arrived, now[u].offered_us = i, rows[i].t_us
            if o <= Outcome.REWORK and 0 <= rows[i].detail < len(places):
                places[rows[i].detail].given = i
            if o == Outcome.ENTERED:
                parts[p].origin = u
        elif p >= 0 and (o == Outcome.MERGED or Outcome.REWORK < o <= Outcome.LEFT) and parts[p].origin >= 0:
            now[parts[p].origin].gone = i


@inner_njit
def _enabler(i, rows, units, direct, now, places, parts, cause):
    row = rows[i]
    u, o, t, role = row.unit, row.outcome, row.t_us, units[row.unit].role
    own = now[u].last
    if role == Role.POOL:
        return _of_pool(i, rows, units, now)
    if o == Outcome.ENTERED:
        return _entry(row, rows, units, direct, now, places)
    again = own >= 0 and rows[own].outcome == o
    if again and ((o == Outcome.TOOK and role == Role.MACHINE and rows[own].t_us == t) or o == Outcome.MERGED):
        return cause[own]  # the next part of a batch or a join (CAUSE-2)
    if o == Outcome.TOOK:
        brought = _latest_arrival(i, rows, parts, own)
        return _giver(i, own, rows, units, now, places, parts) if 0 <= own == brought else brought
    if Outcome.PASSED <= o <= Outcome.LEFT and own >= 0 and now[u].offered_us < t:  # the part waited
        after = rows[i + 1] if i + 1 < len(rows) else row
        if units[after.unit].role == Role.CARRIER and after.part == row.part and after.unit != u:
            return max(own, now[after.unit].last)
        waited = role == Role.MACHINE or rows[own].state == State.BLOCKED
        if o <= Outcome.REWORK and waited and 0 <= row.detail < len(direct):
            made = _room(row.detail, u, rows, units, direct, now, places)
            return made if made > own else _blocker(row.detail, t, own, rows, units, now)
    sent = now[u].sent
    if (
        o == Outcome.NONE and sent >= 0 and rows[sent].t_us == t and rows[own].state != State.SETUP
    ):  # a member was sent (CAUSE-9)
        return max(own, sent)
    return own


@inner_njit
def _of_pool(i, rows, units, now):
    u, served = rows[i].unit, rows[i].detail
    if rows[i].state == State.BUSY and 0 <= served < len(now) and units[served].role == Role.MACHINE:
        now[u].client = served
        now[served].sent = i
    client = now[u].client
    if rows[i].state != State.BUSY:
        now[u].client = -1
    return max(now[u].last, now[client].last) if client >= 0 else now[u].last


@inner_njit
def _entry(row, rows, units, direct, now, places):
    u, t = row.unit, row.t_us
    own, d, gone = now[u].last, units[u].fed, now[u].gone
    if own < 0 or rows[own].state != State.BLOCKED or d < 0:
        return own
    best = max(own, _room(d, u, rows, units, direct, now, places))
    if rows[best].t_us < t and gone >= 0 and rows[gone].t_us == t:  # CAUSE-8: a card came back
        return gone
    return best if best > own else _blocker(d, t, own, rows, units, now)


@inner_njit
def _room(d, u, rows, units, direct, now, places):
    """Return the row that made room at operation d (CAUSE-3): a take, or the longest idle machine's."""
    best = np.int64(-1)
    for v in range(len(units) if direct[d, u] else 0):
        last = now[v].last
        if units[v].operation == d and last >= 0 and rows[last].state == State.STARVED:
            best = last if best < 0 or rows[last].t_us < rows[best].t_us else best
    return best if best >= 0 else places[d].taken


@inner_njit
def _giver(i, own, rows, units, now, places, parts):
    """Return the cause of a take that nothing shown brought about: the unit's last row, or the giver's (CAUSE-12)."""
    d, p = units[rows[i].unit].operation, rows[i].part
    if rows[own].state != State.STARVED or rows[own].t_us == rows[i].t_us or (p >= 0 and parts[p].arrived >= 0):
        return own
    given = places[d].given if 0 <= d < len(places) else np.int64(-1)
    return now[rows[given].unit].last if given >= 0 else own


@inner_njit
def _blocker(d, t, own, rows, units, now):
    """Return the cause of giving to d where nothing shown made room: the unit's last row, or one at d (CAUSE-12)."""
    if rows[own].state != State.BLOCKED or rows[own].t_us == t:
        return own
    best = np.int64(-1)
    for v in range(len(units)):
        best = max(best, now[v].last) if units[v].operation == d else best
    return own if best < 0 else best


@inner_njit
def _latest_arrival(i, rows, parts, own):
    """Return the latest row that brought one of the parts taken together (CAUSE-2)."""
    best, k = own, i
    while k < len(rows) and rows[k].unit == rows[i].unit and rows[k].t_us == rows[i].t_us:
        if not Outcome.TOOK <= rows[k].outcome <= Outcome.MERGED:
            break
        if rows[k].part >= 0:
            best = max(best, parts[rows[k].part].arrived)
        k += 1
    return best


@inner_njit
def _call(row, given, rows, before, cause):
    """Make the sender's last row before a carrier's trip a possible cause of the trip's first row (CAUSE-9)."""
    while row >= 0 and _sets_out(before[row], rows):
        row = before[row]
    if _sets_out(row, rows):
        caller = before[given]
        while caller > row:
            caller = before[caller]
        cause[row] = max(cause[row], caller)


@inner_njit
def _sets_out(row, rows):
    return row >= 0 and rows[row].outcome == Outcome.NONE and State.MOVING_EMPTY <= rows[row].state <= State.LOADING


@njit
def walk(t_us, unit, cause, last, t0_us, out_us):
    """Add the time of each step back over `cause`, from row `last` to t0, to the earlier row's unit (CAUSE-10)."""
    i = last
    while t_us[i] > t0_us:
        j = cause[i]
        if not 0 <= j < i:
            return
        out_us[unit[j]] += t_us[i] - max(t_us[j], t0_us)
        i = j


@njit
def attribute_waits(t_us, unit, state, outcome, cause, operation, waits, t0_us, t1_us, out_us):
    """Attribute the waiting times within [t0, t1) to units; out_us (n_operations, n_kinds, n_units + 1).

    waits (N_STATES,): the kind of waiting in each state, -1 for none. From the row that takes or gives a part and ends
    a wait, `cause` is followed back to its beginning; each step's time goes to the earlier row's unit. Time that
    the walk does not reach, and waits that end otherwise, go to the last column.
    """
    n_units = len(operation)
    last = np.full(n_units, -1)
    for i in range(len(t_us) + n_units):
        u = unit[i] if i < len(t_us) else i - len(t_us)
        end = min(t_us[i], t1_us) if i < len(t_us) else t1_us
        kind = waits[state[last[u]]] if last[u] >= 0 and operation[u] >= 0 else -1
        if kind >= 0:
            begin = max(t_us[last[u]], t0_us)
            row = i if i < len(t_us) and outcome[i] != Outcome.NONE and t_us[i] <= t1_us else -1
            while row >= 0 and end > begin:
                row = cause[row] if cause[row] < row else -1
                if row >= 0 and t_us[row] < end:
                    out_us[operation[u], kind, unit[row]] += end - max(t_us[row], begin)
                    end = max(t_us[row], begin)
            if end > begin:
                out_us[operation[u], kind, n_units] += end - begin
        if i < len(t_us):
            last[u] = i
