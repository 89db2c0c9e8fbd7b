"""Named random streams, bit-identical in every engine and on every platform.

Draw k of a stream is a pure function of (seed, replication, owner, purpose, k): a counter-based splitmix64
[Steele, Lea and Flood 2014] gives one uniform, the inverse CDF (`inverse_cdf.py`) maps it. All engines call these
functions.
"""

from __future__ import annotations

import math
from array import array
from dataclasses import dataclass
from hashlib import blake2b
from itertools import chain, count
from typing import TYPE_CHECKING

import numpy as np

from factory_sim.inverse_cdf import CODES, EMPIRICAL, exp, inverse, log, log_gamma
from factory_sim.jit import njit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from factory_sim.distributions import Distribution
    from factory_sim.records import F8, I8

_BLOCK = 64
_NO_VALUES = np.empty(0, np.float64)


@dataclass(frozen=True, slots=True)
class Law:
    """A distribution prepared for drawing: its code, three numbers [s], and the values of an empirical one."""

    code: int
    p0: float
    p1: float
    p2: float
    values: F8


def key(seed: int, replication: int, owner: str, purpose: str) -> np.uint64:
    """The stream's name as 64 bits."""
    text = f"{seed}\x1f{replication}\x1f{owner}\x1f{purpose}".encode()
    return np.uint64(int.from_bytes(blake2b(text, digest_size=8).digest(), "little"))


def law(distribution: Distribution) -> Law:
    """What the inverse CDF needs of `distribution`, computed once."""
    d, code = distribution, CODES[distribution.kind]
    if d.kind == "lognormal":
        sigma2 = log(1.0 + d.b * d.b)
        return Law(code, log(d.a) - sigma2 / 2, math.sqrt(sigma2), 0.0, _NO_VALUES)
    if d.kind == "gamma":
        shape = 1.0 / (d.b * d.b)
        return Law(code, d.a / shape, shape, log_gamma(shape), _NO_VALUES)
    if d.kind == "weibull":
        return Law(code, d.a / exp(log_gamma(1.0 + 1.0 / d.b)), 1.0 / d.b, 0.0, _NO_VALUES)
    return Law(code, d.a, d.b, d.c, np.array(d.values, np.float64) if d.values else _NO_VALUES)


def durations_us(name: np.uint64, distribution: Distribution) -> Iterator[int]:
    """Endless draws of a duration [µs], at least 0; the k-th from the start is draw k."""
    prepared = law(distribution)
    if prepared.code == 0:
        return _forever(math.floor(prepared.p0 * 1e6 + 0.5))
    blocks = (
        _fill_us(name, k * _BLOCK, _BLOCK, prepared.code, prepared.p0, prepared.p1, prepared.p2, prepared.values)
        for k in count()
    )
    return chain.from_iterable(array("q", block.tobytes()) for block in blocks)


def _forever(value: int) -> Iterator[int]:
    while True:
        yield value


def uniforms(name: np.uint64) -> Iterator[float]:
    """Endless uniforms in (0, 1), one a decision."""
    return chain.from_iterable(_fill_uniform(name, k * _BLOCK, _BLOCK).tolist() for k in count())


def draw_us(name: np.uint64, first: int, n: int, distribution: Distribution) -> I8:
    """Draws first .. first + n - 1 of a duration [µs], shape (n,)."""
    prepared = law(distribution)
    drawn: I8 = _fill_us(name, first, n, prepared.code, prepared.p0, prepared.p1, prepared.p2, prepared.values)
    return drawn


def draws_at_us(name: np.uint64, at: I8, distribution: Distribution) -> I8:
    """Draws `at` of a duration [µs], shape as `at`: any whole numbers, so that a draw may belong to a checksum."""
    prepared = law(distribution)
    drawn: I8 = _at_us(name, at, prepared.code, prepared.p0, prepared.p1, prepared.p2, prepared.values)
    return drawn


def uniforms_at(name: np.uint64, at: I8) -> F8:
    """Uniforms `at` of a stream in (0, 1), shape as `at`."""
    drawn: F8 = _at_uniform(name, at)
    return drawn


@njit
def bits(name, k):
    """Draw k of stream `name` as 64 random bits: splitmix64 of the counter."""
    z = name + np.uint64(k + 1) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@njit
def uniform(name, k):
    """Draw k of stream `name` as a number: the top 53 bits, never 0 or 1."""
    return (np.float64(bits(name, k) >> np.uint64(11)) + 0.5) * 2.0**-53


@njit
def rounded_us(seconds):
    """A duration as whole microseconds, at least 0, at most 100 years."""
    whole = min(np.floor(seconds * 1e6 + 0.5), 3.2e15)
    return np.float64(whole + 2.0**52).view(np.int64) & (2**52 - 1)  # so the compiler can round four at once


@njit
def duration_us(name, k, code, p0, p1, p2, values):
    """Draw k as whole microseconds."""
    u = uniform(name, k)
    if code == EMPIRICAL:
        return rounded_us(values[int(u * len(values))])
    return rounded_us(inverse(u, code, p0, p1, p2))


@njit
def _fill_us(name, first, n, code, p0, p1, p2, values):
    out = np.empty(n, np.int64)
    for i in range(n):
        out[i] = duration_us(name, first + i, code, p0, p1, p2, values)
    return out


@njit
def _fill_uniform(name, first, n):
    out = np.empty(n, np.float64)
    for i in range(n):
        out[i] = uniform(name, first + i)
    return out


@njit
def _at_us(name, at, code, p0, p1, p2, values):
    out = np.empty(len(at), np.int64)
    for i in range(len(at)):
        out[i] = duration_us(name, at[i], code, p0, p1, p2, values)
    return out


@njit
def _at_uniform(name, at):
    out = np.empty(len(at), np.float64)
    for i in range(len(at)):
        out[i] = uniform(name, at[i])
    return out
