"""The shape of plant and scenario files: their keys, the form of each value and the meaning of each key.

Every key is optional here, so that all mistakes of a file are reported at once; resolve/ checks which are required and
whether they fit together. The descriptions appear in the JSON Schema and in docs/plant_file.md.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, WithJsonSchema

from factory_sim.plant.catalogue import PROFILES
from factory_sim.plant.yaml import clock_texts as ct
from factory_sim.plant.yaml import quantities as q
from factory_sim.plant.yaml.cells import DECIMAL
from factory_sim.plant.yaml.quantities import Flag, Share, Text, Whole


def _choice(*words: str) -> tuple[PlainValidator, WithJsonSchema]:
    return PlainValidator(q.choice(*words)), WithJsonSchema({"enum": list(words)})


_CLOCK, _WHEN_FULL, _AT_END = _choice("busy", "calendar"), _choice("wait", "lose"), _choice("pause", "finish")
_BITS = PlainValidator(lambda v: int(q.choice("16", "32")(str(v)))), WithJsonSchema({"enum": [16, 32]})
_ONE = "One alone needs no list."
_TEXTS = ("string", "array")
Texts = Annotated[list[Text], q.Short(list, lambda v: [v], _ONE)]


def needed(description: str, *examples: object) -> Any:
    """Return the field of a key that must be given; the first example stands in for a missing value."""
    return Field(description=description, examples=list(examples))


def about(description: str, default: Any = None, shown: str = "", *, alias: str | None = None) -> Any:
    """Return the field of a key; `shown` replaces the default in documents."""
    more: Any = {"default": shown} if shown else None
    return Field(default, description=description, alias=alias, json_schema_extra=more)


class Shape(BaseModel):
    """A mapping with a fixed set of keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True, defer_build=True)


class Failure(Shape):
    """One way in which a machine fails. On operations and machines, keys given replace those of the kind."""

    after: q.Duration | None = about("Time from the end of the last repair to the failure, on the mode's clock.")
    repair: q.Duration | None = about("Duration of the repair, without waiting for the crew.")
    clock: Annotated[str, *_CLOCK] = about(
        "busy: runs while the machine processes; calendar: runs always, except down and off.", "busy"
    )
    wear: Flag = about("The failure develops gradually and sensors show it; needs clock busy.", default=False)
    crew: Text | None = about("Crew that repairs it; without one the repair begins at once.")
    skill: Text | None = about("Skill that the repair needs; without `crew`, the first crew that has it.")
    priority: q.Count = about("The crew serves lower numbers first.", 0)


class Maintenance(Shape):
    """Planned work on a machine: give at least one of every, at, every_parts, at_wear."""

    duration: q.Duration | None = about("Duration of the work.")
    every: q.Seconds = about("Interval, counted from the start of the run.", 0.0)
    at: Annotated[list[ct.ClockTimeText], q.Short(list, lambda v: [v], _ONE)] = about(
        "Times by the plant's local clock: 'Sun 06:00', or '06:00' for every day.", []
    )
    every_parts: q.Count = about("Interval in parts.", 0)
    at_wear: Share = about("Condition: share of the life of any failure mode with wear.", 0.0)
    crew: Text | None = about("Crew that does it; without one no crew is needed.")


class MachinePower(Shape):
    """Power by state.

    Without a value, setup, blocked and waiting have the power of starved; maintenance, down and repair that of off;
    all others 0 W. Without any value the power is not known.
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
    """Power of a vehicle by state; 0 W without a value, not known without any."""

    idle: q.Watts | None = None
    moving_empty: q.Watts | None = None
    moving_loaded: q.Watts | None = None
    loading: q.Watts | None = None
    charging: q.Watts | None = None


class RobotPower(Shape):
    """Power of a robot by state; 0 W without a value, not known without any."""

    idle: q.Watts | None = None
    busy: q.Watts | None = None


class Fault(Shape):
    """A fault of a sensor or of a machine's clock: once at `start`, or at random `after`."""

    kind: Text | None = about("Sensor: stuck, drift, spike, drop_out. Machine: clock_skew, drop_out.")
    start: q.Seconds = about("Time since the start of the run.", 0.0)
    after: q.Duration | None = about(
        "Random and repeated: time from `start`, or from the end of the last fault, to the next."
    )
    duration: q.Duration | None = about("Duration; without it to the end of the run, for a spike one reading.")
    size: Any = about(
        "drift: error at its end; spike: error; in the sensor's unit. clock_skew: time by which the clock is ahead."
    )


