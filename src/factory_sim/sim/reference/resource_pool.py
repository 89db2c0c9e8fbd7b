"""A finite pool that machines call on: a repair crew, operators, or one shared robot."""

from __future__ import annotations

from bisect import insort
from typing import TYPE_CHECKING, Protocol

from factory_sim.plant.states import Outcome, State

if TYPE_CHECKING:
    from factory_sim.plant.states import Wait
    from factory_sim.sim.reference.line import Line
    from factory_sim.sim.reference.maintenance import Upkeep


class Client(Protocol):
    """Who calls on a pool."""

    unit: int

    @property
    def last_row(self) -> int:
        """The client's last row."""

    def granted(self) -> None:
        """A member is here; its row is the last one written."""


class Pool:
    """Members serve one client at a time: lowest priority number first, then longest waiting, then lowest unit.

    The member that has been free longest goes, then the lowest unit. Outside its shift a member finishes what it does.
    """

    def __init__(self, line: Line, units: tuple[int, ...], kind: Wait) -> None:
        self.line, self.kind = line, kind
        self.open = True
        self.wanted: set[Upkeep] = set()  # maintenance that waits for a free member
        self._free: list[tuple[int, int]] = [(0, unit) for unit in units]  # (free since, unit)
        self._serves: dict[Client, int] = {}
        self._calls: list[tuple[int, int, int, Client]] = []  # (priority, since, unit, who)
        self._rows = dict.fromkeys(units, -1)

    def begin(self) -> None:
        """Write the members' first rows."""
        for _, unit in self._free:
            self._rows[unit] = self.line.row(0, unit, State.IDLE if self.open else State.OFF, -1, Outcome.NONE, 0, -1)

    def try_take(self, client: Client) -> bool:
        """Serve `client` now if a member is free and nobody waits."""
        if self._calls or not self._free or not self.open:
            return False
        self._send(client)
        return True

    def call(self, client: Client, priority: int = 0) -> None:
        """Queue up."""
        insort(self._calls, (priority, self.line.now, client.unit, client))
        self.line.called = True

    def withdraw(self, client: Client) -> None:
        """Leave the queue."""
        self._calls = [call for call in self._calls if call[3] is not client]

    def release(self, client: Client) -> None:
        """The member that serves `client` is free."""
        unit = self._serves.pop(client)
        state = State.IDLE if self.open else State.OFF
        cause = max(self._rows[unit], client.last_row)
        self._rows[unit] = self.line.row(self.line.now, unit, state, -1, Outcome.NONE, 0, cause)
        insort(self._free, (self.line.now, unit))
        self._wake()

    def serve(self) -> None:
        """Send free members to whoever waits."""
        while self._calls and self._free and self.open:
            client = self._calls.pop(0)[3]
            self._send(client)
            client.granted()

    def shift(self, *, is_open: bool) -> None:
        """The shift begins or ends."""
        self.open = is_open
        for _, unit in self._free:
            state = State.IDLE if is_open else State.OFF
            self._rows[unit] = self.line.row(self.line.now, unit, state, -1, Outcome.NONE, 0, self._rows[unit])
        self._wake()

    def _send(self, client: Client) -> None:
        _, unit = self._free.pop(0)
        self._serves[client] = unit
        cause = max(self._rows[unit], client.last_row)
        self._rows[unit] = self.line.row(self.line.now, unit, State.BUSY, -1, Outcome.NONE, client.unit, cause)

    def _wake(self) -> None:
        self.line.called = True
        for upkeep in self.wanted:
            self.line.dirty |= upkeep.machine.station.bit
        self.wanted.clear()
