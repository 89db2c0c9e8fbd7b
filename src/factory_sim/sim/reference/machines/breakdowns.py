"""When a machine fails, and its repair."""

from __future__ import annotations

from typing import TYPE_CHECKING

from factory_sim.clock import NEVER_US
from factory_sim.sim.event_classes import Class
from factory_sim.sim.reference.canonical_order import Timer

if TYPE_CHECKING:
    import simpy

    from factory_sim.sim.reference.line import Steps
    from factory_sim.sim.reference.machines.machine import Machine
    from factory_sim.sim.reference.resource_pool import Pool


class Breakdowns:
    """The failure modes of one machine, each with a clock that counts its life (FAIL-1, FAIL-2)."""

    def __init__(self, machine: Machine) -> None:
        self.machine, self.unit, self.modes = machine, machine.unit, machine.spec.failures
        line, name = machine.line, machine.spec.name
        self._lives = [line.durations(name, f"failure:{mode.name}", mode.after) for mode in self.modes]
        self._repairs = [line.durations(name, f"repair:{mode.name}", mode.repair) for mode in self.modes]
        self.crews: list[Pool | None] = []  # by mode
        self._busy_modes = [i for i, mode in enumerate(self.modes) if mode.clock == "busy"]
        self._calendar_modes = [i for i, mode in enumerate(self.modes) if mode.clock != "busy"]
        self._wearing = [i for i in self._busy_modes if self.modes[i].wear]
        self._life_us = [next(lives) for lives in self._lives]
        self._due_us = list(self._life_us)  # on the mode's clock
        self.busy_due_us = self._next_due_us(self._busy_modes)  # of the next operation-dependent failure
        self.failed = -1  # the mode that is down
        self.repairing = False
        self.resumed = line.event()  # when the crew comes
        self._ran_us = 0  # the time-dependent clocks
        self._since_us = -1  # when they were started; -1: they stand
        self._timed = False  # a timer is set, which occurs when the next time-dependent failure is due, or earlier

    def wear(self) -> int:
        """Return the used share of life of the most worn mode, in millionths (FAIL-7)."""
        if not self._wearing:
            return 0
        busy_us, worst = self.machine.busy_us, 0
        for i in self._wearing:
            life_us = self._life_us[i]
            left = int((self._due_us[i] - busy_us) * 1e6 / life_us) if life_us else 0
            worst = max(worst, 1_000_000 - left)
        return worst

    def renew(self) -> None:
        """Draw a new life for every wearing mode, after maintenance."""
        for i in self._wearing:
            self._new_life(i)

    def sync(self) -> None:
        """Start or stop the time-dependent clocks as the machine's state requires (FAIL-1)."""
        if not self._calendar_modes:
            return
        now, running = self.machine.line.now_us, not self.machine.stops.off and self.failed < 0
        if running and self._since_us < 0:
            self._since_us = now
            if not self._timed:
                self._set_timer()
        elif not running and self._since_us >= 0:
            self._ran_us += now - self._since_us
            self._since_us = -1

    def wear_out(self) -> None:
        """Fail by the operation-dependent mode that is due first (FAIL-3)."""
        self._fail(min(self._busy_modes, key=self._due_us.__getitem__))

    def _set_timer(self) -> None:
        delay_us = self._next_due_us(self._calendar_modes) - self._ran_us
        Timer(self.machine.line, delay_us, Class.FAILURE, self.unit, 1).callbacks.append(self._strike)
        self._timed = True

    def _strike(self, _timer: simpy.Event) -> None:
        """Fail by the time-dependent mode that is due, unless its clock stood while the timer ran."""
        now, self._timed = self.machine.line.now_us, False
        if self._since_us < 0:
            return
        self._ran_us, self._since_us = self._ran_us + now - self._since_us, now
        if self._ran_us < self._next_due_us(self._calendar_modes):
            self._set_timer()
        else:
            self._fail(min(self._calendar_modes, key=self._due_us.__getitem__))

    def _fail(self, mode: int) -> None:
        """Halt the machine and have it repaired (FAIL-4)."""
        self.machine.stops.pause()
        self.machine.stops.dismiss()
        self.failed, self.repairing = mode, False
        self.sync()
        self.machine.line.process(self._repair(mode))

    def _repair(self, mode: int) -> Steps:
        """Wait for the crew, repair the machine, let it resume (FAIL-5, FAIL-6)."""
        machine, line, crew = self.machine, self.machine.line, self.crews[mode]
        if crew is not None:
            line.unsettled.add(machine)
            self.resumed = line.event()
            crew.call(self, self.modes[mode].priority)
            yield self.resumed
        self.repairing = True
        machine.write_state(-1 if crew is None else line.writer.last)
        yield Timer(line, next(self._repairs[mode]), Class.REPAIR_END, self.unit)
        self.failed, self.repairing = -1, False
        self._new_life(mode)
        yield from machine.stops.resume()
        if crew is not None:
            crew.release(self)

    @property
    def last_row(self) -> int:
        """The machine's last row."""
        return self.machine.last_row

    def _new_life(self, mode: int) -> None:
        busy_us = self.machine.busy_us
        life_us = self._life_us[mode] = next(self._lives[mode])
        self._due_us[mode] = life_us + (busy_us if self.modes[mode].clock == "busy" else self._ran_us)
        self.busy_due_us = self._next_due_us(self._busy_modes)

    def _next_due_us(self, modes: list[int]) -> int:
        return min((self._due_us[i] for i in modes), default=NEVER_US)
