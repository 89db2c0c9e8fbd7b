"""Many replications of one plant, only counted: what a sweep over thousands of variants needs, without any log."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from factory_sim.plant.states import N_STATES
from factory_sim.sim.engines import Choice, choose, obstacle, open_run
from factory_sim.sim.run import checked

if TYPE_CHECKING:
    from factory_sim.plant.spec import Plant
    from factory_sim.records import I8, EventLog, Window


@dataclass(frozen=True, slots=True, eq=False)
class Counts:
    """Counters of some replications, the rows of all arrays."""

    window: Window
    choice: Choice  # the engine that counted, and why
    slower_because: str  # why the loop for plain plants could not; empty if it did
    good_parts: I8  # shape (n_replications,)
    parts: I8  # given away by each unit in the window, shape (n_replications, n_units)
    busy_us: I8  # processing time of those parts, shape (n_replications, n_units)
    scrapped: I8  # of those parts, shape (n_replications, n_units)
    state_us: I8  # time in each state within the window, shape (n_replications, n_units, N_STATES)
    balance: I8  # parts since the start: entered, left good, scrapped, merged, inside; shape (n_replications, 5)


def count_all(
    plant: Plant, window: Window, *, replications: int, seed: int = 1, workers: int = 1, engine: str = "auto"
) -> Counts:
    """Run replications 0, 1 ... on `workers` threads; the same digits for any number of them, and by any engine.

    `auto` compiles what it needs where that is not compiled yet: some seconds for a plain plant, else a minute.
    Raises ModelError as `sim.run.checked`, ConfigError as `engines.choose`.
    """
    window = checked(plant, window)
    choice = choose(plant, "calendar" if engine == "auto" and not obstacle(plant) else engine)
    n_units = len(plant.units)
    shapes = ((), (n_units,), (n_units,), (n_units,), (n_units, N_STATES), (5,))
    arrays = [np.zeros((replications, *shape), np.int64) for shape in shapes]

    def keep(replication: int) -> None:
        for array, value in zip(arrays, _counters(plant, choice, seed, replication, window), strict=True):
            array[replication] = value

    keep(0)  # here, so that no two threads compile
    with ThreadPoolExecutor(workers) as threads:
        for _ in threads.map(keep, range(1, replications)):
            pass
    return Counts(window, choice, _slower_because(plant, choice, window), *arrays)


def _counters(plant: Plant, choice: Choice, seed: int, replication: int, window: Window) -> tuple[I8 | int, ...]:
    run = open_run(choice, plant, seed=seed, replication=replication, window=window, store=False)
    log, truth = run.advance(window.t1_us), run.truth()
    counted = getattr(run, "state_times", None)  # the reference keeps rows instead
    state_us = state_times(log, len(plant.units), window) if counted is None else counted()
    balance = np.array(run.balance(), np.int64)
    return truth.good_parts, truth.parts, truth.busy_us, truth.scrapped, state_us, balance


def _slower_because(plant: Plant, choice: Choice, window: Window) -> str:
    if choice.engine == "simpy":
        return choice.reason
    from factory_sim.sim.calendar import plain_run  # noqa: PLC0415 - numba is slow to import

    return plain_run.obstacle(plant, window.t1_us)


def state_times(log: EventLog, n_units: int, window: Window) -> I8:
    """µs in each state within the window, from all rows of a run, shape (n_units, N_STATES)."""
    order = np.argsort(log.unit, kind="stable")
    unit, state, begin = log.unit[order], log.state[order], log.t_us[order]
    end = np.append(begin[1:], window.t1_us)
    end[np.append(unit[1:] != unit[:-1], True)] = window.t1_us
    spent = np.zeros((n_units, N_STATES), np.int64)
    inside = np.minimum(end, window.t1_us) - np.maximum(begin, window.t0_us)
    np.add.at(spent, (unit, state), np.maximum(inside, 0))
    return spent
