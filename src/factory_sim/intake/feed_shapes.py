"""The keys of `feed.yaml` and their meaning. Every key is optional here; `feed_file` checks what is required."""

from __future__ import annotations

from typing import Annotated, Any

from factory_sim import units
from factory_sim.intake.mapping import MAPPED_STATES, REFUSE
from factory_sim.plant.yaml import quantities as q
from factory_sim.plant.yaml.quantities import Short
from factory_sim.plant.yaml.shapes import Shape, Texts, about

ARRIVAL, SKIP = "arrival", "skip"
FIFO, NONE = "fifo", "none"
LAYOUTS = ("long", "wide")
LOSSES = (*MAPPED_STATES, "micro_stop", "low_speed", "unspecified", "changeover", "break", "no_shift")


def _one_of(*words: str) -> q.Form:
    return q.form(q.choice(*words), "", types="string", enum=list(words))


def _where(value: Any) -> Any:
    return None if value is None else {"path": q.scalar(value, "a path, metric, item or column")}


def _topic(value: Any) -> str:
    text = _pattern(value, 'a topic such as "factory/{unit}/status"')
    if is_filter(text) and text.count("{unit}") < 2:
        return text
    return q.refuse("{unit} once, + only as a whole level, # only as the last level", value)


def is_filter(topic: str) -> bool:
    """Return whether brokers accept a filter: wildcards are whole levels, # is the last."""
    *above, last = topic.split("/")
    mixed = any(len(level) > 1 and ("+" in level or "#" in level) for level in (*above, last))
    return topic != "" and "#" not in above and not mixed


def _files(value: Any) -> str:
    return _pattern(value, 'a file pattern such as "m*.csv"')


def _pattern(value: Any, what: str) -> str:
    text = str(q.scalar(value))
    return text if text.strip("/ ") else q.refuse(what, value)


def _parts(value: Any) -> str | dict[str, str]:
    if isinstance(value, dict) and set(value) == {"id"}:
        return str(q.scalar(value["id"], "a path"))
    if value in {FIFO, NONE}:
        return str(value)
    return q.refuse("fifo, none or {id: $.serial}", value)


def _units(value: Any) -> dict[str, dict[str, Any]]:
    if not isinstance(value, list):
        q.refuse("a list of names such as [M1, M2]", value)
    return {str(q.scalar(name, "the name of a unit")): {} for name in value}


def _rate(value: Any) -> float:
    """Return parts per second from `28000/h`."""
    text = str(q.scalar(value, "a rate such as 28000/h")).removeprefix(" ")
    number, slash, per = text.partition("/")
    if not slash or per.strip() not in units.UNITS["time"]:
        q.refuse("a rate such as 28000/h", value)
    rate = units.parse(number.strip(), "number") / units.UNITS["time"][per.strip()]
    if rate <= 0:
        q.refuse("a rate above 0 such as 28000/h", value)
    return rate


Topic = Annotated[str, *q.form(_topic, "A topic.")]
Files = Annotated[str, *q.form(_files, "A file pattern.")]
Rate = Annotated[float, *q.form(_rate, "Parts per time.", "28000/h", "40/min")]


class Clock(Shape):
    """Time stamps of the source."""

    time: q.Text | None = about(
        "Path, column or item of the time stamp; without it that of the protocol or the arrival."
    )
    zone: q.Text | None = about("Time zone of time stamps without one, such as Europe/Berlin.")
    format: q.Text | None = about("Form of time stamps that are neither ISO 8601 nor numbers: '%d.%m.%Y %H:%M:%S'.")
    late: q.Seconds | None = about("How late an observation may come and still be put in order.", shown="5 s")
    resolution: q.Seconds | None = about(
        "Resolution of time stamps, or interval of a poll: moves out of order by less are no sign of differing clocks.",
        shown="2 ms",
    )
    stale: q.Seconds | None = about("After this time without news a unit is unknown; without it a state holds.")
    without: Annotated[str | None, *_one_of(ARRIVAL, SKIP)] = about(
        "A message without a time stamp: arrival: its time of arrival counts; skip: it is counted as skipped.",
        shown=ARRIVAL,
    )


class Where(Shape):
    """Where a source has an item, and how to read it."""

    path: q.Text | None = about("JSON path such as $.state, $ for the whole payload; or metric, item or column.")
    metric: q.Text | None = about("The same, for Sparkplug.")
    item: q.Text | None = about("The same, for SHDR and long tables.")
    column: q.Text | None = about("The same, for wide tables.")
    unit: q.Text | None = about("Unit of measure, such as kWh, Wh, kW, W.")
    wraps: q.Whole | None = about("A counter returns to 0 at this number.")
    resets: q.Flag = about("A counter may restart at 0, with a program or a gateway.", default=False)


Item = Annotated[Where | None, Short(dict, _where, "The path, metric, item or column alone.")]


class Cycles(Shape):
    """Cycles detected from loads, currents or power."""

    from_: Texts = about("The signals: items, columns, metrics or paths.", [], alias="from")
    confidence: q.Share = about("Below this confidence cycles count as not derivable.", 0.6)


