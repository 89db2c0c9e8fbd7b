"""A run of the reference engine, for `run.Simulation` to hold."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

from factory_sim.sim.commands import Commands
from factory_sim.sim.reference.build_line import Builder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from factory_sim.plant.spec import Plant
    from factory_sim.records import EventLog, Truth, Window
    from factory_sim.sim.commands import Command


@contextmanager
def _no_cycles_to_collect() -> Iterator[None]:
    """A run makes no circles of references; looking for them among all its machines took 3 % of its time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class ReferenceRun:
    """The SimPy model of one plant, at some moment."""

    def __init__(self, plant: Plant, *, seed: int, replication: int, window: Window) -> None:
        builder = Builder(plant, seed, replication, window)
        self._line = builder.build()
        self._window = window
        self._commands = Commands(self._line, builder.machines, self._line.fleets)

    def advance(self, until_us: int) -> EventLog:
        """Run every instant before `until_us`; the rows written since the last call."""
        with _no_cycles_to_collect():
            for edge_us in (self._window.t0_us, self._window.t1_us):
                if self._line.now <= edge_us <= until_us:
                    self._line.advance(edge_us)
                    self._line.tally.reach(edge_us)
            self._line.advance(until_us)
        return self._line.writer.take()

    def command(self, command: Command) -> None:
        """Let a command happen at the start of the next slice. Raises ModelError if nobody can carry it out."""
        self._commands.give(command)

    def truth(self) -> Truth:
        """What has been counted so far in the window."""
        return self._line.tally.truth()

    def balance(self) -> tuple[int, int, int, int, int]:
        """Parts since the start: entered, left good, scrapped, merged into others, inside."""
        tally = self._line.tally
        inside = sum(source.inside for source in {id(s): s for s in self._line.parts.origin}.values())
        return tally.entered, tally.good, sum(tally.scrapped), tally.merged, inside
