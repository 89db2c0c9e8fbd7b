"""The shape of plant and scenario files: which keys exist, what each value must look like, what each key means.

Everything is optional here, so that a file with a hundred mistakes is reported in one go; what is required, and how
things fit together, `check.py` says. The descriptions become the JSON Schema that editors complete from.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, WithJsonSchema

from factory_sim.plant.yaml import quantities as q
from factory_sim.plant.yaml.quantities import Flag, Share, Text, Whole


def _listed(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


def _choice(*words: str) -> tuple[PlainValidator, WithJsonSchema]:
    return PlainValidator(q.choice(*words)), WithJsonSchema({"enum": list(words)})


_CLOCK, _WHEN_FULL, _AT_END = _choice("busy", "calendar"), _choice("wait", "lose"), _choice("pause", "finish")
_BITS = PlainValidator(lambda v: int(q.choice("16", "32")(str(v)))), WithJsonSchema({"enum": [16, 32]})
Texts = Annotated[list[Text], BeforeValidator(_listed)]


class Shape(BaseModel):
    """A mapping that knows its keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class Failure(Shape):
    """One way in which a machine fails. On operations and machines, keys given replace those of the kind."""

    after: q.Duration | None = Field(
        default=None, description="From the end of the last repair to the failure, on the mode's clock."
    )
    repair: q.Duration | None = Field(default=None, description="Duration of the repair, without waiting for the crew.")
    clock: Annotated[str, *_CLOCK] = Field(
        default="busy", description="busy: only processing ages it; calendar: all time but down and off."
    )
    wear: Flag = Field(default=False, description="The sensors see it coming; needs clock busy.")
    crew: Text | None = Field(default=None, description="Crew that repairs it; none: repaired at once.")
    skill: Text | None = Field(
        default=None, description="Skill the repair needs; without `crew`, the first crew that has it comes."
    )
    priority: q.Count = Field(default=0, description="Lower is served first by the crew.")


class Maintenance(Shape):
    """Planned work on a machine: give at least one of every, every_parts, at_wear."""

    duration: q.Duration | None = Field(default=None, description="How long it takes.")
    every: q.Seconds = Field(default=0.0, description="By calendar.")
    every_parts: q.Count = Field(default=0, description="By count.")
    at_wear: Share = Field(default=0.0, description="By condition: share of the life of any wearing failure mode.")
    crew: Text | None = Field(default=None, description="Crew that does it; none: nobody is needed.")


class MachinePower(Shape):
    """Power by state.

    Without a value setup, blocked and waiting draw what starved draws; maintenance, down and repair what off draws;
    others nothing.
    """

    off: q.Watts | None = None
    setup: q.Watts | None = None
    starved: q.Watts | None = None
    busy: q.Watts | None = None
    blocked: q.Watts | None = None
    waiting: q.Watts | None = None
    maintenance: q.Watts | None = None
    down: q.Watts | None = None
    repair: q.Watts | None = None


class VehiclePower(Shape):
    """Power by state of a vehicle; 0 W without a value."""

    idle: q.Watts | None = None
    moving_empty: q.Watts | None = None
    moving_loaded: q.Watts | None = None
    loading: q.Watts | None = None
    charging: q.Watts | None = None


class RobotPower(Shape):
    """Power by state of a robot; 0 W without a value."""

    idle: q.Watts | None = None
    busy: q.Watts | None = None


class Fault(Shape):
    """A fault of a sensor or of a machine's clock: once at `start`, or at random `after`."""

    kind: Text | None = Field(
        default=None, description="Sensor: stuck, drift, spike, drop_out. Machine: clock_skew, drop_out."
    )
    start: q.Seconds = Field(default=0.0, description="Since the run's start.")
    after: q.Duration | None = Field(
        default=None, description="At random, again and again: from `start` or the end of the last one to the next."
    )
    duration: q.Duration | None = Field(
        default=None, description="How long; without it to the end of the run, a spike one reading."
    )
    size: Any = Field(
        default=None, description="Drift: at its end; spike: added; in the sensor's unit. clock_skew: how far ahead."
    )


