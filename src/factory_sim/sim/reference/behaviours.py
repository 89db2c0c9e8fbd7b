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
    """Take the part that has waited longest (TAKE-2)."""
    parts = station.inputs[0].parts
    return ([parts.popleft()], ()) if parts else None


def join(station: Station) -> Taken | None:
    """Take the whole set or nothing; the part at the head of the first input remains (TAKE-3)."""
    if any(len(buffer.parts) < buffer.spec.quantity for buffer in station.inputs):
        return None
    parts = [buffer.parts.popleft() for buffer in station.inputs for _ in range(buffer.spec.quantity)]
    return parts[:1], parts[1:]


def batch(station: Station) -> Taken | None:
    """Take up to `size` parts once `minimum` wait, or at the timeout since the oldest arrived (BATCH-1)."""
    parts, spec = station.inputs[0].parts, station.spec.batch
    if spec is None or not parts:
        return None
    due_us = parts[0][2] + us_from_s(spec.timeout_s)
    if len(parts) >= spec.minimum or (spec.timeout_s and due_us <= station.line.now_us):
        return [parts.popleft() for _ in range(min(spec.size, len(parts)))], ()
    if spec.timeout_s:
        station.set_alarm(due_us)
    return None


BEHAVIOURS = {
    "machining": Behaviour("Take a part, process it, pass it on", single, process),
    "joining": Behaviour("Take parts from every input, join them, pass one on", join, process),
    "batching": Behaviour("Take several parts at once, pass them on one by one", batch, process),
}
