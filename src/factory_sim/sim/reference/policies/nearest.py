"""Shortest empty travel."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from factory_sim.sim.reference.transport import Fleet, Request, Vehicle


def nearest(requests: list[Request], vehicles: list[Vehicle], fleet: Fleet) -> tuple[Request, Vehicle]:
    """The pair with the shortest empty travel; then the longest waiting call, then the vehicle free longest."""
    pairs = [(fleet.travel_us(v.stop, r.origin), i, j) for i, r in enumerate(requests) for j, v in enumerate(vehicles)]
    _, i, j = min(pairs)
    return requests[i], vehicles[j]
