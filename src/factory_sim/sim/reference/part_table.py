"""The parts of one run: what each is and how often it was sent back."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from factory_sim.sim.reference.source import Source


class Parts:
    """Part ids count up from 0 in the order of entry."""

    def __init__(self) -> None:
        self.variant: list[int] = []
        self.origin: list[Source] = []
        self.loops: dict[int, int] = {}

    def enter(self, variant: int, origin: Source) -> int:
        """A new part's id."""
        self.variant.append(variant)
        self.origin.append(origin)
        return len(self.variant) - 1

    def gone(self, part: int) -> None:
        """The part left the line, was scrapped or merged: its card is free."""
        self.loops.pop(part, None)
        self.origin[part].card_back()
