"""The plant as frozen records, with indexes as references and SI quantities.

load.py reads it from files; the engines, sensing and the description sent with telemetry use it.
Operations are in flow order, source to sink: apart from rework, parts go to an operation with a higher index.
Unit ids number sources, machines, robots, vehicles, conveyors and crews in that order; machine units follow the order
of their operations. Fields under "derived" follow from the others; resolve/derived.py computes them for both engines.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import date

    from factory_sim.distributions import Distribution
    from factory_sim.plant.states import Wait

SINK = -1
UNLIMITED = 2**31 - 1
EVERY_DAY = (0, 1, 2, 3, 4, 5, 6)  # of the week; 0 is Monday


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a file, for messages."""

    file: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class FailureMode:
    """One way in which a machine fails."""

    name: str
    after: Distribution  # time from the end of the last repair to the failure, on the mode's clock
    repair: Distribution
    clock: str = "busy"  # "busy": operation-dependent; "calendar": time-dependent, stops only in down and off
    wear: bool = False  # sensors show it before: wear = busy time since repair / drawn life (needs clock "busy")
    crew: int = -1  # index of the crew pool that repairs it; -1: repaired at once, no crew needed
    priority: int = 0  # its crew serves lower numbers first


@dataclass(frozen=True, slots=True)
class SensorFault:
    """A temporary fault of a sensor, or of the clock or gateway of a unit."""

    name: str
    kind: str  # of a sensor "stuck", "drift", "spike", "drop_out"; of a unit "clock_skew", "drop_out"
    start_s: float = 0.0  # since the start of the run; random faults: not before
    after: Distribution | None = None  # random and repeated: time from the end of the last to the next; None: once
    duration: Distribution | None = None  # None: to the end of the run; for a spike: one reading
    size: float = 0.0  # error at the end of a drift or of a spike, in the sensor's unit; clock_skew: time ahead [s]


@dataclass(frozen=True, slots=True)
class Maintenance:
    """Planned maintenance of a machine by calendar (every), count (parts) or condition (wear above a limit)."""

    name: str
    duration: Distribution
    every_s: float = 0.0
    at: tuple[ClockTime, ...] = ()  # by the local clock, instead of `every_s`
    every_parts: int = 0
    at_wear: float = 0.0  # share of life of any wearing mode; the maintenance renews all wearing modes
    crew: int = -1


@dataclass(frozen=True, slots=True)
class Input:
    """An input of an operation: parts of a source or of an upstream operation, and the buffer for them."""

    source: int = -1  # index in Plant.sources, or
    operation: int = -1  # index in Plant.operations
    quantity: int = 1  # parts taken for one cycle; the first input's part keeps its identity, the others merge into it
    capacity: int = 0  # waiting places of the buffer in front of the operation
    conveyor: int = -1  # index in Plant.conveyors, if one brings the parts
    fleet: int = -1  # index in Plant.fleets, if vehicles bring the parts
    # derived
    starts_with: int = field(default=0, compare=False)  # parts that must wait here before a machine can start
    pace_s: float = field(default=0.0, compare=False)  # planned time until the operation has used one part from here
    pickup: int = field(default=-1, compare=False)  # index in Plant.sections where vehicles load


@dataclass(frozen=True, slots=True)
class Inspection:
    """The inspection of a part after its cycle. One uniform decides: scrap first, then rework."""

    scrap: float = 0.0
    rework: float = 0.0
    rework_to: int = SINK  # operation index, the operation itself or one before it
    max_loops: int = 1  # a part that went back this often is scrapped instead


@dataclass(frozen=True, slots=True)
class Batch:
    """A furnace: up to `size` parts; starts with `minimum` waiting, or `timeout_s` after the oldest arrived."""

    size: int
    minimum: int = 1
    timeout_s: float = 0.0  # 0: no timeout


