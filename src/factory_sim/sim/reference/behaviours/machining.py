"""One part at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Generator

    import simpy

    from factory_sim.sim.reference.machine import Machine
    from factory_sim.sim.reference.station import Station, Taken


def ready(station: Station) -> Taken | None:
    """The part that waits longest."""
    parts = station.inputs[0].parts
    return ([parts.popleft()], ()) if parts else None


def process(m: Machine) -> Generator[simpy.Event, Any, None]:
    """Take parts, change over if they ask for it, get robot and operator, work, pass them on."""
    while True:
        yield m.take()
        if m.changes_over and (setup_us := m.changeover_us()):
            if m.setup_pool is not None:
                yield m.hold(m.setup_pool)
            yield m.setup(setup_us)
        for pool in m.pools:
            yield m.hold(pool)
        yield m.work()
        yield m.give()
