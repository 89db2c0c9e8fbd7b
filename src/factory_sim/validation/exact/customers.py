"""Meters over parts that passed a line of queues from end to end, in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from factory_sim.records import I8
    from factory_sim.validation.exact.slices import Customers, Sight

    Services = Callable[[Customers], I8]  # service times [µs], shape (n,)


def number(sight: Sight) -> float:
    """Return the number of parts that left the line."""
    return float(len(sight.customers.entered))


def sojourn(sight: Sight) -> float:
    """Return their time in the line [s]."""
    return float((sight.customers.gave[:, -1] - sight.customers.entered).sum()) / 1e6


def wait(sight: Sight) -> float:
    """Return their time in queues [s], summed over the operations."""
    customers = sight.customers
    came = np.concatenate([customers.entered[:, None], customers.gave[:, :-1]], axis=1)
    return float((customers.took - came).sum()) / 1e6


def wait_for_vehicle(sight: Sight) -> float:
    """Return their time from entry to the end of loading at the first operation [s]."""
    return float((sight.customers.gave[:, 0] - sight.customers.entered).sum()) / 1e6


def service(operation: int) -> Services:
    """Return their times in the machines of an operation [µs]; finished parts must not be blocked there."""
    return lambda customers: customers.gave[:, operation] - customers.took[:, operation]


class Twin:
    """A control: a line with the same arrivals and scaled service times, whose time in system is known by theory.

    Every station has one server, `factors[i]` times as slow as a server of the real one:
    D(n) = max(D(n-1), A(n)) + S(n) [Lindley 1952]. The twin reads the inputs of the real line, arrivals and service
    times, and none of its queues; so it measures how much of a deviation is chance in the input, and an engine that
    queues wrongly is still detected [external control variates: Law 2015, section 11.4].
    """

    def __init__(self, services: Sequence[Services], factors: Sequence[float], mean_sojourn_s: float) -> None:
        self._stations, self._mean_s = tuple(zip(services, factors, strict=True)), mean_sojourn_s
        self._last_us = np.full(len(self._stations), -np.inf)  # departures of the last part

    def __call__(self, sight: Sight) -> float:
        """Return the time in the twin's system less its mean [s]."""
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
    """A control: service times less their mean."""

    def __init__(self, services: Services, mean_s: float) -> None:
        self._services, self._mean_s = services, mean_s

    def __call__(self, sight: Sight) -> float:
        """Return the service time less its mean [s]."""
        customers = sight.customers
        return float(self._services(customers).sum()) / 1e6 - self._mean_s * len(customers.entered)


class Gaps:
    """A control: times between arrivals less their mean."""

    def __init__(self, mean_s: float) -> None:
        self._mean_s, self._last_us = mean_s, -1

    def __call__(self, sight: Sight) -> float:
        """Return the time between arrivals less its mean [s]."""
        entered = sight.customers.entered
        if not len(entered):
            return 0.0
        first_us = self._last_us if self._last_us >= 0 else int(entered[0])
        gaps = len(entered) - (self._last_us < 0)
        self._last_us = int(entered[-1])
        return (self._last_us - first_us) / 1e6 - self._mean_s * gaps