class Sensor(Shape):
    """A periodic channel. Other keys are parameters of its kind: `factory-sim list` shows them."""

    model_config = ConfigDict(extra="allow", frozen=True)

    kind: Text | None = Field(default=None, description="Sensor kind: `factory-sim list` shows them.")
    rate: q.Hertz | None = Field(default=None, description="Readings per second.")
    low: Any = Field(default=None, description="Measuring range from, in the kind's unit.")
    high: Any = Field(default=None, description="Measuring range to, in the kind's unit.")
    scale: Any = Field(
        default=None, description="Value of one count, in the kind's unit; without it the finest that covers the range."
    )
    offset: Any = Field(default=None, description="Value of count 0, in the kind's unit.")
    bits: Annotated[int, *_BITS] | None = Field(default=None, description="Of the raw count, signed.")
    faults: dict[str, Fault | None] = Field(default={}, description="What goes wrong with it, by name.")


class Equipment(Shape):
    """What kinds, operations and machines can say of machines; the nearer wins, key by key."""

    power: MachinePower = MachinePower()
    failures: dict[str, Failure | None] = Field(
        default={}, description="Failure modes by name; empty: the kind's mode does not apply here."
    )
    maintenance: dict[str, Maintenance | None] = Field(default={}, description="Planned work by name.")
    sensors: dict[str, Sensor | None] = Field(
        default={}, description="Sensors by name; empty: the kind's sensor is not fitted here."
    )
    faults: dict[str, Fault | None] = Field(default={}, description="What goes wrong with its clock or gateway.")
    shift: Text | None = Field(default=None, description="Shift in which the machine works; none: always.")


class Kind(Equipment):
    """A kind of machine: what its machines have in common."""

    title: Text | None = Field(default=None, description="For people; the name without it.")
    behaviour: Text | None = Field(default=None, description="How its machines move: `factory-sim list` shows them.")


class Input(Shape):
    """One of several things that an operation takes; each has its own buffer."""

    from_: Text | None = Field(default=None, alias="from", description="A source, or an operation before this one.")
    quantity: Whole = Field(default=1, description="Parts taken for one cycle.")
    buffer: q.Places | None = Field(default=None, description="Waiting places in front of the operation.")
    by: Text | None = Field(default=None, description="Conveyor or fleet that brings the parts; none: at once.")


class Inspection(Shape):
    """What happens to parts after their cycle."""

    scrap: Share = Field(default=0.0, description="Share of parts that leave the line as scrap.")
    rework: Share = Field(default=0.0, description="Share of parts that go back.")
    rework_to: Text | None = Field(default=None, description="Operation the part goes back to.")
    max_loops: q.Places = Field(
        default=1, description="A part sent back that often already is scrapped; `unlimited` also does."
    )


class Batch(Shape):
    """A furnace: parts worked on together."""

    size: Whole | None = Field(default=None, description="At most that many at once.")
    minimum: Whole = Field(default=1, description="Starts once that many wait.")
    timeout: q.Seconds = Field(
        default=0.0, description="Starts with fewer that long after the oldest arrived; 0 s: never."
    )


def _setup(value: Any) -> Any:
    return value if isinstance(value, dict) else {"*": {"*": value}}


class Operation(Equipment):
    """One step of the line: identical machines in parallel behind one buffer (several for a join)."""

    title: Text | None = Field(default=None, description="For people; the name without it.")
    kind: Text | None = Field(default=None, description="Kind of its machines, one of `kinds`.")
    behaviour: Text | None = Field(default=None, description="How its machines move, if not as the kind says.")
    machines: q.Machines = 1
    cycle_time: q.Duration | None = Field(default=None, description="Processing time of one part, loading included.")
    unit_time: q.Seconds | None = Field(
        default=None, description="Planned time of one part, the base of OEE; without it the mean cycle time."
    )
    from_: Text | None = Field(
        default=None, alias="from", description="A source or an operation; without it the one before in the section."
    )
    quantity: Whole = Field(default=1, description="Parts taken for one cycle.")
    buffer: q.Places | None = Field(default=None, description="Waiting places in front of the operation.")
    by: Text | None = Field(default=None, description="Conveyor or fleet that brings the parts; none: at once.")
    inputs: list[Input] = Field(
        default=[], description="Several inputs: a join. The first one's part keeps its identity."
    )
    inspection: Inspection | None = None
    batch: Batch | None = None
    variant_factor: dict[str, q.Factor] = Field(default={}, description="Cycle time multiplier by variant; 1 without.")
    setup: Annotated[dict[str, dict[str, q.Seconds]], BeforeValidator(_setup)] = Field(
        default={}, description="Changeover time: one for all changes, or {from variant: {to variant: time}}."
    )
    setup_operator: Text | None = Field(default=None, description="Crew needed for setup.")
    operator: Text | None = Field(default=None, description="Crew needed while busy.")
    robot: Text | None = Field(default=None, description="Robot needed while busy, shared with other operations.")


