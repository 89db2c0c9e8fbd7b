"""First come, first served."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from factory_sim.sim.reference.fleet import Fleet, Request, Vehicle


def first_come(requests: list[Request], vehicles: list[Vehicle], _fleet: Fleet) -> tuple[Request, Vehicle]:
    """Choose the request that has waited longest and the vehicle that has been free longest (VEH-4)."""
    return requests[0], vehicles[0]
