"""Random streams by name, the same digits in every engine and on every platform.

The k-th draw of a stream is a pure function of (seed, replication, owner, purpose, k): a counter-based splitmix64
[Steele, Lea and Flood 2014] gives one uniform, the inverse CDF maps it. The elementary functions are our own
arithmetic (add, multiply, divide, square root, exact scaling), because libm differs in the last bit between
platforms. All engines call the functions below.
"""

from __future__ import annotations

import math
from array import array
from dataclasses import dataclass
from hashlib import blake2b
from itertools import chain, count
from typing import TYPE_CHECKING

import numpy as np

from factory_sim.jit import njit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from factory_sim.distributions import Distribution
    from factory_sim.records import F8, I8

CODES = {
    "constant": 0,
    "exponential": 1,
    "lognormal": 2,
    "gamma": 3,
    "weibull": 4,
    "triangular": 5,
    "uniform": 6,
    "empirical": 7,
}
EXPONENTIAL, EMPIRICAL = CODES["exponential"], CODES["empirical"]
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
        sigma2 = _log(1.0 + d.b * d.b)
        return Law(code, _log(d.a) - sigma2 / 2, math.sqrt(sigma2), 0.0, _NO_VALUES)
    if d.kind == "gamma":
        shape = 1.0 / (d.b * d.b)
        return Law(code, d.a / shape, shape, _log_gamma(shape), _NO_VALUES)
    if d.kind == "weibull":
        return Law(code, d.a / _exp(_log_gamma(1.0 + 1.0 / d.b)), 1.0 / d.b, 0.0, _NO_VALUES)
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
def bits(name, k):  # noqa: ANN001, ANN201 - compiled: types are inferred
    """Draw k of stream `name` as 64 random bits: splitmix64 of the counter."""
    z = name + np.uint64(k + 1) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@njit
def uniform(name, k):  # noqa: ANN001, ANN201
    """Draw k of stream `name` as a number: the top 53 bits, never 0 or 1."""
    return (np.float64(bits(name, k) >> np.uint64(11)) + 0.5) * 2.0**-53


@njit
def _split(x):  # noqa: ANN001, ANN202 - math.frexp of a positive number, without leaving compiled code
    word = np.float64(x).view(np.int64)
    e = word >> 52
    if e == 0:  # below 2**-1022, where numbers have fewer digits
        word = np.float64(x * 2.0**54).view(np.int64)
        e = (word >> 52) - 54
    return np.int64((word & 0xFFFFFFFFFFFFF) | 0x3FE0000000000000).view(np.float64), e - 1022


# fmt: off - tables of coefficients
@njit
def _log(x):  # noqa: ANN001, ANN202 - natural logarithm; series in s = f/(2+f), error below 1 ulp
    m, e = _split(x)
    if m < 0.7071067811865476:
        m, e = m * 2.0, e - 1
    f = m - 1.0
    s = f / (2.0 + f)
    z = s * s
    r = z * (
        0.6666666666666735130
        + z
        * (
            0.3999999999940941908
            + z
            * (
                0.2857142874366239149
                + z
                * (
                    0.2222219843214978396
                    + z * (0.1818357216161805012 + z * (0.1531383769920937332 + z * 0.1479819860511658591))
                )
            )
        )
    )
    h = 0.5 * f * f
    return e * 6.93147180369123816490e-01 - ((h - (s * (h + r) + e * 1.90821492927058770002e-10)) - f)


# fmt: on


# fmt: off - tables of coefficients
@njit
def _exp(x):  # noqa: ANN001, ANN202
    if x < -700.0:
        return 0.0
    x = min(x, 700.0)
    k = math.floor(x * 1.4426950408889634 + 0.5)
    hi, lo = x - k * 6.93147180369123816490e-01, k * 1.90821492927058770002e-10
    r = hi - lo
    t = r * r
    c = r - t * (
        1.66666666666666019037e-01
        + t
        * (
            -2.77777777770155933842e-03
            + t * (6.61375632143793436117e-05 + t * (-1.65339022054652515390e-06 + t * 4.13813679705723846039e-08))
        )
    )
    power = np.int64((np.int64(k) + 1023) << 52).view(np.float64)  # 2**k
    return (1.0 - ((lo - (r * c) / (2.0 - c)) - hi)) * power


