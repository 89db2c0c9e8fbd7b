"""Commands of hosts to a running plant, carried out and recorded so that a later run can repeat them.

A record is one JSON object a line: {"t_us":600000000,"unit":"M041","name":"speed","value":0.5}
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import orjson

from factory_sim.errors import ConfigError, ModelError, Problem, did_you_mean
from factory_sim.sim.commands import Command
from factory_sim.wire.sparkplug.namespace import POLICY, SPEED, START, STOP
from factory_sim.wire.sparkplug.node import DeviceCommand, Refusals

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

NAMES = {SPEED: "speed", STOP: "stop", START: "start", POLICY: "policy"}
_METRICS = {name: metric for metric, name in NAMES.items()}
_SWITCHES = ("stop", "start")  # without a value of their own


class CommandSource(Protocol):
    """The interface of Sparkplug sessions that brings commands and reports their effect."""

    refused: Refusals

    def commands(self) -> Sequence[DeviceCommand]:
        """Return the commands since the last call."""

    def confirm(self, command: DeviceCommand) -> None:
        """Report that a command was carried out."""


class CommandHandler:
    """Carries out the commands of a record and of hosts.

    record : a file to which every command is added; those that it contains already are repeated at their times.
    """

    def __init__(self, units: Sequence[str], source: CommandSource | None = None, record: Path | None = None) -> None:
        self.executed: list[Command] = []
        self._units, self._source, self._record = units, source, record
        self._recorded = read(record, units) if record is not None and record.exists() else []

    def serve(self, t_us: int, command: Callable[[Command], None]) -> None:
        """Carry out what is due at `t_us`, the border between two slices."""
        for recorded in (c for c in self._recorded if c.t_us == t_us):
            command(recorded)
            self.executed.append(recorded)
            if self._source is not None:
                value = True if recorded.name in _SWITCHES else recorded.value
                self._source.confirm(DeviceCommand(recorded.unit, _METRICS[recorded.name], value))
        if self._source is not None:
            for wanted in self._source.commands():
                self._carry_out(self._source, wanted, t_us, command)

    def _carry_out(
        self, source: CommandSource, wanted: DeviceCommand, t_us: int, command: Callable[[Command], None]
    ) -> None:
        name, what = NAMES[wanted.name], f"{wanted.name} of {self._units[wanted.unit]}"
        if name in _SWITCHES and wanted.value is not True:
            source.refused.add(f"{what} takes only true")
            return
        assert wanted.value is not None
        executed = Command(t_us, wanted.unit, name, *([] if name in _SWITCHES else [wanted.value]))
        try:
            command(executed)
        except ModelError as error:
            source.refused.add(f"{what}: {error}")
            return
        self.executed.append(executed)
        if self._record is not None:
            _append(self._record, line(executed, self._units))
        source.confirm(wanted)


def line(command: Command, units: Sequence[str]) -> bytes:
    """Return a command as a line of a record."""
    found = {"t_us": command.t_us, "unit": units[command.unit], "name": command.name, "value": command.value}
    return orjson.dumps(found) + b"\n"


def read(path: Path, units: Sequence[str]) -> list[Command]:
    """Return the commands of a record. Raises ConfigError that names the first wrong line."""
    commands = []
    for number, text in enumerate(path.read_bytes().splitlines(), 1):
        try:
            found: dict[str, Any] = orjson.loads(text)
            t_us, unit, name, value = found["t_us"], found["unit"], found["name"], found["value"]
        except (orjson.JSONDecodeError, KeyError, TypeError) as error:
            raise ConfigError([Problem(str(path), number, 1, "", f"not a command: {error}")]) from None
        if unit not in units:
            problem = Problem(str(path), number, 1, "unit", f"{unit!r} is unknown.", did_you_mean(unit, units))
            raise ConfigError([problem])
        if type(t_us) is not int or type(name) is not str or type(value) not in (int, float, str):
            raise ConfigError([Problem(str(path), number, 1, "", "expected t_us, name and value of a command")])
        commands.append(Command(t_us, units.index(unit), name, value))
    return commands


def _append(record: Path, content: bytes) -> None:
    try:
        with record.open("ab") as file:
            file.write(content)
    except OSError as error:
        reason = f"cannot be written: {error.strerror or error}"
        raise ConfigError([Problem(str(record), 0, 0, "", reason)]) from None
