"""The time of a machine's running setup or work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import simpy

from factory_sim.sim.event_classes import Class
from factory_sim.sim.reference.machines.phase import WORK

PROCESSING_END, FAILURE = Class.PROCESSING_END, Class.FAILURE

if TYPE_CHECKING:
    from collections.abc import Generator

    from factory_sim.sim.reference.machines.machine import Machine


class Stopwatch:
    """How long a setup or work still takes, and how long the machine has worked so far."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.left_us = self.busy_us = self.started_us = 0
        self.running = False

    def run(self) -> Generator[simpy.Event, Any, bool]:
        """Run to the end, or until a failure or an interrupt; return whether the end was reached (WORK-3)."""
        machine, line = self.machine, self.machine.line
        life_us = machine.breakdowns.busy_due_us - self.busy_us
        wears_out = machine.phase is WORK and life_us < self.left_us
        delay_us, kind = (life_us, FAILURE) if wears_out else (self.left_us, PROCESSING_END)
        self.running, self.started_us = True, line.now
        try:
            yield line.timer(delay_us, kind, machine.unit)
        except simpy.Interrupt:
            return False
        self.stop()
        if wears_out:
            machine.breakdowns.wear_out()
        return not wears_out

    def stop(self) -> None:
        """Stop and add up."""
        elapsed_us = self.machine.line.now - self.started_us
        self.running = False
        self.left_us -= elapsed_us
        if self.machine.phase is WORK:
            self.busy_us += elapsed_us