# fmt: on


@njit
def _log_gamma(x):  # noqa: ANN001, ANN202 - Stirling's series after shifting x above 12
    shift = 0.0
    while x < 12.0:
        shift += _log(x)
        x += 1.0
    z = 1.0 / (x * x)
    series = (1 / 12 - z * (1 / 360 - z * (1 / 1260 - z * (1 / 1680 - z * (1 / 1188))))) / x
    return (x - 0.5) * _log(x) - x + 0.9189385332046727 + series - shift


# fmt: off - tables of coefficients
@njit
def _normal(u):  # noqa: ANN001, ANN202 - inverse normal CDF, Wichura 1988, AS 241 PPND16
    q = u - 0.5
    if abs(q) <= 0.425:
        r = 0.180625 - q * q
        return (
            q
            * (
                (
                    (
                        (
                            (
                                ((2509.0809287301226727 * r + 33430.575583588128105) * r + 67265.770927008700853) * r
                                + 45921.953931549871457
                            )
                            * r
                            + 13731.693765509461125
                        )
                        * r
                        + 1971.5909503065514427
                    )
                    * r
                    + 133.14166789178437745
                )
                * r
                + 3.387132872796366608
            )
            / (
                (
                    (
                        (
                            (
                                ((5226.495278852545925 * r + 28729.085735721942674) * r + 39307.89580009271061) * r
                                + 21213.794301586595867
                            )
                            * r
                            + 5394.1960214247511077
                        )
                        * r
                        + 687.1870074920579083
                    )
                    * r
                    + 42.313330701600911252
                )
                * r
                + 1.0
            )
        )
    r = math.sqrt(-_log(u if q < 0.0 else 1.0 - u))
    if r <= 5.0:
        r -= 1.6
        x = (
            (
                (
                    (
                        (
                            ((7.7454501427834140764e-4 * r + 0.0227238449892691845833) * r + 0.24178072517745061177) * r
                            + 1.27045825245236838258
                        )
                        * r
                        + 3.64784832476320460504
                    )
                    * r
                    + 5.7694972214606914055
                )
                * r
                + 4.6303378461565452959
            )
            * r
            + 1.42343711074968357734
        ) / (
            (
                (
                    (
                        (
                            ((1.05075007164441684324e-9 * r + 5.475938084995344946e-4) * r + 0.0151986665636164571966)
                            * r
                            + 0.14810397642748007459
                        )
                        * r
                        + 0.68976733498510000455
                    )
                    * r
                    + 1.6763848301838038494
                )
                * r
                + 2.05319162663775882187
            )
            * r
            + 1.0
        )
    else:
        r -= 5.0
        x = (
            (
                (
                    (
                        (
                            ((2.01033439929228813265e-7 * r + 2.71155556874348757815e-5) * r + 0.0012426609473880784386)
                            * r
                            + 0.026532189526576123093
                        )
                        * r
                        + 0.29656057182850489123
                    )
                    * r
                    + 1.7848265399172913358
                )
                * r
                + 5.4637849111641143699
            )
            * r
            + 6.6579046435011037772
        ) / (
            (
                (
                    (
                        (
                            ((2.04426310338993978564e-15 * r + 1.4215117583164458887e-7) * r + 1.8463183175100546818e-5)
                            * r
                            + 7.868691311456132591e-4
                        )
                        * r
                        + 0.0148753612908506148525
                    )
                    * r
                    + 0.13692988092273580531
                )
                * r
                + 0.59983220655588793769
            )
            * r
            + 1.0
        )
    return -x if q < 0.0 else x


# fmt: on


