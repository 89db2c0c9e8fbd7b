"""A unit as its sensors see it: the power it draws and how hard it works, slot by slot.

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
    from factory_sim.plant.spec import Fleet, Plant
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
_BUSY = _slots_of(State.BUSY)


@dataclass(frozen=True, slots=True, eq=False)
class UnitLoad:
    """A machine, robot or vehicle that carries sensors. Tables have shape (N_SLOTS,)."""

    power_w: F8  # true electrical power, new
    wear_w: F8  # additional power when worn out: power = power_w + wear_w * wear²
    effort: F8  # share of the peak force, torque or pressure
    step_us: I8  # shape (MAX_STEPS + 1,): busy time since the cycle began at which each step begins; none: NEVER_US
    speed_mps: float = 0.0
    battery_s: float = 0.0  # moving time on a full battery; 0: none
    charge_s: float = 0.0  # from empty to full

    @property
    def rated_w(self) -> float:
        """Mean power at work, or the highest of all states for a unit that is never BUSY; 0 if it draws nothing."""
        return float(self.power_w[State.BUSY] or self.power_w.max())


def unit_loads(plant: Plant) -> dict[int, UnitLoad]:
    """Return every unit that may carry sensors, by unit id."""
    cycle_s = [operation.cycle_time.mean_s for operation in plant.operations]
    found = {m.unit: _load(m.power_w, program_of(m.kind), cycle_s[m.operation]) for m in plant.machines}
    for index, robot in enumerate(plant.robots):
        served = [each for each, o in zip(cycle_s, plant.operations, strict=True) if o.robot == index]
        mean_s = sum(served) / len(served) if served else 0.0
        found |= dict.fromkeys(robot.units, _load(robot.power_w, program_of("robot"), mean_s))
    for fleet in plant.fleets:
        found |= dict.fromkeys(fleet.units, _vehicle(fleet))
    return found


def _vehicle(fleet: Fleet) -> UnitLoad:
    plain = _load(fleet.power_w, STEADY, 0.0)
    return replace(plain, speed_mps=fleet.speed_mps, battery_s=fleet.battery_s, charge_s=fleet.charge_s)


def _load(power_w: tuple[float, ...], program: Program, cycle_s: float) -> UnitLoad:
    state_w = np.zeros(N_SLOTS)
    state_w[: len(power_w)] = power_w
    steps = _scaled(program)
    power = np.where(_BUSY, _by_slot([step.power for step in steps], 1.0) * state_w[State.BUSY], state_w)
    efforts = [step.effort for step in (*steps, steps[-1])]  # the last one lasts beyond the program
    effort = np.where(_BUSY, _by_slot(efforts, sum(step.share * step.effort for step in steps)), 0.0)
    return UnitLoad(power, np.where(_BUSY, power * program.wear_power, 0.0), effort, _step_starts(steps, cycle_s))


def _scaled(program: Program) -> list[Step]:
    """Return the program's steps with shares that sum to 1 and a mean power of 1."""
    total = sum(step.share for step in program.steps)
    mean = sum(step.share * step.power for step in program.steps) / total
    return [Step(step.what, step.share / total, step.power / mean, step.effort) for step in program.steps]


def _step_starts(steps: list[Step], cycle_s: float) -> I8:
    """Return the busy time [µs] at which each step of a planned cycle begins, shape (MAX_STEPS + 1,).

    The length of a running cycle is not known yet. A cycle that ends early lacks as much of the last step as a late one
    adds to it; beyond that the machine runs at its mean, in one step more. So the mean power while BUSY is the state's.
    """
    shares = [step.share for step in steps]
    ends = list(accumulate(shares))
    starts = [0.0, *ends[:-1], 1.0 + shares[-1]] if cycle_s > 0 else []
    known = [us_from_s(start * cycle_s) for start in starts]
    return np.array(known + [NEVER_US] * (MAX_STEPS + 1 - len(known)), np.int64)


def _by_slot(by_step: list[float], mean: float) -> F8:
    """Return `by_step` at the program's steps and `mean` elsewhere, shape (N_SLOTS,)."""
    values = np.full(N_SLOTS, mean)
    values[N_STATES : N_STATES + len(by_step)] = by_step
    return values
