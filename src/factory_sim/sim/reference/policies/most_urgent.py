"""Dispatch by the state of the whole plant: feed the operation that will run dry first."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from factory_sim.sim.reference.transport import Fleet, Request, Vehicle


def most_urgent(requests: list[Request], vehicles: list[Vehicle], fleet: Fleet) -> tuple[Request, Vehicle]:
    """The call whose destination has the least stock in seconds of its work, by the vehicle that is nearest to it.

    Stock = parts waiting or on their way, times the operation's planned cycle time per machine, per part it needs.
    Ties: the longest waiting call; the vehicle free longest.
    """

    def stock_s(request: Request) -> float:
        buffer = request.calls.buffer
        return (len(buffer.parts) + buffer.reserved) * buffer.pace_s

    request = min(requests, key=stock_s)
    vehicle = min(vehicles, key=lambda v: fleet.travel_us(v.stop, request.origin))
    return request, vehicle