class Section(Shape):
    """A part of the plant; its operations follow one another unless they say otherwise."""

    title: Text | None = Field(default=None, description="For people; the name without it.")
    shift: Text | None = Field(default=None, description="Shift of its machines.")
    operations: dict[str, Operation] = Field(default={}, description="In flow order; names are unique in the plant.")


class Source(Shape):
    """Where parts enter."""

    interarrival: q.Arrivals | None = None
    schedule: list[q.Seconds] | None = Field(default=None, description="Arrival moments since the run's start.")
    file: Text | None = Field(
        default=None, description="CSV with arrival moments in its first column; plain numbers are seconds."
    )
    when_full: Annotated[str, *_WHEN_FULL] = Field(
        default="wait", description="wait: arrivals queue outside; lose: they go away."
    )
    cards: q.Count = Field(default=0, description="CONWIP: at most that many of its parts in the line; 0: no limit.")
    mix: dict[str, Share] = Field(default={}, description="Share of each variant; they add up to 1.")
    sequence: list[Text] = Field(default=[], description="A fixed cycle of variants, instead of the mix.")
    material_cost: q.Price = Field(default=0.0, description="Of one part that enters.")


class Battery(Shape):
    """A vehicle's battery."""

    moving_time: q.Seconds = Field(default=0.0, description="Moving time on a full battery.")
    charge_below: Share = Field(default=0.2, description="An idle vehicle below this share goes charging.")
    charge_time: q.Seconds = Field(default=0.0, description="From empty to full.")


class Fleet(Shape):
    """Vehicles that carry parts between sections."""

    count: Whole | None = Field(default=None, description="How many.")
    policy: Text = Field(default="first_come", description="Who is served next: `factory-sim list` shows the policies.")
    speed: q.Speed | None = Field(default=None, description="Moving, loaded or not.")
    load: q.Duration | None = Field(
        default=None, description="Loading one part; the part's machine is held until it ends."
    )
    unload: q.Duration | None = Field(default=None, description="As `load` without it.")
    distances: Annotated[dict[str, dict[str, q.Metres]], BeforeValidator(_setup)] = Field(
        default={},
        description="One for all ways, or {section: {section: length}}; the way back is as long unless given.",
    )
    trip: q.Duration | None = Field(default=None, description="Drawn travel time, instead of distance and speed.")
    battery: Battery | None = None
    power: VehiclePower = VehiclePower()
    sensors: dict[str, Sensor | None] = Field(default={}, description="Sensors by name.")


class Conveyor(Shape):
    """Carries parts with a delay."""

    delay: q.Seconds | None = Field(default=None, description="From one end to the other.")
    capacity: Whole | None = Field(default=None, description="Parts on it, waiting ones included.")


class Robot(Shape):
    """A shared server: operations that name it are served one at a time."""

    power: RobotPower = RobotPower()
    sensors: dict[str, Sensor | None] = Field(default={}, description="Sensors by name.")


class Crew(Shape):
    """A pool of people: repairers or operators."""

    count: Whole | None = Field(default=None, description="How many.")
    skills: Texts = Field(default=[], description="What its people can do.")
    shift: Text | None = Field(default=None, description="Shift in which its people work; none: always.")
    wage: q.PricePerHour = Field(default=0.0, description="Of one person.")


class Shift(Shape):
    """When something works."""

    open: Texts = Field(default=[], description="'06:00-14:00', or with days 'Mon-Fri 06:00-14:00'.")
    breaks: Texts = Field(default=[], description="'09:00-09:15', or with days: closed within the open hours.")
    at_end: Annotated[str, *_AT_END] = Field(default="pause", description="pause the part in work, or finish it first.")


