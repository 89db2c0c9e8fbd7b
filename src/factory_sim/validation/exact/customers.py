"""Meters over parts that passed a line of queues from end to end, in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from factory_sim.records import I8
    from factory_sim.validation.exact.meters import Meter
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


def twin(services: Sequence[Services], factors: Sequence[float], mean_sojourn_s: float) -> Meter:
    """Return a control: a line with the same arrivals and scaled service times, whose time in system is known.

    Every station has one server, `factors[i]` times as slow as a server of the real one:
    D(n) = max(D(n-1), A(n)) + S(n) [Lindley 1952]. The twin reads the inputs of the real line, arrivals and service
    times, and none of its queues; so it measures how much of a deviation is chance in the input, and an engine that
    queues wrongly is still detected [external control variates: Law 2015, section 11.4].
    """
    last_us = np.full(len(services), -np.inf)  # departures of the last part

    def meter(sight: Sight) -> float:
        nonlocal last_us
        customers = sight.customers
        if not len(customers.entered):
            return 0.0
        base = int(customers.entered[0])  # keeps the precision in long runs
        came = times = (customers.entered - base).astype(np.float64)
        last_us -= base
        for i, (service_of, factor) in enumerate(zip(services, factors, strict=True)):
            took = service_of(customers) * factor
            served = np.cumsum(took)
            latest = np.maximum.accumulate(times - (served - took))
            times = served + np.maximum(latest, last_us[i])
            last_us[i] = times[-1]
        last_us += base
        return float((times - came).sum()) / 1e6 - mean_sojourn_s * len(times)

    return meter


def service_times(services: Services, mean_s: float) -> Meter:
    """Return a control: service times less their mean."""
    return lambda sight: float(services(sight.customers).sum()) / 1e6 - mean_s * len(sight.customers.entered)


def gaps(mean_s: float) -> Meter:
    """Return a control: times between arrivals less their mean."""
    last_us = -1

    def meter(sight: Sight) -> float:
        nonlocal last_us
        entered = sight.customers.entered
        if not len(entered):
            return 0.0
        first_us = last_us if last_us >= 0 else int(entered[0])
        n = len(entered) - (last_us < 0)
        last_us = int(entered[-1])
        return (last_us - first_us) / 1e6 - mean_s * n

    return meter
