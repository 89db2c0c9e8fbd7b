"""Crews, vehicles, batches, rework, shifts, maintenance and changeovers, each in its simplest form."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from factory_sim import distributions
from factory_sim.plant.spec import UNLIMITED, Batch, Crew, FailureMode, Fleet, Inspection, Maintenance, Shift, Source
from factory_sim.plant.states import Outcome, State
from factory_sim.plant.wall_clock import DAY_S, repeated
from factory_sim.validation.exact import customers, theory
from factory_sim.validation.exact.case import Case, Measure, measures
from factory_sim.validation.exact.lines import FASTEST_S, Stop, exponential, line, units_of
from factory_sim.validation.exact.meters import arrivals, batches, count, failures, lives, repairs, services, stay

if TYPE_CHECKING:
    from factory_sim.plant.spec import Plant
    from factory_sim.records import I8
    from factory_sim.validation.exact.meters import Meter
    from factory_sim.validation.exact.slices import Customers, Sight
    from factory_sim.validation.exact.table_rows import Row


def repair(row: Row, metric: str) -> Case:
    """Return N machines that fail at rate lam while they run, and R crews that repair at rate mu: M/M/R//N."""
    n, crews, lam, mu = row.whole("N"), row.whole("R"), row.number("lam"), row.number("mu")
    unit_s = FASTEST_S * max(lam, mu)
    mode = FailureMode("failure", exponential(unit_s / lam), exponential(unit_s / mu), crew=0)
    stop = Stop(exponential(unit_s / lam), n, 0, failures=(mode,))
    helpers = tuple(range(n + 1, n + 1 + crews))
    names = tuple(f"crew-{i}" for i in range(crews))
    plant = line([stop], Source("source", 0), crews=(Crew("crew", helpers),), names=names)
    machines = units_of(plant, 0)
    waits = stay(machines, State.DOWN)
    found = {
        "availability": Measure(stay(machines, State.BUSY), factor=1.0 / n),
        "mean_number_down": Measure(stay(machines, State.DOWN, State.REPAIR)),
        "mean_queue_length": Measure(waits),
        "mean_waiting_time": Measure(waits, failures(machines), 1.0 / unit_s),
        "utilisation": Measure(stay(helpers, State.BUSY), factor=1.0 / crews),
        "throughput": Measure(failures(machines), factor=unit_s),
    }
    controls = (lives(machines, unit_s / lam, (State.BUSY,)), repairs(machines, unit_s / mu))
    memory_s = unit_s * n * (1 / lam + 1 / mu)
    return Case(plant, found[metric], n * lam / unit_s, 20 * memory_s, controls)


def fleet(row: Row, metric: str) -> Case:
    """Return Poisson requests for c vehicles with exponential trips: M/M/c, the vehicles being the servers.

    Parts wait in machines that need no time; there are more of these than parts that wait at once.
    """
    lam, mu, c = row.number("lam"), row.number("mu"), row.whole("c", 1)
    unit_s, load = FASTEST_S * mu, lam / mu / c
    row.refuse_overload("the vehicles", load)
    none = distributions.constant(0.0)
    units = tuple(range(_HANDS + 2, _HANDS + 2 + c))
    agv = Fleet("agv", units, "first_come", 1.0, none, none, ((0.0,),), trip=exponential(unit_s / mu))
    stops = [Stop(none, _HANDS), Stop(none, 1, UNLIMITED, fleet=0)]
    names = tuple(f"agv-{i}" for i in range(c))
    plant = line(stops, Source("source", 0, exponential(unit_s / lam)), fleets=(agv,), names=names)
    found = measures(plant, unit_s) | {
        "mean_waiting_time": Measure(customers.wait_for_vehicle, customers.number, 1.0 / unit_s),
        "mean_queue_length": Measure(customers.wait_for_vehicle),
        "mean_sojourn_time": Measure(customers.sojourn, customers.number, 1.0 / unit_s),
        "utilisation": Measure(stay(units, State.MOVING_LOADED), factor=1.0 / c),
    }
    rate = lam / unit_s
    controls: list[Meter] = [customers.gaps(1.0 / rate), customers.service_times(_trips, unit_s / mu)]
    for twin_load in theory.twin_loads(load, single=c == 1):
        mean = twin_load / rate
        controls.append(customers.twin((_trips,), (twin_load / load / c,), mean + theory.mg1_wait(rate, mean, 1.0)))
    return Case(plant, found[metric], rate, 100 / (rate * (1 - load) ** 2), tuple(controls), pilot_parts=200_000)


_HANDS = 48


def _trips(customers_: Customers) -> I8:
    return customers_.took[:, 1] - customers_.gave[:, 0]


def batch(row: Row, metric: str) -> Case:
    """Return an exponential furnace that starts with a to b parts, Poisson arrivals: M/M(a,b)/1 [Neuts 1967]."""
    lam, mu, size, least = row.number("lam"), row.number("mu"), row.whole("size"), row.whole("minimum", 1)
    if least > size:
        row.refuse("minimum", f"{least} is more than the size {size}")
    load, unit_s = lam / (mu * size), FASTEST_S * max(mu, lam)
    row.refuse_overload("the furnace", load)
    stop = Stop(exponential(unit_s / mu), batch=Batch(size, least))
    plant = line([stop], Source("source", 0, exponential(unit_s / lam)))
    controls = (arrivals(0, lam / unit_s), batches(units_of(plant, 0), unit_s / mu))
    warm_up_s = 100 * size / (lam / unit_s * (1 - load) ** 2)
    return Case(plant, measures(plant, unit_s)[metric], lam / unit_s, warm_up_s, controls, pilot_parts=200_000)


