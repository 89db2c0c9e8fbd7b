"""The shape of a behaviour."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from factory_sim.sim.reference.line import Steps
    from factory_sim.sim.reference.machines.machine import Machine
    from factory_sim.sim.reference.station import Station, Taken


@dataclass(frozen=True, slots=True)
class Behaviour:
    """A rule by which a machine takes parts, and its work instruction.

    `ready` removes from the buffers what one machine takes now; it returns None if the machine cannot start.
    """

    title: str
    ready: Callable[[Station], Taken | None]
    process: Callable[[Machine], Steps]
