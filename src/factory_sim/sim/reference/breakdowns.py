"""When a machine fails, and its repair."""

from __future__ import annotations

from typing import TYPE_CHECKING

from factory_sim.clock import NEVER_US
from factory_sim.random_streams import durations_us, key
from factory_sim.sim.event_classes import Class

if TYPE_CHECKING:
    import simpy

    from factory_sim.sim.reference.machine import Machine
    from factory_sim.sim.reference.resource_pool import Pool


class Breakdowns:
    """The failure modes of one machine.

    Every mode has a clock: operation-dependent ones count the machine's busy time, time-dependent ones run in every
    state but down and off. A mode fails when its clock reaches `due`. While one is down all clocks stand still; the
    failed mode draws a new life when its repair ends.
    """

    __slots__ = (
        "_busy_modes",
        "_calendar_due_us",
        "_calendar_modes",
        "_lives",
        "_ran_us",
        "_repairs",
        "_rings_us",
        "_since_us",
        "_timer",
        "_wearing",
        "busy_due_us",
        "crews",
        "due_us",
        "failed",
        "life_us",
        "machine",
        "modes",
        "repairing",
        "unit",
    )

    def __init__(self, machine: Machine, seed: int, replication: int) -> None:
        self.machine, self.unit, self.modes = machine, machine.unit, machine.spec.failures
        name = machine.spec.name
        self._lives = [durations_us(key(seed, replication, name, f"failure:{m.name}"), m.after) for m in self.modes]
        self._repairs = [durations_us(key(seed, replication, name, f"repair:{m.name}"), m.repair) for m in self.modes]
        self.crews: list[Pool | None] = [None] * len(self.modes)
        self.life_us = [next(lives) for lives in self._lives]
        self.due_us = list(self.life_us)  # on the mode's clock
        self._busy_modes = [i for i, m in enumerate(self.modes) if m.clock == "busy"]
        self._calendar_modes = [i for i, m in enumerate(self.modes) if m.clock != "busy"]
        self._wearing = [i for i in self._busy_modes if self.modes[i].wear]
        self.busy_due_us = NEVER_US  # the earliest operation-dependent failure, in busy time
        self.failed = -1  # the mode that is down
        self.repairing = False
        self._ran_us = 0  # the time-dependent clocks
        self._since_us = -1  # -1: they stand
        self._timer: simpy.Event | None = None  # rings when a time-dependent mode may be due,
        self._rings_us = NEVER_US  # then
        self._find_due()

    def wear(self) -> int:
        """Millionths of the way to the nearest failure that wear causes."""
        if not self._wearing:
            return 0
        busy, worst = self.machine.busy_us, 0
        for i in self._wearing:
            life = self.life_us[i]
            worst = max(worst, 1_000_000 - int((self.due_us[i] - busy) * 1e6 / life) if life else 1_000_000)
        return worst

    def renew(self) -> None:
        """Maintenance: every wearing mode starts a new life."""
        for i in self._wearing:
            self._new_life(i)

    def sync(self) -> None:
        """Let the time-dependent clocks run or stand, as the machine's state says."""
        if not self._calendar_modes:
            return
        now, running = self.machine.line.now, not self.machine.off and self.failed < 0
        if running and self._since_us < 0:
            self._since_us = now
            self._set_timer()
        elif not running and self._since_us >= 0:
            self._ran_us += now - self._since_us
            self._since_us = -1

    def _set_timer(self) -> None:
        """A clock that stood is late: a timer that rings too early is set again then, not each time that it stands."""
        line = self.machine.line
        delay_us = self._calendar_due_us - self._ran_us
        if line.now + delay_us < self._rings_us:
            self._rings_us = line.now + delay_us
            self._timer = line.timer(delay_us, Class.FAILURE, self.unit, self._strikes, 1)

    def wear_out(self) -> None:
        """An operation-dependent mode reached the end of its life."""
        mode = min(self._busy_modes, key=lambda i: self.due_us[i])
        self._fail(mode)

    def _strikes(self, event: simpy.Event) -> None:
        if event is not self._timer:
            return
        self._rings_us, now = NEVER_US, self.machine.line.now
        if self._since_us < 0:
            return
        self._ran_us, self._since_us = self._ran_us + now - self._since_us, now
        if self._ran_us < self._calendar_due_us:
            self._set_timer()
        else:
            self._fail(min(self._calendar_modes, key=lambda i: self.due_us[i]))

    def _fail(self, mode: int) -> None:
        machine = self.machine
        machine.pause()
        machine.dismiss()
        self.failed, self.repairing = mode, False
        self.sync()
        crew = self.crews[mode]
        if crew is None:
            self._repair(-1)
        else:
            machine.line.unsettled.add(machine)
            crew.call(self, self.modes[mode].priority)

    def granted(self) -> None:
        """The crew is here."""
        self._repair(self.machine.line.writer.n - 1)

    def _repair(self, cause: int) -> None:
        self.repairing = True
        self.machine.line.timer(next(self._repairs[self.failed]), Class.REPAIR_END, self.unit, self._repaired)
        self.machine.write_state(cause)

    def _repaired(self, _event: simpy.Event) -> None:
        mode, self.failed, self.repairing = self.failed, -1, False
        self._new_life(mode)
        self.machine.go_on()
        crew = self.crews[mode]
        if crew is not None:
            crew.release(self)

    @property
    def last_row(self) -> int:
        """The machine's last row: what its crew's rows refer to."""
        return self.machine.last_row

    def _new_life(self, mode: int) -> None:
        life = self.life_us[mode] = next(self._lives[mode])
        self.due_us[mode] = life + (self.machine.busy_us if self.modes[mode].clock == "busy" else self._ran_us)
        self._find_due()

    def _find_due(self) -> None:
        due_us = self.due_us
        self.busy_due_us = min([due_us[i] for i in self._busy_modes], default=NEVER_US)
        self._calendar_due_us = min([due_us[i] for i in self._calendar_modes], default=NEVER_US)
