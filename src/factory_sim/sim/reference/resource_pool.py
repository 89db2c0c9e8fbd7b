"""A pool with finitely many members that serve machines: a crew, or one shared robot."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from factory_sim.plant.states import State
from factory_sim.sim.reference.canonical_order import WaitingQueue
from factory_sim.sim.reference.unit import Unit

if TYPE_CHECKING:
    from factory_sim.plant.states import Wait
    from factory_sim.sim.reference.line import Line
    from factory_sim.sim.reference.machines.breakdowns import Breakdowns
    from factory_sim.sim.reference.machines.machine import Machine
    from factory_sim.sim.reference.machines.maintenance import Upkeep
    from factory_sim.sim.reference.station import Station

    Caller: TypeAlias = "Machine | Breakdowns"  # a client whose `resumed` is triggered when its call is served
    Client: TypeAlias = "Caller | Upkeep"  # that a member serves


class Member(Unit):
    """One robot or one person."""

    def __init__(self, pool: Pool, unit: int) -> None:
        super().__init__(pool.line, unit)
        self.pool = pool

    def begin(self, cause: int = -1) -> None:
        """Write the row of a free member."""
        self.write(State.IDLE if self.pool.open else State.OFF, cause=cause)


class Pool:
    """Members serve one client at a time; the member that has been free longest is sent, then the lowest unit."""

    def __init__(self, line: Line, units: tuple[int, ...], kind: Wait) -> None:
        self.line, self.kind = line, kind
        self.open = True  # within its shift
        self.wanted: set[Station] = set()  # operations whose maintenance waits for a free member
        self._calls: WaitingQueue[Caller] = WaitingQueue()
        self._free: WaitingQueue[Member] = WaitingQueue()
        self._serves: dict[Client, Member] = {}
        for unit in units:
            self._free.join(Member(self, unit), 0)

    def try_take(self, client: Client) -> bool:
        """Serve `client` now, if a member is free and no call waits (POOL-3)."""
        if self._calls or not self._free or not self.open:
            return False
        self._send(client)
        return True

    def call(self, client: Caller, priority: int = 0) -> None:
        """Queue the call of `client`."""
        self._calls.join(client, self.line.now_us, priority)
        self.line.called = True

    def withdraw(self, client: Caller) -> None:
        """Remove the call of `client`."""
        self._calls.leave(client)

    def release(self, client: Client) -> None:
        """Free the member that serves `client`."""
        member = self._serves.pop(client)
        member.begin(client.last_row)
        self._free.join(member, self.line.now_us)
        self._wake()

    def serve(self) -> None:
        """Send free members to waiting clients (POOL-2, POOL-5)."""
        while self._calls and self._free and self.open:
            client = self._calls.first()
            self._send(client)
            self.line.let_act(client.resumed.succeed(True))  # noqa: FBT003 - the value of an event: helped

    def shift(self, *, is_open: bool) -> None:
        """Begin or end the shift."""
        self.open = is_open
        for member in self._free.members():
            member.begin()
        self._wake()

    def _send(self, client: Client) -> None:
        member = self._serves[client] = self._free.first()
        member.write(State.BUSY, detail=client.unit, cause=client.last_row)

    def _wake(self) -> None:
        self.line.called = True
        self.line.dirty.update(station.index for station in self.wanted)
        self.wanted.clear()
