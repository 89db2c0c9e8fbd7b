"""MQTT messages with JSON, a bare word or a number: topic to unit, paths to items."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from factory_sim.intake.buffer import FULL, Buffer
from factory_sim.intake.mapping import WORDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from factory_sim.intake.feed_context import Context
    from factory_sim.intake.mapping import ItemMap, SourceMap
    from factory_sim.records import Observations

NO_SOURCE = "topic that no source matches"
NOT_TEXT = "payload that is neither JSON nor text"
NO_TIME = "message without a time stamp"
NOTHING = "message without any mapped item"
_STEP = re.compile(r"\.?([^.\[\]]+)|\[(\d+)\]|\['([^']*)'\]")
_MOST_TOPICS = 1_000_000
_NUMBERS = (int, float)
Steps = tuple[str | int, ...]


def steps_of(path: str) -> Steps:
    """Return the steps of a path such as $.a.b[0]; a name without $ is one step."""
    if not path.startswith("$"):
        return (path,)
    return tuple(int(n) if n else key or quoted for key, n, quoted in _STEP.findall(path[1:]))


def at(document: Any, steps: Steps) -> Any:
    """Return the value at a path, None if there is none."""
    for step in steps:
        try:
            document = document[step]
        except (KeyError, IndexError, TypeError):
            return None
    return document


def topic_pattern(pattern: str) -> re.Pattern[str]:
    """Return the pattern of topics with {unit}, + and #."""
    levels = {"+": "[^/]+", "{unit}": "(?P<unit>[^/]+)"}
    parts = [
        levels.get(level) or re.escape(level).replace(r"\{unit\}", "(?P<unit>[^/]+)")
        for level in pattern.split("/")
        if level != "#"
    ]
    text = "/".join(parts)
    return re.compile(f"{text}(?:/.*)?" if pattern.endswith("#") else text)


def topic_filter(pattern: str) -> str:
    """Return the MQTT filter of a pattern: a level that contains {unit} is +."""
    return "/".join("+" if "{unit}" in level else level for level in pattern.split("/"))


@dataclass(slots=True)
class _Target:
    """What one topic gives to one source."""

    unit: int  # -1: the payload names it
    unit_steps: Steps
    time: Steps
    items: list[tuple[ItemMap, Steps, bool]]  # with whether its value is a word
    buffer: Buffer
    source: SourceMap
    owned: set[tuple[int, int]]


class JsonMessages:
    """The sources of kind mqtt of one feed."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._sources = [source for source in context.mapping.sources if source.kind == "mqtt"]
        self._patterns = [topic_pattern(source.pattern) for source in self._sources]
        self._buffers = [Buffer(source, context) for source in self._sources]
        self._targets: dict[str, list[_Target]] = {}
        self.matched_topics = 0

    def filters(self) -> list[str]:
        """Return the topics to subscribe to."""
        return [topic_filter(source.pattern) for source in self._sources]

    def take(self, topic: str, payload: bytes, arrival_ns: int) -> None:
        """Decode one message."""
        targets = self._targets.get(topic)
        if targets is None:
            targets = self._resolved(topic)
        if not targets:
            self._context.tally.add(NO_SOURCE, topic)
            return
        document = self._document(topic, payload)
        if document is not None:
            for target in targets:
                self._read(target, topic, document, arrival_ns)

    def ripe(self, *, everything: bool = False) -> Iterator[tuple[SourceMap, Observations]]:
        """Yield the observations of full buffers, or of all."""
        for source, buffer in zip(self._sources, self._buffers, strict=True):
            if len(buffer) >= FULL or (everything and len(buffer)):
                yield source, buffer.flush()

    def _document(self, topic: str, payload: bytes) -> Any:
        try:
            return orjson.loads(payload)
        except orjson.JSONDecodeError:
            try:
                text = payload.decode().strip()
            except UnicodeDecodeError:
                text = ""
            if text.isprintable() and text and text[0] not in "{[":
                return text
            self._context.tally.add(NOT_TEXT, f"{topic}: {payload[:60]!r}")
            return None

    def _read(self, target: _Target, topic: str, document: Any, arrival_ns: int) -> None:
        unit = target.unit if target.unit >= 0 else self._unit_in(document, target.unit_steps)
        time = at(document, target.time) if target.time else None
        if time is None and target.source.clock.skip_without:
            self._context.tally.add(NO_TIME, topic)
            return
        if unit < 0:
            return
        target.buffer.arrival_ns = arrival_ns
        if not self._read_items(target, unit, topic, document, arrival_ns if time is None else time):
            self._context.tally.where = ""
            self._context.tally.add(NOTHING, topic)

    def _unit_in(self, document: Any, steps: Steps) -> int:
        name = at(document, steps)
        return self._context.unit(str(name)) if name is not None else -1

    def _read_items(self, target: _Target, unit: int, topic: str, document: Any, time: Any) -> bool:
        """Collect the items of a message; return whether it had any."""
        context, buffer, has_any = self._context, target.buffer, False
        for spec, steps, is_word in target.items:
            found = at(document, steps)
            if found is None or ((unit, spec.item) not in target.owned and not self._owns(target, unit, spec.item)):
                continue
            has_any = True
            if type(found) in _NUMBERS and not is_word:
                value = found * spec.factor
            else:
                context.tally.where = topic
                value = context.words.code(spec.item, found) if is_word else context.value(spec, found)
            buffer.times.append(time)
            buffer.unit.append(unit)
            buffer.item.append(spec.item)
            buffer.value.append(value)
        return has_any

    def _owns(self, target: _Target, unit: int, item: int) -> bool:
        is_owner = self._context.owns(target.source.index, unit, item)
        if is_owner:
            target.owned.add((unit, item))
        return is_owner

    def _resolved(self, topic: str) -> list[_Target]:
        found = []
        self._context.tally.where = ""
        for source, pattern, buffer in zip(self._sources, self._patterns, self._buffers, strict=True):
            match = pattern.fullmatch(topic)
            if match is None:
                continue
            self.matched_topics += 1
            name = match.groupdict().get("unit") or ("" if source.unit.startswith("$") else source.unit)
            unit = self._context.unit(name) if name else -1
            if unit < 0 and name:
                continue
            items = [(each, steps_of(each.where), each.item in WORDS) for each in source.items]
            time = steps_of(source.clock.time) if source.clock.time else ()
            found.append(_Target(unit, steps_of(source.unit or "$"), time, items, buffer, source, set()))
        if len(self._targets) < _MOST_TOPICS:
            self._targets[topic] = found
        return found
