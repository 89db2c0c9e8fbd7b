"""Small plants of every kind, their descriptions, and their logs as telemetry carries them."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np

from factory_sim.distributions import Distribution, constant
from factory_sim.errors import ModelError
from factory_sim.plant.describe import describe as describe_plant
from factory_sim.plant.resolve.derived import with_derived
from factory_sim.plant.spec import (
    Batch,
    Conveyor,
    Cost,
    Crew,
    FailureMode,
    Fleet,
    Input,
    Inspection,
    Machine,
    Maintenance,
    Operation,
    Plant,
    Robot,
    Shift,
    Source,
    Tariff,
)
from factory_sim.plant.states import N_STATES, State
from factory_sim.plant.wall_clock import repeated
from factory_sim.records import EventLog, Meta, Rows, Window
from factory_sim.sim.run import simulate

S = 1_000_000
EPOCH_NS = 1_767_225_600_000_000_000
POWER_W = tuple(9000.0 if s == State.BUSY else 2000.0 if s != State.OFF else 0.0 for s in range(N_STATES))
COST = Cost("EUR", Tariff((0.0,), (0.2,)), 30.0, 100.0, 60.0, 5.0)


def exponential(mean_s: float) -> Distribution:
    return Distribution("exponential", mean_s)


class Workshop:
    """A builder of plants from stations in flow order."""

    def __init__(self, **source: object) -> None:
        self.sources: list[dict] = [source]
        self.stations: list[dict] = []
        self.crews: list[int] = []
        self.robots = 0
        self.fleets: list[dict] = []
        self.conveyors: list[tuple[float, int]] = []

        self.variants: tuple[str, ...] = ("standard",)
        self.shifts: tuple[Shift, ...] = ()

    def station(  # noqa: PLR0913
        self,
        cycle: Distribution,
        *,
        m: int = 1,
        inputs: tuple[Input, ...] | None = None,
        buffer: int = 2,
        failures: tuple[FailureMode, ...] = (),
        maintenance: tuple[Maintenance, ...] = (),
        shift: int = -1,
        **rest: object,
    ) -> Workshop:
        n = len(self.stations)
        if inputs is None:
            inputs = (Input(source=0, capacity=buffer) if n == 0 else Input(operation=n - 1, capacity=buffer),)
        self.stations.append(
            {
                "cycle": cycle,
                "m": m,
                "inputs": inputs,
                "rest": rest,
                "machine": {"failures": failures, "maintenance": maintenance, "shift": shift},
            }
        )
        return self

    def plant(self) -> Plant:
        unit = 0
        names: list[str] = []

        def new(name: str) -> int:
            nonlocal unit
            names.append(name)
            unit += 1
            return unit - 1

        sources = tuple(
            Source(f"source{i}", new(f"source{i}"), material_cost=40.0, **s) for i, s in enumerate(self.sources)
        )
        machines, operations = [], []
        follower = {way.operation: i for i, s in enumerate(self.stations) for way in s["inputs"] if way.operation >= 0}
        for i, s in enumerate(self.stations):
            own = tuple(new(f"M{i}{chr(97 + k)}") for k in range(s["m"]))
            machines += [Machine(names[u], u, i, "cnc", power_w=POWER_W, **s["machine"]) for u in own]
            operations.append(
                Operation(
                    f"OP{i}",
                    f"OP{i}",
                    0,
                    "cnc",
                    "machining",
                    own,
                    s["cycle"],
                    s["cycle"].mean_s,
                    s["inputs"],
                    follower.get(i, -1),
                    **s["rest"],
                )
            )
        robots = tuple(Robot(f"R{i}", (new(f"R{i}"),)) for i in range(self.robots))
        fleets = tuple(
            Fleet(f"F{i}", tuple(new(f"V{i}{k}") for k in range(f.pop("n"))), **f)
            for i, f in enumerate([dict(f) for f in self.fleets])
        )
        conveyors = tuple(Conveyor(f"C{i}", new(f"C{i}"), *c) for i, c in enumerate(self.conveyors))
        crews = tuple(Crew(f"K{i}", tuple(new(f"K{i}{k}") for k in range(n))) for i, n in enumerate(self.crews))
        plant = Plant(
            "small",
            "small",
            "2026-01-01T06:00:00",
            "UTC",
            "a/b/c",
            ("one",),
            tuple(operations),
            tuple(machines),
            sources,
            (),
            tuple(names),
            robots,
            fleets,
            conveyors,
            crews,
            self.shifts,
            self.variants,
            cost=COST,
        )
        return with_derived(plant)


def describe(plant: Plant, window: Window) -> Meta:
    """The description a subscriber gets."""
    return describe_plant(plant, "run", EPOCH_NS, window)


def numbered_rows(log: EventLog) -> Rows:
    """The log's rows with sequence numbers, as the publisher sends them."""
    seq = np.zeros(len(log), np.int64)
    for unit in np.unique(log.unit):
        mine = log.unit == unit
        seq[mine] = np.arange(mine.sum())
    return Rows(log.t_us * 1000 + EPOCH_NS, log.unit, seq, log.state, log.part, log.outcome, log.detail)


