"""Closed forms for twins. Rates and times are in one common unit."""

from __future__ import annotations


def mg1_wait(lam: float, mean: float, cv2: float) -> float:
    """Return the mean wait in the queue of M/G/1 [Pollaczek 1930, Khinchine 1932]."""
    utilisation = lam * mean
    return lam * mean * mean * (1.0 + cv2) / (2.0 * (1.0 - utilisation))


def twin_loads(load: float, *, single: bool) -> tuple[float, ...]:
    """Return the loads of a station's twins: nearer to saturation and farther from it.

    A twin of a single server at its own load would be the server itself; with several servers it is another system.
    Measured on M/M/1, share left of the variance that the means of the inputs leave: at load 0.8 one twin (1.6) 20 %,
    the pair in the middle 3 %, all four 1.4 %; at load 0.9 the pair 3 %, all four 0.7 %.
    """
    steps = (0.6, 0.8, 1.25, 1.6) if single else (0.6, 1.0, 1.6)
    return tuple(min(max(1.0 - step * (1.0 - load), 0.6 * load), 1.3 * load) for step in steps)
