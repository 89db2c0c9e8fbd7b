"""Behaviours: which parts a machine takes and what it does with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from factory_sim.clock import us_from_s

if TYPE_CHECKING:
    from collections.abc import Callable

    from factory_sim.sim.reference.line import Steps
    from factory_sim.sim.reference.machines.machine import Machine
    from factory_sim.sim.reference.station import Station, Taken


@dataclass(frozen=True, slots=True)
class Behaviour:
    """A rule by which a machine takes parts, and its work instruction.

    `ready` removes from the buffers what one machine takes now; it returns None if the machine cannot start.
    """

    title: str
    ready: Callable[[Station], Taken | None]
    process: Callable[[Machine], Steps]


def process(m: Machine) -> Steps:
    """Take parts, change over if they require it, process them, pass them on (WORK-1)."""
    while True:
        parts = yield from m.take()
        yield from m.set_up(parts)
        yield from m.work(parts)
        m.give(parts)


def single(station: Station) -> Taken | None:
    """Take one part (TAKE-2)."""
    parts = station.next_queue() if station.reworks else station.inputs[0].parts
    return ([parts.popleft()], ()) if parts else None


def join(station: Station) -> Taken | None:
    """Take the whole set or nothing; the part at the head of the first input remains (TAKE-3, QUAL-5)."""
    first, *others = station.inputs
    complete = all(len(buffer.parts) >= buffer.spec.quantity for buffer in others)
    again = bool(station.reworks) and (complete or not station.spec.rework_components)
    new = complete and len(first.parts) >= first.spec.quantity
    if again and (not new or station.next_queue() is station.reworks):
        parts, wanted = [station.reworks.popleft()], others if station.spec.rework_components else []
    elif new:
        parts, wanted = [], station.inputs
    else:
        return None
    parts += [buffer.parts.popleft() for buffer in wanted for _ in range(buffer.spec.quantity)]
    return parts[:1], parts[1:]


def batch(station: Station) -> Taken | None:
    """Take up to `size` parts once `minimum` wait, or at the timeout since the oldest arrived (BATCH-1)."""
    queues, spec = (station.reworks, station.inputs[0].parts), station.spec.batch
    waiting = sum(map(len, queues))
    if spec is None or not waiting:
        return None
    due_us = min(queue[0][2] for queue in queues if queue) + us_from_s(spec.timeout_s)
    if waiting >= spec.minimum or (spec.timeout_s and due_us <= station.line.now_us):
        return [station.next_queue().popleft() for _ in range(min(spec.size, waiting))], ()
    if spec.timeout_s:
        station.set_alarm(due_us)
    return None


BEHAVIOURS = {
    "machining": Behaviour("Take a part, process it, pass it on", single, process),
    "joining": Behaviour("Take parts from every input, join them, pass one on", join, process),
    "batching": Behaviour("Take several parts at once, pass them on one by one", batch, process),
}
