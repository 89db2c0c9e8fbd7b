"""Lines with limited work in progress: arrivals lost when full, or CONWIP cards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from factory_sim.plant.spec import Source
from factory_sim.plant.states import Outcome
from factory_sim.validation.exact.case import Case, Measure, measures
from factory_sim.validation.exact.lines import FASTEST_S, Stop, exponential, line, units_of
from factory_sim.validation.exact.meters import arrivals, count, inside, services

if TYPE_CHECKING:
    from factory_sim.validation.exact.table_rows import Row


def loss(row: Row, metric: str) -> Case:
    """Return M/M/c/K: at most K in the system, servers included; an arrival at a full system is lost.

    Keys: lam, mu, c, K.
    """
    lam, mu, c, k = row.number("lam"), row.number("mu"), row.whole("c", 1), row.whole("K")
    if k < c:
        row.refuse("K", f"counts those in service too: expected at least c = {c}, got {k}")
    unit_s = FASTEST_S * max(mu, lam / c)
    stop = Stop(exponential(unit_s / mu), c, k - c)
    plant = line([stop], Source("source", 0, exponential(unit_s / lam), when_full="lose"))
    blocking = Measure(count(Outcome.LOST), count(Outcome.ENTERED, Outcome.LOST))
    measure = (measures(plant, unit_s) | {"blocking_probability": blocking})[metric]
    controls = (arrivals(0, lam / unit_s), services(units_of(plant, 0), unit_s / mu))
    return Case(plant, measure, lam / unit_s, 20 * k * k * unit_s / lam, controls, pilot_parts=200_000)


def conwip(row: Row, metric: str) -> Case:
    """Return exponential stations in series with W cards: a part enters when one leaves; buffers never fill.

    Keys: W (cards), N (stations), mu, c.
    """
    w, mu = row.whole("W"), row.raw("mu")
    n = row.whole("N") if row.has("N") else len(mu) if isinstance(mu, list) else 0
    if n < 1:
        row.refuse("N", "is missing; it gives the number of stations when mu is a single number")
    rates, c = row.numbers("mu", n), row.wholes("c", n, 1)
    unit_s = FASTEST_S * max(rates)
    stops = [Stop(exponential(unit_s / m), servers) for m, servers in zip(rates, c, strict=True)]
    plant = line(stops, Source("source", 0, cards=w))
    sojourn = Measure(inside(), count(Outcome.LEFT), 1.0 / unit_s)
    measure = (measures(plant, unit_s, n - 1) | {"mean_sojourn_time": sojourn})[metric]
    controls = tuple(services(o.machines, o.cycle_time.mean_s) for o in plant.operations)
    slowest = max(unit_s / (m * s) for m, s in zip(rates, c, strict=True))
    return Case(plant, measure, 1.0 / slowest, 20 * n * (n + w) * slowest, controls, pilot_parts=60_000)