class Sensor(Shape):
    """A channel with periodic readings. Further keys are parameters of its kind, see `factory-sim list`."""

    model_config = ConfigDict(extra="allow", frozen=True)

    kind: Text | None = about("Sensor kind, see `factory-sim list`.")
    rate: q.Hertz | None = about("Readings per second.")
    low: Any = about("Lower end of the measuring range, in the kind's unit.")
    high: Any = about("Upper end of the measuring range, in the kind's unit.")
    scale: Any = about("Value of one count, in the kind's unit; without it the finest that covers the range.")
    offset: Any = about("Value of count 0, in the kind's unit.")
    bits: Annotated[int, *_BITS] | None = about("Width of the raw count, signed.")
    faults: dict[str, Fault | None] = about("Faults by name.", {})


class Equipment(Shape):
    """Equipment of machines, given by kinds, operations and machines; the more specific value applies, key by key."""

    power: MachinePower = MachinePower()
    failures: dict[str, Failure | None] = about("Failure modes by name; an empty one removes that of the kind.", {})
    maintenance: dict[str, Maintenance | None] = about("Planned maintenance by name.", {})
    sensors: dict[str, Sensor | None] = about("Sensors by name; an empty one removes that of the kind.", {})
    faults: dict[str, Fault | None] = about("Faults of its clock or gateway by name.", {})
    shift: Text | None = about("Shift in which the machine works; without one it always works.")


class Kind(Equipment):
    """A kind of machine: the common properties of its machines."""

    title: Text | None = about("Title in reports; without it the name.")
    behaviour: Text | None = about("Behaviour of its machines, see `factory-sim list`.")


class Input(Shape):
    """One of several inputs of an operation, with its own buffer."""

    from_: Text | None = about("A source, or an operation before this one.", alias="from")
    quantity: Whole = about("Parts taken for one cycle.", 1)
    buffer: q.Places | None = about("Waiting places in front of the operation.")
    by: Text | None = about("Conveyor or fleet that brings the parts; without one they arrive at once.")


class Inspection(Shape):
    """What happens to parts after their cycle."""

    scrap: Share = about("Share of parts that leave the line as scrap.", 0.0)
    rework: Share = about("Share of parts that go back for rework.", 0.0)
    rework_to: Text | None = about("Operation to which parts go back.")
    max_loops: q.Places = about("How often a part may go back before it is scrapped, or `unlimited`.", 1)


class Batch(Shape):
    """A furnace: parts are processed together."""

    size: Whole = needed("Most parts at once.", 8)
    minimum: Whole = about("Fewest parts with which it starts.", 1)
    timeout: q.Seconds = about("Time after the oldest part arrived at which it starts with fewer; 0 s: never.", 0.0)


def _for_all(meaning: str) -> q.Short:
    return q.Short(dict, lambda v: {"*": {"*": v}}, meaning)


class Operation(Input, Equipment):
    """One step of the line: identical machines in parallel behind one buffer (several for a join)."""

    title: Text | None = about("Title in reports; without it the name.")
    kind: Text | None = about("Kind of its machines, one of `kinds`.")
    behaviour: Text | None = about("Behaviour of its machines; without it that of the kind.")
    machines: q.Machines = 1
    cycle_time: q.Duration = needed("Processing time of one part, loading included.", "37 s", "lognormal(37 s, cv 0.1)")
    unit_time: q.Seconds | None = about("Planned time of one part, the base of OEE; without it the mean cycle time.")
    from_: Text | None = about("A source or operation; without it the operation before in the section.", alias="from")
    inputs: list[Input] = about("Several inputs: a join. The part of the first input keeps its identity.", [])
    inspection: Inspection | None = None
    batch: Batch | None = None
    rework_places: q.Places | None = about("Places of its rework rack, for parts that come back; without it unlimited.")
    rework_first: q.Flag = about(
        "Whether reworked parts are taken before new ones, else in the order of arrival.", default=True, shown="yes"
    )
    rework_components: q.Flag = about(
        "Whether a join takes new parts of the other inputs for a reworked part.", default=True, shown="yes"
    )
    variant_factor: dict[str, q.Factor] = about("Factor of the cycle time by variant; 1 if not given.", {})
    setup: Annotated[dict[str, dict[str, q.Seconds]], _for_all("One time for all changes, such as 5 min.")] = about(
        "Changeover time: one for all changes, or {from variant: {to variant: time}}.", {}
    )
    setup_operator: Text | None = about("Crew needed for setup.")
    operator: Text | None = about("Crew needed while busy.")
    robot: Text | None = about("Robot needed while busy, shared with other operations.")