FLAVOURS = ("plain", "people", "transport")


def random_run(seed: int, flavour: str, until_us: int) -> tuple[Plant, EventLog]:
    """A random line and its log; a line that deadlocks is replaced by the next."""
    while True:
        plant = random_workshop(seed, flavour).plant()
        try:
            return plant, simulate(plant, seed=seed, until_us=until_us).log
        except ModelError:
            seed += 1000


def random_workshop(seed: int, flavour: str) -> Workshop:
    """A small line of three to seven stations: parallel machines, failures with crews, inspection, joins, furnaces, and

    with "people" also robots, operators, changeovers, maintenance and shifts, with "transport" conveyors and vehicles.
    """
    r = random.Random(seed)
    whole_seconds = r.random() < 0.67  # makes ties

    def time() -> Distribution:
        mean = r.uniform(5, 40)
        if whole_seconds:
            odd = Distribution("empirical", values=(5.0, 10.0, 20.0))
            return constant(float(r.randint(1, 4) * 10)) if r.random() < 0.7 else odd
        even = Distribution("uniform", mean / 2, mean)
        return r.choice([exponential(mean), Distribution("lognormal", mean, 0.3), even])

    timed = {"interarrival": time(), "when_full": r.choice(["wait", "lose"])}
    shop = Workshop(**r.choice([{}, {}, timed, {"cards": 7}]))
    people = flavour != "plain"
    shop.crews, shop.robots = r.choice([[], [1], [2]]), int(people and r.random() < 0.4)
    if people and r.random() < 0.3:
        shop.variants = ("a", "b")
        shop.sources[0]["mix"] = (0.6, 0.4)
    if people and r.random() < 0.2:
        shop.shifts = (Shift("early", repeated(1200.0, (0.0, 900.0)), at_end=r.choice(["pause", "finish"])),)
    for i in range(r.randint(3, 7)):
        buffer = r.choice([0, 1, 2, 3, 8])
        rest, inputs = random_station(shop, r, i, buffer, people=people)
        if flavour == "transport" and i > 0 and inputs is None and r.random() < 0.4:
            inputs = (random_transport(shop, r, i, max(buffer, 1)),)
        places = max(buffer, 3) if "batch" in rest else buffer
        shop.station(time(), m=r.choice([1, 1, 2, 3]), inputs=inputs, buffer=places, **rest)
    return shop


def random_station(
    shop: Workshop, r: random.Random, i: int, buffer: int, *, people: bool
) -> tuple[dict, tuple[Input, ...] | None]:
    crew = 0 if shop.crews and r.random() < 0.7 else -1
    clocks = r.choice([[], [], ["busy"], ["busy", "calendar"]])
    rest: dict = {
        "failures": tuple(
            FailureMode(f"f{k}", exponential(r.uniform(100, 800)), exponential(r.uniform(10, 90)), clock, crew=crew)
            for k, clock in enumerate(clocks)
        )
    }
    if shop.robots and r.random() < 0.5:
        rest["robot"] = 0
    if people and shop.crews and r.random() < 0.1:
        rest["operator"] = 0
    if len(shop.variants) > 1 and r.random() < 0.4:
        rest["setup_s"] = ((0.0, 12.0), (7.0, 0.0))
    if people and r.random() < 0.15:
        rest["maintenance"] = (Maintenance("clean", constant(20.0), every_parts=r.randint(5, 30), crew=crew),)
    if shop.shifts and r.random() < 0.5:
        rest["shift"] = 0
    if i > 0 and r.random() < 0.25:
        rest["inspection"] = Inspection(0.1, 0.15 if buffer > 2 and r.random() < 0.5 else 0.0, r.randint(0, i), 2)
    if i > 1 and r.random() < 0.2:
        shop.sources.append({})
        return rest, (
            Input(operation=i - 1, capacity=buffer),
            Input(source=len(shop.sources) - 1, capacity=max(buffer, 2), quantity=r.randint(1, 2)),
        )
    if r.random() < 0.15:
        rest["batch"] = Batch(3, r.randint(1, 3), r.choice([0.0, 50.0]))
    return rest, None


def random_transport(shop: Workshop, r: random.Random, i: int, capacity: int) -> Input:
    if r.random() < 0.5:
        shop.conveyors.append((float(r.randint(3, 20)), r.randint(1, 4)))
        return Input(operation=i - 1, capacity=capacity, conveyor=len(shop.conveyors) - 1)
    if not shop.fleets:
        shop.fleets.append(
            {
                "n": r.randint(1, 2),
                "policy": "first_come",
                "speed_mps": 1.0,
                "load": constant(3.0),
                "unload": constant(2.0),
                "distance_m": ((7.0,),),
            }
        )
    return Input(operation=i - 1, capacity=capacity, fleet=0)


def without_causes(log: EventLog) -> EventLog:
    return replace(log, cause=np.full(len(log), -1, np.int32))
