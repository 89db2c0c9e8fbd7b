"""Shifts and breaks: when machines and crews work."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from factory_sim.clock import us_from_s
from factory_sim.sim.event_classes import Class
from factory_sim.sim.reference.canonical_order import Timer

if TYPE_CHECKING:
    from factory_sim.plant.spec import Shift
    from factory_sim.sim.reference.line import Line, Steps
    from factory_sim.sim.reference.machines.machine import Machine
    from factory_sim.sim.reference.resource_pool import Pool


class ShiftClock:
    """Opens and closes the machines and crews of one shift, in the order of units (CAL-2)."""

    def __init__(self, line: Line, spec: Shift, index: int, machines: list[Machine], pools: list[Pool]) -> None:
        self.line, self.spec, self.index, self.machines, self.pools = line, spec, index, machines, pools
        self._spans = sorted((us_from_s(start), us_from_s(end)) for start, end in spec.open_s)

    def begin(self) -> None:
        """Close machines and crews that are not open at the start, before first rows are written (UNIT-4)."""
        is_open = any(start <= 0 < end for start, end in self._spans)
        for machine in self.machines:
            machine.stops.off = machine.stops.halted = not is_open
        for pool in self.pools:
            pool.open = is_open
        self.line.process(self._work(skip=is_open))

    def _work(self, *, skip: bool) -> Steps:
        """Open and close at every edge; `skip` the first opening, which is the start of the run."""
        for cycle in count():
            for span in self._spans:
                for opens, edge_us in zip((True, False), span, strict=True):
                    if not (skip and opens):
                        due_us = cycle * us_from_s(self.spec.cycle_s) + edge_us
                        yield Timer(self.line, due_us - self.line.now_us, Class.CALENDAR, self.index)
                        yield from self._turn(opens=opens)
                    skip = False

    def _turn(self, *, opens: bool) -> Steps:
        for machine in self.machines:
            if opens:
                yield from machine.stops.shift_begins()
            else:
                machine.stops.shift_ends(self.spec.at_end)
        for pool in self.pools:
            pool.shift(is_open=opens)
