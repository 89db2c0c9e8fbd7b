"""Commands to a running plant: a machine's speed, stop and start, a fleet's dispatch policy. The rules are CMD-1 to 4.

A run is a pure function of plant, seed and commands.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING

from factory_sim.errors import ModelError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable

    from factory_sim.plant.spec import Plant

SLOWEST, FASTEST = 0.05, 20.0  # times the plant file's speed
COMMANDS = ("speed", "stop", "start", "policy")


@dataclass(frozen=True, slots=True)
class Command:
    """One command. t_us : when it is carried out, at the start of a slice."""

    t_us: int
    unit: int
    name: str  # one of COMMANDS
    value: float | str = ""

    def check(self, plant: Plant, policies: Iterable[str], now_us: int) -> None:
        """Raise ModelError if a run of `plant`, in an engine with these dispatch policies, cannot carry it out now."""
        msg, value = "", self.value
        machines = {machine.unit for machine in plant.machines}
        vehicles = {unit for fleet in plant.fleets for unit in fleet.units}
        if self.name not in COMMANDS:
            msg = f"{self.name!r} is not a command. {did_you_mean(self.name, COMMANDS)}"
        elif self.name == "policy" and self.unit not in vehicles:
            msg = f"Unit {self.unit} is not a vehicle: it has no dispatch policy."
        elif self.name == "policy" and str(value) not in policies:
            msg = f"{value!r} is not a dispatch policy. {did_you_mean(str(value), policies)}"
        elif self.name != "policy" and self.unit not in machines:
            msg = f"Unit {self.unit} is not a machine: it does not take the command {self.name!r}."
        elif self.name == "speed" and (
            isinstance(value, str) or not isfinite(value) or not SLOWEST <= value <= FASTEST
        ):
            msg = f"A speed must be from {SLOWEST:g} to {FASTEST:g} times the plant file's, got {value!r}."
        elif self.t_us != now_us:
            msg = f"A command for {self.t_us} µs was given at {now_us} µs."
        if msg:
            raise ModelError(msg)