@dataclass(frozen=True, slots=True)
class Operation:
    """Identical machines that take parts first-come-first-served from one buffer, or from several for a join."""

    name: str
    title: str
    section: int
    kind: str
    behaviour: str
    machines: tuple[int, ...]  # unit ids
    cycle_time: Distribution
    unit_time_s: float  # planned cycle time: the base of OEE effectiveness
    inputs: tuple[Input, ...]
    destination: int = SINK
    inspection: Inspection | None = None
    batch: Batch | None = None
    variant_factor: tuple[float, ...] = ()  # cycle time multiplier by variant; empty: 1
    setup_s: tuple[tuple[float, ...], ...] = ()  # changeover matrix [from variant][to variant]; empty: none
    setup_operator: int = -1  # crew pool needed for setup
    operator: int = -1  # crew pool needed while busy (manual work)
    robot: int = -1  # index in Plant.robots: shared server needed while busy
    rework_places: int = UNLIMITED  # of the rack for parts that come back
    rework_first: bool = True  # they are taken before new parts; else in the order of arrival
    rework_components: bool = True  # at a join they are joined with new parts of the other inputs
    place: Place | None = field(default=None, compare=False)
    # derived; `behaviour` too: "machining" becomes "joining" or "batching" where inputs or batch require it
    pools: tuple[int, ...] = field(default=(), compare=False)  # in Plant.pools: needed for work, in the order of taking
    setup_pool: int = field(default=-1, compare=False)  # in Plant.pools: needed for setup
    rework_from: tuple[int, ...] = field(default=(), compare=False)  # operations that send parts back to this one


@dataclass(frozen=True, slots=True)
class Machine:
    """One machine; `unit` is its id in logs."""

    name: str
    unit: int
    operation: int
    kind: str
    failures: tuple[FailureMode, ...] = ()
    maintenance: tuple[Maintenance, ...] = ()
    power_w: tuple[float, ...] = ()  # by state; shape (n_known_states,)
    sensors: tuple[int, ...] = ()  # sensor ids
    shift: int = -1  # index in Plant.shifts; -1: always on
    place: Place | None = field(default=None, compare=False)
    faults: tuple[SensorFault, ...] = ()  # of its clock and gateway


@dataclass(frozen=True, slots=True)
class Source:
    """A source of parts; saturated, with a part always waiting, without `interarrival` and `arrivals_s`."""

    name: str
    unit: int
    interarrival: Distribution | None = None
    arrivals_s: tuple[float, ...] = ()  # arrival times, instead of `interarrival`
    when_full: str = "wait"  # "wait": arrivals queue outside without limit; "lose": they are lost
    cards: int = 0  # CONWIP: at most this many of the source's parts in the line; 0: no limit
    mix: tuple[float, ...] = (1.0,)  # share of each variant
    sequence: tuple[int, ...] = ()  # a fixed cycle of variants, instead of the mix
    material_cost: float = 0.0  # per part, in the plant's currency


@dataclass(frozen=True, slots=True)
class Robot:
    """Identical shared robots: each serves one machine of their operations at a time."""

    name: str
    units: tuple[int, ...]
    power_w: tuple[float, ...] = ()
    sensors: tuple[tuple[int, ...], ...] = ()  # by robot


@dataclass(frozen=True, slots=True)
class Fleet:
    """Vehicles that carry parts between stops (sections)."""

    name: str
    units: tuple[int, ...]
    policy: str  # "first_come", "nearest", "most_urgent", or one registered by the user
    speed_mps: float
    load: Distribution
    unload: Distribution
    distance_m: tuple[tuple[float, ...], ...]  # [from section][to section]; vehicles start at section 0
    battery_s: float = 0.0  # moving time on a full battery; 0: never charges
    charge_below: float = 0.2  # share of charge below which an idle vehicle charges
    charge_s: float = 0.0  # from empty to full
    trip: Distribution | None = None  # drawn travel time instead of distance / speed
    power_w: tuple[float, ...] = ()
    sensors: tuple[tuple[int, ...], ...] = ()  # by vehicle


@dataclass(frozen=True, slots=True)
class Conveyor:
    """A conveyor that carries parts in `delay_s`, at most `capacity` at once, including waiting ones."""

    name: str
    unit: int
    delay_s: float
    capacity: int


@dataclass(frozen=True, slots=True)
class Crew:
    """A crew of repairers or operators."""

    name: str
    units: tuple[int, ...]
    skills: tuple[str, ...] = ()
    shift: int = -1
    wage_per_h: float = 0.0


@dataclass(frozen=True, slots=True)
class Pool:
    """Identical units that machines wait for and occupy: robots, or the people of a crew."""

    wait: Wait  # what a machine that waits for one shows
    units: tuple[int, ...]
    shift: int = -1


@dataclass(frozen=True, slots=True)
class Hours:
    """An interval of local wall-clock time on some days of the week."""

    begin_s: float  # after midnight of the day on which it begins
    end_s: float  # after the same midnight; above 86,400: it ends on the next day
    days: tuple[int, ...] = EVERY_DAY
    name: str = ""


@dataclass(frozen=True, slots=True)
class ClockTime:
    """A local wall-clock time on some days of the week."""

    at_s: float  # after midnight
    days: tuple[int, ...] = EVERY_DAY


