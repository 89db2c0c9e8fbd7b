"""Inverse cumulative distribution functions in portable arithmetic, bit-identical on every platform.

Only additions, multiplications, divisions, square roots and exact scaling are used: the logarithms and exponentials of
the platforms' mathematical libraries differ in the last bit. The formatter is off around tables of coefficients.
"""

from __future__ import annotations

import math

import numpy as np

from factory_sim.jit import njit

_KINDS = ("constant", "exponential", "lognormal", "gamma", "weibull", "triangular", "uniform", "empirical")
CODES = {kind: code for code, kind in enumerate(_KINDS)}
_CONSTANT, EXPONENTIAL, _LOGNORMAL, _GAMMA, _WEIBULL, _TRIANGULAR, _UNIFORM, EMPIRICAL = CODES.values()


@njit
def _split(x):
    word = np.float64(x).view(np.int64)
    e = word >> 52
    if e == 0:  # subnormal, below 2**-1022
        word = np.float64(x * 2.0**54).view(np.int64)
        e = (word >> 52) - 54
    return np.int64((word & 0xFFFFFFFFFFFFF) | 0x3FE0000000000000).view(np.float64), e - 1022


# fmt: off
@njit
def log(x):
    """Return the natural logarithm of a positive number: a series in s = f/(2+f), error below 1 ulp."""
    m, e = _split(x)
    if m < 0.7071067811865476:
        m, e = m * 2.0, e - 1
    f = m - 1.0
    s = f / (2.0 + f)
    z = s * s
    r = z * (0.6666666666666735130 + z * (0.3999999999940941908 + z * (0.2857142874366239149 + z * (
        0.2222219843214978396 + z * (0.1818357216161805012 + z * (
            0.1531383769920937332 + z * 0.1479819860511658591))))))
    h = 0.5 * f * f
    return e * 6.93147180369123816490e-01 - ((h - (s * (h + r) + e * 1.90821492927058770002e-10)) - f)
# fmt: on


# fmt: off
@njit
def exp(x):
    """Return e to the power x; 0 below -700."""
    if x < -700.0:
        return 0.0
    x = min(x, 700.0)
    k = math.floor(x * 1.4426950408889634 + 0.5)
    hi, lo = x - k * 6.93147180369123816490e-01, k * 1.90821492927058770002e-10
    r = hi - lo
    t = r * r
    c = r - t * (1.66666666666666019037e-01 + t * (-2.77777777770155933842e-03 + t * (
        6.61375632143793436117e-05 + t * (-1.65339022054652515390e-06 + t * 4.13813679705723846039e-08))))
    power = np.int64((np.int64(k) + 1023) << 52).view(np.float64)  # 2**k
    return (1.0 - ((lo - (r * c) / (2.0 - c)) - hi)) * power
# fmt: on


@njit
def log_gamma(x):
    """Return the logarithm of the gamma function: Stirling's series after shifting x above 12."""
    shift = 0.0
    while x < 12.0:
        shift += log(x)
        x += 1.0
    z = 1.0 / (x * x)
    series = (1 / 12 - z * (1 / 360 - z * (1 / 1260 - z * (1 / 1680 - z * (1 / 1188))))) / x
    return (x - 0.5) * log(x) - x + 0.9189385332046727 + series - shift


# fmt: off
@njit
def _normal(u):
    """Return the inverse normal CDF [Wichura 1988, AS 241 PPND16]."""
    q = u - 0.5
    if abs(q) <= 0.425:
        r = 0.180625 - q * q
        return q * (((((((2509.0809287301226727 * r + 33430.575583588128105) * r + 67265.770927008700853) * r
            + 45921.953931549871457) * r + 13731.693765509461125) * r + 1971.5909503065514427) * r
            + 133.14166789178437745) * r + 3.387132872796366608) / (((((((5226.495278852545925 * r
            + 28729.085735721942674) * r + 39307.89580009271061) * r + 21213.794301586595867) * r
            + 5394.1960214247511077) * r + 687.1870074920579083) * r + 42.313330701600911252) * r + 1.0)
    r = math.sqrt(-log(u if q < 0.0 else 1.0 - u))
    if r <= 5.0:
        r -= 1.6
        x = (((((((7.7454501427834140764e-4 * r + 0.0227238449892691845833) * r + 0.24178072517745061177) * r
            + 1.27045825245236838258) * r + 3.64784832476320460504) * r + 5.7694972214606914055) * r
            + 4.6303378461565452959) * r + 1.42343711074968357734) / (((((((1.05075007164441684324e-9 * r
            + 5.475938084995344946e-4) * r + 0.0151986665636164571966) * r + 0.14810397642748007459) * r
            + 0.68976733498510000455) * r + 1.6763848301838038494) * r + 2.05319162663775882187) * r + 1.0)
    else:
        r -= 5.0
        x = (((((((2.01033439929228813265e-7 * r + 2.71155556874348757815e-5) * r + 0.0012426609473880784386) * r
            + 0.026532189526576123093) * r + 0.29656057182850489123) * r + 1.7848265399172913358) * r
            + 5.4637849111641143699) * r + 6.6579046435011037772) / (((((((2.04426310338993978564e-15 * r
            + 1.4215117583164458887e-7) * r + 1.8463183175100546818e-5) * r + 7.868691311456132591e-4) * r
            + 0.0148753612908506148525) * r + 0.13692988092273580531) * r + 0.59983220655588793769) * r + 1.0)
    return -x if q < 0.0 else x
# fmt: on


@njit
def _gamma_cdf(shape, x, log_gamma_shape):
    if x <= 0.0:
        return 0.0
    front = exp(shape * log(x) - x - log_gamma_shape)
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
def _gamma(u, shape, log_gamma_shape):
    z = _normal(u)
    w = 1.0 - 1.0 / (9.0 * shape) + z / (3.0 * math.sqrt(shape))  # Wilson and Hilferty 1931
    x = shape * w * w * w
    if w <= 0.0 or shape < 1.0:
        x = exp((log(u) + log_gamma_shape + log(shape)) / shape)  # the CDF's leading term
    low, high = 0.0, 1e300
    for _ in range(60):
        error = _gamma_cdf(shape, x, log_gamma_shape) - u
        if error > 0.0:
            high = x
        else:
            low = x
        slope = exp((shape - 1.0) * log(x) - x - log_gamma_shape) if x > 0.0 else 0.0
        step = x - error / slope if slope > 0.0 else -1.0
        if not low < step < high:
            step = 0.5 * (low + high) if high < 1e300 else 2.0 * x + 1e-300
        if abs(step - x) <= 1e-13 * x:
            return step
        x = step
    return x


@njit
def inverse(u, code, p0, p1, p2):  # noqa: PLR0911 - one branch a distribution
    """Return the duration [s] below which a share `u` of all draws falls; the empirical distribution is excluded."""
    if code == EXPONENTIAL:
        return -p0 * log(1.0 - u)
    if code == _LOGNORMAL:
        return exp(p0 + p1 * _normal(u))
    if code == _GAMMA:
        return p0 * _gamma(u, p1, p2)
    if code == _WEIBULL:
        return p0 * exp(p1 * log(-log(1.0 - u)))
    if code == _TRIANGULAR:
        width = p2 - p0
        if width <= 0.0:
            return p0
        if u * width < p1 - p0:
            return p0 + math.sqrt(u * width * (p1 - p0))
        return p2 - math.sqrt((1.0 - u) * width * (p2 - p1))
    if code == _UNIFORM:
        return p0 + u * (p1 - p0)
    return p0
