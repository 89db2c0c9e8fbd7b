"""A unit as its sensors see it: what it draws and how hard it works, slot by slot.

A *slot* is a state, or one step of the program while BUSY: slots 0 to N_STATES - 1 are the states (BUSY: the mean over
a cycle), slot N_STATES + j is step j. Everything physical is constant within a slot, up to wear.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np

from factory_sim.clock import NEVER_US, us_from_s
from factory_sim.plant.states import N_STATES, WORKING_STATES, State
from factory_sim.sensing.programs import PROGRAMS, STEADY, Program, Step, program_of

if TYPE_CHECKING:
    from factory_sim.plant.spec import Fleet, Machine, Plant
    from factory_sim.records import B1, F8, I8

MAX_STEPS = 1 + max(len(program.steps) for program in (*PROGRAMS.values(), STEADY))
N_SLOTS = N_STATES + MAX_STEPS


def _slots_of(*states: State) -> B1:
    mask = np.zeros(N_SLOTS, np.bool_)
    mask[list(states)] = True
    mask[N_STATES:] = State.BUSY in states
    return mask


WORKING = _slots_of(*WORKING_STATES)  # shape (N_SLOTS,)
MOVING = _slots_of(State.MOVING_EMPTY, State.MOVING_LOADED)
STOPPED = _slots_of(State.OFF, State.MAINTENANCE, State.DOWN, State.REPAIR)  # no supply, no holding force


@dataclass(frozen=True, slots=True, eq=False)
class Bearer:
    """What carries sensors: a machine, robot or vehicle. Tables have shape (N_SLOTS,)."""

    name: str
    role: str  # "machine", "robot" or "vehicle"
    power_w: F8  # true electrical power, new
    wear_w: F8  # more of it when worn out: power = power_w + wear_w * wear²
    effort: F8  # share of the peak force, torque or pressure
    step_us: I8  # shape (MAX_STEPS + 1,): busy time since the cycle began at which each step begins; none: NEVER_US
    speed_mps: float = 0.0
    battery_s: float = 0.0  # moving time on a full battery; 0: none
    charge_s: float = 0.0  # from empty to full

    @property
    def rated_w(self) -> float:
        """Mean power at work, or the highest of all states for a unit that is never BUSY; 0 if it draws nothing."""
        return float(self.power_w[State.BUSY] or self.power_w.max())


def bearers(plant: Plant) -> dict[int, Bearer]:
    """Every unit that may carry sensors, by unit id."""
    found = {m.unit: _machine(m, plant) for m in plant.machines}
    for index, robot in enumerate(plant.robots):
        served = [o.cycle_time.mean_s for o in plant.operations if o.robot == index]
        cycle_s = sum(served) / len(served) if served else 0.0
        found[robot.unit] = _bearer(robot.name, "robot", robot.power_w, program_of("robot"), cycle_s)
    for fleet in plant.fleets:
        found |= {unit: _vehicle(plant.units[unit], fleet) for unit in fleet.units}
    return found


def _machine(machine: Machine, plant: Plant) -> Bearer:
    cycle_s = plant.operations[machine.operation].cycle_time.mean_s
    return _bearer(machine.name, "machine", machine.power_w, program_of(machine.kind), cycle_s)


def _vehicle(name: str, fleet: Fleet) -> Bearer:
    plain = _bearer(name, "vehicle", fleet.power_w, STEADY, 0.0)
    return replace(plain, speed_mps=fleet.speed_mps, battery_s=fleet.battery_s, charge_s=fleet.charge_s)


def _bearer(name: str, role: str, power_w: tuple[float, ...], program: Program, cycle_s: float) -> Bearer:
    state_w = np.zeros(N_STATES)
    state_w[: len(power_w)] = power_w
    steps = scaled(program)
    factor = _by_slot([step.power for step in steps], 1.0)
    busy = _slots_of(State.BUSY)
    power = np.where(busy, factor * state_w[State.BUSY], np.concatenate([state_w, np.zeros(MAX_STEPS)]))
    efforts = [step.effort for step in (*steps, steps[-1])]  # beyond the program nothing is pressed
    effort = np.where(busy, _by_slot(efforts, sum(step.share * step.effort for step in steps)), 0.0)
    wear_w = np.where(busy, power * program.wear_power, 0.0)
    return Bearer(name, role, power, wear_w, effort, step_starts(steps, cycle_s))


def scaled(program: Program) -> list[Step]:
    """The program's steps with shares that sum to 1 and a mean power of 1."""
    total = sum(step.share for step in program.steps)
    mean = sum(step.share * step.power for step in program.steps) / total
    return [Step(step.what, step.share / total, step.power / mean, step.effort) for step in program.steps]


def step_starts(steps: list[Step], cycle_s: float) -> I8:
    """Busy time [µs] at which each step begins, shape (MAX_STEPS + 1,), for a cycle of `cycle_s` on average.

    No one knows how long this cycle will take. One that ends early loses of the last step what a late one adds to it;
    beyond that the machine runs at its mean, in one step more. So the mean power while BUSY stays the state's level.
    """
    shares = [step.share for step in steps]
    ends = list(accumulate(shares))
    starts = [0.0, *ends[:-1], 1.0 + shares[-1]] if cycle_s > 0 else []
    known = [us_from_s(start * cycle_s) for start in starts]
    return np.array(known + [NEVER_US] * (MAX_STEPS + 1 - len(known)), np.int64)


def _by_slot(by_step: list[float], mean: float) -> F8:
    """`mean` for the states and the step beyond the program, `by_step` between. Shape (N_SLOTS,)."""
    values = np.full(N_SLOTS, mean)
    values[N_STATES : N_STATES + len(by_step)] = by_step
    return values
