"""The description of a plant and the rows of a log as arrays for the kernels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from factory_sim.analysis.kernels.row_tables import ROW, UNIT, Role
from factory_sim.plant.opening_rows import numbered
from factory_sim.plant.states import Outcome

if TYPE_CHECKING:
    from factory_sim.records import B1, I4, I8, EventLog, Meta, Rows

Records = np.ndarray[Any, np.dtype[np.void]]

_IN_CACHE = 4096  # rows written at once, column by column, while they are in the processor's cache
UNLIMITED = 2**62
_ROLES = {"source": Role.SOURCE, "machine": Role.MACHINE, "vehicle": Role.CARRIER, "conveyor": Role.CARRIER}


@dataclass(frozen=True, slots=True, eq=False)
class Topology:
    """Units and buffers as the kernels take them."""

    units: Records  # (n_units,) of row_tables.UNIT
    direct: B1  # (n_operations, n_units): parts that the unit sends there have no buffer and need an idle machine
    way: I4  # (n_operations, n_units): buffer that takes what the unit sends there; -1: its room is not known
    capacity: I8  # (n_buffers + 1,): places of each operation's rework rack, if it has one, and of its buffers
    rack: I8  # (n_buffers + 1,): the rack whose parts also wait for the idle machines of a buffer; -1: none


_known: list[tuple[Meta, Topology]] = []  # of the description used last


def of(meta: Meta) -> Topology:
    """Return the topology of `meta`."""
    for known, found in _known:
        if known is meta:
            return found
    found = _new(meta)
    _known[:] = [(meta, found)]
    return found


def _new(meta: Meta) -> Topology:
    n = len(meta.units)
    units, buffer = np.empty(n, UNIT), np.full((len(meta.operations), n), -1, np.int32)
    units["role"] = [_ROLES.get(u.role, Role.POOL) for u in meta.units]
    units["operation"] = [u.operation if u.role == "machine" else -1 for u in meta.units]
    units["fed"] = fed(meta)
    racks, capacity, rack = _racks(meta), list[int](), list[int]()
    for index, each in enumerate(meta.operations):
        if index in racks:  # before its buffers, since it accepts parts first (MOVE-2)
            senders = [unit for other in meta.operations if other.rework_to == index for unit in other.machines]
            buffer[index, senders] = len(capacity)
            capacity.append(each.rework_places or UNLIMITED)
            rack += [-1, len(rack)]
        rack += [-1] * (len(each.inputs) - (index in racks))
        for way in each.inputs:
            senders = [way.source] if way.source >= 0 else list(meta.operations[way.operation].machines)
            if not way.transport:
                buffer[index, senders] = len(capacity)
            capacity.append(way.capacity)
    places = np.array([*capacity, 1], np.int64)  # index -1 is the last
    return Topology(units, places[buffer] == 0, buffer, places, np.array([*rack, -1], np.int64))


def fed(meta: Meta) -> I8:
    """Return the operation that each source feeds, -1 for other units; shape (n_units,)."""
    found = np.full(len(meta.units), -1)
    for index, each in enumerate(meta.operations):
        found[[way.source for way in each.inputs if way.source >= 0]] = index
    return found


def _racks(meta: Meta) -> set[int]:
    """Return the operations to which parts go back: they have a rework rack (QUAL-3)."""
    return {each.rework_to for each in meta.operations} - {-1}


def _first_buffer(meta: Meta) -> I8:
    racks = np.array([index in _racks(meta) for index in range(len(meta.operations))], np.int64)
    begin = np.cumsum([0, *(len(each.inputs) for each in meta.operations)])[:-1]
    first: I8 = begin + np.cumsum(racks)
    return first


def ways_with_conveyors(meta: Meta, known: I4, rows: Records) -> I4:
    """Return the ways with the buffers at which conveyors end, derived from the first part of each conveyor.

    known : `Topology.way`, or what an earlier call returned; rows : (n_rows,) of row_tables.ROW, in order of time. The
    description does not contain where a conveyor ends.
    """
    way, first = known.copy(), _first_buffer(meta)
    conveyors = [u for u, info in enumerate(meta.units) if info.role == "conveyor" and (known[:, u] < 0).all()]
    for unit in conveyors:
        taken = rows[(rows["unit"] == unit) & (rows["outcome"] == Outcome.TOOK)][:1]
        given = rows[np.isin(rows["part"], taken["part"]) & np.isin(rows["t_us"], taken["t_us"])]
        for row in given[(given["outcome"] == Outcome.PASSED) & (given["unit"] != unit)]:
            sender, to = meta.units[row["unit"]].operation, int(row["detail"])
            ways = meta.operations[to].inputs if 0 <= to < len(meta.operations) else ()
            for k, each in enumerate(ways):
                if each.operation == sender and each.transport == "conveyor":
                    way[to, unit] = first[to] + k
    return way


def packed(log: EventLog | Rows, t_us: I8, seq: I8 | int = 0) -> tuple[Records, int]:
    """Return the rows as records of row_tables.ROW with parts numbered from 0, and the number of parts."""
    part, n_parts = numbered(log.part)
    rows = np.empty(len(log), ROW)
    columns: tuple[np.ndarray[Any, Any], ...] = (
        t_us,
        log.unit,
        np.broadcast_to(seq, len(log)),
        log.state,
        part,
        log.outcome,
        log.detail,
    )
    for first in range(0, len(log), _IN_CACHE):
        stretch = slice(first, first + _IN_CACHE)
        for name, values in zip(ROW.names or (), columns, strict=True):
            rows[name][stretch] = values[stretch]
    return rows, n_parts


def missing(n: int, record_type: np.dtype[np.void]) -> Records:
    """Return n records with -1 in every field."""
    return np.full(n * len(record_type.names or ()), -1).view(record_type)
