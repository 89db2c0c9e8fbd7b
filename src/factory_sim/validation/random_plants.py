"""Random small plants with every feature mixed, as Hypothesis strategies: legal as the loader would have them.

`plants(without={...})` leaves features out. Durations are seconds to minutes, so an hour or two shows all of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from hypothesis import strategies as st

from factory_sim.distributions import Distribution
from factory_sim.inverse_cdf import CODES
from factory_sim.plant.spec import (
    UNLIMITED,
    Batch,
    ClockTime,
    Conveyor,
    Crew,
    FailureMode,
    Fleet,
    Input,
    Inspection,
    Machine,
    Maintenance,
    Robot,
    Shift,
    Source,
)
from factory_sim.plant.states import Outcome, State
from factory_sim.plant.wall_clock import repeated
from factory_sim.sim.calendar.flatten import POLICY_CODES
from factory_sim.validation.exact.lines import operation, plant_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from factory_sim.plant.spec import Operation, Plant
    from factory_sim.records import EventLog

T = TypeVar("T")


class _Shown:
    """What a run showed: its states and outcomes, and the units that took parts, were busy or are crews at work."""

    def __init__(self, plant: Plant, log: EventLog) -> None:
        self.plant, self.log = plant, log
        self.states, self.outcomes = set(log.state.tolist()), set(log.outcome.tolist())
        self.took = set(log.unit[log.outcome == Outcome.TOOK].tolist())
        self.busy = set(log.unit[log.state == State.BUSY].tolist())
        self.crews = {unit for crew in plant.crews for unit in crew.units} & self.busy

    def has(self, of: Callable[[Operation], object]) -> bool:
        """Return whether a condition holds for an operation of the plant."""
        return any(map(of, self.plant.operations))


# feature -> whether a run exercised it
FEATURES: dict[str, Callable[[_Shown], object]] = {
    "parallel": lambda s: s.has(lambda o: len(o.machines) > 1),
    "joins": lambda s: Outcome.MERGED in s.outcomes,
    "batches": lambda s: s.has(lambda o: o.batch is not None and s.took & set(o.machines)),
    "failures": lambda s: State.REPAIR in s.states,
    "maintenance": lambda s: State.MAINTENANCE in s.states,
    "crews": lambda s: s.crews and any(mode.crew >= 0 for each in s.plant.machines for mode in each.failures),
    "robots": lambda s: any(unit in s.busy for robot in s.plant.robots for unit in robot.units),
    "operators": lambda s: s.crews and s.has(lambda o: max(o.operator, o.setup_operator) >= 0),
    "fleets": lambda s: State.MOVING_LOADED in s.states,
    "conveyors": lambda s: any(conveyor.unit in s.took for conveyor in s.plant.conveyors),
    "variants": lambda s: len(set(s.log.detail[s.log.outcome == Outcome.ENTERED].tolist())) > 1,
    "setups": lambda s: State.SETUP in s.states,
    "rework": lambda s: Outcome.REWORK in s.outcomes,
    "racks": lambda s: (
        Outcome.REWORK in s.outcomes
        and s.has(lambda o: o.rework_from and not (o.rework_first and o.rework_places == UNLIMITED))
    ),
    "scrap": lambda s: Outcome.SCRAPPED in s.outcomes,
    "cards": lambda s: any(source.cards for source in s.plant.sources),
    "arrivals": lambda s: any(source.interarrival is not None or source.arrivals_s for source in s.plant.sources),
    "shifts": lambda s: State.OFF in s.states,
}


def exercised(plant: Plant, log: EventLog) -> set[str]:
    """Return the features that a run exercised."""
    shown = _Shown(plant, log)
    return {name for name, exercises in FEATURES.items() if exercises(shown)}


_STARTS = (  # some before midnight or before the local clock changes
    ("2026-01-05 00:00", "UTC"),
    ("2026-12-31 23:40:00.5", "Asia/Shanghai"),
    ("2026-03-29 01:30", "Europe/Berlin"),
    ("2026-10-25 02:20", "Europe/Berlin"),
    ("2026-04-05 01:35", "Australia/Lord_Howe"),  # by half an hour
    ("2026-03-29 01:40+01:00", "Europe/Berlin"),
)
_SECOND = {"lognormal": (0.1, 0.5, 1.5), "gamma": (0.1, 0.5, 1.5), "weibull": (0.8, 1.4, 3.0)}  # second parameter


@st.composite
def durations(draw: st.DrawFn, low_s: float = 5.0, high_s: float = 60.0) -> Distribution:
    """Any kind of distribution with a mean between the two."""
    kind = draw(st.sampled_from(sorted(CODES)))
    mean = float(draw(st.integers(int(low_s), int(high_s))))
    low, high = 0.5 * mean, 1.5 * mean
    if kind == "empirical":
        return Distribution(kind, values=(low, mean, high))
    if kind in _SECOND:
        return Distribution(kind, mean, draw(st.sampled_from(_SECOND[kind])))
    if kind == "triangular":
        return Distribution(kind, low, mean, high)
    return Distribution(kind, low, high) if kind == "uniform" else Distribution(kind, mean)


@dataclass
class _Draft:
    """A plant in the making: choices so far."""

    draw: st.DrawFn
    features: frozenset[str]
    forced: frozenset[str] = frozenset()  # two that this plant has nearly for sure, so that no pair of them is rare
    start: tuple[str, str] = ("2026-01-05 00:00", "UTC")  # of a run: local time and zone
    n_variants: int = 1
    operations: list[dict[str, Any]] = field(default_factory=list)
    sources: list[dict[str, Any]] = field(default_factory=list)
    conveyors: list[dict[str, Any]] = field(default_factory=list)
    crews: list[dict[str, Any]] = field(default_factory=list)
    fleets: list[dict[str, Any]] = field(default_factory=list)
    shifts: list[Shift] = field(default_factory=list)
    robots: list[int] = field(default_factory=list)  # number of each
    n_sections: int = 1

    def pick(self, *values: T) -> T:
        """One of the values."""
        return self.draw(st.sampled_from(values))

    def some(self, feature: str, odds: int = 3) -> bool:
        """Draw whether the plant has the feature here: one time in `odds`, three in four where it is forced."""
        if feature in self.forced:
            return self.often()
        return feature in self.features and self.draw(st.integers(1, odds)) == odds

    def often(self, of: int = 4) -> bool:
        """Draw True in all but one case in `of`."""
        return self.draw(st.integers(1, of)) < of

    def one_of(self, things: list[Any], feature: str, odds: int = 2) -> int:
        """Draw the index of one of the things, or -1."""
        return self.draw(st.integers(0, len(things) - 1)) if things and self.some(feature, odds) else -1


@st.composite
def plants(draw: st.DrawFn, *, without: Collection[str] = (), max_operations: int = 5) -> Plant:
    """Draw a whole plant."""
    draft = _Draft(draw, frozenset(FEATURES) - frozenset(without))
    _force(draft)
    draft.n_sections = draft.pick(1, 2, 3)
    draft.n_variants = draft.pick(2, 3) if "setups" in draft.forced or draft.some("variants", 2) else 1
    _surroundings(draft)
    least = 3 if "joins" in draft.forced else 2 if draft.forced & {"fleets", "conveyors"} else 1
    n = draw(st.integers(min(least, max_operations), max_operations))
    joint = draft.pick(*range(1, n)) if n > 2 and draft.some("joins", 2) else 0
    _operations(draft, n, joint)
    _enough_cards(draft)
    return _number(draft)


def _force(draft: _Draft) -> None:
    """Choose the features of the plant; repair crews imply failures, and rework racks rework."""
    known = [feature for feature in FEATURES if feature in draft.features]
    if known:
        draft.forced = frozenset((draft.pick(*known), draft.pick(*known)))
    if "crews" in draft.forced:
        draft.forced |= {"failures"} & draft.features
    if "racks" in draft.forced:
        draft.forced |= {"rework"} & draft.features


def _enough_cards(draft: _Draft) -> None:
    """Raise the number of cards where batches or joins need several parts, so that few plants deadlock."""
    several = any(o["batch"] is not None or any(i.quantity > 1 for i in o["inputs"]) for o in draft.operations)
    if several and draft.often(8):
        for source in draft.sources:
            source["cards"] = max(source["cards"], 20) if source["cards"] else 0


def _surroundings(draft: _Draft) -> None:
    """Draw shifts, crews, robots and fleets."""
    draft.start = draft.pick(*_STARTS)
    if draft.some("shifts", 2):
        draft.shifts = [_shift(draft, i) for i in range(draft.pick(1, 2))]
    if "crews" in draft.features or "operators" in draft.features:
        draft.crews = [
            {"count": draft.pick(1, 2), "shift": draft.one_of(draft.shifts, "shifts")}
            for _ in range(draft.pick(1, 2) if draft.forced & {"crews", "operators"} else draft.pick(0, 1, 2))
        ]
    draft.robots = [draft.pick(1, 1, 2) for _ in range(draft.pick(1, 2))] if draft.some("robots", 2) else []
    if draft.some("fleets", 2):
        draft.fleets = [_fleet(draft) for _ in range(draft.pick(1, 1, 2))]


def _shift(draft: _Draft, index: int) -> Shift:
    spans = draft.pick(((0.0, 1500.0),), ((300.0, 900.0), (1100.0, 1700.0)), ((0.0, 600.0), (601.0, 1800.0)))
    hours, at_end = repeated(draft.pick(1800.0, 2400.0), *spans), draft.pick("pause", "finish")
    breaks = draft.pick((), repeated(3600.0, (1200.0, 1320.0)))
    first = datetime.fromisoformat(draft.start[0]).date()
    dates = draft.pick((), (first,), (first + timedelta(days=1),))
    other = draft.pick((), repeated(1200.0, (100.0, 1000.0)))
    return Shift(f"shift{index}", hours, breaks, tuple((day, other) for day in dates), at_end)


def _fleet(draft: _Draft) -> dict[str, Any]:
    far = draft.pick(0.0, 10.0, 60.0)
    sections = range(draft.n_sections)
    return {
        "count": draft.pick(1, 2, 3),
        "policy": draft.pick(*POLICY_CODES),
        "speed_mps": draft.pick(1.0, 1.5),
        "load": _short(draft),
        "unload": _short(draft),
        "distance_m": tuple(tuple(far * abs(a - b) + (7.0 if a < b else 0.0) for b in sections) for a in sections),
        "battery_s": draft.pick(0.0, 120.0),
        "charge_s": draft.pick(60.0, 300.0),
        "trip": draft.draw(durations(5, 30)) if draft.some("fleets") else None,
    }


def _short(draft: _Draft) -> Distribution:
    return draft.pick(Distribution("constant", 0.0), Distribution("constant", 4.0), Distribution("exponential", 5.0))


def _operations(draft: _Draft, n: int, joint: int) -> None:
    """Draw a chain of n operations; with a `joint`, two branches meet there."""
    if not joint:
        for i in range(n):
            _operation(draft, [i - 1 if i else ~_source(draft)], first=0)
        return
    split = draft.draw(st.integers(0, joint - 1))  # operations below `split` are the second branch
    for i in range(n):
        feeds = [i - 1 if i not in (0, split) else ~_source(draft)]
        if i == joint:
            feeds.append(split - 1 if split else ~_source(draft))
        _operation(draft, feeds, first=split if split <= i < joint else 0)
    if split:
        draft.operations[split - 1]["destination"] = joint


def _source(draft: _Draft) -> int:
    variants: dict[str, Any] = {"mix": (1.0 / draft.n_variants,) * draft.n_variants}
    if draft.n_variants > 1 and draft.often(2):
        variants = {"sequence": draft.pick((0, 1), (0, 0, 1), (1,))}
    arrivals: dict[str, Any] = {}
    if draft.some("arrivals", 2):
        arrivals = {"interarrival": draft.draw(durations(10, 90)), "when_full": draft.pick("wait", "lose")}
        if draft.some("arrivals"):
            arrivals = {"arrivals_s": tuple(sorted(draft.draw(st.lists(st.integers(0, 3000).map(float), max_size=40))))}
    cards = draft.pick(1, 2, 5, 20) if draft.some("cards") else 0
    draft.sources.append({**variants, **arrivals, "cards": cards})
    return len(draft.sources) - 1


def _operation(draft: _Draft, feeds: list[int], first: int) -> None:
    """Draw an operation; a feed is the index of an operation or ~ of a source; rework returns to `first` or later."""
    index = len(draft.operations)
    batch = None
    if len(feeds) == 1 and draft.some("batches", 4):
        size = draft.pick(2, 3, 4)
        batch = Batch(size, draft.pick(1, size), draft.pick(0.0, 30.0, 200.0))
    quantities = [draft.pick(1, 1, 2) if "joins" in draft.features and batch is None else 1 for _ in feeds]
    joins = len(feeds) > 1 or quantities[0] > 1
    section = draft.draw(st.integers(0, draft.n_sections - 1))
    inputs = []
    for feed, quantity in zip(feeds, quantities, strict=True):
        least = batch.size if batch is not None else quantity if joins else 0
        inputs.append(_input(draft, feed, quantity, least))
    many = draft.n_variants > 1
    factors = tuple(draft.pick(0.5, 1.0, 1.7) for _ in range(draft.n_variants))
    draft.operations.append(
        {
            "section": section,
            "inputs": tuple(inputs),
            "batch": batch,
            "count": draft.pick(1, 2, 3) if draft.some("parallel", 2) else 1,
            "cycle_time": draft.draw(durations()),
            "inspection": _inspection(draft, first, index),
            "variant_factor": factors if many and draft.some("variants") else (),
            "setup_s": _matrix(draft) if many and draft.some("setups", 2) else (),
            "setup_operator": draft.one_of(draft.crews, "operators"),
            "operator": draft.one_of(draft.crews, "operators"),
            "robot": draft.one_of(draft.robots, "robots"),
            "failures": tuple(_failure(draft, i) for i in range(draft.pick(1, 2))) if draft.some("failures", 2) else (),
            "shift": draft.one_of(draft.shifts, "shifts"),
        }
    )
    last = draft.operations[-1]
    if last["inspection"] is not None and last["inspection"].rework and draft.some("racks", 2):
        _rack(draft, last["inspection"].rework_to)
    wears = any(mode.wear for mode in last["failures"])
    last["maintenance"] = (_maintenance(draft, wears=wears),) if draft.some("maintenance") else ()


def _input(draft: _Draft, feed: int, quantity: int, least: int) -> Input:
    capacity = least + draft.pick(0, 0, 1, 2, 5)
    if feed < 0:
        return Input(source=~feed, quantity=quantity, capacity=capacity)
    conveyor = fleet = -1
    if draft.some("conveyors", 4):
        draft.conveyors.append({"delay_s": draft.pick(0.0, 5.0, 40.0), "capacity": draft.pick(1, 2, 4)})
        conveyor = len(draft.conveyors) - 1
    else:
        fleet = draft.one_of(draft.fleets, "fleets")
        capacity = max(1, capacity) if fleet >= 0 else capacity
    return Input(operation=feed, quantity=quantity, capacity=capacity, conveyor=conveyor, fleet=fleet)


def _inspection(draft: _Draft, first: int, index: int) -> Inspection | None:
    scrap = draft.pick(0.05, 0.3) if draft.some("scrap") else 0.0
    if draft.some("rework", 4):
        target = draft.draw(st.integers(first, index))
        return Inspection(scrap, draft.pick(0.05, 0.3), target, draft.pick(1, 2, 9))
    return Inspection(scrap) if scrap else None


def _rack(draft: _Draft, target: int) -> None:
    """Draw a rework rack; limit the parts inside where it is finite, so that few plants deadlock."""
    rack = {"rework_places": draft.pick(1, 3, UNLIMITED), "rework_first": draft.often(2)}
    draft.operations[target] |= {**rack, "rework_components": draft.often(2)}
    for source in draft.sources if rack["rework_places"] < UNLIMITED and draft.often() else ():
        source["cards"] = source["cards"] or draft.pick(2, 4, 20)


def _matrix(draft: _Draft) -> tuple[tuple[float, ...], ...]:
    n = draft.n_variants
    return tuple(tuple(0.0 if a == b else draft.pick(0.0, 10.0, 45.0) for b in range(n)) for a in range(n))


def _failure(draft: _Draft, index: int) -> FailureMode:
    clock = draft.pick("busy", "calendar")
    return FailureMode(
        f"mode{index}",
        draft.draw(durations(60, 600)),
        draft.draw(durations(5, 120)),
        clock=clock,
        wear=clock == "busy" and draft.often(2),
        crew=draft.one_of(draft.crews, "crews"),
        priority=draft.pick(0, 1),
    )


def _maintenance(draft: _Draft, *, wears: bool) -> Maintenance:
    by_clock = tuple(ClockTime(600.0 * n) for n in range(144))
    calendar: dict[str, Any] = draft.pick({"every_s": 400.0}, {"at": by_clock})
    when: dict[str, Any] = draft.pick(calendar, {"every_parts": 7}, *([{"at_wear": 0.7}] if wears else []))
    return Maintenance("service", draft.draw(durations(10, 60)), crew=draft.one_of(draft.crews, "crews"), **when)


def _number(draft: _Draft) -> Plant:
    """Number the units in the order of the spec and assemble the plant."""
    names: list[str] = []

    def unit(name: str) -> int:
        names.append(name)
        return len(names) - 1

    def units(group: str, n: int) -> tuple[int, ...]:
        return tuple(unit(f"{group}-{k}") for k in range(n))

    sources = tuple(Source(f"in{i}", unit(f"in{i}"), **each) for i, each in enumerate(draft.sources))
    machines: list[Machine] = []
    operations = []
    for i, parts in enumerate(draft.operations):
        count, failures, maintenance, shift = (parts.pop(k) for k in ("count", "failures", "maintenance", "shift"))
        ids = units(f"M{i}", count)
        machines += [Machine(names[u], u, i, "machine", failures, maintenance, shift=shift) for u in ids]
        destination = parts.pop("destination", i + 1 if i + 1 < len(draft.operations) else -1)
        operations.append(operation(f"OP{i}", ids, parts.pop("cycle_time"), destination=destination, **parts))
    plant = plant_of(  # the arguments number the units in this order
        "random",
        sections=tuple(f"S{i}" for i in range(draft.n_sections)),
        operations=tuple(operations),
        machines=tuple(machines),
        sources=sources,
        robots=tuple(Robot(f"R{i}", units(f"R{i}", n)) for i, n in enumerate(draft.robots)),
        fleets=tuple(Fleet(f"F{i}", units(f"F{i}", f.pop("count")), **f) for i, f in enumerate(draft.fleets)),
        conveyors=tuple(Conveyor(f"B{i}", unit(f"B{i}"), **each) for i, each in enumerate(draft.conveyors)),
        crews=tuple(Crew(f"C{i}", units(f"C{i}", c.pop("count")), **c) for i, c in enumerate(draft.crews)),
        units=tuple(names),
        shifts=tuple(draft.shifts),
        variants=tuple(f"v{i}" for i in range(draft.n_variants)),
    )
    start, timezone = draft.start
    return replace(plant, start=start, timezone=timezone)
