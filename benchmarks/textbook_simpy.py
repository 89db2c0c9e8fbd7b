"""The line as a SimPy textbook writes it: one Store a buffer, three events a visit. No failures, no log, no joins."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import simpy

if TYPE_CHECKING:
    from collections.abc import Generator


def machine(
    env: simpy.Environment, draw: random.Random, before: simpy.Store, after: simpy.Store, visits: list[int]
) -> Generator[Any]:
    """Take a part, work 37 s on average, put it into the next buffer."""
    while True:
        part = yield before.get()
        yield env.timeout(draw.expovariate(1 / 37.0))
        yield after.put(part)
        visits[0] += 1


def simulate(stations: int, until_s: float, seed: int = 1) -> int:
    """A saturated line from empty, buffers of 10, blocking after service; completed part visits."""
    env, draw, visits = simpy.Environment(), random.Random(seed), [0]  # noqa: S311 - a model, not a secret
    stores = [simpy.Store(env), *(simpy.Store(env, capacity=10) for _ in range(stations - 1)), simpy.Store(env)]
    stores[0].items.extend(range(10_000))  # a part is always waiting
    for before, after in pairwise(stores):
        env.process(machine(env, draw, before, after, visits))
    env.run(until=until_s)
    return visits[0]
