"""The choice between the reference model and the compiled engine, whose logs are bit-identical."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from threading import Thread
from typing import TYPE_CHECKING, TypeAlias

from factory_sim.errors import ConfigError, ModelError, Problem, did_you_mean
from factory_sim.sim.forking import layout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from factory_sim.plant.spec import Plant
    from factory_sim.records import Window
    from factory_sim.sim.calendar.calendar_run import CalendarRun
    from factory_sim.sim.reference.reference_run import ReferenceRun
    from factory_sim.sim.snapshot import SavedRun

    Engine: TypeAlias = ReferenceRun | CalendarRun  # a run in one of the engines

ENGINES = ("auto", "simpy", "calendar")
LARGEST_BATCH = 100_000  # the compiled engine reserves the rows of a whole batch
_LONGEST_COMPILATION_S = 900.0
_ASIDE = """
import os, pathlib, sys, threading
lock = pathlib.Path(sys.argv[1])
def end():
    sys.stdin.read()
    lock.unlink(missing_ok=True)
    os._exit(1)
threading.Thread(target=end, daemon=True).start()
getattr(os, "nice", int)(10)
from factory_sim.sim.engines import compile_now
compile_now()
"""


@dataclass(frozen=True, slots=True)
class Choice:
    """The engine that runs a plant, and the reason."""

    engine: str  # "simpy" or "calendar"
    reason: str


def choose(plant: Plant, asked: str = "auto") -> Choice:
    """Return the fastest available engine that is exact for `plant`, or the requested one.

    Raise ConfigError for an unknown engine, or when the compiled engine is requested and cannot run the plant.
    """
    if asked not in ENGINES:
        raise ConfigError([Problem("--engine", 0, 0, "", f"{asked!r} is not an engine.", did_you_mean(asked, ENGINES))])
    if asked == "simpy":
        return Choice("simpy", "asked for")
    why_not = obstacle(plant)
    if asked == "calendar":
        if why_not:
            raise ConfigError(
                [Problem("--engine", 0, 0, "", f"calendar cannot run this plant: {why_not}.", "Use --engine simpy.")]
            )
        return Choice("calendar", "asked for")
    if why_not:
        return Choice("simpy", why_not)
    if not is_compiled():
        return Choice("simpy", "the compiled engine is not compiled on this machine yet")
    return Choice("calendar", "compiled, and exact for everything in this plant")


def obstacle(plant: Plant) -> str:
    """Return why the compiled engine cannot run `plant`; empty if it can."""
    from factory_sim.sim.calendar.flatten import BEHAVIOUR_CODES, POLICY_CODES  # noqa: PLC0415 - numba is slow to import

    for operation in plant.operations:
        if operation.behaviour not in BEHAVIOUR_CODES:
            return f"the behaviour {operation.behaviour!r} of {operation.name} exists in the SimPy model only"
        if operation.batch is not None and operation.batch.size > LARGEST_BATCH:
            return f"{operation.name} takes {operation.batch.size} parts at once, more than {LARGEST_BATCH}"
    for fleet in plant.fleets:
        if fleet.policy not in POLICY_CODES:
            return f"the dispatch policy {fleet.policy!r} of {fleet.name} exists in the SimPy model only"
    return ""


def open_run(
    choice: Choice, plant: Plant, *, seed: int, replication: int, window: Window, store: bool = True
) -> Engine:
    """Return a run at its start. With `store` False the compiled engine only counts and keeps no rows."""
    if choice.engine == "simpy":
        from factory_sim.sim.reference.reference_run import ReferenceRun  # noqa: PLC0415 - compiled runs do without SimPy

        return ReferenceRun(plant, seed=seed, replication=replication, window=window)
    from factory_sim.sim.calendar.calendar_run import CalendarRun  # noqa: PLC0415 - numba is slow to import

    return CalendarRun(plant, seed=seed, replication=replication, window=window, store=store)


def check_savable(plant: Plant) -> None:
    """Raise ModelError if only the SimPy model can run `plant`: its runs cannot be saved."""
    if why_not := obstacle(plant):
        msg = f"Only runs of the compiled engine can be saved, and {why_not}."
        raise ModelError(msg)


@lru_cache(maxsize=8)
def fitted(plant: Plant, saved: SavedRun) -> SavedRun:
    """Return a saved run as one of `plant`, which may have additional vehicles and crew members.

    Raise ModelError when it cannot be resumed with `plant`, or by this version.
    """
    from factory_sim.sim.calendar.calendar_run import joined, skeleton_of  # noqa: PLC0415 - numba is slow to import

    check_savable(plant)
    if saved.layout != layout():
        msg = "Another version of factory_sim made this snapshot. Save the run again with this version."
        raise ModelError(msg)
    fits = saved if saved.skeleton == skeleton_of(plant) else joined(plant, saved)
    if fits is None:
        msg = (
            "The plant is built differently from the saved one. A resumed run may have other parameters (times, "
            "capacities, cards, probabilities, policies) and additional vehicles and crew members, but not other "
            "units, failure modes, shifts or material flow."
        )
        raise ModelError(msg)
    return fits


def is_compiled() -> bool:
    """Return whether the engine has been compiled on this machine."""
    return _marker("ready").exists()


def compile_now() -> None:
    """Compile the engine, about a minute the first time, so that later runs start at once."""
    from factory_sim.sim.calendar.calendar_run import compile_all  # noqa: PLC0415 - numba is slow to import

    compile_all()
    _marker("ready").touch()


@contextmanager
def compiling_aside() -> Iterator[None]:
    """Compile the engine in another process of low priority during the block, unless it is or is being compiled.

    The process ends with the block, or when this process ends for any reason: it waits for the end of a pipe. What it
    has compiled by then is kept.
    """
    if is_compiled() or _is_compiling():
        yield
        return
    lock = _marker("compiling")
    lock.touch()
    try:
        process = subprocess.Popen(  # noqa: S603 - this interpreter and a constant program
            [sys.executable, "-c", _ASIDE, str(lock)],
            process_group=0,  # Ctrl-C does not reach it; in a new session Linux would ignore its low priority
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    except BaseException:  # Ctrl-C too; once it runs, the process removes the lock itself
        lock.unlink(missing_ok=True)
        raise

    def reap() -> None:
        process.wait()
        lock.unlink(missing_ok=True)

    reaper = Thread(target=reap, daemon=True)
    reaper.start()
    try:
        yield
    finally:
        if process.stdin is not None:
            process.stdin.close()
        reaper.join()


def compile_first(plants: Iterable[Plant], asked: str, say: Callable[[str], None]) -> None:
    """Compile the engine before replications of `plants`, or wait for a process that does, if it can run one of them.

    `say` is called with one line of progress before anything is compiled.
    """
    if asked == "simpy" or is_compiled() or all(map(obstacle, plants)):
        return
    say("Compiling the simulation engine (once, about a minute) ...")
    while not is_compiled() and _is_compiling():
        time.sleep(0.1)
    if not is_compiled():
        compile_now()


def _is_compiling() -> bool:
    with suppress(FileNotFoundError):
        return time.time() - _marker("compiling").stat().st_mtime < _LONGEST_COMPILATION_S
    return False


def _marker(name: str) -> Path:
    from factory_sim.jit import cache_directory  # noqa: PLC0415 - numba is slow to import

    return cache_directory("factory_sim.sim.calendar.calendar_run") / name
