"""A run of the reference engine, for `run.Simulation` to hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from factory_sim.sim.build import Builder

if TYPE_CHECKING:
    from factory_sim.plant.spec import Plant
    from factory_sim.records import EventLog, Truth, Window


class ReferenceRun:
    """The SimPy model of one plant, at some moment."""

    def __init__(self, plant: Plant, *, seed: int, replication: int, window: Window) -> None:
        self._line = Builder(plant, seed, replication, window).build()

    def advance(self, until_us: int) -> EventLog:
        """Run every instant before `until_us`; the rows written since the last call."""
        self._line.advance(until_us)
        return self._line.writer.take()

    def truth(self) -> Truth:
        """What has been counted so far in the window."""
        return self._line.tally.truth()

    def balance(self) -> tuple[int, int, int, int, int]:
        """Parts since the start: entered, left good, scrapped, merged into others, inside."""
        tally = self._line.tally
        inside = sum(source.inside for source in {id(s): s for s in self._line.parts.origin}.values())
        return tally.entered, tally.left, tally.scrapped_ever, tally.merged, inside
