"""The source that a place, or several that differ in one level, would be."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from factory_sim.intake.mapping import Item
from factory_sim.intake.observing import guess, vocabulary
from factory_sim.intake.observing.guess import Signal, merged
from factory_sim.intake.observing.time_formats import are_falling, format_of
from factory_sim.intake.sources import xes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from factory_sim.intake.observing.places import Place

TABLES, MESSAGES = ("csv", "parquet", "jsonl"), ("mqtt", "sparkplug")


@dataclass(slots=True)
class SourceGuess:
    """The source that a place, or several that differ in one level, would be."""

    places: list[Place]
    pattern: str
    unit: str = ""
    units: list[str] = field(default_factory=list)
    items: dict[Item, str] = field(default_factory=dict)
    time: str = ""
    left: list[Signal] = field(default_factory=list)

    @property
    def stamps(self) -> list[str]:
        """Examples of its time stamps."""
        first = self.places[0]
        signal = first.signals.get(self.time)
        return first.stamps or ([] if signal is None else list(signal.words))

    @property
    def form(self) -> tuple[str, bool]:
        """The format of its time stamps, "" for ISO 8601 and numbers, and whether it is the only one that fits."""
        texts = self.stamps
        is_number = all(text.replace(".", "", 1).isdigit() for text in texts) and len(texts or [""])
        if is_number and texts and len(texts[0]) != len("20260504080000"):
            return "", True
        return format_of(texts) or ("", True)

    @property
    def is_without_zone(self) -> bool:
        """Whether its time stamps have no zone."""
        form, first = self.form[0], next(iter(self.stamps), "")
        is_local = re.match(r"\d{4}-\d\d-\d\d", first) and not re.search(r"(Z|[+-]\d\d:?\d\d)$", first)
        return bool(form or is_local)

    @property
    def is_newest_first(self) -> bool:
        """Whether it is a table in the reverse order of time."""
        return self.places[0].kind in TABLES and are_falling(self.stamps, self.form[0])

    def name_of(self, path: str) -> str:
        """Return what names a signal: the last level of the topic, if the payload is the value alone."""
        is_value = path in ("$", "$.value") and self.places[0].kind == "mqtt"
        return f"{self.places[0].name.rpartition('/')[2]}/{path}" if is_value else path

    def signal(self, item: Item) -> Signal:
        """Return all values of an item."""
        path = self.items[item]
        return merged(self.name_of(path), (place.signals[path] for place in self.places))


def guesses_of(places: Sequence[Place]) -> Iterator[SourceGuess]:
    """Yield the sources of places; those that differ in one level are one source."""
    groups: dict[tuple[Any, ...], list[Place]] = defaultdict(list)
    for place in places:
        levels = _levels(place)
        own = (place.name,) if place.units or place.kind not in (*MESSAGES, *TABLES) else ()
        extra = tuple(place.extra.items())
        groups[place.kind, len(levels), tuple(sorted(place.signals)), extra, own].append(place)
    for found in groups.values():
        for part in split(found):
            yield _guessed(part)


def _levels(place: Place) -> list[str]:
    """Return the levels of a topic, or the words of a file's name."""
    return place.name.split("/") if place.kind in MESSAGES else re.split(r"(?<=[._\- ])|(?=[._\- ])", place.name)


def split(places: Sequence[Place]) -> Iterator[list[Place]]:
    """Yield groups of places that differ in one level only."""
    rest = list(places)
    while rest:
        first = _levels(rest[0])
        best = [rest[0]]
        for at in range(len(first)):
            others = [*first[:at], *first[at + 1 :]]
            same = [p for p in rest if [*_levels(p)[:at], *_levels(p)[at + 1 :]] == others]
            tags = any(is_tag(_levels(p)[at]) for p in same)  # one unit with a topic for each item
            best = best if tags and len(same) > 1 else max(best, same, key=len)
        yield best
        rest = [place for place in rest if place not in best]


def is_tag(level: str) -> bool:
    """Return whether a level of a topic names an item."""
    return any(re.search(pattern, vocabulary.plain(level)) for _, pattern in vocabulary.NAMES)


def _guessed(places: list[Place]) -> SourceGuess:
    first = places[0]
    found = SourceGuess(places, first.name, time=first.time)
    _name_units(found)
    for path, signal in first.signals.items():
        if first.kind == "xes" and path == xes.UNIT:
            continue
        values = merged(path, (place.signals[path] for place in places))
        item = guess.item_of(found.name_of(path).replace("{unit}", ""), values)
        if not first.time and guess.is_time(path, values):
            found.time = found.time or path
        elif item == Item.STATE and item in found.items and values.states > found.signal(item).states:
            found.left.append(first.signals[found.items[item]])
            found.items[item] = path
        elif item is not None and item not in found.items:
            found.items[item] = path
        else:
            found.left.append(signal)
    return found


def _name_units(found: SourceGuess) -> None:
    """Set the units of a source, and where they are named."""
    places, first = found.places, found.places[0]
    levels = _levels(first)
    if first.units:
        found.units = first.units
    elif len(places) > 1:
        at = next(i for i in range(len(levels)) if len({_levels(place)[i] for place in places}) > 1)
        found.units = sorted((_levels(place)[at] for place in places), key=_by_number)  # messages come in any order
        levels[at] = "{unit}"
        found.pattern = ("/" if first.kind in MESSAGES else "").join(levels)
    elif first.kind == "xes":
        named = first.signals.get(xes.UNIT)
        found.units = list(named.words) if named else []  # the events name their units
    elif first.kind not in MESSAGES:
        words = [word for word in re.split(r"[^\w]|_", first.name.rpartition(".")[0]) if word]
        found.unit = next(iter([*(word for word in words if re.fullmatch(r"[A-Za-z]+\d+", word)), *words]), "M1")
        found.units = [found.unit]
    else:
        found.unit = levels[_unit_level(first, levels)]
        found.units = [found.unit]


def _by_number(name: str) -> list[tuple[str, int]]:
    """Return a key by which M2 comes before M10."""
    return [(letters, int(digits or 0)) for letters, digits in re.findall(r"(\D*)(\d*)", name)]


def _unit_level(place: Place, levels: Sequence[str]) -> int:
    """Return which level of a topic is most likely the unit, where no other topic shows it."""
    tags = (
        place.kind == "mqtt"
        and len(levels) > 1
        and list(place.signals)
        and guess.item_of(levels[-1], Signal("")) is None
    )
    is_last = place.kind == "sparkplug" or (tags and not is_tag(levels[-1]))
    return len(levels) - 1 if is_last else max(len(levels) - 2, 0)
