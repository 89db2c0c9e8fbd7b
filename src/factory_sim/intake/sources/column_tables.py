"""Tables in long form (time, item, value) or wide form (time, one column an item), batch by batch."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from factory_sim.errors import ConfigError, Problem, did_you_mean
from factory_sim.intake import time_stamps
from factory_sim.intake.mapping import WORDS, Item
from factory_sim.intake.words import UNAVAILABLE
from factory_sim.records import Observations

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from factory_sim.intake.feed_context import Context
    from factory_sim.intake.mapping import ItemMap, SourceMap
    from factory_sim.records import F8, I2, I8

_TIMES = ("time", "timestamp", "time_utc", "datetime", "date", "ts", "t")


class Long:
    """Batches of a long table: each row is one observation."""

    def __init__(self, source: SourceMap, context: Context, names: Sequence[str], file: str) -> None:
        self._source, self._context, self.names = source, context, list(names)
        self._specs = {each.where: each for each in source.items}
        self._time = column_of(source, "time", names, file, _TIMES)
        self._item = column_of(source, "item", names, file, ("item", "name", "tag", "signal", "id"))
        self._value = column_of(source, "value", names, file, ("value", "val"))
        self._unit = column_of(source, "unit", names, file) if "unit" in source.columns else ""
        self._patterns = {where: _pattern(where) for where in self._specs if "{unit}" in where}
        self._cells: dict[str, tuple[int, ItemMap] | None] = {}

    @property
    def columns(self) -> list[str]:
        """The columns that are read."""
        return [self._time, self._item, self._value, *([self._unit] if self._unit else [])]

    def read(self, batch: pa.RecordBatch) -> Iterator[Observations]:
        """Yield the observations of a batch."""
        item = (
            batch.column(self._item).dictionary_encode()
            if not pa.types.is_dictionary(batch.column(self._item).type)
            else batch.column(self._item)
        )
        codes, names = _codes(item)
        wanted = [k for k, name in enumerate(names) if self._may_be(name)]
        for name in set(names) - {names[k] for k in wanted}:
            self._context.saw(self._source.index, str(name))
        rows = np.flatnonzero(np.isin(codes, wanted))
        if not len(rows):
            return
        t_ns = time_stamps.column(
            batch.column(self._time).take(pa.array(rows)), self._source.clock, self._context.tally
        )
        codes = codes[rows]
        values = batch.column(self._value).take(pa.array(rows))
        units = batch.column(self._unit).take(pa.array(rows)) if self._unit else None
        unit, value = np.full(len(rows), -1, np.int16), np.full(len(rows), np.nan)
        kind = np.full(len(rows), -1, np.int16)
        unit_codes, unit_names = (
            _codes(units.dictionary_encode()) if units is not None else (np.zeros(len(rows), np.int64), [""])
        )
        for k in wanted:
            for j, unit_name in enumerate(unit_names):
                here = (
                    np.flatnonzero((codes == k) & (unit_codes == j))
                    if units is not None
                    else np.flatnonzero(codes == k)
                )
                found = self._cell(names[k], unit_name) if len(here) else None
                if found is not None:
                    unit[here], kind[here] = found[0], found[1].item
                    value[here] = numbers(values.take(pa.array(here)), found[1], self._context)
        yield from _kept(t_ns, unit, kind, value, keeps_missing=True)

    def _may_be(self, name: str) -> bool:
        return name in self._specs or any(pattern.fullmatch(name) for pattern in self._patterns.values())

    def _cell(self, name: str, unit_name: str) -> tuple[int, ItemMap] | None:
        key = f"{unit_name}\0{name}"
        if key not in self._cells:
            self._cells[key] = self._found(name, unit_name)
        return self._cells[key]

    def _found(self, name: str, unit_name: str) -> tuple[int, ItemMap] | None:
        context, source = self._context, self._source
        spec = self._specs.get(name)
        unit_name = unit_name or source.unit
        if spec is None:
            where, match = next((w, m) for w, p in self._patterns.items() if (m := p.fullmatch(name)))
            spec, unit_name = self._specs[where], match["unit"]
        unit = context.unit(unit_name)
        return (unit, spec) if unit >= 0 and context.owns(source.index, unit, spec.item) else None


class Wide:
    """Batches of a wide table: each column is an item of a unit, or of the unit that a column names."""

    def __init__(self, source: SourceMap, context: Context, names: Sequence[str], file: str) -> None:
        self._source, self._context = source, context
        self._time = column_of(source, "time", names, file, _TIMES)
        self._unit = column_of(source, "unit", names, file) if "unit" in source.columns else ""
        self._cells = list(self._found(names, file))

    @property
    def columns(self) -> list[str]:
        """The columns that are read."""
        unit = [self._unit] if self._unit else []
        return list(dict.fromkeys([self._time, *unit, *(name for name, _, _ in self._cells)]))

    def read(self, batch: pa.RecordBatch) -> Iterator[Observations]:
        """Yield the observations of a batch, column by column."""
        t_ns = time_stamps.column(batch.column(self._time), self._source.clock, self._context.tally)
        if self._unit:
            yield from self._by_unit(batch, t_ns)
            return
        all_there = bool((t_ns != time_stamps.MISSING).all())
        for name, unit, spec in self._cells:
            value = numbers(batch.column(name), spec, self._context)
            if all_there and len(value) and not np.isnan(value.sum()):
                ids, kinds = (np.broadcast_to(np.int16(each), len(value)) for each in (unit, spec.item))
                yield Observations(t_ns, ids, kinds, value)
                continue
            ids, kinds = np.full(len(value), unit, np.int16), np.full(len(value), spec.item, np.int16)
            yield from _kept(t_ns, ids, kinds, value, all_there=all_there)

    def _by_unit(self, batch: pa.RecordBatch, t_ns: I8) -> Iterator[Observations]:
        codes, names = _codes(batch.column(self._unit).dictionary_encode())
        for k, name in enumerate(names):
            rows = np.flatnonzero(codes == k)
            unit = self._context.unit(name) if len(rows) else -1
            for column, _, spec in self._cells if unit >= 0 else ():
                if self._context.owns(self._source.index, unit, spec.item):
                    value = numbers(batch.column(column).take(pa.array(rows)), spec, self._context)
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


def _no_column(source: SourceMap, name: str, names: Sequence[str], file: str) -> ConfigError:
    place, key = source.place, f"sources.{source.index}"
    return ConfigError(
        [
            Problem(
                place.file, place.line, place.column, key, f"{file} has no column {name!r}", did_you_mean(name, names)
            )
        ]
    )


def numbers(values: pa.Array, spec: ItemMap, context: Context) -> F8:
    """Return the values of a column as numbers in SI units or codes of words, NaN for none; shape (n,)."""
    found: F8
    kind = values.type
    if spec.item in WORDS:
        encoded = values if pa.types.is_dictionary(kind) else values.dictionary_encode()
        codes, words = _codes(encoded, as_text=False)
        used = np.bincount(codes[codes >= 0], minlength=len(words)).tolist()  # a part of a column keeps all words
        known = (context.words.code(spec.item, word) if n else np.nan for word, n in zip(words, used, strict=True))
        table = np.array([*known, np.nan])
        found = table[codes]
        return found
    if pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        plain = values.to_numpy(zero_copy_only=False).astype(np.float64, copy=False)
        found = plain * spec.factor if spec.factor != 1 else plain
        return found
    if pa.types.is_dictionary(kind):
        codes, words = _codes(values, as_text=False)
        return np.array([*(context.value(spec, word) for word in words), np.nan])[codes]
    try:
        unavailable = pc.equal(values, UNAVAILABLE).fill_null(False)  # noqa: FBT003 - pyarrow's parameter
        plain = pc.replace_with_mask(values, unavailable, pa.scalar(None, kind)).cast(pa.float64())
    except pa.ArrowInvalid:
        return np.array([context.value(spec, each) for each in values.to_pylist()], np.float64)
    found = plain.to_numpy(zero_copy_only=False) * spec.factor
    return found


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
