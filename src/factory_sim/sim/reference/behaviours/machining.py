"""One part at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from factory_sim.sim.reference.line import Steps
    from factory_sim.sim.reference.machines.machine import Machine
    from factory_sim.sim.reference.station import Station, Taken


def ready(station: Station) -> Taken | None:
    """Take the part that has waited longest (TAKE-2)."""
    parts = station.inputs[0].parts
    return ([parts.popleft()], ()) if parts else None


def process(m: Machine) -> Steps:
    """Take parts, change over if they require it, process them, pass them on (WORK-1)."""
    while True:
        parts = yield from m.take()
        yield from m.set_up(parts)
        yield from m.work(parts)
        m.give(parts)
