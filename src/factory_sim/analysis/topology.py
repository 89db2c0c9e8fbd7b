"""Who stands where, as arrays: what the kernels need to know of `Meta`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from factory_sim.analysis.kernels.row_tables import (
    CARRIER,
    DETAIL,
    MACHINE,
    OPERATION,
    OUTCOME,
    PART,
    PASSED,
    POOL,
    SOURCE,
    TOOK,
    UNIT,
    T,
)

if TYPE_CHECKING:
    from factory_sim.records import B1, I4, I8, EventLog, Meta, Rows

_ROLES = {"source": SOURCE, "machine": MACHINE, "robot": POOL, "crew": POOL, "vehicle": CARRIER, "conveyor": CARRIER}


@dataclass(frozen=True, slots=True, eq=False)
class Topology:
    """Units and buffers as the kernels take them."""

    units: I8  # (n_units, 3): role, operation of a machine, operation a source feeds; -1: none
    direct: B1  # (n_operations, n_units): what the unit sends there has no waiting place, it needs a free machine
    way: I4  # (n_operations, n_units): buffer that takes what the unit sends there; -1: its room is not known
    capacity: I8  # (n_buffers + 1,)


def of(meta: Meta) -> Topology:
    """The topology of `meta`."""
    n = len(meta.units)
    role = np.array([_ROLES.get(u.role, POOL) for u in meta.units], np.int64)
    operation = np.array([u.operation if u.role == "machine" else -1 for u in meta.units], np.int64)
    fed, buffer = np.full(n, -1), np.full((len(meta.operations), n), -1, np.int32)
    capacity: list[int] = []
    for index, each in enumerate(meta.operations):
        for way in each.inputs:
            senders = [way.source] if way.source >= 0 else list(meta.operations[way.operation].machines)
            if way.source >= 0:
                fed[way.source] = index
            if not way.transport:
                buffer[index, senders] = len(capacity)
            capacity.append(way.capacity)
    for each in meta.operations:  # rework queues in the first buffer of its operation
        if each.rework_to >= 0 and not meta.operations[each.rework_to].inputs[0].transport:
            first = sum(len(other.inputs) for other in meta.operations[: each.rework_to])
            buffer[each.rework_to, list(each.machines)] = first
    places = np.array([*capacity, 1], np.int64)  # -1 takes the last
    return Topology(np.stack((role, operation, fed), axis=1), places[buffer] == 0, buffer, places)


def belts(meta: Meta, where: Topology, rows: I8) -> I4:
    """`where.way` with the buffers that conveyors end at: the description does not say which, the parts on them do.

    rows (n, 7), sorted by time.
    """
    way, first = where.way.copy(), np.cumsum([0, *(len(each.inputs) for each in meta.operations)])
    for unit in (u for u, info in enumerate(meta.units) if info.role == "conveyor"):
        taken = rows[(rows[:, UNIT] == unit) & (rows[:, OUTCOME] == TOOK)][:1]
        given = rows[np.isin(rows[:, PART], taken[:, PART]) & np.isin(rows[:, T], taken[:, T])]
        for row in given[(given[:, OUTCOME] == PASSED) & (given[:, UNIT] != unit)]:
            sender, to = int(where.units[row[UNIT], OPERATION]), int(row[DETAIL])
            ways = meta.operations[to].inputs if 0 <= to < len(meta.operations) else ()
            for k, each in enumerate(ways):
                if each.operation == sender and each.transport == "conveyor":
                    way[to, unit] = first[to] + k
    return way


def packed(log: EventLog | Rows, t_us: I8, seq: I8 | int = 0) -> tuple[I8, int]:
    """The rows as the kernels take them, shape (n, 7), parts numbered from 0; and how many parts there are."""
    part, n_parts = numbered(log.part)
    rows = np.empty((len(log), 7), np.int64)
    for column, values in enumerate((t_us, log.unit, seq, log.state, part, log.outcome, log.detail)):
        rows[:, column] = values
    return rows, n_parts


def numbered(part: I4) -> tuple[I8, int]:
    """Part numbers counted from 0 without wide gaps, -1 for none, and how many there are."""
    known = part.astype(np.int64)
    top = int(known.max(initial=-1)) + 1
    if top <= 4 * len(known) + 1024:
        return known, top
    names, index = np.unique(known, return_inverse=True)
    shift = int(names[0] == -1)
    return index.reshape(-1) - shift, len(names) - shift
