"""Who stands where, as arrays: what the kernels need to know of `Meta`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from factory_sim.records import B1, I4, I8, Meta

SOURCE, MACHINE, POOL, CARRIER = range(4)
_ROLES = {"source": SOURCE, "machine": MACHINE, "robot": POOL, "crew": POOL, "vehicle": CARRIER, "conveyor": CARRIER}


@dataclass(frozen=True, slots=True, eq=False)
class Topology:
    """Shapes: (n_units,) unless said otherwise."""

    role: I8
    operation: I8  # of a machine, else -1
    fed: I8  # operation a source feeds, else -1
    direct: B1  # (n_operations, n_units): what the unit sends there has no waiting place, it needs a free machine
    buffer: I4  # (n_operations, n_units): buffer that takes what the unit sends there; -1: its room is not known
    capacity: I8  # (n_buffers + 1,)


def of(meta: Meta) -> Topology:
    """The topology of `meta`."""
    n = len(meta.units)
    role = np.array([_ROLES.get(u.role, POOL) for u in meta.units], np.int64)
    operation = np.array([u.operation if u.role == "machine" else -1 for u in meta.units], np.int64)
    fed, buffer = np.full(n, -1), np.full((len(meta.operations), n), -1, np.int32)
    belts = [u for u, info in enumerate(meta.units) if info.role == "conveyor"]
    capacity: list[int] = []
    for index, each in enumerate(meta.operations):
        for way in each.inputs:
            senders = [way.source] if way.source >= 0 else list(meta.operations[way.operation].machines)
            if way.source >= 0:
                fed[way.source] = index
            if not way.transport:
                buffer[index, senders] = len(capacity)
            elif way.transport == "conveyor":  # which of them ends here is not said: those that end elsewhere never ask
                buffer[index, belts] = len(capacity)
            capacity.append(way.capacity)
    for each in meta.operations:  # rework queues in the first buffer of its operation
        if each.rework_to >= 0 and not meta.operations[each.rework_to].inputs[0].transport:
            first = sum(len(other.inputs) for other in meta.operations[: each.rework_to])
            buffer[each.rework_to, list(each.machines)] = first
    places = np.array([*capacity, 1], np.int64)  # -1 takes the last
    return Topology(role, operation, fed, places[buffer] == 0, buffer, places)


def numbered(part: I4) -> tuple[I8, int]:
    """Part numbers counted from 0 without wide gaps, -1 for none, and how many there are."""
    known = part.astype(np.int64)
    top = int(known.max(initial=-1)) + 1
    if top <= 4 * len(known) + 1024:
        return known, top
    names, index = np.unique(known, return_inverse=True)
    shift = int(names[0] == -1)
    return index.reshape(-1) - shift, len(names) - shift