@dataclass(frozen=True, slots=True)
class Shift:
    """Working hours by the plant's local clock; plant/wall_clock.py places them on the dates of a run."""

    name: str
    hours: tuple[Hours, ...]
    breaks: tuple[Hours, ...] = ()
    exceptions: tuple[tuple[date, tuple[Hours, ...]], ...] = ()  # hours that begin on a date, instead of the usual
    at_end: str = "pause"  # "pause" the part in work, or "finish" it first


@dataclass(frozen=True, slots=True)
class Sensor:
    """A periodic channel of a unit: value = raw * scale + offset, in `unit_text`."""

    id: int
    unit: int
    name: str  # within its machine: "spindle_power"
    kind: str  # a key of sensing.kinds.KINDS
    unit_text: str
    scale: float
    offset: float
    low: float  # measuring range, in unit_text
    high: float
    period_us: int
    bits: int = 16  # of the raw count: 16 or 32, signed
    params: tuple[tuple[str, float], ...] = ()  # of the kind, sorted by name
    faults: tuple[SensorFault, ...] = ()


@dataclass(frozen=True, slots=True)
class Tariff:
    """Energy price by time of day."""

    from_s: tuple[float, ...] = (0.0,)  # seconds after midnight at which a price begins, rising, first 0
    price_per_kwh: tuple[float, ...] = (0.0,)


@dataclass(frozen=True, slots=True)
class Cost:
    """Prices, in `currency`."""

    currency: str = "EUR"
    tariff: Tariff = Tariff()
    machine_per_h: float = 0.0
    labour_per_h: float = 0.0  # of the whole line, per planned hour
    repair_per_h: float = 0.0
    scrap_per_part: float = 0.0


@dataclass(frozen=True, slots=True)
class LinkProfile:
    """The network that carries telemetry."""

    name: str = "wired"
    latency_s: float = 0.0
    jitter_s: float = 0.0
    loss: float = 0.0
    outage_every_s: float = 0.0
    outage_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Investment:
    """Cost and value of a scenario, in the plant's currency, from which payback is computed."""

    amount: float
    hours_per_year: float = 0.0  # planned production
    value_per_part: float = 0.0  # revenue of one more good part, material and energy not deducted


@dataclass(frozen=True, slots=True)
class Scenario:
    """A scenario file without its changes."""

    name: str  # of its file
    title: str
    question: str = ""  # that it answers
    changes: tuple[str, ...] = ()  # the groups of changes that were applied
    investment: Investment | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """The arguments with which a plant was loaded: `load` with the same arguments gives the same plant."""

    file: str  # path, or name of a packaged plant or scenario
    groups: tuple[str, ...] | None = None  # groups of changes of a scenario that apply; None: all
    changes: tuple[str, ...] = ()  # further changes, such as "agv.count+2"


@dataclass(frozen=True, slots=True)
class Plant:
    """A plant: its operations, equipment, people, sensors, prices and network."""

    name: str
    title: str
    start: str  # of a run, ISO 8601: local time, or with an offset from UTC
    timezone: str
    topic_root: str  # ISA-95 path: enterprise/site/area
    sections: tuple[str, ...]
    operations: tuple[Operation, ...]
    machines: tuple[Machine, ...]
    sources: tuple[Source, ...]
    sensors: tuple[Sensor, ...]
    units: tuple[str, ...]  # name of every unit id
    robots: tuple[Robot, ...] = ()
    fleets: tuple[Fleet, ...] = ()
    conveyors: tuple[Conveyor, ...] = ()
    crews: tuple[Crew, ...] = ()
    shifts: tuple[Shift, ...] = ()
    variants: tuple[str, ...] = ("standard",)
    base_load_w: float = 0.0
    cost: Cost = Cost()
    link: LinkProfile = LinkProfile()
    pacing: int = -1  # operation at which the headline reads station times; -1: the first bottleneck
    plan_parts: float = 0.0  # good parts planned for a shift; 0: no plan
    digest: str = ""  # sha256 of the resolved input
    assumptions: tuple[str, ...] = field(default=(), compare=False)
    scenario: Scenario | None = field(default=None, compare=False)  # None: a plant file as it is
    origin: Origin | None = field(default=None, compare=False)  # None: built in Python
    # derived
    pools: tuple[Pool, ...] = field(default=(), compare=False)  # a pool for each robot, then one for each crew
    can_deadlock: bool = field(default=False, compare=False)  # whether operations can come to wait for each other

    def crew_pool(self, crew: int) -> int:
        """Return the index in `pools` of a crew, -1 for none."""
        return len(self.robots) + crew if crew >= 0 else -1
