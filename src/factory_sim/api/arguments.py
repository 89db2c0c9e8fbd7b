"""Arguments of the public calls: durations, names and changes; a wrong one raises ConfigError."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from time import time_ns
from typing import TYPE_CHECKING, NoReturn, TypeAlias

from factory_sim import clock, units
from factory_sim.errors import ConfigError, did_you_mean
from factory_sim.wire import topics

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

Duration: TypeAlias = "str | float"  # "8 h", or a number of seconds
Start: TypeAlias = "str | datetime"
Changes: TypeAlias = "Mapping[str, str | float] | Iterable[Change | str] | Change | str | None"
OPERATORS = ("=", "+", "-", "*")
_LONGEST_S = 1000 * 365.2425 * 86_400.0  # dates of a run lie between the years 1 and 9999


@dataclass(frozen=True, slots=True)
class Change:
    """A change of one value of a plant, or of several that a pattern matches.

    Parameters
    ----------
    address : str
        Where the value is, such as `"OP410.cycle_time"`, `"agv.count"` or `"operations.OP4*.buffer"`.
    value : str or float
        The new value with its unit as in a plant file, such as `"34 s"`; with `operator` the second operand.
    operator : str
        `"="` sets the value, `"+"` and `"-"` add to it, `"*"` multiplies it by a share.

    Raises
    ------
    ConfigError
        When an argument has the wrong type or `operator` is unknown.

    Examples
    --------
    >>> import factory_sim as fs
    >>> str(fs.Change("OP410.cycle_time", "34 s")), str(fs.Change("agv.count", 2, "+"))
    ('OP410.cycle_time=34 s', 'agv.count+2')
    """

    address: str
    value: str | float
    operator: str = "="

    def __post_init__(self) -> None:
        one_of("operator", self.operator, OPERATORS)
        if not isinstance(self.address, str) or not self.address.strip():
            refuse("address", f"expected an address such as 'OP410.cycle_time', got {self.address!r}")
        if not isinstance(self.value, str | int | float):
            hint = "Write one change per value; a distribution is text, such as 'lognormal(34 s, cv 0.1)'."
            refuse(self.address, f"expected a number or a text, got {self.value!r}", hint)

    def __str__(self) -> str:
        value = str(self.value).lower() if isinstance(self.value, bool) else self.value
        return f"{self.address}{self.operator}{value}"


def refuse(argument: str, message: str, hint: str = "") -> NoReturn:
    """Raise ConfigError about one argument."""
    raise ConfigError.of(argument, message, hint)


def one_of(argument: str, value: str, known: Collection[str]) -> str:
    """Return the value. Raise ConfigError unless it is known."""
    if value not in known:
        near = did_you_mean(value, known) if isinstance(value, str) else ""
        refuse(
            argument, f"{value!r} is not a known {argument.replace('_', ' ')}", near or f"Known: {', '.join(known)}."
        )
    return value


def engine_name(engine: str) -> str:
    """Return the name of an engine. Raise ConfigError unless it is known."""
    from factory_sim.sim.engines import ENGINES  # noqa: PLC0415 - `factory-sim list` needs no engine

    return one_of("engine", engine, ENGINES)


def whole(argument: str, value: int, least: int = 0) -> int:
    """Return a whole number. Raise ConfigError when it is something else or less than `least`."""
    try:
        if not isinstance(value, bool) and (number := int(value)) == value and number >= least:
            return number
    except (TypeError, ValueError, OverflowError):
        pass
    refuse(argument, f"expected a whole number of at least {least}, got {value!r}")


def seconds(argument: str, value: Duration) -> float:
    """Return a duration in seconds. Raise ConfigError when it is not one."""
    try:
        found = units.parse(value, "time") if isinstance(value, str) else float(value)
    except (TypeError, ValueError) as error:
        given = value.strip() if isinstance(value, str) else ""
        hint = f"Write '{given} s' or '{given} min'." if given.isdigit() else "Write '8 h' or '90 s'."
        refuse(argument, str(error), hint)
    if not 0 <= found < math.inf:
        refuse(argument, f"a duration cannot be negative or infinite, got {value!r}")
    if found > _LONGEST_S:
        refuse(argument, f"a duration cannot be longer than 1,000 years, got {value!r}")
    return found


def window_s(duration: Duration) -> float:
    """Return the length of a window in seconds. Raise ConfigError when it is not one."""
    found = seconds("duration", duration)
    if clock.us_from_s(found) <= 0:
        refuse("duration", f"the window must be longer than 0 s, got {duration!r}", "Example: '8 h'.")
    return found


def storage(argument: str, value: str | float) -> int:
    """Return an amount of storage in bytes. Raise ConfigError when it is not one."""
    try:
        found = units.parse(value, "storage") if isinstance(value, str) else float(value)
    except (TypeError, ValueError) as error:
        refuse(argument, str(error), "Write '50 GB' or '500 MB'.")
    if not 0 <= found < math.inf:
        refuse(argument, f"an amount of storage cannot be negative or infinite, got {value!r}")
    return round(found)


def half_width(argument: str, value: float | str | None) -> float | None:
    """Return a half-width in percentage points, such as 0.5 or "0.5%". Raise ConfigError unless it is above 0."""
    if value is None:
        return None
    try:
        found = float(value.removesuffix("%") if isinstance(value, str) else value)
    except (TypeError, ValueError):
        found = 0.0
    if not found > 0:
        refuse(argument, f"expected a half-width above 0 [percentage points], got {value!r}", "Example: 0.5.")
    return found


def speed(argument: str, value: float | str) -> float:
    """Return simulated seconds per second; "max" (as fast as possible) is infinity. Raise ConfigError."""
    try:
        found = math.inf if value == "max" else float(value)
    except (TypeError, ValueError):
        found = 0.0
    if isinstance(value, bool) or not found > 0:
        refuse(argument, f"expected a number above 0, or 'max', got {value!r}")
    return found


def one_level(argument: str, name: str) -> str:
    """Return the name of a Sparkplug host or of a consumer. Raise ConfigError unless it is one level of a topic."""
    if name and topics.level(name) != name:
        hint = f"Did you mean {topics.level(name)}?"
        refuse(argument, f"expected a name without spaces and / + # * > $, got {name!r}", hint)
    return name


def start_ns(argument: str, start: Start, timezone: str, pace: float) -> tuple[int | None, bool]:
    """Return when a window starts [ns since 1970 UTC; None: as the plant file has it], and whether that is now.

    The default is now at a `pace` of 1, else the plant file's. Raise ConfigError when the start is not one.
    """
    if start == "now" or (start == "" and pace == 1):
        return time_ns(), True
    if start in {"", "plant"}:
        return None, False
    try:
        moment = start if isinstance(start, datetime) else datetime.fromisoformat(start)
    except (TypeError, ValueError):
        hint = "Example: '2026-05-04T06:00'."
        refuse(argument, f"expected 'now', 'plant' or a date and time, got {start!r}", hint)
    if clock.is_skipped(moment, timezone):
        refuse(argument, f"{moment} does not exist in {timezone}", "The clock is set forward over it.")
    return clock.ns_from_datetime(moment, timezone), False


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Raise ConfigError if the block cannot write `path`, such as on a full disk."""
    try:
        yield
    except OSError as error:
        raise ConfigError.of(str(path), f"cannot be written: {error.strerror or error}") from None


def texts_of(changes: Changes) -> tuple[str, ...]:
    """Return changes as the command line takes them. Raise ConfigError for anything else."""
    if changes is None:
        return ()
    if isinstance(changes, Change | str):
        return (str(changes),)
    if isinstance(changes, Mapping):
        return tuple(str(Change(address, value)) for address, value in changes.items())
    found = list(changes) if isinstance(changes, Iterable) else [changes]
    for each in found:
        if not isinstance(each, Change | str):
            hint = 'Write changes={"OP410.cycle_time": "34 s"}, ["agv.count+2"] or fs.Change("agv.count", 2, "+").'
            refuse("changes", f"expected a change, got {each!r}", hint)
    return tuple(map(str, found))


def path_of(argument: str, value: str | os.PathLike[str]) -> Path:
    """Return a path. Raise ConfigError when the value is not one."""
    if not isinstance(value, str | os.PathLike):
        refuse(argument, f"expected the path of a file, got {value!r}")
    return Path(value)


def optional_path(argument: str, value: str | os.PathLike[str] | None) -> Path | None:
    """Return a path or None. Raise ConfigError when the value is neither."""
    return None if value is None else path_of(argument, value)