def rework(row: Row, metric: str) -> Case:
    """Return an M/M/1 station that reworks a part with probability p, at most max_loops times, then scraps it.

    The number of visits is geometric, truncated at the limit. Parts that come back queue behind those that wait, as in
    Jackson's queue with feedback (rework_first: no).
    """
    lam, mu, p = row.number("lam"), row.number("mu"), row.number("p", low=0.0)
    loops = row.whole("max_loops", UNLIMITED)
    if p >= 1.0 and loops == UNLIMITED:
        row.refuse("p", "every part would be reworked forever; give max_loops or a probability below 1")
    visits = loops + 1.0 if p >= 1.0 else (1.0 - p ** (loops + 1.0)) / (1.0 - p)
    load, unit_s = lam / mu * visits, FASTEST_S * mu
    row.refuse_overload("the station", load)
    stop = Stop(exponential(unit_s / mu), inspection=Inspection(rework=p, rework_to=0, max_loops=loops))
    plant = line([stop], Source("source", 0, exponential(unit_s / lam)))
    plant = replace(plant, operations=(replace(plant.operations[0], rework_first=False),))
    found = measures(plant, unit_s) | {
        "scrap_probability": Measure(count(Outcome.SCRAPPED), count(Outcome.LEFT, Outcome.SCRAPPED)),
        "mean_visits": Measure(count(Outcome.TOOK), count(Outcome.ENTERED)),
    }
    controls = (arrivals(0, lam / unit_s), services(units_of(plant, 0), unit_s / mu), _verdicts(p))
    warm_up_s = 100 / (lam / unit_s * (1 - load) ** 2)
    return Case(plant, found[metric], lam / unit_s, warm_up_s, controls, pilot_parts=200_000)


def _verdicts(p: float) -> Meter:
    """Return a control: parts sent back less their share of the inspections that can send back."""

    def meter(sight: Sight) -> float:
        back, scrapped, left = (
            int((sight.log.outcome == o).sum()) for o in (Outcome.REWORK, Outcome.SCRAPPED, Outcome.LEFT)
        )
        return (1.0 - p) * (back + scrapped) - p * left

    return meter


def shift(row: Row, metric: str) -> Case:
    """Return a saturated exponential machine that works `open` of every `cycle` and pauses or finishes its part.

    Throughput with pausing: mu times the open share; with finishing: one part more per cycle.
    """
    mu, cycle, open_ = row.number("mu"), row.number("cycle"), row.number("open")
    if open_ >= cycle:
        row.refuse("open", f"expected less than the cycle of {cycle:g}, got {open_:g}")
    at_end = row.choice("at_end", ("pause", "finish"), "pause")
    unit_s = DAY_S / max(1, DAY_S // (cycle * FASTEST_S * mu)) / cycle  # a day has a whole number of cycles
    shifts = (Shift("shift", repeated(cycle * unit_s, (0.0, open_ * unit_s)), at_end=at_end),)
    plant = line([Stop(exponential(unit_s / mu), 1, 0, shift=0)], Source("source", 0), shifts=shifts)
    return _saturated(plant, metric, mu, unit_s, mu * open_ / cycle, 2 * cycle * unit_s)


def maintenance(row: Row, metric: str) -> Case:
    """Return a saturated exponential machine, maintained after every n parts: n parts in n / mu + duration."""
    mu, n, duration = row.number("mu"), row.whole("every_parts"), row.number("duration")
    unit_s = FASTEST_S * mu
    plan = Maintenance("service", distributions.constant(duration * unit_s), every_parts=n)
    plant = line([Stop(exponential(unit_s / mu), 1, 0, maintenance=(plan,))], Source("source", 0))
    return _saturated(plant, metric, mu, unit_s, mu, n / mu * unit_s)


def changeover(row: Row, metric: str) -> Case:
    """Return a saturated exponential machine with independent variants of shares `mix` and `setup` between them.

    A part needs 1 / mu + setup (1 - sum of squared shares) on average.
    """
    mu, mix = row.number("mu"), row.raw("mix")
    shares = row.numbers("mix", len(mix) if isinstance(mix, list) else 0)
    if len(shares) < 2 or abs(sum(shares) - 1.0) > 1e-9:
        row.refuse("mix", f"expected shares of at least two variants that add up to 1, got {mix}")
    setup, unit_s = row.number("setup"), FASTEST_S * mu
    variants = tuple(f"v{i}" for i in range(len(shares)))
    setup_s = tuple(tuple(0.0 if a == b else setup * unit_s for b in variants) for a in variants)
    stop = Stop(exponential(unit_s / mu), 1, 0, setup_s=setup_s)
    plant = line([stop], Source("source", 0, mix=tuple(shares)), variants=variants)
    return _saturated(plant, metric, mu, unit_s, mu, 100 * unit_s / mu)


def _saturated(plant: Plant, metric: str, mu: float, unit_s: float, output: float, warm_up_s: float) -> Case:
    """Return the measurement of a machine that is never short of parts; `output` is in the row's unit."""
    machines, found = units_of(plant, 0), measures(plant, unit_s)
    found |= {"availability": found["utilisation"], "setup_ratio": Measure(stay(machines, State.SETUP))}
    return Case(plant, found[metric], output / unit_s, warm_up_s, (services(machines, unit_s / mu),))
