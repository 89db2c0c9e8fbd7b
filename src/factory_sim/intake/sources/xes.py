"""XES event logs (IEEE 1849): each event's attributes by key; the unit is org:resource unless `unit` names another."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING
from xml.etree import ElementTree as ET

import numpy as np

from factory_sim.errors import ConfigError
from factory_sim.intake.buffer import FULL, Buffer
from factory_sim.records import Observations

if TYPE_CHECKING:
    from collections.abc import Iterator

    from factory_sim.intake.feed_context import Context
    from factory_sim.intake.mapping import SourceMap
    from factory_sim.records import F8, I2, I8

NO_TIME = "XES event without a time stamp"
UNIT, _TIME, _CASE = "org:resource", "time:timestamp", "case:"


def observations(stream: IO[bytes], name: str, source: SourceMap, context: Context) -> Iterator[Observations]:
    """Yield the observations of a file in order of time: it is sorted by traces, whose times overlap."""
    buffer, number, chunks = Buffer(source, context), 0, list[Observations]()
    for number, event in enumerate(events(stream, name), 1):
        _take(event, f"{name}, event {number}", source, context, buffer)
        if len(buffer) >= FULL:
            chunks.append(buffer.flush())
    if not number:
        raise ConfigError.of(name, "has no event in a trace; expected XES (IEEE 1849)")
    chunks.append(buffer.flush())
    found = Observations(*(np.concatenate(each) for each in zip(*map(_columns, chunks), strict=True)))
    yield found.take(np.argsort(found.t_ns, kind="stable"))


def _columns(each: Observations) -> tuple[I8, I2, I2, F8]:
    return each.t_ns, each.unit, each.item, each.value


def events(stream: IO[bytes], name: str) -> Iterator[dict[str, str]]:
    """Yield the attributes of each event, and of its trace with `case:` before their keys."""
    case, path = dict[str, str](), list[str]()
    try:
        for step, element in ET.iterparse(stream, ("start", "end")):  # noqa: S314 - expat limits the expansion of entities
            tag = element.tag.rpartition("}")[2]
            if step == "start":
                path.append(tag)
                continue
            path.pop()
            if tag == "trace":
                case.clear()
                element.clear()
            elif path[-1:] == ["trace"] and tag == "event":
                yield {**case, **_attributes(element)}
                element.clear()
            elif path[-1:] == ["trace"] and "key" in element.attrib:
                case[_CASE + element.attrib["key"]] = element.attrib.get("value", "")
    except ET.ParseError as error:
        raise ConfigError.of(
            name, f"is not readable as XES: {error}", "Expected XML with log, trace and event."
        ) from None


def _attributes(event: ET.Element) -> dict[str, str]:
    return {each.attrib["key"]: each.attrib.get("value", "") for each in event if "key" in each.attrib}


def _take(found: dict[str, str], place: str, source: SourceMap, context: Context, buffer: Buffer) -> None:
    context.tally.where = place
    time = found.get(source.clock.time or _TIME) or found.get(_TIME)
    if time is None:
        context.tally.add(NO_TIME)
        return
    name = found.get(source.unit or UNIT, source.unit)
    unit = context.unit(name)
    for spec in source.items if unit >= 0 else ():
        if spec.where in found and context.owns(source.index, unit, spec.item):
            buffer.add((time, unit, spec.item, context.value(spec, found[spec.where])))
