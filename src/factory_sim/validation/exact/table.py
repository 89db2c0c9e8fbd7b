"""A table of exact values, its rows spread over processes."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from factory_sim.errors import ConfigError
from factory_sim.validation.exact.case import Once
from factory_sim.validation.exact.models import case_of
from factory_sim.validation.exact.row_run import Order, Result, answer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from factory_sim.errors import Problem
    from factory_sim.study.pool import Pool
    from factory_sim.validation.exact.table_rows import Row

ERROR = 0.01  # that any row of a correct engine misses its interval (Bonferroni: each row gets its share)
INPUT_ERROR = 0.001  # the same for the inputs' own means


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


def orders(n: int, *, minutes: float = math.inf, seed: int = 1, engine: str = "auto") -> list[Order]:
    """Return the settings of n rows: each its own replication, the error divided evenly (Bonferroni)."""
    end_s = time.monotonic() + 60 * minutes
    share = Order(1.0 - ERROR / n, 1.0 - INPUT_ERROR / n, seed=seed, engine=engine, end_s=end_s)
    return [replace(share, replication=i) for i in range(n)]


def answers(rows: Sequence[Row], pool: Pool, minutes: float, seed: int) -> Iterator[Result]:
    """Yield the result of each row as it finishes.

    At the time limit running rows return what they have, and rows not begun take only their first look.
    """
    how = orders(len(rows), minutes=minutes, seed=seed, engine=pool.engine)
    jobs = sorted(zip(rows, how, strict=True), key=_weight, reverse=True)
    for _, result in pool.each(answer, [jobs[-1], *jobs[:-1]]):  # the pool runs its first job alone
        yield result


def _weight(job: tuple[Row, Order]) -> float:
    """Return the expected run time: long for waits and for long lines."""
    case = case_of(job[0])
    return 0.0 if isinstance(case, Once) else float(case.pilot_parts * len(case.plant.operations))