class Costs(Shape):
    """Prices."""

    machine: q.PricePerHour = Field(default=0.0, description="Of one machine.")
    labour: q.PricePerHour = Field(default=0.0, description="Of the whole line, per planned hour.")
    repair: q.PricePerHour = Field(default=0.0, description="Of one repair.")
    scrap: q.Price = Field(default=0.0, description="Of one scrapped part, besides its material.")


class Link(Shape):
    """How telemetry travels. Keys given replace those of the profile."""

    profile: Text = Field(default="wired", description="wired, wifi or 5g.")
    latency: q.Seconds | None = Field(default=None, description="Mean delay of a message.")
    jitter: q.Seconds | None = Field(default=None, description="Spread of the delay.")
    loss: Share | None = Field(default=None, description="Share of messages that never arrive.")
    outage_every: q.Seconds | None = Field(default=None, description="Mean time between outages; none without it.")
    outage: q.Seconds | None = Field(default=None, description="Length of an outage.")


class Plant(Shape):
    """A plant file."""

    plant: Text | None = Field(default=None, description="The plant's name, a level of its topics.")
    title: Text | None = Field(default=None, description="For people; the name without it.")
    start: Text = Field("2026-01-05 06:00", description="Local time at which a run starts.")
    timezone: Text = Field("UTC", description="IANA name, such as Europe/Berlin.")
    topic: Text | None = Field(
        default=None, description="ISA-95 path all topics begin with; the plant's name without it."
    )
    pacing: Text | None = Field(default=None, description="Operation whose station times make the headline.")
    currency: Text = Field(default="EUR", description="Three letters; every price is in it.")
    costs: Costs = Costs()
    tariff: Annotated[
        dict[str, q.PricePerKwh], BeforeValidator(lambda v: v if isinstance(v, dict) else {"00:00": v})
    ] = Field(default={}, description="Energy price: one, or {'06:00': price, '22:00': price}.")
    base_load: q.Watts = Field(default=0.0, description="Power of light, air, chips ... that no machine draws.")
    variants: list[Text] = Field(default=["standard"], description="Product variants.")
    link: Annotated[Link, BeforeValidator(lambda v: {"profile": v} if isinstance(v, str) else v)] = Link()
    shift: Text | None = Field(default=None, description="Shift of all machines that name none.")
    table: Texts = Field(default=[], description="CSV or Excel tables with operations, machines, kinds ...")
    kinds: dict[str, Kind] = Field(default={}, description="Kinds of machines.")
    sources: dict[str, Source] = Field(default={}, description="Where parts enter.")
    sections: dict[str, Section] = Field(default={}, description="Parts of the plant, with their operations.")
    machines: dict[str, Equipment] = Field(default={}, description="What one machine has of its own.")
    fleets: dict[str, Fleet] = Field(default={}, description="Vehicles.")
    conveyors: dict[str, Conveyor] = Field(default={}, description="Conveyors.")
    robots: dict[str, Robot] = Field(default={}, description="Robots that serve several operations.")
    crews: dict[str, Crew] = Field(default={}, description="Repairers and operators.")
    shifts: dict[str, Shift] = Field(default={}, description="Working hours.")


class Changes(Shape):
    """Changes to the plant that is extended. Keys are addresses, also with patterns: `operations.OP4*.buffer`."""

    set: dict[str, Any] = Field(default={}, description="address: new value")
    scale: dict[str, q.Factor] = Field(default={}, description="address: factor")
    add: dict[str, Any] = Field(default={}, description="address: what is new there")
    remove: Texts = Field(default=[], description="addresses")


class Investment(Shape):
    """What the change costs, and what an hour of planned production is worth of it: the base of payback."""

    amount: q.Price = Field(default=0.0, description="What it costs.")
    hours_per_year: q.Factor = Field(default=0.0, description="Planned production hours a year.")
    value_per_part: q.Price = Field(
        default=0.0, description="What one more good part earns, material and energy not deducted."
    )


class Scenario(Changes):
    """A scenario file: a small diff against a plant or another scenario."""

    extends: Text | None = Field(
        default=None, description="The file it changes, relative to this one, or the name of a packaged plant."
    )
    title: Text | None = Field(default=None, description="For people; the name without it.")
    question: Text | None = Field(default=None, description="What it answers.")
    investment: Investment | None = None
    changes: dict[str, Changes] = Field(
        default={}, description="Named groups of changes, whose effects can be told apart."
    )
