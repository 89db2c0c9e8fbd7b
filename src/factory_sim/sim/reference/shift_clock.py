"""Shifts and breaks: when machines and crews work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from factory_sim.clock import us_from_s
from factory_sim.sim.event_classes import Class

if TYPE_CHECKING:
    import simpy

    from factory_sim.plant.spec import Shift
    from factory_sim.sim.reference.line import Line
    from factory_sim.sim.reference.machine import Machine
    from factory_sim.sim.reference.resource_pool import Pool


class ShiftClock:
    """Opens and closes those who keep one shift, in unit order."""

    def __init__(self, line: Line, spec: Shift, index: int, machines: list[Machine], pools: list[Pool]) -> None:
        self.line, self.spec, self.index, self.machines, self.pools = line, spec, index, machines, pools
        cycle_us = us_from_s(spec.cycle_s)
        spans = sorted((us_from_s(start), us_from_s(end)) for start, end in spec.open_s)
        self._edges = [edge for span in spans for edge in span]  # opening, closing, opening ...
        self._cycle_us = cycle_us

    def begin(self) -> None:
        """Put everyone into the state of the run's first moment, before first rows are written."""
        is_open = any(a <= 0 < b for a, b in zip(self._edges[::2], self._edges[1::2], strict=True))
        if not is_open:
            for machine in self.machines:
                machine.off = machine.halted = True
            for pool in self.pools:
                pool.open = False
        self._wait(0, 1 if is_open else 0)

    def _wait(self, cycle: int, edge: int) -> None:
        if edge == len(self._edges):
            cycle, edge = cycle + 1, 0
        due_us = cycle * self._cycle_us + self._edges[edge]
        self.line.timer(
            due_us - self.line.now, Class.CALENDAR, self.index, lambda event: self._turn(event, cycle, edge)
        )

    def _turn(self, _event: simpy.Event, cycle: int, edge: int) -> None:
        opens = edge % 2 == 0
        for machine in self.machines:
            if opens:
                machine.shift_begins()
            else:
                machine.shift_ends(self.spec.at_end)
        for pool in self.pools:
            pool.shift(is_open=opens)
        self._wait(cycle, edge + 1)
