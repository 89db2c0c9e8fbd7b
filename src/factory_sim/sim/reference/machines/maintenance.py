"""Planned maintenance of a machine: by calendar, by count, by condition."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from factory_sim.clock import us_from_s
from factory_sim.plant import wall_clock
from factory_sim.sim.event_classes import Class
from factory_sim.sim.reference.canonical_order import Timer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from factory_sim.sim.reference.line import Steps
    from factory_sim.sim.reference.machines.machine import Machine
    from factory_sim.sim.reference.resource_pool import Pool


class Upkeep:
    """The maintenance plans of one machine; until a due plan can start, the machine works on (MAINT-3)."""

    def __init__(self, machine: Machine) -> None:
        self.machine, self.unit, self.plans = machine, machine.unit, machine.spec.maintenance
        line, name = machine.line, machine.spec.name
        self._durations = [line.durations(name, f"maintenance:{plan.name}", plan.duration) for plan in self.plans]
        self.crews: list[Pool | None] = []  # by plan
        self.active = -1  # the plan being carried out
        self.due: list[int] = []  # plans, in the order in which they fell due
        self._parts = 0  # processed so far
        self._parts_at_last = [0] * len(self.plans)  # maintenance, by plan
        for i, plan in enumerate(self.plans):
            if plan.at:
                line.process(self._ring(i, wall_clock.all_alarms(line.plant, plan.at)))
            elif plan.every_s:
                every_us = us_from_s(plan.every_s)
                line.process(self._ring(i, count(every_us, every_us)))

    def after_work(self, n_parts: int) -> None:
        """Count `n_parts` and see which plans fall due (MAINT-2)."""
        self._parts += n_parts
        worn = self.machine.breakdowns.wear()
        for i, plan in enumerate(self.plans):
            counted = plan.every_parts and self._parts - self._parts_at_last[i] >= plan.every_parts
            if (counted or (plan.at_wear and worn >= plan.at_wear * 1_000_000)) and i not in self.due:
                self._fall_due(i)

    def start_due(self) -> None:
        """Start the first due plan that needs no crew or has a free one; the machine is idle (MAINT-3)."""
        for plan in self.due:
            crew = self.crews[plan]
            if crew is None or crew.try_take(self):
                self.due.remove(plan)
                self.machine.stops.pause()
                self.active = plan
                self.machine.write_state(-1 if crew is None else self.machine.line.writer.last)
                self.machine.line.process(self._carry_out(plan, crew))
                return
            crew.wanted.add(self.machine.station)

    @property
    def last_row(self) -> int:
        """The machine's last row."""
        return self.machine.last_row

    def _ring(self, plan: int, alarms_us: Iterator[int]) -> Steps:
        """Let a plan by calendar fall due again and again (MAINT-1)."""
        for due_us in alarms_us:
            yield Timer(self.machine.line, due_us - self.machine.line.now_us, Class.ALARM, self.unit, plan)
            if plan not in self.due and plan != self.active:
                self._fall_due(plan)

    def _fall_due(self, plan: int) -> None:
        self.due.append(plan)
        self.machine.line.dirty.add(self.machine.station.index)

    def _carry_out(self, plan: int, crew: Pool | None) -> Steps:
        """Spend the time of the maintenance, then let the machine resume (MAINT-4)."""
        yield Timer(self.machine.line, next(self._durations[plan]), Class.UPKEEP_END, self.unit)
        self.active = -1
        self._parts_at_last[plan] = self._parts
        self.machine.breakdowns.renew()
        yield from self.machine.stops.resume()
        if crew is not None:
            crew.release(self)
