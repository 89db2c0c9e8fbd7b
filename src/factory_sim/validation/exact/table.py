"""A table of exact values, its rows spread over processes."""

from __future__ import annotations

import multiprocessing
import signal
import time
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from factory_sim.errors import ConfigError
from factory_sim.sim.run import Simulation
from factory_sim.validation.exact.case import Once
from factory_sim.validation.exact.models import case_of
from factory_sim.validation.exact.row_run import Order, Result, answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from factory_sim.errors import Problem
    from factory_sim.validation.exact.table_rows import Row

ERROR = 0.01  # that any row of a correct engine misses its interval (Bonferroni: each row gets its share)
INPUT_ERROR = 0.001  # the same for the inputs' own means
_POLL_S = 0.2


def check(rows: Sequence[Row]) -> None:
    """Raise one ConfigError with all problems of all rows."""
    problems: list[Problem] = []
    for row in rows:
        try:
            case_of(row)
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)


@dataclass(frozen=True, slots=True)
class Pool:
    """The processes, the time limit and the engine."""

    workers: int = 2
    minutes: float = 9.5
    engine: str = "auto"
    seed: int = 1


def orders(n: int, pool: Pool) -> list[Order]:
    """Return the settings of n rows: each its own replication, the error divided evenly (Bonferroni)."""
    share = Order(1.0 - ERROR / n, 1.0 - INPUT_ERROR / n, seed=pool.seed, engine=pool.engine)
    return [replace(share, replication=i) for i in range(n)]


def answers(rows: Sequence[Row], pool: Pool, stopped: Callable[[], bool]) -> Iterator[Result]:
    """Yield the result of each row as it finishes, until all are done or `stopped` returns True.

    At the time limit running rows return what they have, and rows not begun take only their first look.
    """
    _compile(rows[0], pool.engine)
    context = multiprocessing.get_context("spawn")
    hurry, abandon = context.Event(), context.Event()
    until = time.monotonic() + 60 * pool.minutes
    with ProcessPoolExecutor(pool.workers, context, initializer=_begin, initargs=(hurry, abandon)) as executor:
        jobs = _longest_first(rows, orders(len(rows), pool))
        running = {executor.submit(_work, row, order) for row, order in jobs}
        try:
            while running and not stopped():
                done, running = wait(running, _POLL_S, FIRST_COMPLETED)
                yield from (each.result() for each in done)
                if time.monotonic() > until:
                    hurry.set()
        finally:
            abandon.set()
            executor.shutdown(wait=True, cancel_futures=True)


def _longest_first(rows: Sequence[Row], how: list[Order]) -> list[tuple[Row, Order]]:
    """Return the rows in order of expected run time: waits before throughputs, long lines before short ones."""

    def weight(job: tuple[Row, Order]) -> float:
        case = case_of(job[0])
        return 0.0 if isinstance(case, Once) else float(case.pilot_parts * len(case.plant.operations))

    return sorted(zip(rows, how, strict=True), key=weight, reverse=True)


def _compile(row: Row, engine: str) -> None:
    """Fill the cache of compiled functions before several processes use it at once."""
    Simulation(case_of(row).plant, until_us=1_000_000, engine=engine).advance(1_000_000)


class Abandoned(Exception):  # noqa: N818 - not an error: the result is not needed any more
    """The table was interrupted."""


_hurry: Any = None
_abandon: Any = None


def _begin(hurry: Any, abandon: Any) -> None:
    global _hurry, _abandon
    _hurry, _abandon = hurry, abandon
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle


def _work(row: Row, order: Order) -> Result:
    return answer(row, order, _stopped)


def _stopped() -> bool:
    if _abandon.is_set():
        raise Abandoned
    return bool(_hurry.is_set())
