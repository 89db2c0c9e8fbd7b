"""Dispatch policies: which request is served next, by which vehicle; each has one file and one line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from factory_sim.sim.reference.policies.first_come import first_come
from factory_sim.sim.reference.policies.most_urgent import most_urgent
from factory_sim.sim.reference.policies.nearest import nearest

if TYPE_CHECKING:
    from collections.abc import Callable

    from factory_sim.sim.reference.fleet import Fleet, Request, Vehicle

    Policy = Callable[[list[Request], list[Vehicle], Fleet], tuple[Request, Vehicle]]

POLICIES: dict[str, Policy] = {"first_come": first_come, "nearest": nearest, "most_urgent": most_urgent}
