"""Which engine runs a plant: the readable reference or the compiled one. Both write the same log, to the last bit."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from factory_sim.errors import ConfigError, Problem, did_you_mean
from factory_sim.sim.reference import ReferenceRun

if TYPE_CHECKING:
    from pathlib import Path

    from factory_sim.plant.spec import Plant
    from factory_sim.records import EventLog, Truth, Window

ENGINES = ("auto", "simpy", "calendar")
_LONGEST_COMPILATION_S = 900.0


class Engine(Protocol):
    """A run at some moment."""

    def advance(self, until_us: int) -> EventLog:
        """Run every instant before `until_us`; the rows written since the last call."""

    def truth(self) -> Truth:
        """What has been counted so far in the window."""

    def balance(self) -> tuple[int, int, int, int, int]:
        """Parts since the start: entered, left good, scrapped, merged into others, inside."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The engine that runs a plant, and why."""

    engine: str  # "simpy" or "calendar"
    reason: str


def choose(plant: Plant, asked: str = "auto") -> Choice:
    """The fastest engine that is exact for `plant`, or the one asked for.

    Raises ConfigError for a name that is no engine, and where the compiled engine cannot do what was asked of it.
    """
    if asked not in ENGINES:
        raise ConfigError([Problem("", 0, 0, "engine", f"{asked!r} is not an engine.", did_you_mean(asked, ENGINES))])
    if asked == "simpy":
        return Choice("simpy", "asked for")
    why_not = obstacle(plant)
    if asked == "calendar":
        if why_not:
            raise ConfigError(
                [Problem("", 0, 0, "engine", f"calendar cannot run this plant: {why_not}.", "Use --engine simpy.")]
            )
        return Choice("calendar", "asked for")
    if why_not:
        return Choice("simpy", why_not)
    if not is_compiled():
        return Choice("simpy", "the compiled engine is not compiled on this machine yet")
    return Choice("calendar", "compiled, and exact for everything in this plant")


def obstacle(plant: Plant) -> str:
    """Why the compiled engine cannot run `plant`; empty if it can."""
    from factory_sim.sim.calendar.flat import BEHAVIOUR_CODES, POLICY_CODES  # noqa: PLC0415 - numba is slow to import

    for operation in plant.operations:
        if operation.behaviour not in BEHAVIOUR_CODES:
            return f"only SimPy knows the behaviour {operation.behaviour!r} of {operation.name}"
    for fleet in plant.fleets:
        if fleet.policy not in POLICY_CODES:
            return f"only SimPy knows the dispatch policy {fleet.policy!r} of {fleet.name}"
    return ""


def open_run(
    choice: Choice, plant: Plant, *, seed: int, replication: int, window: Window, store: bool = True
) -> Engine:
    """A run at its first moment. `store` False: counters are enough; the compiled engine then keeps no row."""
    if choice.engine == "simpy":
        return ReferenceRun(plant, seed=seed, replication=replication, window=window)
    from factory_sim.sim.calendar.engine import CalendarRun  # noqa: PLC0415 - numba is slow to import

    return CalendarRun(plant, seed=seed, replication=replication, window=window, store=store)


def is_compiled() -> bool:
    """Whether the compiled engine starts at once on this machine."""
    return _marker("ready").exists()


def compile_now() -> None:
    """Compile the engine, which takes about a minute the first time, so that later runs start at once."""
    from factory_sim.sim.calendar.engine import compile_all  # noqa: PLC0415 - numba is slow to import

    compile_all()
    _marker("ready").touch()


def compile_aside() -> None:
    """Let another process compile the engine at low priority, unless one does already."""
    lock = _marker("compiling")
    if is_compiled() or (lock.exists() and time.time() - lock.stat().st_mtime < _LONGEST_COMPILATION_S):
        return
    lock.touch()
    program = "import os; getattr(os, 'nice', int)(10); from factory_sim.sim.engines import compile_now; compile_now()"
    subprocess.Popen(  # noqa: S603 - our own interpreter and our own words
        [sys.executable, "-c", program], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env=os.environ, start_new_session=True,
    )  # fmt: skip


def _marker(name: str) -> Path:
    from factory_sim.compiled import cache_directory  # noqa: PLC0415 - numba is slow to import

    return cache_directory("factory_sim.sim.calendar.engine") / name
