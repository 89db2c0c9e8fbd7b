"""Dispatch by the state of the whole plant: feed the operation that will run dry first."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from factory_sim.sim.reference.fleet import Fleet, Request, Vehicle


def most_urgent(requests: list[Request], vehicles: list[Vehicle], fleet: Fleet) -> tuple[Request, Vehicle]:
    """Choose the request whose destination has the least stock (VEH-5), and the nearest vehicle (VEH-4)."""
    request = min(requests, key=lambda r: r.calls.buffer.stock_s())
    return request, min(vehicles, key=lambda v: fleet.travel_us(v.stop, request.origin))