class Section(Shape):
    """A part of the plant; its operations follow one another unless they name another origin."""

    title: Text | None = about("Title in reports; without it the name.")
    shift: Text | None = about("Shift of its machines.")
    operations: dict[str, Operation] = about("Operations in flow order; their names are unique in the plant.", {})


class Source(Shape):
    """Where parts enter."""

    interarrival: q.Arrivals | None = None
    schedule: list[q.Seconds] | None = about("Arrival times since the start of the run.")
    file: Text | None = about("File with one arrival time per line; plain numbers are seconds.")
    when_full: Annotated[str, *_WHEN_FULL] = about("wait: arrivals queue outside; lose: they are lost.", "wait")
    cards: q.Count = about("CONWIP: most parts of this source in the line; 0: no limit.", 0)
    mix: dict[str, Share] = about("Share of each variant; the sum is 1.", {})
    sequence: list[Text] = about("A fixed cycle of variants, instead of the mix.", [])
    material_cost: q.Price = about("Price of the material of one part.", 0.0)


class Battery(Shape):
    """A vehicle's battery."""

    moving_time: q.Seconds = about("Moving time on a full battery.", 0.0)
    charge_below: Share = about("Share of charge below which an idle vehicle charges.", 0.2)
    charge_time: q.Seconds = about("Time from empty to full.", 0.0)


class Fleet(Shape):
    """Vehicles that carry parts between sections."""

    count: Whole = needed("Number.", 4)
    policy: Text = about("Dispatch policy, see `factory-sim list`.", "first_come")
    speed: q.Speed | None = about("Speed, loaded or empty.")
    load: q.Duration = needed("Time to load one part; its machine stays occupied until the end.", "15 s")
    unload: q.Duration | None = about("Time to unload one part; without it as `load`.")
    distances: Annotated[dict[str, dict[str, q.Metres]], _for_all("One length for all ways, such as 40 m.")] = about(
        "One distance for all, or {section: {section: length}}; the way back has the same length unless given.", {}
    )
    trip: q.Duration | None = about("Travel time, instead of distance and speed.")
    battery: Battery | None = None
    power: VehiclePower = VehiclePower()
    sensors: dict[str, Sensor | None] = about("Sensors by name.", {})


class Conveyor(Shape):
    """A conveyor: carries parts with a delay."""

    delay: q.Seconds = needed("Time from one end to the other.", "20 s")
    capacity: Whole = needed("Most parts on it, including waiting ones.", 10)


class Robot(Shape):
    """Shared robots: each serves one machine of the operations that name them at a time."""

    count: Whole = about("Number.", 1)
    power: RobotPower = RobotPower()
    sensors: dict[str, Sensor | None] = about("Sensors by name.", {})


class Crew(Shape):
    """A crew: repairers or operators."""

    count: Whole = needed("Number.", 2)
    skills: Texts = about("Skills of its people.", [])
    shift: Text | None = about("Shift in which its people work; without one they always work.")
    wage: q.PricePerHour = about("Wage of one person.", 0.0)


HoursList = Annotated[list[ct.HoursText], q.Short(list, lambda v: [v], _ONE)]
NamedHours = Annotated[dict[str, HoursList], q.Short(dict, lambda v: {"": v}, "Hours without names.", _TEXTS)]
DayHours = Annotated[
    dict[str, HoursList], q.Short(dict, lambda v: {} if v == "closed" else {"": v}, "`closed`, or hours.", _TEXTS)
]


Tariff = Annotated[
    dict[ct.TimeOfDay, q.PricePerKwh],
    BeforeValidator(ct.distinct_times),
    q.Short(dict, lambda v: {"00:00": v}, "One price."),
]


class Shift(Shape):
    """Working hours by the plant's local clock. Hours belong to the day on which they begin."""

    open: NamedHours = needed("Open hours, or {name: hours}.", "06:00-14:00", "Mon-Fri 06:00-14:00")
    breaks: HoursList = about("Closed hours within the open ones: '09:00-09:15', or with days.", [])
    exceptions: dict[ct.Dates, DayHours] = about(
        "Dates with other hours: {2026-12-24: '06:00-10:00', 2026-12-25 to 2027-01-02: closed}.", {}
    )
    at_end: Annotated[str, *_AT_END] = about("pause: interrupt the part in work; finish: complete it first.", "pause")


