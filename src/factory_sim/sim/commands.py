"""What an operator may tell a running plant: a machine's speed, stop and start, a fleet's dispatch policy.

A command given between two slices is an event of the instant at which the next slice begins, before all others of that
instant, so a run is still a pure function of plant, seed and commands: given again at the same moments, they lead to
the same log. Only the reference engine takes commands.

A speed changes the cycles that begin from now on. A stopped machine is off like one whose shift has ended, its part
waits in it; it comes back with `start`, or when its shift opens again.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import floor, isfinite
from typing import TYPE_CHECKING

from factory_sim.errors import ModelError, did_you_mean
from factory_sim.sim.event_classes import Class
from factory_sim.sim.reference.policies import POLICIES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import simpy

    from factory_sim.sim.reference.line import Line
    from factory_sim.sim.reference.machine import Machine
    from factory_sim.sim.reference.transport import Fleet

SLOWEST, FASTEST = 0.05, 20.0  # times the plant file's speed


@dataclass(frozen=True, slots=True)
class Command:
    """One thing to do. t_us : the moment at which it is done, the start of a slice."""

    t_us: int
    unit: int
    name: str  # "speed", "stop", "start" or "policy"
    value: float | str = ""


class Commands:
    """The machines and fleets of one run, ready to be told something."""

    def __init__(self, line: Line, machines: list[Machine], fleets: list[Fleet]) -> None:
        self._line = line
        self._machines = {machine.unit: machine for machine in machines}
        self._fleets = {unit: fleet for fleet in fleets for unit in fleet.spec.units}

    def give(self, command: Command) -> None:
        """Let a command happen at the start of the next slice. Raises ModelError if nobody can carry it out."""
        line, act = self._line, self._action(command)
        if command.t_us != line.now:
            msg = f"a command for {command.t_us} µs was given at {line.now} µs"
            raise ModelError(msg)
        line.timer(0, Class.CALENDAR, command.unit, act, number=255)

    def _action(self, command: Command) -> Callable[[simpy.Event], None]:
        if command.name == "policy":
            return self._policy(command)
        machine = self._machines.get(command.unit)
        if machine is None:
            msg = f"unit {command.unit} is no machine: it takes no {command.name!r}"
            raise ModelError(msg)
        if command.name == "stop":
            return _stop(machine)
        if command.name == "start":
            return lambda _: machine.shift_begins()
        if command.name == "speed":
            return _speed(machine, command.value)
        msg = f"{command.name!r} is no command. {did_you_mean(command.name, ('speed', 'stop', 'start', 'policy'))}"
        raise ModelError(msg)

    def _policy(self, command: Command) -> Callable[[simpy.Event], None]:
        fleet, name = self._fleets.get(command.unit), str(command.value)
        if fleet is None:
            msg = f"unit {command.unit} is no vehicle: it has no dispatch policy"
            raise ModelError(msg)
        if name not in POLICIES:
            msg = f"{name!r} is no dispatch policy. {did_you_mean(name, POLICIES)}"
            raise ModelError(msg)

        def change(_: simpy.Event) -> None:
            fleet.policy, fleet.dirty = POLICIES[name], True

        return change


class _Scaled:
    """Cycle times at another speed."""

    def __init__(self, cycles: Iterator[int], speed: float) -> None:
        self.cycles, self.speed = cycles, speed

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        return max(1, floor(next(self.cycles) / self.speed + 0.5))


def _stop(machine: Machine) -> Callable[[simpy.Event], None]:
    def stop(_: simpy.Event) -> None:
        if not machine.off:
            machine.shift_ends("pause")

    return stop


def _speed(machine: Machine, value: float | str) -> Callable[[simpy.Event], None]:
    if isinstance(value, str) or not isfinite(value) or not SLOWEST <= value <= FASTEST:
        msg = f"a speed lies from {SLOWEST:g} to {FASTEST:g} times the plant file's, got {value!r}"
        raise ModelError(msg)

    def change(_: simpy.Event) -> None:
        cycles = machine.cycles
        plain = cycles.cycles if isinstance(cycles, _Scaled) else cycles
        machine.cycles = plain if value == 1 else _Scaled(plain, value)

    return change
