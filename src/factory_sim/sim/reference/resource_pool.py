"""A pool with finitely many members that serve machines: a crew, or one shared robot."""

from __future__ import annotations

from bisect import insort
from typing import TYPE_CHECKING, Protocol

from factory_sim.plant.states import Outcome, State
from factory_sim.sim.reference.canonical_order import WaitingQueue

if TYPE_CHECKING:
    import simpy

    from factory_sim.plant.states import Wait
    from factory_sim.sim.reference.line import Line
    from factory_sim.sim.reference.station import Station


class Client(Protocol):
    """A machine, a repair or a maintenance that a member can serve."""

    unit: int

    @property
    def last_row(self) -> int:
        """The machine's last row."""

    def granted(self) -> simpy.Event:
        """Return the event that resumes the client; the member's row is the last one written."""


class Pool:
    """Members serve one client at a time; the member that has been free longest is sent, then the lowest unit."""

    def __init__(self, line: Line, units: tuple[int, ...], kind: Wait) -> None:
        self.line, self.kind = line, kind
        self.open = True  # within its shift
        self.wanted: set[Station] = set()  # operations whose maintenance waits for a free member
        self._calls: WaitingQueue[Client] = WaitingQueue()
        self._free: list[tuple[int, int]] = [(0, unit) for unit in units]  # (free since, unit)
        self._serves: dict[Client, int] = {}
        self._last_row = dict.fromkeys(units, -1)

    def begin(self) -> None:
        """Write the first rows of the members."""
        for _, unit in self._free:
            self._write_free(unit)

    def try_take(self, client: Client) -> bool:
        """Serve `client` now, if a member is free and no call waits (POOL-3)."""
        if self._calls or not self._free or not self.open:
            return False
        self._send(client)
        return True

    def call(self, client: Client, priority: int = 0) -> None:
        """Queue the call of `client`."""
        self._calls.join(client, self.line.now, priority)
        self.line.called = True

    def withdraw(self, client: Client) -> None:
        """Remove the call of `client`."""
        self._calls.leave(client)

    def release(self, client: Client) -> None:
        """Free the member that serves `client`."""
        unit = self._serves.pop(client)
        self._write_free(unit, client.last_row)
        insort(self._free, (self.line.now, unit))
        self._wake()

    def serve(self) -> None:
        """Send free members to waiting clients (POOL-2, POOL-5)."""
        while self._calls and self._free and self.open:
            client = self._calls.first()
            self._send(client)
            self.line.let_act(client.granted())

    def shift(self, *, is_open: bool) -> None:
        """Begin or end the shift."""
        self.open = is_open
        for _, unit in self._free:
            self._write_free(unit)
        self._wake()

    def _send(self, client: Client) -> None:
        _, unit = self._free.pop(0)
        self._serves[client] = unit
        self._write(unit, State.BUSY, client.unit, client.last_row)

    def _write_free(self, unit: int, cause: int = -1) -> None:
        self._write(unit, State.IDLE if self.open else State.OFF, 0, cause)

    def _write(self, unit: int, state: State, detail: int, cause: int) -> None:
        cause = max(cause, self._last_row[unit])
        self._last_row[unit] = self.line.row(unit, state, -1, Outcome.NONE, detail, cause)

    def _wake(self) -> None:
        self.line.called = True
        self.line.dirty.update(station.index for station in self.wanted)
        self.wanted.clear()