@njit
def _gamma_cdf(shape, x, log_gamma_shape):  # noqa: ANN001, ANN202 - series below shape + 1, continued fraction above
    if x <= 0.0:
        return 0.0
    front = _exp(shape * _log(x) - x - log_gamma_shape)
    if x < shape + 1.0:
        term = total = 1.0 / shape
        for n in range(1, 2000):
            term *= x / (shape + n)
            total += term
            if term < total * 1e-17:
                break
        return front * total
    b = x + 1.0 - shape
    c, d = 1e300, 1.0 / b
    h = d
    for n in range(1, 2000):
        a = -n * (n - shape)
        b += 2.0
        d = 1.0 / (a * d + b)
        c = b + a / c
        h *= c * d
        if abs(c * d - 1.0) < 1e-16:
            break
    return 1.0 - front * h


@njit
def _gamma(u, shape, log_gamma_shape):  # noqa: ANN001, ANN202 - inverse CDF, unit scale: Newton kept inside a bracket
    z = _normal(u)
    w = 1.0 - 1.0 / (9.0 * shape) + z / (3.0 * math.sqrt(shape))  # Wilson and Hilferty 1931
    x = shape * w * w * w
    if w <= 0.0 or shape < 1.0:
        x = _exp((_log(u) + log_gamma_shape + _log(shape)) / shape)  # the CDF's leading term
    low, high = 0.0, 1e300
    for _ in range(60):
        error = _gamma_cdf(shape, x, log_gamma_shape) - u
        if error > 0.0:
            high = x
        else:
            low = x
        slope = _exp((shape - 1.0) * _log(x) - x - log_gamma_shape) if x > 0.0 else 0.0
        step = x - error / slope if slope > 0.0 else -1.0
        if not low < step < high:
            step = 0.5 * (low + high) if high < 1e300 else 2.0 * x + 1e-300
        if abs(step - x) <= 1e-13 * x:
            return step
        x = step
    return x


@njit
def inverse(u, code, p0, p1, p2):  # noqa: ANN001, ANN201, PLR0911 - one branch a distribution
    """The duration [s] below which a share `u` of all draws falls; of all distributions but the empirical one."""
    if code == EXPONENTIAL:
        return -p0 * _log(1.0 - u)
    if code == 2:
        return _exp(p0 + p1 * _normal(u))
    if code == 3:
        return p0 * _gamma(u, p1, p2)
    if code == 4:
        return p0 * _exp(p1 * _log(-_log(1.0 - u)))
    if code == 5:
        width = p2 - p0
        if width <= 0.0:
            return p0
        if u * width < p1 - p0:
            return p0 + math.sqrt(u * width * (p1 - p0))
        return p2 - math.sqrt((1.0 - u) * width * (p2 - p1))
    if code == 6:
        return p0 + u * (p1 - p0)
    return p0


@njit
def rounded_us(seconds):  # noqa: ANN001, ANN201
    """A duration as whole microseconds, at least 0, at most 100 years."""
    whole = min(np.floor(seconds * 1e6 + 0.5), 3.2e15)
    return np.float64(whole + 2.0**52).view(np.int64) & (2**52 - 1)  # so the compiler can round four at once


@njit
def duration_us(name, k, code, p0, p1, p2, values):  # noqa: ANN001, ANN201, PLR0913
    """Draw k as whole microseconds."""
    u = uniform(name, k)
    if code == EMPIRICAL:
        return rounded_us(values[int(u * len(values))])
    return rounded_us(inverse(u, code, p0, p1, p2))


@njit
def _fill_us(name, first, n, code, p0, p1, p2, values):  # noqa: ANN001, ANN202, PLR0913
    out = np.empty(n, np.int64)
    for i in range(n):
        out[i] = duration_us(name, first + i, code, p0, p1, p2, values)
    return out


@njit
def _fill_uniform(name, first, n):  # noqa: ANN001, ANN202
    out = np.empty(n, np.float64)
    for i in range(n):
        out[i] = uniform(name, first + i)
    return out


@njit
def _at_us(name, at, code, p0, p1, p2, values):  # noqa: ANN001, ANN202, PLR0913
    out = np.empty(len(at), np.int64)
    for i in range(len(at)):
        out[i] = duration_us(name, at[i], code, p0, p1, p2, values)
    return out


@njit
def _at_uniform(name, at):  # noqa: ANN001, ANN202
    out = np.empty(len(at), np.float64)
    for i in range(len(at)):
        out[i] = uniform(name, at[i])
    return out
