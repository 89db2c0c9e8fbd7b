"""Tables in long form (time, item, value) or wide form (time, one column an item), batch by batch."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from factory_sim.errors import ConfigError, Problem, did_you_mean
from factory_sim.intake import time_stamps
from factory_sim.intake.feed_context import COMMA
from factory_sim.intake.mapping import WORDS, Item
from factory_sim.intake.words import UNAVAILABLE
from factory_sim.records import Observations

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from factory_sim.intake.feed_context import Context
    from factory_sim.intake.mapping import ItemMap, SourceMap
    from factory_sim.records import F8, I2, I8

_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_VALUES = (
    *(pa.types.is_string, pa.types.is_large_string, pa.types.is_dictionary),
    *(pa.types.is_floating, pa.types.is_integer, pa.types.is_boolean),
)
_TIMES = ("time", "timestamp", "time_utc", "datetime", "date", "ts", "t")


@dataclass(frozen=True, slots=True)
class Places:
    """Where the rows of a batch stand in their file, for messages."""

    file: str
    word: str  # "line", or "row" of a file without lines
    numbers: I8  # shape (n,)
    column: str = ""

    def take(self, rows: I8) -> Places:
        """Return the places of some rows."""
        return replace(self, numbers=self.numbers[rows])

    def of_column(self, name: str) -> Places:
        """Return the places of a column."""
        return replace(self, column=name)

    def name(self, row: int) -> str:
        """Return the place of a row: m1.csv, line 7, column state."""
        return f"{self.file}, {self.word} {self.numbers[row]}" + (f", column {self.column}" if self.column else "")


class Long:
    """Batches of a long table: each row is one observation."""

    def __init__(self, source: SourceMap, context: Context, names: Sequence[str], file: str) -> None:
        self._source, self._context, self.names = source, context, list(names)
        self._specs = {each.where: each for each in source.items}
        self._time = column_of(source, "time", names, file, _TIMES)
        self._date = column_of(source, "date", names, file) if "date" in source.columns else ""
        self._item = column_of(source, "item", names, file, ("item", "name", "tag", "signal", "id"))
        self._value = column_of(source, "value", names, file, ("value", "val"))
        self._unit = column_of(source, "unit", names, file) if "unit" in source.columns else ""
        self._patterns = {where: _pattern(where) for where in self._specs if "{unit}" in where}
        self._cells: dict[str, tuple[int, int, int] | None] = {}
        _check_names(self.columns, self.names, file)

    @property
    def columns(self) -> list[str]:
        """The columns that are read."""
        return [self._time, self._item, self._value, *self.repeated[1:]]

    @property
    def repeated(self) -> list[str]:
        """The columns that contain few different texts."""
        return [self._item, *filter(None, (self._unit, self._date))]

    def read(self, batch: pa.RecordBatch, places: Places) -> Iterator[Observations]:
        """Yield the observations of a batch: each kind of item is converted at once."""
        codes, names = _codes(_encoded(batch.column(self._item)))
        wanted = np.array([*(self._may_be(name) for name in names), False])
        for k in np.flatnonzero(~wanted[:-1]).tolist():
            self._context.saw(self._source.index, names[k])
        rows = np.flatnonzero(wanted[codes])
        if not len(rows):
            return
        batch, places = _taken(batch, rows), places.take(rows)
        unit, item, spec = self._cells_of(batch, codes[rows], names)
        stamps = _stamps(batch, self._time, self._date)
        t_ns = time_stamps.column(stamps, self._source.clock, self._context.tally, places.name)
        value, items = np.full(len(rows), np.nan), self._source.items
        factor = np.array([each.factor for each in items])
        kinds = {each.item if each.item in WORDS else -1: replace(each, factor=1.0) for each in items}
        group = np.where(np.isin(item, WORDS), item, -1)  # all numbers are one group
        for kind, any_of in kinds.items():
            here = np.flatnonzero((group == kind) & (unit >= 0))
            column = batch.column(self._value).take(pa.array(here))
            value[here] = numbers(column, any_of, self._context, places.take(here)) * factor[spec[here]]
        yield from _kept(t_ns, unit, item, value, keeps_missing=True)

    def _cells_of(self, batch: pa.RecordBatch, codes: I8, names: list[str]) -> tuple[I2, I2, I8]:
        """Return unit, item and index of its mapping by row; unit -1 where it is not known. Shapes (n,)."""
        if not self._unit:
            found = [self._cell(name, "") if self._may_be(name) else None for name in names]
            index = codes
        else:
            units, unit_names = _codes(_encoded(batch.column(self._unit)))
            pairs, index = np.unique(codes * len(unit_names) + units, return_inverse=True)
            found = [self._cell(names[pair // len(unit_names)], unit_names[pair % len(unit_names)]) for pair in pairs]
        unit, item, spec = np.array([each or (-1, -1, 0) for each in found], np.int64).T
        return unit.astype(np.int16)[index], item.astype(np.int16)[index], spec[index]

    def _may_be(self, name: str) -> bool:
        return name in self._specs or any(pattern.fullmatch(name) for pattern in self._patterns.values())

    def _cell(self, name: str, unit_name: str) -> tuple[int, int, int] | None:
        key = f"{unit_name}\0{name}"
        if key not in self._cells:
            self._cells[key] = self._found(name, unit_name)
        return self._cells[key]

    def _found(self, name: str, unit_name: str) -> tuple[int, int, int] | None:
        context, source = self._context, self._source
        spec = self._specs.get(name)
        unit_name = unit_name or source.unit
        if spec is None:
            where, match = next((w, m) for w, p in self._patterns.items() if (m := p.fullmatch(name)))
            spec, unit_name = self._specs[where], match["unit"]
        unit = context.unit(unit_name)
        if unit < 0 or not context.owns(source.index, unit, spec.item):
            return None
        return unit, spec.item, source.items.index(spec)


class Wide:
    """Batches of a wide table: each column is an item of a unit, or of the unit that a column names."""

    def __init__(self, source: SourceMap, context: Context, names: Sequence[str], file: str) -> None:
        self._source, self._context = source, context
        self._time = column_of(source, "time", names, file, _TIMES)
        self._date = column_of(source, "date", names, file) if "date" in source.columns else ""
        self._unit = column_of(source, "unit", names, file) if "unit" in source.columns else ""
        self._cells = list(self._found(names, file))
        _check_names(self.columns, names, file)

    @property
    def columns(self) -> list[str]:
        """The columns that are read."""
        return list(dict.fromkeys([self._time, *self.repeated, *(name for name, _, _ in self._cells)]))

    @property
    def repeated(self) -> list[str]:
        """The columns that contain few different texts."""
        return [*filter(None, (self._unit, self._date))]

    def read(self, batch: pa.RecordBatch, places: Places) -> Iterator[Observations]:
        """Yield the observations of a batch, column by column."""
        stamps = _stamps(batch, self._time, self._date)
        t_ns = time_stamps.column(stamps, self._source.clock, self._context.tally, places.name)
        if self._unit:
            yield from self._by_unit(batch, t_ns, places)
            return
        all_there = bool((t_ns != time_stamps.MISSING).all())
        for name, unit, spec in self._cells:
            value = numbers(batch.column(name), spec, self._context, places.of_column(name))
            if all_there and len(value) and not np.isnan(value.sum()):
                ids, kinds = (np.broadcast_to(np.int16(each), len(value)) for each in (unit, spec.item))
                yield Observations(t_ns, ids, kinds, value)
                continue
            ids, kinds = np.full(len(value), unit, np.int16), np.full(len(value), spec.item, np.int16)
            yield from _kept(t_ns, ids, kinds, value, all_there=all_there)

    def _by_unit(self, batch: pa.RecordBatch, t_ns: I8, places: Places) -> Iterator[Observations]:
        codes, names = _codes(_encoded(batch.column(self._unit)))
        for k, name in enumerate(names):
            rows = np.flatnonzero(codes == k)
            unit = self._context.unit(name) if len(rows) else -1
            for column, _, spec in self._cells if unit >= 0 else ():
                if self._context.owns(self._source.index, unit, spec.item):
                    where = places.take(rows).of_column(column)
                    value = numbers(batch.column(column).take(pa.array(rows)), spec, self._context, where)
                    ids, kinds = np.full(len(rows), unit, np.int16), np.full(len(rows), spec.item, np.int16)
                    yield from _kept(t_ns[rows], ids, kinds, value)

    def _found(self, names: Sequence[str], file: str) -> Iterator[tuple[str, int, ItemMap]]:
        context, source = self._context, self._source
        for spec in source.items:
            pattern = _pattern(spec.where)
            matches = [(name, match) for name in names if (match := pattern.fullmatch(name))]
            if not matches:
                raise _no_column(source, spec.where, names, file)
            for name, match in matches:
                if self._unit:
                    yield name, -1, spec
                    continue
                unit = context.unit(match.groupdict().get("unit") or source.unit)
                if unit >= 0 and context.owns(source.index, unit, spec.item):
                    yield name, unit, spec


def column_of(source: SourceMap, what: str, names: Sequence[str], file: str, usual: Sequence[str] = ()) -> str:
    """Return the column with the time, item, value or unit. Raises ConfigError if there is none."""
    given = source.columns.get(what) or (source.clock.time if what == "time" and source.clock.time in names else "")
    if given:
        if given not in names:
            raise _no_column(source, given, names, file)
        return given
    found = next((name for word in usual for name in names if name.lower() == word), None)
    if found is None:
        raise ConfigError(
            [
                Problem(
                    source.place.file,
                    source.place.line,
                    source.place.column,
                    f"sources.{source.index}.columns.{what}",
                    f"{file} has no column {' or '.join(usual[:3])}",
                    f"Its columns: {', '.join(names[:12])}. Write columns: {{{what}: NAME}}.",
                )
            ]
        )
    return found


def _check_names(columns: Sequence[str], names: Sequence[str], file: str) -> None:
    """Raise ConfigError if a column that is read has the name of another one."""
    twice = next((name for name in columns if names.count(name) > 1), None)
    if twice is not None:
        raise ConfigError.of(file, f"has {names.count(twice)} columns {twice!r}; expected one", "Rename the others.")


def _no_column(source: SourceMap, name: str, names: Sequence[str], file: str) -> ConfigError:
    place, key = source.place, f"sources.{source.index}"
    return ConfigError(
        [
            Problem(
                place.file, place.line, place.column, key, f"{file} has no column {name!r}", did_you_mean(name, names)
            )
        ]
    )


def numbers(values: pa.Array, spec: ItemMap, context: Context, places: Places) -> F8:
    """Return the values of a column as numbers in SI units or codes of words, NaN for none; shape (n,)."""
    found: F8
    if pa.types.is_decimal(values.type) or pa.types.is_null(values.type):
        values = values.cast(pa.float64())
    kind = values.type
    if pa.types.is_nested(kind) or (spec.item not in WORDS and not any(each(kind) for each in _VALUES)):
        where = f"{places.file}, column {places.column or 'of values'}"
        raise ConfigError.of(where, f"has the type {kind}; expected numbers or text")
    has_comma = spec.decimal == COMMA and pa.types.is_string(kind)
    if spec.item in WORDS or pa.types.is_dictionary(kind) or has_comma:
        codes, words = _codes(_encoded(values), as_text=False)
        table = np.full(len(words) + 1, np.nan)
        used, first = np.unique(codes, return_index=True)  # a part of a column keeps all words
        for code, row in zip(used.tolist(), first.tolist(), strict=True):
            context.tally.where = places.name(row)
            table[code] = context.value(spec, words[code]) if code >= 0 else np.nan
        found = table[codes]
        return found
    if pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        plain = values.to_numpy(zero_copy_only=False).astype(np.float64, copy=False)
        found = plain * spec.factor if spec.factor != 1 else plain
        return found
    unavailable = pc.equal(values, UNAVAILABLE).fill_null(False)  # noqa: FBT003 - pyarrow's parameter
    plain = pc.replace_with_mask(values, unavailable, pa.scalar(None, kind))
    try:
        found = plain.cast(pa.float64()).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:
        found = _some_numbers(plain, spec, context, places)
    return found * spec.factor if spec.factor != 1 else found


def _some_numbers(values: pa.Array, spec: ItemMap, context: Context, places: Places) -> F8:
    """Return the texts of a column that are numbers; each of the others is counted."""
    plain = pc.utf8_trim_whitespace(values)
    others = pc.invert(pc.match_substring_regex(plain, _NUMBER)).fill_null(False)  # noqa: FBT003 - pyarrow's parameter
    found: F8 = (
        pc.replace_with_mask(plain, others, pa.scalar(None, values.type))
        .cast(pa.float64())
        .to_numpy(zero_copy_only=False)
    )
    for row in np.flatnonzero(others.to_numpy(zero_copy_only=False)).tolist():
        context.tally.where = places.name(row)
        context.value(spec, values[row].as_py())
    return found


def _stamps(batch: pa.RecordBatch, time: str, date: str) -> pa.Array:
    """Return the time stamps of a batch; where a column has the date, date and time of day with a blank between."""
    if not date:
        return batch.column(time)
    both = (batch.column(name).cast(pa.string()) for name in (date, time))
    return pc.binary_join_element_wise(*both, " ")


def _encoded(values: pa.Array) -> Any:
    return values if pa.types.is_dictionary(values.type) else values.dictionary_encode()


def _taken(batch: pa.RecordBatch, rows: I8) -> pa.RecordBatch:
    return batch if len(rows) == batch.num_rows else batch.take(pa.array(rows))


def _codes(encoded: Any, *, as_text: bool = True) -> tuple[I8, list[Any]]:
    """Return codes, -1 for null, and words of a dictionary column."""
    indices = encoded.indices.fill_null(-1) if encoded.indices.null_count else encoded.indices
    words = encoded.dictionary.to_pylist()
    found: I8 = indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return found, [str(word) for word in words] if as_text else words


def _pattern(where: str) -> re.Pattern[str]:
    return re.compile(re.escape(where).replace(r"\{unit\}", "(?P<unit>.+)"))


def _kept(
    t_ns: I8, unit: I2, item: I2, value: F8, *, all_there: bool = False, keeps_missing: bool = False
) -> Iterator[Observations]:
    """Yield what has a time, a unit and a value; in a long table a missing power or signal is news, too."""
    there = ~np.isnan(value)
    if keeps_missing and not there.all():
        there |= (item >= Item.SIGNAL) | (item == Item.POWER)
    if not all_there:
        there &= (unit >= 0) & (t_ns != time_stamps.MISSING)
    found = Observations(t_ns, unit, item, value)
    yield found if there.all() else found.take(there)
