"""Saturated tandem lines: blocking after service, parallel machines, phases, failures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from factory_sim.plant.spec import FailureMode, Source
from factory_sim.plant.states import N_STATES, State
from factory_sim.validation.exact.case import Case, measures
from factory_sim.validation.exact.lines import FASTEST_S, Stop, erlang, exponential, line
from factory_sim.validation.exact.meters import lives, repairs, services

if TYPE_CHECKING:
    from factory_sim.plant.spec import Plant
    from factory_sim.validation.exact.meters import Meter
    from factory_sim.validation.exact.table_rows import Row

_RUNNING = tuple(s for s in range(N_STATES) if s not in (State.DOWN, State.REPAIR, State.OFF))


def case(row: Row, metric: str) -> Case:
    """Return a saturated tandem line with blocking after service.

    Keys: mu (rates), b (buffers between stations), k (Erlang phases), c (parallel machines), failures (none, odf, tdf),
    p, r (failure and repair rates).
    """
    n = _stations(row)
    mu, k, c = row.numbers("mu", n), row.wholes("k", n, 1), row.wholes("c", n, 1)
    b = row.wholes("b", n - 1, low=0) if n > 1 else []
    unit_s = FASTEST_S * max(mu)
    failures = _failures(row, n, unit_s)
    if failures and max(c) > 1:
        row.refuse("failures", "the exact values with failures are for single machines, c = 1")
    stops = [
        Stop(erlang(unit_s / mu[i], k[i]), c[i], b[i - 1] if i else 0, failures=(failures[i],) if failures else ())
        for i in range(n)
    ]
    plant = line(stops, Source("source", 0))
    memory_s = 20 * sum(f.after.mean_s + f.repair.mean_s for f in failures)
    rate = min(m * s / unit_s for m, s in zip(mu, c, strict=True))
    places = sum(b) + sum(c)
    warm_up_s = 10 * places * max(n, max(b, default=0)) / rate + memory_s
    station = row.whole("station", 1) - 1 if metric == "utilisation" else 0
    if station >= n:
        row.refuse("station", f"expected a station from 1 to {n}")
    return Case(plant, measures(plant, unit_s, station)[metric], rate, warm_up_s, _controls(plant, failures))


def _stations(row: Row) -> int:
    if row.has("N"):
        return row.whole("N")
    mu = row.raw("mu")
    if isinstance(mu, list):
        return max(1, len(mu))
    b = row.raw("b") if row.has("b") else []
    return len(b) + 1 if isinstance(b, list) else 2


def _failures(row: Row, n: int, unit_s: float) -> list[FailureMode]:
    """Return one failure mode per machine: mean life 1/p on its clock, mean repair 1/r."""
    kind = row.choice("failures", ("none", "odf", "tdf"), "none")
    if kind == "none":
        return []
    clock = "busy" if kind == "odf" else "calendar"
    return [
        FailureMode("failure", exponential(unit_s / p), exponential(unit_s / r), clock=clock)
        for p, r in zip(row.numbers("p", n), row.numbers("r", n), strict=True)
    ]


def _controls(plant: Plant, failures: list[FailureMode]) -> tuple[Meter, ...]:
    controls: list[Meter] = [services(o.machines, o.cycle_time.mean_s) for o in plant.operations]
    for operation, mode in zip(plant.operations, failures, strict=False):
        clock = (State.BUSY,) if mode.clock == "busy" else _RUNNING
        units = operation.machines
        controls += [lives(units, mode.after.mean_s, clock), repairs(units, mode.repair.mean_s)]
    return tuple(controls)
