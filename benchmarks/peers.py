"""The plain standard line as other simulators write it: parts out of a run from empty, or of several.

Each model is the short one that its own documentation leads to: single machines, buffers of 10, blocking after
service, 37 s exponential, a first machine that never starves. None writes a log. The fourth is cimba_line.py.
"""

from __future__ import annotations

import random
from itertools import pairwise
from typing import Any

CYCLE_S, CAPACITY = 37.0, 10


def salabim(machines: int, until_s: float, seed: int) -> int:
    """Components and stores, in the style with `yield`; a component of its own feeds the first store."""
    import salabim as sim  # noqa: PLC0415 - an extra

    class Machine(sim.Component):  # type: ignore[misc]
        def setup(self, before: Any, after: Any) -> None:
            self.before, self.after = before, after

        def process(self) -> Any:
            while True:
                part = yield self.from_store(self.before)
                yield self.hold(cycle.sample())
                yield self.to_store(self.after, part)

    class Supply(sim.Component):  # type: ignore[misc]
        def process(self) -> Any:
            while True:
                yield self.to_store(stores[0], sim.Component())

    environment = sim.Environment(trace=False, random_seed=seed, yieldless=False)
    cycle = sim.Exponential(CYCLE_S)
    stores = [*(sim.Store(capacity=CAPACITY) for _ in range(machines)), sim.Store()]
    Supply()
    for before, after in pairwise(stores):
        Machine(before=before, after=after)
    environment.run(till=until_s)
    return len(stores[-1])


def ciw(machines: int, until_s: float, seed: int) -> int:
    """A queueing network; it knows no saturated source, so a part comes every 5 s and is lost if there is no room."""
    import ciw as queues  # noqa: PLC0415 - an extra

    queues.seed(seed)
    network = queues.create_network(
        arrival_distributions=[queues.dists.Deterministic(5.0), *([None] * (machines - 1))],
        service_distributions=[queues.dists.Exponential(1 / CYCLE_S)] * machines,
        routing=[[float(j == i + 1) for j in range(machines)] for i in range(machines)],
        number_of_servers=[1] * machines,
        queue_capacities=[CAPACITY] * machines,
    )
    simulation = queues.Simulation(network)
    simulation.simulate_until_max_time(until_s)
    records = (record for individual in simulation.nodes[-1].all_individuals for record in individual.data_records)
    return sum(record.node == machines for record in records)


def simantha(machines: int, until_s: float, seed: int) -> int:
    """Machines and buffers; its clock is whole seconds, so the times are geometric, the exponential's discrete twin."""
    from simantha import Buffer, Machine, Sink, Source, System  # noqa: PLC0415 - an extra

    random.seed(seed)
    source, sink = Source(), Sink()
    line = [Machine(f"M{i}", cycle_time={"geometric": 1 / CYCLE_S}) for i in range(machines)]
    buffers = [Buffer(f"B{i}", capacity=CAPACITY) for i in range(machines - 1)]
    places = [source, *buffers, sink]
    source.define_routing(downstream=[line[0]])
    for machine, (before, after) in zip(line, pairwise(places), strict=True):
        machine.define_routing(upstream=[before], downstream=[after])
    for buffer, (before, after) in zip(buffers, pairwise(line), strict=True):
        buffer.define_routing(upstream=[before], downstream=[after])
    sink.define_routing(upstream=[line[-1]])
    system = System([source, *line, *buffers, sink])
    system.simulate(simulation_time=int(until_s), verbose=False, collect_data=False)
    return int(sink.level)
