"""Shifts and breaks: when machines and crews work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from factory_sim.plant import wall_clock
from factory_sim.sim.event_classes import Class
from factory_sim.sim.reference.canonical_order import Timer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from factory_sim.plant.spec import Shift
    from factory_sim.sim.reference.line import Line, Steps
    from factory_sim.sim.reference.machines.machine import Machine
    from factory_sim.sim.reference.resource_pool import Pool


class ShiftClock:
    """Opens and closes the machines and crews of one shift, in the order of units (CAL-2)."""

    def __init__(self, line: Line, spec: Shift, index: int, machines: list[Machine], pools: list[Pool]) -> None:
        self.line, self.spec, self.index, self.machines, self.pools = line, spec, index, machines, pools

    def begin(self) -> None:
        """Close machines and crews that are not open at the start, before first rows are written (UNIT-4)."""
        is_open = wall_clock.is_open(self.line.plant, self.spec, 0)
        for machine in self.machines:
            machine.stops.off = machine.stops.halted = not is_open
        for pool in self.pools:
            pool.open = is_open
        self.line.process(self._work(wall_clock.all_edges(self.line.plant, self.spec), opens=not is_open))

    def _work(self, edges_us: Iterator[int], *, opens: bool) -> Steps:
        """Open and close in turn."""
        for edge_us in edges_us:
            yield Timer(self.line, edge_us - self.line.now_us, Class.CALENDAR, self.index)
            yield from self._turn(opens=opens)
            opens = not opens

    def _turn(self, *, opens: bool) -> Steps:
        for machine in self.machines:
            if opens:
                yield from machine.stops.shift_begins()
            else:
                machine.stops.shift_ends(self.spec.at_end)
        for pool in self.pools:
            pool.shift(is_open=opens)
