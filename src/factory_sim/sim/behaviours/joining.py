"""Assembly: parts from several inputs become one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from factory_sim.sim.station import Station, Waiting


def ready(station: Station) -> list[list[Waiting]]:
    """The whole set, or nothing; the first input's longest waiting part is the one that stays."""
    if any(len(buffer.parts) < buffer.quantity for buffer in station.inputs):
        return []
    return [[buffer.parts.popleft() for buffer in station.inputs for _ in range(buffer.quantity)]]
