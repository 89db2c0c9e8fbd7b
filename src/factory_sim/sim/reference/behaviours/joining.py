"""Assembly: parts from several inputs become one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from factory_sim.sim.reference.station import Station, Taken


def ready(station: Station) -> Taken | None:
    """The whole set, or nothing; the first input's longest waiting part is the one that stays."""
    if any(len(buffer.parts) < buffer.quantity for buffer in station.inputs):
        return None
    parts = [buffer.parts.popleft() for buffer in station.inputs for _ in range(buffer.quantity)]
    return parts[:1], parts[1:]
