"""Meters over parts that went all the way through a line of queues, one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from factory_sim.records import I8
    from factory_sim.validation.exact.slices import Customers, Sight

    Services = Callable[[Customers], I8]  # service times [µs], shape (n,)


def number(sight: Sight) -> float:
    """Parts that are through."""
    return float(len(sight.customers.entered))


def sojourn(sight: Sight) -> float:
    """Their time in the line [s]."""
    return float((sight.customers.gave[:, -1] - sight.customers.entered).sum()) / 1e6


def wait(sight: Sight) -> float:
    """Their time in queues [s], all operations together."""
    customers = sight.customers
    came = np.concatenate([customers.entered[:, None], customers.gave[:, :-1]], axis=1)
    return float((customers.took - came).sum()) / 1e6


def wait_for_vehicle(sight: Sight) -> float:
    """Their time [s] from entry to the end of loading at the first operation."""
    return float((sight.customers.gave[:, 0] - sight.customers.entered).sum()) / 1e6


def service(operation: int) -> Services:
    """Their times in the machines of an operation [µs]; nothing must keep finished parts there."""
    return lambda customers: customers.gave[:, operation] - customers.took[:, operation]


class Twin:
    """A line with the same arrivals and scaled service times, its time in system known by theory: a control.

    Every station has one server, `factors[i]` times as slow as a server of the real one:
    D(n) = max(D(n-1), A(n)) + S(n) [Lindley 1952]. The twin reads what the real line was given, arrivals and service
    times, and nothing of what the line made of them; so it tells how much of a deviation is chance in the input, and
    an engine that queues wrongly still shows [external control variates: Law 2015, section 11.4].
    """

    def __init__(self, services: Sequence[Services], factors: Sequence[float], mean_sojourn_s: float) -> None:
        self._stations, self._mean_s = tuple(zip(services, factors, strict=True)), mean_sojourn_s
        self._last_us = np.full(len(self._stations), -np.inf)  # departures of the last part

    def __call__(self, sight: Sight) -> float:
        """Seconds in the twin's system above the mean."""
        customers = sight.customers
        if not len(customers.entered):
            return 0.0
        base = int(customers.entered[0])  # keeps the digits of long runs
        came = times = (customers.entered - base).astype(np.float64)
        self._last_us -= base
        for i, (services, factor) in enumerate(self._stations):
            took = services(customers) * factor
            served = np.cumsum(took)
            latest = np.maximum.accumulate(times - (served - took))
            times = served + np.maximum(latest, self._last_us[i])
            self._last_us[i] = times[-1]
        self._last_us += base
        return float((times - came).sum()) / 1e6 - self._mean_s * len(times)


class ServiceTimes:
    """Service times above their mean: a control."""

    def __init__(self, services: Services, mean_s: float) -> None:
        self._services, self._mean_s = services, mean_s

    def __call__(self, sight: Sight) -> float:
        """Seconds of service above the mean."""
        customers = sight.customers
        return float(self._services(customers).sum()) / 1e6 - self._mean_s * len(customers.entered)


class Gaps:
    """Times between arrivals above their mean: a control."""

    def __init__(self, mean_s: float) -> None:
        self._mean_s, self._last_us = mean_s, -1

    def __call__(self, sight: Sight) -> float:
        """Seconds between arrivals above the mean."""
        entered = sight.customers.entered
        if not len(entered):
            return 0.0
        first_us = self._last_us if self._last_us >= 0 else int(entered[0])
        gaps = len(entered) - (self._last_us < 0)
        self._last_us = int(entered[-1])
        return (self._last_us - first_us) / 1e6 - self._mean_s * gaps
