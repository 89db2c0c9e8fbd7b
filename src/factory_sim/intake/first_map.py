"""Observe a feed without a mapping, and write a first feed file for it."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from factory_sim.intake import guess
from factory_sim.intake.guess import Signal
from factory_sim.intake.mapping import Item
from factory_sim.intake.sources import xes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from factory_sim.records import ForeignMetric

_MOST_TOPICS, _MOST_SIGNALS, _DEEPEST = 10_000, 200, 6
_PLAIN = re.compile(r"[A-Za-z_][\w ./$-]*")


@dataclass(slots=True)
class Place:
    """A topic, an edge node's device, or a file: its signals by path."""

    kind: str  # a key of a source
    name: str  # topic, group/node/device, or file
    extra: dict[str, str] = field(default_factory=dict)  # layout and columns of a table
    signals: dict[str, Signal] = field(default_factory=dict)
    messages: int = 0
    first_ns: int = 0
    last_ns: int = 0
    longest_ns: int = 0

    def add(self, path: str, value: Any) -> None:
        """Use one value of one signal."""
        signal = self.signals.get(path)
        if signal is None:
            if len(self.signals) >= _MOST_SIGNALS:
                return
            signal = self.signals[path] = Signal(path)
        signal.add(value)

    def shown(self) -> list[Signal]:
        """Return the first signals."""
        return list(self.signals.values())[:6]

    def seen(self, t_ns: int) -> None:
        """Count a message."""
        self.messages += 1
        if self.last_ns:
            self.longest_ns = max(self.longest_ns, t_ns - self.last_ns)
        self.first_ns, self.last_ns = self.first_ns or t_ns, t_ns


@dataclass(slots=True)
class _Guess:
    """The source that a place, or several that differ in one level, would be."""

    places: list[Place]
    pattern: str
    unit: str = ""
    items: dict[Item, str] = field(default_factory=dict)
    time: str = ""
    left: list[Signal] = field(default_factory=list)


