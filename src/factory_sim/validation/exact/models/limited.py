"""Lines with limited work in progress: arrivals lost when full, or CONWIP cards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from factory_sim.plant.spec import Source
from factory_sim.plant.states import Outcome, State
from factory_sim.validation.exact.case import Case, Model
from factory_sim.validation.exact.lines import FASTEST_S, Stop, exponential, line, units_of
from factory_sim.validation.exact.meters import arrivals, count, elapsed, inside, queued, services, stay

if TYPE_CHECKING:
    from factory_sim.plant.spec import Plant
    from factory_sim.validation.exact.case import Measure
    from factory_sim.validation.exact.table_rows import Row


def loss(row: Row, metric: str) -> Case:
    """Return M/M/c/K: at most K in the system, servers included; an arrival at a full system is lost."""
    lam, mu, c, k = row.number("lam"), row.number("mu"), row.whole("c", 1), row.whole("K")
    if k < c:
        row.refuse("K", f"counts those in service too: expected at least c = {c}, got {k}")
    unit_s = FASTEST_S * max(mu, lam / c)
    stop = Stop(exponential(unit_s / mu), c, k - c)
    plant = line([stop], Source("source", 0, exponential(unit_s / lam), when_full="lose"))
    top, bottom, factor = _loss_measure(plant, metric, c, unit_s)
    controls = (arrivals(0, lam / unit_s), services(units_of(plant, 0), unit_s / mu))
    return Case(plant, top, lam / unit_s, 20 * k * k * unit_s / lam, controls, bottom, factor, pilot_parts=200_000)


def _loss_measure(plant: Plant, metric: str, c: int, unit_s: float) -> Measure:
    entered, machines = count(Outcome.ENTERED), units_of(plant, 0)
    measures: dict[str, Measure] = {
        "throughput": (count(Outcome.LEFT), elapsed, unit_s),
        "blocking_probability": (count(Outcome.LOST), count(Outcome.ENTERED, Outcome.LOST), 1.0),
        "mean_number_in_system": (inside(), elapsed, 1.0),
        "mean_queue_length": (queued(0, machines), elapsed, 1.0),
        "mean_sojourn_time": (inside(), entered, 1.0 / unit_s),
        "mean_waiting_time": (queued(0, machines), entered, 1.0 / unit_s),
        "utilisation": (stay(machines, State.BUSY), elapsed, 1.0 / c),
    }
    return measures[metric]


def conwip(row: Row, metric: str) -> Case:
    """Return exponential stations in series with W cards: a part enters when one leaves; buffers never fill."""
    w, mu = row.whole("W"), row.raw("mu")
    n = row.whole("N") if row.has("N") else len(mu) if isinstance(mu, list) else 0
    if n < 1:
        row.refuse("N", "is missing; it gives the number of stations when mu is a single number")
    rates, c = row.numbers("mu", n), row.wholes("c", n, 1)
    unit_s = FASTEST_S * max(rates)
    stops = [Stop(exponential(unit_s / m), servers) for m, servers in zip(rates, c, strict=True)]
    plant = line(stops, Source("source", 0, cards=w))
    top, bottom, factor = _conwip_measure(plant, metric, unit_s)
    controls = tuple(services(o.machines, o.cycle_time.mean_s) for o in plant.operations)
    slowest = max(unit_s / (m * s) for m, s in zip(rates, c, strict=True))
    return Case(plant, top, 1.0 / slowest, 20 * n * (n + w) * slowest, controls, bottom, factor, pilot_parts=60_000)


def _conwip_measure(plant: Plant, metric: str, unit_s: float) -> Measure:
    left, last = count(Outcome.LEFT), units_of(plant, len(plant.operations) - 1)
    measures: dict[str, Measure] = {
        "throughput": (left, elapsed, unit_s),
        "mean_sojourn_time": (inside(), left, 1.0 / unit_s),
        "utilisation": (stay(last, State.BUSY), elapsed, 1.0 / len(last)),
    }
    return measures[metric]


_LOSS = (
    "throughput",
    "blocking_probability",
    "mean_number_in_system",
    "mean_queue_length",
    "mean_sojourn_time",
    "mean_waiting_time",
    "utilisation",
)
LOSS = Model("Poisson arrivals, exponential service, at most K in the system", _LOSS, "lam, mu, c, K", loss)
CONWIP = Model(
    "Exponential stations in series, W cards, buffers of at least W",
    ("throughput", "mean_sojourn_time", "utilisation"),
    "W (cards), N (stations), mu, c",
    conwip,
)
