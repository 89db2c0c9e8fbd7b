"""What all units have in common: they write rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from factory_sim.plant.states import Outcome, State

if TYPE_CHECKING:
    from factory_sim.sim.reference.line import Line


class Unit:
    """A unit of the plant. Its rows name its own last one, or a later one, as their cause (CAUSE-1)."""

    def __init__(self, line: Line, unit: int) -> None:
        self.line, self.unit = line, unit
        self.state, self.last_row = State.STARVED, -1  # as last written
        line.units[unit] = self

    def begin(self) -> None:
        """Write the first row."""
        self.write(self.state)

    def write(
        self, state: State, part: int = -1, outcome: int = Outcome.NONE, detail: int = 0, cause: int = -1
    ) -> None:
        """Write a row of this instant, enabled by row `cause`."""
        self.state = state
        self.last_row = self.line.row(self.unit, state, part, outcome, detail, max(cause, self.last_row))


class Place(Protocol):
    """A buffer, a conveyor, a vehicle or the exit: where a part goes next."""

    @property
    def index(self) -> int:
        """The operation that the part gets to; -1: none."""

    def freed_by(self) -> int:
        """Return the row that made room for a sender that had to wait; -1: there is always room (CAUSE-3)."""

    def put(self, part: int, row: int) -> None:
        """Receive a part, which `row` brings."""


class Sender(Unit):
    """A unit that holds a part and offers it to a place."""

    def hand_over(self, place: Place) -> None:
        """Give the part to `place`, which has room for it."""
        raise NotImplementedError

    def settle_state(self) -> None:
        """Write a row if the state changed without a move (INST-5)."""


class Offers(Protocol):
    """The queue in front of a place, or the requests of a fleet: where a part is offered (MOVE-3)."""

    @property
    def index(self) -> int:
        """The operation that the part gets to; -1: none."""

    def offer(self, sender: Sender) -> None:
        """Queue the part that `sender` holds."""

    def withdraw(self, sender: Sender) -> None:
        """Remove the offer of `sender`."""