class Observer:
    """Collects what a feed contains; `text` returns a first feed file."""

    def __init__(self) -> None:
        self.places: dict[tuple[str, str], Place] = {}
        self._aliases: dict[tuple[str, int], str] = {}

    def message(self, topic: str, payload: bytes, t_ns: int) -> None:
        """Use an MQTT message."""
        place = self._place("mqtt", topic)
        if place is None:
            return
        place.seen(t_ns)
        try:
            document = orjson.loads(payload)
        except orjson.JSONDecodeError:
            document = payload.decode("utf-8", "replace").strip()
        for path, value in _leaves(document, "$", 0):
            place.add(path, value)

    def metrics(self, topic: str, metrics: Sequence[ForeignMetric], t_ns: int) -> None:
        """Use a Sparkplug message."""
        _, group, kind, node, *device = topic.split("/")
        place = self._place("sparkplug", "/".join([group, node, *device]))
        if place is None or kind.endswith("DEATH"):
            return
        place.seen(t_ns)
        for each in metrics:
            if each.name and each.alias >= 0:
                self._aliases[f"{group}/{node}", each.alias] = each.name
            name = each.name or self._aliases.get((f"{group}/{node}", each.alias), "")
            if name and each.value is not None and name != "bdSeq" and not name.startswith("Node Control/"):
                place.add(name, each.value)
                place.signals[name].unit_text = each.engineering_unit or place.signals[name].unit_text

    def table(self, kind: str, name: str, rows: Sequence[dict[str, Any]]) -> None:
        """Use the first rows of a table; SHDR has the columns time, item, value."""
        columns = list(rows[0]) if rows else []
        lower = {column.lower(): column for column in columns}
        is_long = kind == "shdr" or ({"item", "value"} <= set(lower) and len(columns) <= 5)
        place = self.places[kind, name] = Place(
            kind, name, {} if kind in ("shdr", "xes") else {"layout": "long" if is_long else "wide"}
        )
        for row in rows:
            place.messages += 1
            if is_long:
                place.add(str(row[lower.get("item", "item")]), row[lower.get("value", "value")])
            else:
                for column, value in row.items():
                    if value is not None:
                        place.add(str(column), value)

    def _place(self, kind: str, name: str) -> Place | None:
        found = self.places.get((kind, name))
        if found is None and len(self.places) < _MOST_TOPICS:
            found = self.places[kind, name] = Place(kind, name)
        return found

    def text(self, name: str) -> str:
        """Return a first feed file; what could not be placed is listed in comments."""
        guesses = [each for each in self._guesses() if each.items]
        units = list(dict.fromkeys(unit for each in guesses for unit in _units(each)))
        lines = [
            "# A first mapping, written by `factory-sim map` from what was seen.",
            "# Check every line marked CHECK.",
            f"feed: {_quoted(name)}",
            "# Instead of units, plant: FILE also gives the flow between them.",
            f"units: [{', '.join(map(_quoted, units))}]",
        ]
        lines += self._clock(guesses)
        lines += self._states(guesses)
        lines.append("sources:")
        for each in guesses:
            lines += _source(each)
        lines.append("parts: fifo")
        return "\n".join([*lines, *self._unplaced(guesses)]) + "\n"

    def _guesses(self) -> Iterator[_Guess]:
        groups: dict[tuple[Any, ...], list[Place]] = defaultdict(list)
        for place in self.places.values():
            signature = tuple(sorted(path for path in place.signals))
            levels = place.name.split("/")
            key = (
                (place.kind, len(levels), signature)
                if place.kind in ("mqtt", "sparkplug")
                else (place.kind, place.name)
            )
            groups[key].append(place)
        for places in groups.values():
            for part in _split(places):
                yield _guessed(part)

    @staticmethod
    def _clock(guesses: list[_Guess]) -> list[str]:
        longest = max((place.longest_ns for each in guesses for place in each.places), default=0) / 1e9
        stale = f", stale: {max(round(longest * 3), 120)} s" if longest else ""
        times = {each.time for each in guesses if each.time}
        time = f'time: "{min(times)}", ' if len(times) == 1 else ""
        notes = [f"# The longest silence seen was {longest:.0f} s."] if longest else []
        if any(_is_without_zone(each) for each in guesses):
            notes.append("# CHECK: time stamps have no zone: add zone: Europe/Berlin or another.")
        return [*notes, f"clock: {{{time}late: 5 s{stale}}}"]

    @staticmethod
    def _states(guesses: list[_Guess]) -> list[str]:
        words: dict[str, int] = {}
        for each in guesses:
            path = each.items.get(Item.STATE)
            for place in each.places if path else ():
                for word, n in place.signals[path or ""].words.items():
                    words[word] = words.get(word, 0) + n
        if not words:
            return []
        lines = ["states:"]
        for word, n in sorted(words.items(), key=lambda pair: -pair[1])[: 2 * guess.MOST_WORDS]:
            state = guess.STATE_OF.get(word.upper())
            note = f"seen {n:,} times".replace("seen 1 times", "seen once") + (
                "" if state else "; CHECK: its meaning is not known"
            )
            lines.append(f"  {_quoted(word)}: {state or 'unknown'}  # {note}")
        return [*lines, '  "*": refuse']

    def _unplaced(self, guesses: list[_Guess]) -> list[str]:
        placed = {id(place) for each in guesses for place in each.places}
        left = [
            f"#   {each.places[0].kind} {each.pattern}: {signal.name} ({signal.shown()})"
            for each in guesses
            for signal in each.left
        ]
        left += [
            f"#   {place.kind} {place.name}: {', '.join(f'{s.name} ({s.shown()})' for s in place.shown())}"
            for place in self.places.values()
            if id(place) not in placed
        ]
        return ["", "# Not placed:", *left[:200]] if left else []


def _leaves(document: Any, path: str, depth: int) -> Iterator[tuple[str, Any]]:
    if isinstance(document, dict) and depth < _DEEPEST:
        for key, value in document.items():
            yield from _leaves(
                value, f"{path}.{key}" if key.replace("_", "").isalnum() else f"{path}['{key}']", depth + 1
            )
    elif isinstance(document, list) and depth < _DEEPEST:
        for i, value in enumerate(document[:8]):
            yield from _leaves(value, f"{path}[{i}]", depth + 1)
    elif document is not None:
        yield path, document


def _split(places: list[Place]) -> Iterator[list[Place]]:
    """Yield groups of places that differ in one level only."""
    rest = list(places)
    while rest:
        first = rest[0].name.split("/")
        best = [rest[0]]
        for at in range(len(first)):
            same = [
                p
                for p in rest
                if [*p.name.split("/")[:at], *p.name.split("/")[at + 1 :]] == [*first[:at], *first[at + 1 :]]
            ]
            tags = any(_is_tag(p.name.split("/")[at]) for p in same)  # one unit with a topic for each item
            best = best if tags and len(same) > 1 else max(best, same, key=len)
        yield best
        rest = [place for place in rest if place not in best]