class Columns(Shape):
    """Columns of a table, or paths within a record of JSON."""

    time: q.Text | None = about("Column of the time stamp.")
    date: q.Text | None = about("Tables: column of the date, where `time` is the time of day only.")
    item: q.Text | None = about("Long layout: column with the item's name.")
    value: q.Text | None = about("Long layout: column with the value.")
    unit: q.Text | None = about("Column with the unit's name.")


class Source(Shape):
    """One source: exactly one of the kinds, then where it has the items."""

    mqtt: Topic | None = about("MQTT topic with JSON, a word or a number; {unit} stands for one level, + and # match.")
    sparkplug: Topic | None = about("Sparkplug B: group/node or group/node/device; {unit} and + stand for one level.")
    shdr: Files | None = about("MTConnect adapter lines, `time|item|value`: files by pattern.")
    csv: Files | None = about("CSV files by pattern.")
    jsonl: Files | None = about("Files with one JSON object a line, by pattern.")
    parquet: Files | None = about("Parquet files by pattern.")
    xes: Files | None = about("XES event logs by pattern.")
    log: Files | None = about(
        "Event logs of `factory-sim run --log`, Parquet or CSV, and recordings (folders), by pattern."
    )
    unit: q.Text | None = about(
        "The unit, if the source does not name it; in JSON and XES also a path such as $.machine."
    )
    layout: Annotated[str | None, *_one_of(*LAYOUTS)] = about(
        "Tables and JSON: long {time, item, value} or wide {time, ...}."
    )
    each: q.Text | None = about("JSON: path of an array whose elements are read one by one, such as $.values.")
    decimal: Annotated[str | None, *_one_of(",", ".")] = about("CSV: decimal separator of numbers.", shown=".")
    encoding: q.Text | None = about("CSV: encoding of the text, such as cp1252 or gb18030.", shown="utf-8")
    columns: Columns | None = about("Tables: names of the columns, if they are not time, item, value and unit.")
    clock: Clock | None = about("Replaces keys of the file's clock for this source.")
    state: Item = about("State word or number, translated by `states`.")
    count: Item = about("Counter of parts, good or not.")
    good: Item = about("Counter of good parts.")
    scrap: Item = about("Counter of scrapped parts.")
    id: Item = about("Serial number of the part in the unit.")
    order: Item = about("Order or program.")
    reason: Item = about("Reason of a stop: the failure mode.")
    energy: Item = about("Energy meter: {path, unit: kWh}.")
    power: Item = about("Power: {path, unit: kW}.")
    cycles: Cycles | None = about("Detect cycles from signals.")


class Stops(Shape):
    """Stop rules; each applies where it is given."""

    micro: q.Seconds | None = about("An unspecified stop of at most this length is a micro-stop.")
    ignore_below: q.Seconds | None = about("An unspecified stop shorter than this is removed.")
    minimum_run: q.Seconds | None = about("A running stretch shorter than this is removed.")
    low_speed: Rate | None = about("Running below this rate is low speed.")
    unspecified: Annotated[str | None, *_one_of("following", "keep")] = about(
        "following: an unspecified stop takes the reason that follows it."
    )
    break_: q.Seconds | None = about("A gap between shifts of at most this length is a break.", alias="break")
    shifts: q.Text | None = about("CSV file of shifts: columns begin, end.")
    changeovers: q.Flag = about("An unspecified stop around the change of an order is a changeover.", default=False)


class Losses(Shape):
    """The categories of the OEE convention, each a list of states and stops."""

    availability: Texts = about(f"Of {', '.join(LOSSES)}.", [])
    performance: Texts = about("Of the same words.", [])
    planned: Texts = about("Not counted as planned busy time.", [])


class UnitShape(Shape):
    """A single station without a plant file."""

    unit_time: q.Seconds | None = about("Planned time of a part, for effectiveness and OEE.")
    power: dict[str, q.Watts] = about("Power by state, for energy without a meter.", {})


class FeedFile(Shape):
    """A file `feed.yaml`: how a plant's own feed maps to units, states and counts."""

    feed: q.Text | None = about("Name of the feed.")
    plant: q.Text | None = about("Plant file with the topology: beside this file, or a packaged name.")
    units: Annotated[dict[str, UnitShape] | None, Short(dict, _units, "Their names alone.", "array")] = about(
        "Or single stations: a list of names."
    )
    names: dict[str, q.Text] = about("Names in the feed that differ: {name in the feed: unit}.", {})
    clock: Clock = Clock()
    states: dict[str, q.Text] = about(
        f"Word to state: {', '.join(MAPPED_STATES)}. `*` is every other word: a state, or {REFUSE}.", {}
    )
    sources: list[Source] = about("The sources.", [])
    parts: Annotated[
        str, *q.form(_parts, "How parts are followed: fifo, none or {id: path}.", FIFO, types=["string", "object"])
    ] = about("fifo: in order through the plant's buffers; none: counted only; {id: path}: by serial number.", FIFO)
    stops: Stops | None = about("Stop rules.")
    losses: Losses | None = about("States to loss categories of the OEE.")
