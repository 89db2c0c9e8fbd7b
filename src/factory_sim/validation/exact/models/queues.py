"""Open queues without a limit: M/M/c, M/G/1, and M/M/c stations in series [Jackson 1957]."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from factory_sim import distributions
from factory_sim.distributions import Distribution
from factory_sim.plant.spec import Source
from factory_sim.validation.exact import customers, theory
from factory_sim.validation.exact.case import Case, Measure, measures
from factory_sim.validation.exact.lines import FASTEST_S, Stop, erlang, exponential, line

if TYPE_CHECKING:
    from collections.abc import Callable

    from factory_sim.validation.exact.meters import Meter
    from factory_sim.validation.exact.table_rows import Row

_PILOT = 400_000  # waits remember long: the shortest run must see many busy periods


@dataclass(frozen=True, slots=True)
class _Open:
    """Stations in series behind Poisson arrivals."""

    lam: float
    stops: tuple[Stop, ...]
    cv2: float  # of the last station's service; the others are exponential
    unit_s: float
    mix: tuple[float, ...] = (1.0,)

    def loads(self) -> list[float]:
        """Return the utilisation of each station."""
        return [self.lam / self.unit_s * stop.service.mean_s / stop.machines for stop in self.stops]

    def case(self, row: Row, metric: str) -> Case:
        """Return the measurement. Raises ConfigError when a station is overloaded."""
        for i, load in enumerate(self.loads()):
            row.refuse_overload(f"station {i + 1}", load)
        source = Source("source", 0, exponential(self.unit_s / self.lam), mix=self.mix)
        plant = line(self.stops, source, variants=tuple(f"v{i}" for i in range(len(self.mix))))
        rate = self.lam / self.unit_s
        controls: list[Meter] = [customers.gaps(1.0 / rate)]
        for i, stop in enumerate(self.stops):
            controls.append(customers.service_times(customers.service(i), stop.service.mean_s))
        slack = min(1.0 - load for load in self.loads())
        found = measures(plant, self.unit_s) | {
            "mean_waiting_time": Measure(customers.wait, customers.number, 1.0 / self.unit_s),
            "mean_sojourn_time": Measure(customers.sojourn, customers.number, 1.0 / self.unit_s),
            "throughput": Measure(customers.number, factor=self.unit_s),
        }
        warm_up_s = 100 / (rate * slack * slack)
        return Case(plant, found[metric], rate, warm_up_s, (*controls, *self._twins()), pilot_parts=_PILOT)

    def _twins(self) -> list[Meter]:
        """Return the twins: lines of single servers as fast as the real stations, slightly slower and faster."""
        single = all(stop.machines == 1 for stop in self.stops)
        variants = zip(*(theory.twin_loads(load, single=single) for load in self.loads()), strict=True)
        return [self._twin(loads) for loads in variants]

    def _twin(self, twin_loads: tuple[float, ...]) -> Meter:
        rate, total, factors = self.lam / self.unit_s, 0.0, []
        for i, (stop, load, twin_load) in enumerate(zip(self.stops, self.loads(), twin_loads, strict=True)):
            factors.append(twin_load / load / stop.machines)
            mean = twin_load / rate
            total += mean + theory.mg1_wait(rate, mean, self.cv2 if i == len(self.stops) - 1 else 1.0)
        return customers.twin([customers.service(i) for i in range(len(self.stops))], factors, total)


def mmc(row: Row, metric: str) -> Case:
    """Return an M/M/c queue; mu is the rate of a server."""
    lam, mu, c = row.number("lam"), row.number("mu"), row.whole("c", 1)
    unit_s = FASTEST_S * mu
    return _Open(lam, (Stop(exponential(unit_s / mu), c),), 1.0, unit_s).case(row, metric)


def jackson(row: Row, metric: str) -> Case:
    """Return exponential stations in series."""
    mu = row.raw("mu")
    n = len(mu) if isinstance(mu, list) else row.whole("N")
    rates, c = row.numbers("mu", max(1, n)), row.wholes("c", max(1, n), 1)
    unit_s = FASTEST_S * max(rates)
    stops = tuple(Stop(exponential(unit_s / m), servers) for m, servers in zip(rates, c, strict=True))
    return _Open(row.number("lam"), stops, 1.0, unit_s).case(row, metric)


def mg1(row: Row, metric: str) -> Case:
    """Return an M/G/1 queue: a service distribution by its mean (1 / mu) and cv2 [Pollaczek-Khinchine]."""
    lam = row.number("lam")
    mean = row.number("mean_service") if row.has("mean_service") else 1.0 / row.number("mu")
    unit_s = FASTEST_S * (1.0 / mean)
    word = row.choice("service", (*_SERVICES, "hyperexponential"), "gamma" if row.has("cv2") else "exponential")
    phases = 1.0 / row.whole("phases" if row.has("phases") else "k", 1) if word == "erlang" else None
    cv2 = row.number("cv2", _FIXED_CV2.get(word, phases), low=0.0, open_low=False)
    if cv2 == 0.0:
        word = "deterministic"
    if word in _FIXED_CV2 and abs(cv2 - _FIXED_CV2[word]) > 1e-9:
        row.refuse("cv2", f"{word} service has cv2 {_FIXED_CV2[word]:g}, got {cv2:g}")
    if word == "hyperexponential":
        return _hyperexponential(row, lam, mean * unit_s, cv2, unit_s).case(row, metric)
    try:
        service = _SERVICES[word](mean * unit_s, cv2)
    except ValueError as error:
        row.refuse("cv2", str(error))
    return _Open(lam, (Stop(service),), cv2, unit_s).case(row, metric)


def _erlang_of(mean_s: float, cv2: float) -> Distribution:
    phases = round(1.0 / cv2)
    if phases < 1 or abs(phases * cv2 - 1.0) > 1e-6:
        msg = f"Erlang service has cv2 = 1/k for a whole number of phases k, got {cv2:g}"
        raise ValueError(msg)
    return erlang(mean_s, phases)


def _spread(kind: str, mean_s: float, cv2: float) -> Distribution:
    return distributions.checked(Distribution(kind, mean_s, math.sqrt(cv2)))


def _uniform(mean_s: float, cv2: float) -> Distribution:
    half = math.sqrt(3.0 * cv2)
    if half > 1.0:
        msg = f"uniform service has cv2 of at most 1/3, got {cv2:g}"
        raise ValueError(msg)
    return distributions.checked(Distribution("uniform", mean_s * (1.0 - half), mean_s * (1.0 + half)))


def _weibull(mean_s: float, cv2: float) -> Distribution:
    """Return the shape k with cv2 = gamma(1 + 2/k) / gamma(1 + 1/k)^2 - 1, by bisection."""
    low, high = 0.2, 50.0
    for _ in range(100):
        shape = math.sqrt(low * high)
        spread = math.exp(math.lgamma(1 + 2 / shape) - 2 * math.lgamma(1 + 1 / shape)) - 1.0
        low, high = (shape, high) if spread > cv2 else (low, shape)
    return distributions.checked(Distribution("weibull", mean_s, low))


_SERVICES: dict[str, Callable[[float, float], Distribution]] = {
    "exponential": lambda mean_s, _: exponential(mean_s),
    "deterministic": lambda mean_s, _: distributions.constant(mean_s),
    "constant": lambda mean_s, _: distributions.constant(mean_s),
    "erlang": _erlang_of,
    "gamma": lambda mean_s, cv2: _spread("gamma", mean_s, cv2),
    "general": lambda mean_s, cv2: _spread("gamma", mean_s, cv2),
    "lognormal": lambda mean_s, cv2: _spread("lognormal", mean_s, cv2),
    "weibull": _weibull,
    "uniform": _uniform,
}
_FIXED_CV2 = {"exponential": 1.0, "deterministic": 0.0, "constant": 0.0}


def _hyperexponential(row: Row, lam: float, mean_s: float, cv2: float, unit_s: float) -> _Open:
    """Return two phases with balanced means: a mix of two exponential variants, one fast, one slow."""
    if cv2 <= 1.0:
        row.refuse("cv2", f"hyperexponential service has cv2 above 1, got {cv2:g}")
    fast = 0.5 * (1.0 + math.sqrt((cv2 - 1.0) / (cv2 + 1.0)))
    factors = (0.5 / fast, 0.5 / (1.0 - fast))
    stop = Stop(exponential(mean_s), variant_factor=factors)
    return _Open(lam, (stop,), cv2, unit_s, (fast, 1.0 - fast))
