"""Planned maintenance of a machine: by calendar, by count, by condition."""

from __future__ import annotations

from typing import TYPE_CHECKING

from factory_sim.clock import us_from_s
from factory_sim.random_streams import durations_us, key
from factory_sim.sim.event_classes import Class

if TYPE_CHECKING:
    import simpy

    from factory_sim.sim.reference.machine import Machine
    from factory_sim.sim.reference.resource_pool import Pool


class Upkeep:
    """What is due is done when the machine is empty and a crew is free; until then the machine works on."""

    def __init__(self, machine: Machine, seed: int, replication: int) -> None:
        self.machine, self.unit, self.plans = machine, machine.unit, machine.spec.maintenance
        name = machine.spec.name
        self._durations = [
            durations_us(key(seed, replication, name, f"maintenance:{plan.name}"), plan.duration) for plan in self.plans
        ]
        self.crews: list[Pool | None] = [None] * len(self.plans)
        self.active = -1  # the plan being done
        self.due: list[int] = []  # plans, in the order they fell due
        self._parts = 0  # worked on, ever
        self._done_at = [0] * len(self.plans)  # value of _parts at the last maintenance
        for i, plan in enumerate(self.plans):
            if plan.every_s:
                self._alarm(i)

    def after_work(self, n_parts: int) -> None:
        """The machine finished `n_parts`: see what that makes due."""
        self._parts += n_parts
        worn = self.machine.breakdowns.wear()
        for i, plan in enumerate(self.plans):
            counted = plan.every_parts and self._parts - self._done_at[i] >= plan.every_parts
            if (counted or (plan.at_wear and worn >= plan.at_wear * 1_000_000)) and i not in self.due:
                self._falls_due(i)

    def start_due(self) -> None:
        """Begin what is due, if its crew is free. The machine is empty and available."""
        for i in self.due:
            crew = self.crews[i]
            if crew is None or crew.try_take(self):
                self.due.remove(i)
                self.machine.pause()
                self.active = i
                line = self.machine.line
                line.timer(next(self._durations[i]), Class.UPKEEP_END, self.unit, self._ends)
                self.machine.write_state(-1 if crew is None else line.writer.n - 1)
                return
            crew.wanted.add(self)

    @property
    def last_row(self) -> int:
        """The machine's last row: what its crew's rows refer to."""
        return self.machine.last_row

    def granted(self) -> None:
        """Crews come only when asked for on the spot."""
        raise AssertionError

    def _alarm(self, plan: int) -> None:
        every_us = us_from_s(self.plans[plan].every_s)
        self.machine.line.timer(every_us, Class.ALARM, self.unit, lambda _: self._rings(plan), plan)

    def _rings(self, plan: int) -> None:
        self._alarm(plan)
        if plan not in self.due and plan != self.active:
            self._falls_due(plan)

    def _falls_due(self, plan: int) -> None:
        self.due.append(plan)
        self.machine.line.dirty |= self.machine.station.bit

    def _ends(self, _event: simpy.Event) -> None:
        plan, self.active = self.active, -1
        self._done_at[plan] = self._parts
        self.machine.breakdowns.renew()
        self.machine.go_on()
        crew = self.crews[plan]
        if crew is not None:
            crew.release(self)
