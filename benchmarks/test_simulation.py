"""Rows of `factory-sim bench` about the SimPy model: each measured turn by turn with what it is compared with."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, Any

import textbook_simpy
from standard_line import MACHINES, standard_line
from stretch import H_US, QUICK, ROUNDS
from table import held, noted

from factory_sim import registry
from factory_sim.sim.run import Simulation

if TYPE_CHECKING:
    from collections.abc import Callable

    from factory_sim.plant.spec import Plant

UNTIL_US = H_US if QUICK else 8 * H_US
SHIFT_LIMIT_S = 5.0


def timed(work: Callable[[], int]) -> float:
    """Processor seconds that one of the visits in `work` takes: others on the machine do not count."""
    begun = time.process_time()
    visits = work()
    return (time.process_time() - begun) / visits


def visits_of(plant: Plant, until_us: int) -> int:
    """Visits of one run of the reference model, the log taken hour by hour."""
    simulation = Simulation(plant, until_us=until_us, engine="simpy")
    for t_us in range(H_US, until_us + 1, H_US):
        simulation.advance(t_us)
    return int(simulation.truth().parts.sum())


def test_simulate_visits_per_s(benchmark: Any) -> None:
    """With failures, joins and the full log, against a textbook model that has none of them."""
    plant = standard_line()
    visits_of(plant, H_US)  # compiled draws are loaded
    ours, textbook = [], []

    def turn() -> None:
        ours.append(timed(lambda: visits_of(plant, UNTIL_US)))
        textbook.append(timed(lambda: textbook_simpy.simulate(MACHINES, UNTIL_US / 1e6)))

    benchmark.pedantic(turn, rounds=ROUNDS, iterations=1)
    ratio = statistics.median(theirs / mine for mine, theirs in zip(ours, textbook, strict=True))
    noted(benchmark, 1 / statistics.median(ours), "part visits/s", "textbook SimPy", ratio)


def test_reference_shift_s(benchmark: Any) -> None:
    """The reference line with everything on, a shift of 8 hours with its log."""
    plant = registry.load("gearbox_line")
    benchmark.pedantic(lambda: visits_of(plant, UNTIL_US), rounds=min(ROUNDS, 3), iterations=1, warmup_rounds=1)
    seconds = benchmark.stats.stats.median * (8 * H_US / UNTIL_US)
    held(benchmark, seconds, "s", SHIFT_LIMIT_S)


def visit_s(machines: int, hours: int) -> float:
    """Processor seconds a visit, on a standard line that has been filling for as long as it is long."""
    warm_up_us = machines * 60_000_000
    simulation = Simulation(standard_line(machines), until_us=warm_up_us + hours * H_US, engine="simpy")
    simulation.advance(warm_up_us)
    before = int(simulation.truth().parts.sum())

    def window() -> int:
        for hour in range(hours):
            simulation.advance(warm_up_us + (hour + 1) * H_US)
        return int(simulation.truth().parts.sum()) - before

    return timed(window)


def test_visit_cost_growth(benchmark: Any) -> None:
    """The costliest visit among 2 and 4 times the machines or hours, against a visit of the line as it is."""
    hours = 1 if QUICK else 2
    larger = [(2 * MACHINES, hours), (4 * MACHINES, hours), (MACHINES, 2 * hours), (MACHINES, 4 * hours)]
    growth: list[list[float]] = []

    def turn() -> None:
        one = visit_s(MACHINES, hours)
        growth.append([visit_s(*size) / one for size in larger])

    benchmark.pedantic(turn, rounds=ROUNDS, iterations=1, warmup_rounds=1)
    worst = max(statistics.median(column) for column in zip(*growth, strict=True))
    noted(benchmark, worst, "times", f"{MACHINES} machines, {hours} h", 1 / worst)
