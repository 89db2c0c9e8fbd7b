"""The shape of a behaviour."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    import simpy

    from factory_sim.sim.reference.machine import Machine
    from factory_sim.sim.reference.station import Station, Taken


@dataclass(frozen=True, slots=True)
class Behaviour:
    """`ready` removes from the buffers what one machine takes now; None if it cannot start.

    `process` is the machine's work instruction.
    """

    title: str
    ready: Callable[[Station], Taken | None]
    process: Callable[[Machine], Generator[simpy.Event, Any, None]]
