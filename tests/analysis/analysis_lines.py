"""Small plants of every kind, their descriptions, and logs as telemetry carries them."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np

from factory_sim.distributions import Distribution, constant
from factory_sim.plant.spec import (
    Batch,
    Conveyor,
    Crew,
    FailureMode,
    Fleet,
    Input,
    Inspection,
    Machine,
    Operation,
    Plant,
    Robot,
    Source,
)
from factory_sim.plant.states import N_STATES, State
from factory_sim.records import (
    EventLog,
    InputInfo,
    Meta,
    OperationInfo,
    Prices,
    Rows,
    UnitInfo,
    Window,
)

S = 1_000_000
EPOCH_NS = 1_767_225_600_000_000_000
POWER_W = tuple(9000.0 if s == State.BUSY else 2000.0 if s != State.OFF else 0.0 for s in range(N_STATES))


def exponential(mean_s: float) -> Distribution:
    return Distribution("exponential", mean_s)


class Workshop:
    """Collects stations in flow order and makes a plant of them."""

    def __init__(self, **source: object) -> None:
        self.sources: list[dict[str, object]] = [source]
        self.stations: list[dict] = []
        self.crews: list[int] = []
        self.robots = 0
        self.fleets: list[dict] = []
        self.conveyors: list[tuple[float, int]] = []

    def station(self, cycle: Distribution, *, m: int = 1, inputs: tuple[Input, ...] | None = None, buffer: int = 2,
                failures: tuple[FailureMode, ...] = (), **rest: object) -> Workshop:
        n = len(self.stations)
        if inputs is None:
            inputs = (Input(source=0, capacity=buffer) if n == 0 else Input(operation=n - 1, capacity=buffer),)
        self.stations.append({"cycle": cycle, "m": m, "inputs": inputs, "failures": failures, "rest": rest})
        return self

    def plant(self) -> Plant:
        unit = 0
        names: list[str] = []

        def new(name: str) -> int:
            nonlocal unit
            names.append(name)
            unit += 1
            return unit - 1

        sources = tuple(Source(f"source{i}", new(f"source{i}"), **s) for i, s in enumerate(self.sources))  # type: ignore[arg-type]
        machines, operations = [], []
        follower = {way.operation: i for i, s in enumerate(self.stations) for way in s["inputs"] if way.operation >= 0}
        for i, s in enumerate(self.stations):
            own = tuple(new(f"M{i}{chr(97 + k)}") for k in range(s["m"]))
            machines += [Machine(names[u], u, i, "cnc", s["failures"], power_w=POWER_W) for u in own]
            operations.append(Operation(f"OP{i}", f"OP{i}", 0, "cnc", "machining", own, s["cycle"], s["cycle"].mean_s,
                                        s["inputs"], follower.get(i, -1), **s["rest"]))
        robots = tuple(Robot(f"R{i}", new(f"R{i}")) for i in range(self.robots))
        fleets = tuple(Fleet(f"F{i}", tuple(new(f"V{i}{k}") for k in range(f.pop("n"))), **f)
                       for i, f in enumerate([dict(f) for f in self.fleets]))
        conveyors = tuple(Conveyor(f"C{i}", new(f"C{i}"), *c) for i, c in enumerate(self.conveyors))
        crews = tuple(Crew(f"K{i}", tuple(new(f"K{i}{k}") for k in range(n))) for i, n in enumerate(self.crews))
        return Plant("small", "small", "2026-01-01T06:00:00", "UTC", "a/b/c", ("one",), tuple(operations), tuple(machines),
                     sources, (), tuple(names), robots, fleets, conveyors, crews)


def describe(plant: Plant, window: Window) -> Meta:
    """The description a subscriber would get."""
    roles = {s.unit: "source" for s in plant.sources} | {m.unit: "machine" for m in plant.machines}
    roles |= {r.unit: "robot" for r in plant.robots} | {u: "vehicle" for f in plant.fleets for u in f.units}
    roles |= {c.unit: "conveyor" for c in plant.conveyors} | {u: "crew" for c in plant.crews for u in c.units}
    place = {m.unit: m.operation for m in plant.machines}
    units = tuple(UnitInfo(name, roles[u], operation=place.get(u, -1), section="one" if u in place else "",
                           power_w=POWER_W if u in place else ()) for u, name in enumerate(plant.units))
    operations = tuple(
        OperationInfo(o.name, o.title, "one", o.machines, tuple(
            InputInfo(plant.sources[i.source].unit if i.source >= 0 else -1, i.operation, i.quantity, i.capacity,
                      "fleet" if i.fleet >= 0 else "conveyor" if i.conveyor >= 0 else "") for i in o.inputs),
            o.destination, o.unit_time_s, o.batch.size if o.batch else 1,
            rework_to=o.inspection.rework_to if o.inspection else -1) for o in plant.operations)
    modes = [()] * len(units)
    for m in plant.machines:
        modes[m.unit] = tuple(f.name for f in m.failures)
    prices = Prices("EUR", (0.0,), (0.2,), 30.0, 100.0, 60.0, 5.0, tuple((s.unit, 40.0) for s in plant.sources))
    return Meta("run", plant.name, EPOCH_NS, "UTC", window, units, operations, (), tuple(modes), ("standard",),
                ((window.t0_us, window.t1_us),), prices)


def numbered_rows(log: EventLog) -> Rows:
    """The log's rows with each unit's own numbers, as the publisher sends them."""
    seq = np.zeros(len(log), np.int64)
    for unit in np.unique(log.unit):
        mine = log.unit == unit
        seq[mine] = np.arange(mine.sum())
    return Rows(log.t_us * 1000 + EPOCH_NS, log.unit, seq, log.state, log.part, log.outcome, log.detail)


def random_workshop(seed: int, *, transport: bool = False) -> Workshop:
    """A small line of three to seven stations with a random mix of everything."""
    r = random.Random(seed)
    grid = r.choice([1.0, 1.0, 0.0])  # whole seconds make ties

    def time() -> Distribution:
        mean = r.uniform(5, 40)
        if grid:
            return constant(float(r.randint(1, 4) * 10)) if r.random() < 0.7 else Distribution("empirical", values=(5.0, 10.0, 20.0))
        return r.choice([exponential(mean), Distribution("lognormal", mean, 0.3), Distribution("uniform", mean / 2, mean)])

    shop = Workshop() if r.random() < 0.7 else Workshop(interarrival=time(), when_full=r.choice(["wait", "lose"]))
    if r.random() < 0.2:
        shop.sources[0] = {"cards": r.randint(2, 9)}
    if r.random() < 0.5:
        shop.crews.append(r.randint(1, 2))
    if r.random() < 0.3:
        shop.robots = 1
    n = r.randint(3, 7)
    for i in range(n):
        failures = tuple(
            FailureMode(f"f{k}", exponential(r.uniform(100, 800)), exponential(r.uniform(10, 90)),
                        clock=r.choice(["busy", "busy", "calendar"]), crew=0 if shop.crews and r.random() < 0.7 else -1)
            for k in range(r.choice([0, 0, 1, 2])))
        rest: dict[str, object] = {}
        buffer = r.choice([0, 1, 2, 3, 8])
        if shop.robots and r.random() < 0.5:
            rest["robot"] = 0
        if i > 0 and r.random() < 0.25:
            back = r.randint(0, i)
            rest["inspection"] = Inspection(0.1, r.choice([0.0, 0.15]) if buffer > 2 else 0.0, back, 2)
        inputs = None
        if i > 1 and r.random() < 0.2:
            shop.sources.append({})
            inputs = (Input(operation=i - 1, capacity=buffer),
                      Input(source=len(shop.sources) - 1, capacity=max(buffer, 2), quantity=r.randint(1, 2)))
        elif r.random() < 0.15:
            rest["batch"] = Batch(3, r.randint(1, 3), r.choice([0.0, 50.0]))
            buffer = max(buffer, 3)
        if transport and i > 0 and inputs is None and r.random() < 0.4:
            if r.random() < 0.5:
                shop.conveyors.append((float(r.randint(3, 20)), r.randint(1, 4)))
                inputs = (Input(operation=i - 1, capacity=max(buffer, 1), conveyor=len(shop.conveyors) - 1),)
            else:
                if not shop.fleets:
                    shop.fleets.append({"n": r.randint(1, 2), "policy": "first_come", "speed_mps": 1.0, "load": constant(3.0),
                                        "unload": constant(2.0), "distance_m": ((7.0,),)})
                inputs = (Input(operation=i - 1, capacity=max(buffer, 1), fleet=0),)
        shop.station(time(), m=r.choice([1, 1, 2, 3]), inputs=inputs, buffer=buffer, failures=failures, **rest)
    return shop


def without_causes(log: EventLog) -> EventLog:
    return replace(log, cause=np.full(len(log), -1, np.int32))
