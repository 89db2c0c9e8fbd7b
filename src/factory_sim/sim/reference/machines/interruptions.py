"""What halts a machine, and how it resumes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from factory_sim.plant.states import State
from factory_sim.sim.reference.machines.phase import EMPTY, NEEDS, SETUP, WORK

if TYPE_CHECKING:
    from factory_sim.sim.reference.line import Steps
    from factory_sim.sim.reference.machines.machine import Machine


class Interruptions:
    """The shift of one machine, and the effect of shift, failures and maintenance on its work (STATE-3)."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.off = False
        self.closing = False  # goes off when its part is finished
        self.halted = False  # is off, down or in maintenance

    def state(self) -> State:
        """Return the state of the halted machine (STATE-1)."""
        if self.off:
            return State.OFF
        if self.machine.breakdowns.failed < 0:
            return State.MAINTENANCE
        return State.REPAIR if self.machine.breakdowns.repairing else State.DOWN

    def pause(self) -> None:
        """Stop where the machine stands."""
        if self.halted:
            return
        self.halted, machine = True, self.machine
        if machine.started_us >= 0:
            machine.stand_still()
            machine.process.interrupt()
        elif machine.phase == EMPTY:
            machine.station.withdraw(machine)
        elif machine.phase == NEEDS and machine.pool is not None:
            machine.pool.withdraw(machine)

    def dismiss(self) -> None:
        """Release the operator of an interrupted setup or work; the machine requests one again later (POOL-4)."""
        machine, phase = self.machine, self.machine.phase
        operator = {SETUP: machine.station.setup_operator, WORK: machine.station.operator}.get(phase)
        if operator is not None:
            operator.release(machine)
            machine.phase, machine.pool = NEEDS, operator

    def resume(self) -> Steps:
        """Continue after a halt, unless something else halts the machine (STATE-4)."""
        machine, phase, helped = self.machine, self.machine.phase, False
        machine.breakdowns.sync()
        self.halted = self.off or machine.upkeep.active >= 0 or machine.breakdowns.failed >= 0
        if not self.halted:
            if phase == EMPTY:
                machine.station.waits(machine)
            elif phase == NEEDS and machine.pool is not None:
                helped = machine.pool.try_take(machine)
                if not helped:
                    machine.pool.call(machine)
            if helped or phase in {SETUP, WORK}:
                yield machine.resumed.succeed(helped)
                return
        machine.write_state()

    def shift_begins(self) -> Steps:
        """Come back (CAL-4)."""
        self.closing = False
        if self.off:
            self.off = False
            yield from self.resume()

    def shift_ends(self, at_end: str) -> None:
        """Go off, at once or after the part in work (CAL-3)."""
        phase = self.machine.phase
        if at_end == "finish" and phase in {SETUP, NEEDS, WORK}:
            self.closing = True
        else:
            self.switch_off()
            self.machine.write_state()
            self.dismiss()

    def switch_off(self) -> None:
        """Go off at once."""
        self.pause()
        self.off, self.closing = True, False
        self.machine.breakdowns.sync()
