"""Named random streams, bit-identical in every engine and on every platform (rules DRAW-1 to DRAW-3 of docs/model.md).

Draw k of a stream is a pure function of (seed, replication, owner, purpose, k): a counter-based splitmix64
[Steele, Lea and Flood 2014] gives one uniform, and the inverse CDF (`inverse_cdf.py`) maps it. All engines call these
functions.
"""

from __future__ import annotations

import math
from hashlib import blake2b
from itertools import chain, count, repeat
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from factory_sim.inverse_cdf import CODES, EMPIRICAL, exp, inverse, log, log_gamma
from factory_sim.jit import njit
from factory_sim.records import F8  # noqa: TC001 - a NamedTuple's field

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from factory_sim.distributions import Distribution
    from factory_sim.records import I8

_BLOCK = 64


_LONGEST_US = 3.2e15  # about 100 years


class Law(NamedTuple):
    """A distribution prepared for drawing: its code, three parameters, and the values of an empirical one [s]."""

    code: int
    p0: float = 0.0
    p1: float = 0.0
    p2: float = 0.0
    values: F8 = np.empty(0, np.float64)


def key(seed: int, replication: int, owner: str, purpose: str) -> np.uint64:
    """Return the 64-bit key of a stream's name."""
    found: np.uint64 = keys(seed, replication, [owner], [purpose])[0]
    return found


def keys(seed: int, replication: int, owners: Sequence[str], purposes: Sequence[str]) -> NDArray[np.uint64]:
    """Return the 64-bit keys of the streams of each owner and purpose, shape (n,)."""
    run = f"{seed}\x1f{replication}\x1f"
    names = [f"{run}{owner}\x1f{purpose}".encode() for owner, purpose in zip(owners, purposes, strict=True)]
    return np.frombuffer(b"".join([blake2b(name, digest_size=8).digest() for name in names]), "<u8")


def law(distribution: Distribution) -> Law:
    """Return the parameters that the inverse CDF of `distribution` needs."""
    d, code = distribution, CODES[distribution.kind]
    if d.kind == "lognormal":
        sigma2 = log(1.0 + d.b * d.b)
        return Law(code, log(d.a) - sigma2 / 2, math.sqrt(sigma2))
    if d.kind == "gamma":
        shape = 1.0 / (d.b * d.b)
        return Law(code, d.a / shape, shape, log_gamma(shape))
    if d.kind == "weibull":
        return Law(code, d.a / exp(log_gamma(1.0 + 1.0 / d.b)), 1.0 / d.b)
    return Law(code, d.a, d.b, d.c, np.array(d.values, np.float64))


def durations_us(name: np.uint64, distribution: Distribution) -> Iterator[int]:
    """Return endless draws of a duration [µs], at least 0; the k-th from the start is draw k."""
    prepared = law(distribution)
    if distribution.kind == "constant":
        return repeat(math.floor(min(prepared.p0 * 1e6 + 0.5, _LONGEST_US)))
    return chain.from_iterable(_at_us(name, at, prepared).tolist() for at in _blocks())


def uniforms(name: np.uint64) -> Iterator[float]:
    """Return endless uniforms in (0, 1), one a decision."""
    return chain.from_iterable(_at_uniform(name, at).tolist() for at in _blocks())


def draw_us(name: np.uint64, first: int, n: int, distribution: Distribution) -> I8:
    """Return draws first .. first + n - 1 of a duration [µs], shape (n,)."""
    return draws_at_us(name, np.arange(first, first + n), distribution)


def draws_at_us(name: np.uint64, at: I8, distribution: Distribution) -> I8:
    """Return draws `at` of a duration [µs], shape as `at`; any integers, so that a checksum can be an index."""
    drawn: I8 = _at_us(name, at, law(distribution))
    return drawn


def uniforms_at(name: np.uint64, at: I8) -> F8:
    """Return uniforms `at` of a stream in (0, 1), shape as `at`."""
    drawn: F8 = _at_uniform(name, at)
    return drawn


def _blocks() -> Iterator[I8]:
    return (np.arange(first, first + _BLOCK) for first in count(0, _BLOCK))


@njit
def bits(name, k):
    """Return draw k of stream `name` as 64 random bits: splitmix64 of the counter (rule DRAW-2)."""
    z = name + np.uint64(k + 1) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@njit
def uniform(name, k):
    """Return draw k of stream `name` in (0, 1): the top 53 bits, never 0 or 1 (rule DRAW-2)."""
    return (np.float64(bits(name, k) >> np.uint64(11)) + 0.5) * 2.0**-53


@njit
def rounded_us(seconds):
    """Return a duration [s] as whole microseconds, at least 0, at most 100 years (rule TIME-3)."""
    whole = min(np.floor(seconds * 1e6 + 0.5), _LONGEST_US)
    return np.float64(whole + 2.0**52).view(np.int64) & (2**52 - 1)  # vectorises: the compiler rounds four at once


@njit
def _at_us(name, at, law):
    out = np.empty(len(at), np.int64)
    for i in range(len(at)):
        u = uniform(name, at[i])
        if law.code == EMPIRICAL:
            out[i] = rounded_us(law.values[int(u * len(law.values))])
        else:
            out[i] = rounded_us(inverse(u, law.code, law.p0, law.p1, law.p2))
    return out


@njit
def _at_uniform(name, at):
    out = np.empty(len(at), np.float64)
    for i in range(len(at)):
        out[i] = uniform(name, at[i])
    return out
