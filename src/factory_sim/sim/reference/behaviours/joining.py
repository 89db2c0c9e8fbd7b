"""Assembly: parts from several inputs become one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from factory_sim.sim.reference.station import Station, Taken


def ready(station: Station) -> Taken | None:
    """Take the whole set or nothing; the part at the head of the first input remains (TAKE-3)."""
    if any(len(buffer.parts) < buffer.spec.quantity for buffer in station.inputs):
        return None
    parts = [buffer.parts.popleft() for buffer in station.inputs for _ in range(buffer.spec.quantity)]
    return parts[:1], parts[1:]
