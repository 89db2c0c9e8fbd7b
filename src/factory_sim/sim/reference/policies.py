"""Dispatch policies: which request is served next, by which vehicle (VEH-4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from factory_sim.sim.reference.fleet import Fleet, Request, Vehicle

    Policy = Callable[[list[Request], list[Vehicle], Fleet], tuple[Request, Vehicle]]


def first_come(requests: list[Request], vehicles: list[Vehicle], _fleet: Fleet) -> tuple[Request, Vehicle]:
    """Choose the request that has waited longest and the vehicle that has been free longest."""
    return requests[0], vehicles[0]


def nearest(requests: list[Request], vehicles: list[Vehicle], fleet: Fleet) -> tuple[Request, Vehicle]:
    """Choose the pair with the shortest empty travel; ties by waiting time, then the vehicle free longest."""
    pairs = [(fleet.travel_us(v.stop, r.origin), i, j) for i, r in enumerate(requests) for j, v in enumerate(vehicles)]
    _, i, j = min(pairs)
    return requests[i], vehicles[j]


def most_urgent(requests: list[Request], vehicles: list[Vehicle], fleet: Fleet) -> tuple[Request, Vehicle]:
    """Choose the request whose destination has the least stock (VEH-5), and the nearest vehicle."""
    request = min(requests, key=lambda r: r.calls.buffer.stock_s())
    return request, min(vehicles, key=lambda v: fleet.travel_us(v.stop, request.origin))


POLICIES: dict[str, Policy] = {"first_come": first_come, "nearest": nearest, "most_urgent": most_urgent}
