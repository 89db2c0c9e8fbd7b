"""Tables and records of JSON: which column has the time, the unit, the item, and what the names of the rest mean."""

from __future__ import annotations

import re
from collections import defaultdict
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from factory_sim.intake.feed_context import COMMA, number_of
from factory_sim.intake.observing import vocabulary as words_of
from factory_sim.intake.observing.guess import Signal, item_of, merged
from factory_sim.intake.observing.places import Place
from factory_sim.intake.observing.time_formats import format_of, is_date, is_time_of_day
from factory_sim.intake.words import text_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Row = dict[str, Any]
_CELLS = 2_000_000  # of a table that are looked at
_EXAMPLES = 200
_MOST_UNITS = 1000
_SEPARATORS = re.compile(r"([./_:\s\-]+)")
_WITH_COMMA = re.compile(r"[+-]?[\d.\u00a0\u202f ]*\d,\d+")
_EARLIEST_S = 1e8  # a smaller number is no time since 1970


class Pivot:
    """A table on its way to a place: its columns by role."""

    def __init__(self, rows: Sequence[Row]) -> None:
        columns = list(dict.fromkeys(key for row in rows[:_EXAMPLES] for key in row))
        self.rows = rows[: max(_CELLS // max(len(columns), 1), 1)]
        self.examples = {name: list(_examples(name, self.rows)) for name in columns}
        self.date = ""
        self.time = self._time(columns)
        rest = [name for name in columns if name not in (self.time, self.date)]
        self.value = next((name for name in rest if words_of.is_called(words_of.VALUE, name)), "")
        self.item = self._item(rest) if self.value else ""
        self.value = self.value if self.item else ""
        self.unit = self._unit([name for name in rest if name not in (self.item, self.value)])
        self.values = [name for name in rest if name not in (self.item, self.value, self.unit)]

    def _time(self, columns: Sequence[str]) -> str:
        timed = [name for name in columns if self._is_time(name)]
        of_day = next((name for name in columns if is_time_of_day(self.examples[name])), "")
        dates = [name for name in columns if is_date(self.examples[name])]
        if not timed and of_day and dates:
            self.date = dates[0]
            return of_day
        named = [name for name in timed if words_of.is_called(words_of.TIME, name)]
        return next(iter([*named, *timed]), "")

    def _is_time(self, name: str) -> bool:
        texts = self.examples[name]
        if texts and all(_is_number(text) for text in texts) and len(texts[0]) != len("20260504080000"):
            return words_of.is_called(words_of.TIME, name) and float(texts[0]) > _EARLIEST_S
        return format_of(texts) is not None

    def _item(self, columns: Sequence[str]) -> str:
        return next((name for name in columns if words_of.is_called(words_of.ITEM, name) and name != self.value), "")

    def _unit(self, columns: Sequence[str]) -> str:
        named = [name for name in columns if words_of.is_called(words_of.UNIT, name)]
        named += [name for name in columns if words_of.is_called("id|name", name)]
        for name in sorted(named, key=lambda name: all(map(_is_number, self.examples[name]))):  # names before numbers
            found = self.unit_names(name)
            if 0 < len(found) <= _MOST_UNITS and len(found) * 3 <= len(self.rows):
                return name
        return ""

    def unit_names(self, column: str) -> list[str]:
        """Return the units that a column names."""
        return list(dict.fromkeys(text for row in self.rows if (text := text_of(row.get(column)))))

    @property
    def stamps(self) -> list[str]:
        """Examples of time stamps."""
        found = self.examples.get(self.time, [])
        return [f"{d} {t}" for d, t in zip(self.examples[self.date], found, strict=False)] if self.date else found

    @property
    def has_comma(self) -> bool:
        """Whether its numbers have a decimal comma."""
        texts = [text for name in [*self.values, self.value] for text in self.examples.get(name, [])]
        return any(_WITH_COMMA.fullmatch(text) for text in texts)

    def signals(self, *, has_comma: bool) -> dict[tuple[str, str], Signal]:
        """Return what has been seen of each unit, "" where no column names it, and column or item."""
        found: dict[tuple[str, str], Signal] = {}
        for row in self.rows:
            unit = text_of(row.get(self.unit)) if self.unit else ""
            if self.item:
                cells: Iterable[tuple[str, Any]] = [(text_of(row.get(self.item)), row.get(self.value))]
            else:
                cells = ((name, row.get(name)) for name in self.values)
            for name, value in cells:
                if name and value is not None:
                    signal = found.setdefault((unit, name), Signal(name))
                    signal.add(_with_point(value) if has_comma else value)
        return found


def place_of(
    kind: str, name: str, rows: Sequence[Row], *, each: str = "", extra: dict[str, str] | None = None
) -> Place:
    """Return what a table contains; its names have `{unit}` where several units have the same."""
    table = Pivot(rows)
    has_comma = kind == "csv" and table.has_comma
    signals = table.signals(has_comma=has_comma)
    place = Place(kind, name, dict(extra or {}), messages=len(rows), time=table.time, stamps=table.stamps, each=each)
    place.units = table.unit_names(table.unit) if table.unit else []
    patterns = {column: (column, "") for _, column in signals}
    if not place.units:
        patterns = unit_patterns(list(patterns), signals)
        place.units = list(dict.fromkeys(unit for _, unit in patterns.values() if unit))
    by_pattern: dict[str, list[Signal]] = defaultdict(list)
    for (_, column), signal in signals.items():
        by_pattern[patterns[column][0]].append(signal)
    place.signals = {pattern: merged(pattern, found) for pattern, found in by_pattern.items()}
    _describe(place, table, has_comma=has_comma)
    return place


def _describe(place: Place, table: Pivot, *, has_comma: bool) -> None:
    """Add the keys that the source of a table needs besides its items."""
    is_json = place.kind in ("mqtt", "jsonl")
    if not is_json or table.item:
        place.extra["layout"] = "long" if table.item else "wide"
    if place.each:
        place.extra["each"] = f'"{place.each}"'
    if has_comma:
        place.extra["decimal"] = '","'
    columns = {"date": table.date, "time": table.time, "item": table.item, "value": table.value, "unit": table.unit}
    if is_json:
        columns = {"item": table.item, "value": table.value}
        if table.unit:
            place.extra["unit"] = f'"{table.unit}"'
    given = {key: name for key, name in columns.items() if name}
    if given:
        place.extra["columns"] = "{" + ", ".join(f"{key}: {_text(name)}" for key, name in given.items()) + "}"


def unit_patterns(names: Sequence[str], signals: dict[tuple[str, str], Signal]) -> dict[str, tuple[str, str]]:
    """Return each name's pattern, with {unit} where a word of it names the unit, and that unit, "" for none."""
    pieces = {name: _SEPARATORS.split(name) for name in names}
    best: dict[str, tuple[str, str]] = {}
    most = (False, 0)  # whether there are several units, and names that mean something
    for at in range(0, max((len(each) for each in pieces.values()), default=0), 2):
        kept = _with_unit_at(at, pieces)
        useful = sum(
            item_of(pattern.replace("{unit}", ""), signals["", name]) is not None for name, (pattern, _) in kept.items()
        )
        score = (len({unit for _, unit in kept.values()}) > 1, useful)
        if useful and score > most:
            best, most = kept, score
    return {**{name: (name, "") for name in names}, **best}


def _with_unit_at(at: int, pieces: dict[str, list[str]]) -> dict[str, tuple[str, str]]:
    """Return patterns of the names whose word at a place is that of a unit: several have it, or all have the same."""
    found = {name: _replaced(each, at) for name, each in pieces.items() if len(each) > 1 and at < len(each)}
    units: dict[str, set[str]] = defaultdict(set)
    for pattern, unit in found.values():
        units[pattern].add(unit)
    is_only = len(found) > 1 and len({unit for _, unit in found.values()}) == 1
    return {
        name: (pattern, unit)
        for name, (pattern, unit) in found.items()
        if (len(units[pattern]) > 1 or (is_only and re.search(r"\d", unit))) and item_of(unit, Signal("")) is None
    }


def _replaced(pieces: Sequence[str], at: int) -> tuple[str, str]:
    return "".join([*pieces[:at], "{unit}", *pieces[at + 1 :]]), pieces[at]


def _examples(name: str, rows: Sequence[Row]) -> Iterable[str]:
    n = 0
    for row in rows:
        value = row.get(name)
        text = (
            value.isoformat(" ")
            if isinstance(value, datetime)
            else str(value)
            if isinstance(value, date)
            else text_of(value)
        )
        if text:
            yield text
            n += 1
            if n >= _EXAMPLES:
                return


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _with_point(value: Any) -> Any:
    if isinstance(value, str) and _WITH_COMMA.fullmatch(value.strip()):
        try:
            return number_of(value, COMMA)
        except ValueError:
            return value
    return value


def _text(name: str) -> str:
    return name if re.fullmatch(r"[^\W\d][\w .\-]*", name) else f'"{name}"'
