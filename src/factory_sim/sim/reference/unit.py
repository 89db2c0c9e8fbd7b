"""What all units have in common: they write rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from factory_sim.plant.states import Outcome, State

if TYPE_CHECKING:
    from factory_sim.sim.reference.fleet import Calls, Vehicle
    from factory_sim.sim.reference.line import Line
    from factory_sim.sim.reference.station import Gate

    Place: TypeAlias = "Gate | Vehicle"  # where a part goes next
    Offers: TypeAlias = "Gate | Calls"  # where it is offered (MOVE-3)


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


class Sender(Unit):
    """A unit that holds a part and offers it to a place."""

    def hand_over(self, place: Place) -> None:
        """Give the part to `place`, which has room for it."""
        raise NotImplementedError

    def settle_state(self) -> None:
        """Write a row if the state changed without a move (INST-5)."""