def _guessed(places: list[Place]) -> _Guess:
    first = places[0]
    levels = first.name.split("/")
    found = _Guess(places, first.name)
    if len(places) > 1:
        varied = [i for i in range(len(levels)) if len({place.name.split("/")[i] for place in places}) > 1]
        levels[varied[0]] = "{unit}"
        found.pattern = "/".join(levels)
    elif first.kind == "xes":
        found.pattern = first.name  # the events name their units
    elif first.kind in ("csv", "parquet", "shdr"):
        found.unit = re.split(r"[^A-Za-z0-9]", levels[-1])[0] or "M1"
    else:
        tags = (
            first.kind == "mqtt"
            and len(levels) > 1
            and list(first.signals)
            and guess.item_of(levels[-1], Signal("")) is None
        )
        at = (
            len(levels) - 1
            if first.kind == "sparkplug" or (tags and not _is_tag(levels[-1]))
            else max(len(levels) - 2, 0)
        )
        found.unit = levels[at]
    for path, signal in first.signals.items():
        if first.kind == "xes" and path == xes.UNIT:
            continue
        merged = _merged(path, places)
        name = f"{levels[-1]}/{path}" if path in ("$", "$.value") and first.kind == "mqtt" else path
        item = guess.item_of(name, merged)
        if guess.is_time(path, merged):
            found.time = found.time or path
        elif item is not None and item not in found.items:
            found.items[item] = path
        else:
            found.left.append(signal)
    return found


def _is_without_zone(found: _Guess) -> bool:
    signal = found.places[0].signals.get(found.time)
    first = next(iter(signal.words), "") if signal else ""
    return bool(re.match(r"\d{4}-\d\d-\d\d", first)) and not re.search(r"(Z|[+-]\d\d:?\d\d)$", first)


def _is_tag(level: str) -> bool:
    return any(re.search(pattern, level.lower()) for _, pattern in guess.NAMES)


def _merged(path: str, places: list[Place]) -> Signal:
    merged = Signal(path)
    for place in places:
        each = place.signals[path]
        merged.count, merged.numbers = merged.count + each.count, merged.numbers + each.numbers
        merged.low, merged.high = min(merged.low, each.low), max(merged.high, each.high)
        merged.rises, merged.falls = merged.rises + each.rises, merged.falls + each.falls
        merged.whole &= each.whole
        merged.unit_text = merged.unit_text or each.unit_text
        for word, n in each.words.items():
            merged.words[word] = merged.words.get(word, 0) + n
    return merged


def _units(found: _Guess) -> list[str]:
    if found.unit:
        return [found.unit]
    if found.places[0].kind == "xes":
        named = found.places[0].signals.get(xes.UNIT)
        return list(named.words) if named else []
    at = found.pattern.split("/").index("{unit}")
    return [place.name.split("/")[at] for place in found.places]


def _source(found: _Guess) -> Iterator[str]:
    first = found.places[0]
    span_s = (first.last_ns - first.first_ns) / 1e9
    rate = (
        f"about {(first.messages - 1) / span_s:.3g} messages/s each" if span_s > 0 else f"{first.messages:,} rows seen"
    )
    yield f'  - {first.kind}: "{found.pattern}"  # {rate}'
    for key, value in first.extra.items():
        yield f"    {key}: {value}"
    if found.unit:
        yield f"    unit: {_quoted(found.unit)}"
    if found.time and first.kind == "mqtt":
        yield f'    clock: {{time: "{found.time}"}}'
    for item, path in found.items.items():
        merged = _merged(path, found.places)
        key = item.name.lower()
        if item in (Item.ENERGY, Item.POWER):
            value = f"{{path: {_quoted(path)}, unit: {guess.unit_of(item, path, merged)}}}"
        elif item in (Item.COUNT, Item.GOOD, Item.SCRAP) and merged.falls:
            value = f"{{path: {_quoted(path)}, resets: yes}}"
        else:
            value = _quoted(path)
        yield f"    {key}: {value}  # {merged.shown()}"


def _quoted(text: str) -> str:
    special = text.lower() in {"true", "false", "null", "yes", "no", "on", "off", "~"}
    return text if _PLAIN.fullmatch(text) and not special and ": " not in text else orjson.dumps(text).decode()
