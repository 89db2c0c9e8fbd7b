"""Observe a feed without a mapping, and write a first feed file for it."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import orjson

from factory_sim.intake.observing import pivot
from factory_sim.intake.observing.feed_text import text_of
from factory_sim.intake.observing.places import MOST_ROWS, Place
from factory_sim.intake.observing.source_guesses import guesses_of, split

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from factory_sim.records import ForeignMetric

_MOST_TOPICS, _MOST_ROWS, _DEEPEST = 10_000, 200_000, 6


class Observer:
    """Collects what a feed contains; `text` returns a first feed file."""

    def __init__(self) -> None:
        self.places: dict[tuple[str, str], Place] = {}
        self._aliases: dict[tuple[str, int], str] = {}
        self._rows = 0

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
        if self._rows < _MOST_ROWS and len(place.rows) < MOST_ROWS:
            place.each, rows = records(document)
            place.rows += rows
            self._rows += len(rows)

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

    def table(self, kind: str, name: str, rows: Sequence[dict[str, Any]], extra: dict[str, str] | None = None) -> None:
        """Use the first rows of a table; SHDR has the columns time, item, value, XES the keys of attributes.

        extra : other keys of its source
        """
        if kind not in ("shdr", "xes"):
            self.places[kind, name] = pivot.place_of(kind, name, rows, extra=extra)
            return
        place = self.places[kind, name] = Place(kind, name)
        for row in rows:
            place.messages += 1
            for path, value in [(str(row["item"]), row["value"])] if kind == "shdr" else row.items():
                place.add(path, value)

    def lines(self, name: str, documents: Sequence[Any]) -> None:
        """Use the first lines of a file with one JSON object a line."""
        rows: list[pivot.Row] = []
        each = ""
        for document in documents:
            each, found = records(document)
            rows += found
        self.places["jsonl", name] = pivot.place_of("jsonl", name, rows, each=each)

    def text(self, name: str) -> str:
        """Return a first feed file; what could not be placed is listed in comments."""
        places = list(_with_units(list(self.places.values())))
        return text_of(name, places, list(guesses_of(places)))

    def _place(self, kind: str, name: str) -> Place | None:
        found = self.places.get((kind, name))
        if found is None and len(self.places) < _MOST_TOPICS:
            found = self.places[kind, name] = Place(kind, name)
        return found


def records(document: Any) -> tuple[str, list[pivot.Row]]:
    """Return the path of the first array of objects in a document, "" for none, and its records by path."""
    for path, found in [("$", document), *_inner(document)]:
        if isinstance(found, list) and found and all(isinstance(each, dict) for each in found):
            outer = {key: value for key, value in _leaves(document, "$", 0) if "[" not in key}
            own = (dict(_leaves(each, "$", 0)) for each in found)
            return path, [each | {key: value for key, value in outer.items() if key not in each} for each in own]
    return ("", [dict(_leaves(document, "$", 0))]) if isinstance(document, dict) else ("", [])


def _inner(document: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(document, dict):
        yield from ((f"$.{key}", value) for key, value in document.items() if key.replace("_", "").isalnum())


def _with_units(places: Sequence[Place]) -> Iterator[Place]:
    """Yield places; a topic whose records name several units, or items, becomes one place as a table does."""
    groups: dict[tuple[Any, ...], list[Place]] = defaultdict(list)
    for place in places:
        if place.kind != "mqtt" or not place.rows:
            yield place
            continue
        keys = tuple(sorted({key for row in place.rows[:20] for key in row}))
        groups[place.each, place.name.count("/"), keys].append(place)
    for found in groups.values():
        for group in split(found):
            yield from _one_table(group)


def _one_table(group: Sequence[Place]) -> Iterator[Place]:
    first = group[0]
    levels = zip(*(place.name.split("/") for place in group), strict=True)
    name = "/".join(each[0] if len(set(each)) == 1 else "+" for each in levels)
    rows = [row for place in group for row in place.rows]
    table = pivot.place_of("mqtt", name, rows, each=first.each)
    is_named = len(table.units) > 1 or (first.each and table.units)
    if "columns" not in table.extra and (
        not is_named or "unit" not in table.extra or (len(group) > 1 and not first.each)
    ):
        yield from group
        return
    table.messages = first.messages
    table.first_ns, table.last_ns = first.first_ns, first.last_ns
    table.longest_ns = max(place.longest_ns for place in group)
    yield table


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
