"""Shortest empty travel."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from factory_sim.sim.reference.fleet import Fleet, Request, Vehicle


def nearest(requests: list[Request], vehicles: list[Vehicle], fleet: Fleet) -> tuple[Request, Vehicle]:
    """Choose the pair with the shortest empty travel; ties by waiting time, then the vehicle free longest (VEH-4)."""
    pairs = [(fleet.travel_us(v.stop, r.origin), i, j) for i, r in enumerate(requests) for j, v in enumerate(vehicles)]
    _, i, j = min(pairs)
    return requests[i], vehicles[j]
