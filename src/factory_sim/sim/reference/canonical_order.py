"""The canonical order of events within an instant, and of units that wait for the same thing."""

from __future__ import annotations

from bisect import insort
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import simpy

if TYPE_CHECKING:
    from factory_sim.sim.event_classes import Class

_CLASS, _UNIT = 1 << 24, 1 << 8  # a unit's number within its class takes 16 bits, an event's number within its unit 8


class Timer(simpy.Timeout):
    """A timeout with a place within its instant: class, unit, number (INST-2), behind SimPy's priorities 0 and 1."""

    def __init__(self, env: simpy.Environment, delay_us: int, kind: Class, unit: int, number: int = 0) -> None:
        self.priority: Any = (kind + 1) * _CLASS + unit * _UNIT + number
        super().__init__(env, delay_us)


class Waiter(Protocol):
    """A member of a waiting queue."""

    @property
    def unit(self) -> int:
        """Return the id that decides ties."""


W = TypeVar("W", bound=Waiter)


class WaitingQueue(list[tuple[int, int, int, W]]):
    """Entries (priority, waiting since [µs], unit, member), the lowest first."""

    def join(self, member: W, now_us: int, priority: int = 0) -> None:
        """Add `member`, which waits from now on."""
        insort(self, (priority, now_us, member.unit, member))

    def leave(self, member: W) -> None:
        """Remove `member`, if it waits."""
        self[:] = [entry for entry in self if entry[3] is not member]

    def first(self) -> W:
        """Remove the first member and return it."""
        return self.pop(0)[3]

    def members(self) -> list[W]:
        """Return the members in order."""
        return [member for _, _, _, member in self]