class Costs(Shape):
    """Prices."""

    machine: q.PricePerHour = about("Cost of one machine.", 0.0)
    labour: q.PricePerHour = about("Cost of labour of the whole line, per planned hour.", 0.0)
    repair: q.PricePerHour = about("Cost of one repair in progress.", 0.0)
    scrap: q.Price = about("Cost of one scrapped part, without its material.", 0.0)


class Link(Shape):
    """The network that carries telemetry. Given keys replace those of the profile."""

    profile: Annotated[str, *_choice(*PROFILES)] = about("Profile: wired, wifi or 5g.", "wired")
    latency: q.Seconds | None = about("Mean delay of a message.")
    jitter: q.Seconds | None = about("Spread of the delay.")
    loss: Share | None = about("Share of messages that are lost.")
    outage_every: q.Seconds | None = about("Mean time between outages; without it there are none.")
    outage: q.Seconds | None = about("Length of an outage.")


class Plant(Shape):
    """A plant file."""

    plant: Text = needed("Name of the plant, a level of its topics.", "my_line")
    title: Text | None = about("Title in reports; without it the name.")
    start: Text = about("Local time at which a run starts; may have an offset from UTC.", "2026-01-05 06:00")
    timezone: Text = about("IANA name, such as Europe/Berlin.", "UTC")
    topic: Text | None = about("ISA-95 path with which all topics begin; without it the name of the plant.")
    pacing: Text | None = about("Operation at which the headline reads station times; without it the first bottleneck.")
    plan: q.Plan = about("Good parts planned for a shift; the live page shows them beside those made.", 0.0)
    currency: Text = about("Currency of every price, three letters.", "EUR")
    costs: Costs = Costs()
    tariff: Tariff = about("Energy price: one, or by time of day {'06:00': price, '22:00': price}.", {})
    base_load: q.Watts = about("Power of lighting, compressed air and other loads that belong to no machine.", 0.0)
    variants: list[Text] = about("Product variants.", ["standard"])
    link: Annotated[Link, q.Short(dict, lambda v: {"profile": v}, "A profile.")] = Link()
    shift: Text | None = about("Shift of all machines without one of their own.")
    table: Texts = about("CSV or Excel tables with operations, machines, kinds and others.", [])
    decimal: Annotated[str, *_choice(*DECIMAL)] | None = about(
        "Decimal mark of its tables and value files, where it would be ambiguous."
    )
    kinds: dict[str, Kind] = about("Kinds of machines.", {})
    sources: dict[str, Source] = about("Where parts enter.", {})
    sections: dict[str, Section] = about("Parts of the plant, with their operations.", {})
    machines: dict[str, Equipment] = about("Equipment of single machines, by name.", {})
    fleets: dict[str, Fleet] = about("Vehicles.", {})
    conveyors: dict[str, Conveyor] = about("Conveyors.", {})
    robots: dict[str, Robot] = about("Robots that serve several operations.", {})
    crews: dict[str, Crew] = about("Repairers and operators.", {})
    shifts: dict[str, Shift] = about("Working hours.", {})
    holidays: Annotated[list[ct.Dates], q.Short(list, lambda v: [v], _ONE)] = about(
        "Dates on which no shift begins, unless it has `exceptions` of its own.", []
    )


class Changes(Shape):
    """Changes to the plant that is extended. Keys are addresses, also with patterns: `operations.OP4*.buffer`."""

    set: dict[str, Any] = about("address: new value", {})
    scale: dict[str, q.Factor] = about("address: factor", {})
    add: dict[str, Any] = about("address: new entry", {})
    remove: Texts = about("addresses", [])


class Investment(Shape):
    """Cost and value of the change, from which the payback time is computed."""

    amount: q.Price = about("Cost of the change.", 0.0)
    hours_per_year: q.Factor = about("Planned production hours per year.", 0.0)
    value_per_part: q.Price = about("Revenue of one more good part, material and energy not deducted.", 0.0)


class Scenario(Changes):
    """A scenario file: changes to a plant or to another scenario."""

    extends: Text = needed("File that it changes, relative to this one, or name of a packaged plant.", "gearbox_line")
    title: Text | None = about("Title in reports; without it the name.")
    question: Text | None = about("Question that it answers.")
    investment: Investment | None = None
    changes: dict[str, Changes] = about("Named groups of changes, whose effects are attributed separately.", {})
