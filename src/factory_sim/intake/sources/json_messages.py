"""MQTT messages with JSON, a bare word or a number: topic to unit, paths to items."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import orjson

from factory_sim.errors import did_you_mean
from factory_sim.intake.buffer import FULL, Buffer
from factory_sim.intake.sources import json_records

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from factory_sim.intake.feed_context import Context
    from factory_sim.intake.mapping import SourceMap
    from factory_sim.intake.sources.json_records import Target
    from factory_sim.intake.tally import Tally
    from factory_sim.records import Observations

NO_SOURCE = "topic that no source matches"
NOT_TEXT = "payload that is neither JSON nor text"
_MOST_TOPICS = 1_000_000


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


def count_unmatched(topic: str, sources: Sequence[SourceMap], tally: Tally) -> None:
    """Count a topic that no source matches; the first one is kept with the nearest pattern."""
    hint = "" if tally.count(NO_SOURCE) else did_you_mean(topic, [source.pattern for source in sources])
    tally.add(NO_SOURCE, f"{topic or 'empty topic'}: {hint}" if hint else topic)


class JsonMessages:
    """The sources of kind mqtt of one feed."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._sources = [source for source in context.mapping.sources if source.kind == "mqtt"]
        self._patterns = [topic_pattern(source.pattern) for source in self._sources]
        self._buffers = [Buffer(source, context) for source in self._sources]
        self._targets: dict[str, list[Target]] = {}
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
            count_unmatched(topic, self._sources, self._context.tally)
            return
        document = self._document(topic, payload)
        if document is not None:
            for target in targets:
                target.read(topic, document, arrival_ns)

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

    def _resolved(self, topic: str) -> list[Target]:
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
            found.append(json_records.target(source, self._context, buffer, unit))
        if len(self._targets) < _MOST_TOPICS:
            self._targets[topic] = found
        return found
