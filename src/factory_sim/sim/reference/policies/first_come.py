"""First come, first served."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from factory_sim.sim.reference.transport import Fleet, Request, Vehicle


def first_come(requests: list[Request], vehicles: list[Vehicle], _fleet: Fleet) -> tuple[Request, Vehicle]:
    """The longest waiting call, by the vehicle free longest."""
    return requests[0], vehicles[0]
