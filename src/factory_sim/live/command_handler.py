"""The operator's desk: what hosts ask of a running plant becomes commands, written down to be given again.

A record is one JSON object a line: {"t_us":600000000,"unit":"M041","name":"speed","value":0.5}
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import orjson

from factory_sim.errors import ConfigError, ModelError, Problem, did_you_mean
from factory_sim.sim.commands import Command
from factory_sim.wire.sparkplug.namespace import POLICY, SPEED, START, STOP
from factory_sim.wire.sparkplug.node import Order, Refusals

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

NAMES = {SPEED: "speed", STOP: "stop", START: "start", POLICY: "policy"}
_METRICS = {name: metric for metric, name in NAMES.items()}


class Counter(Protocol):
    """Where orders come in, and where their effect is told: the sessions of edge nodes."""

    refused: Refusals

    def orders(self) -> Sequence[Order]:
        """What has been asked since the last call."""

    def applied(self, order: Order) -> None:
        """Tell that it was done."""


class Desk:
    """Orders in, commands out.

    record : a file to which every command is added; those that it holds already are given again at their moments.
    """

    def __init__(self, units: Sequence[str], counter: Counter | None = None, record: Path | None = None) -> None:
        self.given: list[Command] = []
        self._units, self._counter, self._record = units, counter, record
        self._recorded = read(record, units) if record is not None and record.exists() else []

    def serve(self, t_us: int, command: Callable[[Command], None]) -> None:
        """Give what is due at `t_us`, the border between two slices."""
        for recorded in (c for c in self._recorded if c.t_us == t_us):
            command(recorded)
            self.given.append(recorded)
            if self._counter is not None:
                value = True if recorded.name in ("stop", "start") else recorded.value
                self._counter.applied(Order(recorded.unit, _METRICS[recorded.name], value))
        if self._counter is None:
            return
        for order in self._counter.orders():
            self._carry_out(order, t_us, command)

    def _carry_out(self, order: Order, t_us: int, command: Callable[[Command], None]) -> None:
        assert self._counter is not None
        name, what = NAMES[order.name], f"{order.name} of {self._units[order.unit]}"
        if name in ("stop", "start"):
            if order.value is not True:
                self._counter.refused.add(f"{what} takes only true")
                return
            wanted = Command(t_us, order.unit, name)
        else:
            assert order.value is not None
            wanted = Command(t_us, order.unit, name, order.value)
        try:
            command(wanted)
        except ModelError as error:
            self._counter.refused.add(f"{what}: {error}")
            return
        self.given.append(wanted)
        if self._record is not None:
            self._keep(self._record, line(wanted, self._units))
        self._counter.applied(order)

    def _keep(self, record: Path, content: bytes) -> None:
        try:
            with record.open("ab") as file:
                file.write(content)
        except OSError as error:
            reason = f"cannot be written: {error.strerror or error}"
            raise ConfigError([Problem(str(record), 0, 0, "", reason)]) from None


def line(command: Command, units: Sequence[str]) -> bytes:
    """A command as a line of a record."""
    found = {"t_us": command.t_us, "unit": units[command.unit], "name": command.name, "value": command.value}
    return orjson.dumps(found) + b"\n"


def read(path: Path, units: Sequence[str]) -> list[Command]:
    """The commands of a record. Raises ConfigError that names the first line that is wrong."""
    commands = []
    for number, text in enumerate(path.read_bytes().splitlines(), 1):
        try:
            found: dict[str, Any] = orjson.loads(text)
            t_us, unit, name, value = found["t_us"], found["unit"], found["name"], found["value"]
        except (orjson.JSONDecodeError, KeyError, TypeError) as error:
            raise ConfigError([Problem(str(path), number, 1, "", f"no command: {error}")]) from None
        if unit not in units:
            problem = Problem(str(path), number, 1, "unit", f"{unit!r} is unknown.", did_you_mean(unit, units))
            raise ConfigError([problem])
        if type(t_us) is not int or type(name) is not str or type(value) not in (int, float, str):
            raise ConfigError([Problem(str(path), number, 1, "", "expected t_us, name and value of a command")])
        commands.append(Command(t_us, units.index(unit), name, value))
    return commands
