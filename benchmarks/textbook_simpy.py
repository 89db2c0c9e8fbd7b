"""The line as a SimPy textbook writes it: one Store a buffer, three events a visit. No failures, no log, no joins."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import simpy

if TYPE_CHECKING:
    from collections.abc import Generator


def machine(env: simpy.Environment, draw: random.Random, before: simpy.Store, after: simpy.Store) -> Generator[Any]:
    """Take a part, work 37 s on average, put it into the next buffer."""
    while True:
        part = yield before.get()
        yield env.timeout(draw.expovariate(1 / 37.0))
        yield after.put(part)


def source(first: simpy.Store) -> Generator[Any]:
    """A part is always waiting."""
    number = 0
    while True:
        yield first.put(number)
        number += 1


def simulate(stations: int, until_s: float, seed: int = 1) -> tuple[simpy.Environment, list[simpy.Store]]:
    """A saturated line from empty, buffers of 10, blocking after service."""
    env, draw = simpy.Environment(), random.Random(seed)  # noqa: S311 - a model, not a secret
    stores = [simpy.Store(env, capacity=10) for _ in range(stations)] + [simpy.Store(env)]
    env.process(source(stores[0]))
    for before, after in pairwise(stores):
        env.process(machine(env, draw, before, after))
    env.run(until=until_s)
    return env, stores
