"""A run of the reference model, as `sim.run.Simulation` uses it."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

from factory_sim.sim.event_classes import Class
from factory_sim.sim.reference.build_line import Builder
from factory_sim.sim.reference.canonical_order import Timer
from factory_sim.sim.reference.policies import POLICIES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from factory_sim.plant.spec import Plant
    from factory_sim.records import EventLog, Truth, Window
    from factory_sim.sim.commands import Command
    from factory_sim.sim.reference.line import Steps

_COMMAND_NUMBER = 255  # behind a shift's own event of the same instant


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Suspend the search for reference cycles: a run makes none, and the search took a tenth of its time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class ReferenceRun:
    """The SimPy model of one plant."""

    def __init__(self, plant: Plant, *, seed: int, replication: int, window: Window) -> None:
        builder = Builder(plant, seed, replication, window)
        with _no_garbage_collection():
            self._line = line = builder.build()
        self._window = window
        self._machines = {machine.unit: machine for machine in builder.machines}
        self._fleets = {unit: fleet for fleet in line.fleets for unit in fleet.spec.units}

    def advance(self, until_us: int) -> EventLog:
        """Run every instant before `until_us`; return the rows written since the last call."""
        line = self._line
        with _no_garbage_collection():
            for edge_us in (self._window.t0_us, self._window.t1_us):
                if line.now_us <= edge_us <= until_us:
                    line.advance(edge_us)
                    line.tally.reach(edge_us)
            line.advance(until_us)
        return line.writer.take()

    def command(self, command: Command) -> None:
        """Schedule a command for the start of the next slice (CMD-1). Raise ModelError if it cannot be carried out."""
        command.check(self._line.plant, POLICIES, self._line.now_us)
        self._line.process(self._carry_out(command))

    def _carry_out(self, command: Command) -> Steps:
        yield Timer(self._line, 0, Class.CALENDAR, command.unit, _COMMAND_NUMBER)
        if command.name == "policy":
            fleet = self._fleets[command.unit]
            fleet.policy, fleet.dirty = POLICIES[str(command.value)], True
            return
        machine = self._machines[command.unit]
        if command.name == "speed":
            machine.speed = float(command.value)
        elif command.name == "start":
            yield from machine.stops.shift_begins()
        elif not machine.stops.off:
            machine.stops.shift_ends("pause")

    def truth(self) -> Truth:
        """Return the counters of the window so far."""
        return self._line.tally.truth()

    def balance(self) -> tuple[int, int, int, int, int]:
        """Return parts since the start: entered, left good, scrapped, merged into others, inside (WIN-3)."""
        tally = self._line.tally
        inside = sum(source.inside for source in set(self._line.parts.origin))
        return tally.entered, tally.good, sum(tally.scrapped), tally.merged, inside
