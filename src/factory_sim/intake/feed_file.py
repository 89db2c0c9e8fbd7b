"""Read `feed.yaml`: every mistake is reported at once, with line and nearest right answer."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, available_timezones

from factory_sim import units
from factory_sim.errors import ConfigError, Problem, did_you_mean
from factory_sim.intake import feed_shapes as shapes
from factory_sim.intake.mapping import DIMENSIONS, MAPPED_STATES, REFUSE, ClockRule, Item, ItemMap, Mapping, SourceMap
from factory_sim.plant.yaml import files
from factory_sim.plant.yaml.problems import Report
from factory_sim.plant.yaml.tree import read_yaml
from factory_sim.plant.yaml.validate import validated

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator
    from pathlib import Path

    from factory_sim.plant.yaml.tree import Path as Address

KINDS = ("mqtt", "sparkplug", "shdr", "csv", "jsonl", "parquet", "xes", "log")
TABLES, JSON = ("csv", "parquet"), ("mqtt", "jsonl")
_ITEMS = {each.name.lower(): each for each in Item if each != Item.SIGNAL}
_LATE_S, _NS = 5.0, 1e9
LONG = "long"


def read(path: str | os.PathLike[str]) -> Mapping:
    """Return the checked mapping of a file. Raises ConfigError with every mistake."""
    file = files.find(path)
    problems: list[Problem] = []
    root = read_yaml(files.read(file), files.display(file), problems)
    if root.get("feed") is None:
        raise ConfigError([_other(file, set(root.children()))])
    report = Report(root, problems)
    shape = validated(shapes.FeedFile, root, report, {})
    mapping = _Reader(file, shape, report).mapping()
    report.close()
    return mapping


def read_stops(path: str | os.PathLike[str]) -> tuple[str, shapes.FeedFile]:
    """Return the name of a file and its keys, of which `stops` and `losses` are wanted; a feed file has them too."""
    file = files.find(path)
    problems: list[Problem] = []
    root = read_yaml(files.read(file), files.display(file), problems)
    report = Report(root, problems)
    shape = validated(shapes.FeedFile, root, report, {})
    _check_losses(shape, report)
    if shape.stops is None and shape.losses is None and report.clean(()):
        report.add((), "has neither stops nor losses", "Example: stops: {micro: 5 min}")
    report.close()
    return files.display(file), shape


def _check_losses(shape: shapes.FeedFile, report: Report) -> None:
    placed: dict[str, str] = {}
    for category in ("availability", "performance", "planned"):
        for i, word in enumerate(getattr(shape.losses, category, ())):
            report.check_known(("losses", category, i), word, "a state or a stop", shapes.LOSSES)
            first = placed.setdefault(word, category)
            if first != category:
                report.add(("losses", category, i), f"{word!r} is in {first}, too", "Leave one of them out.")


def _other(file: Path, keys: set[str]) -> Problem:
    known = {"plant": "check", "extends": "check", "sweep": "sweep", "optimise": "optimise"}
    what = next(
        (f"is a file for `factory-sim {known[key]}`" for key in known if key in keys and "sources" not in keys), ""
    )
    message = what or "is not a feed file: the key feed is missing"
    return Problem(
        files.display(file), 1, 1, "feed", message, "Begin with feed: NAME; `factory-sim map` writes a first one."
    )


class _Reader:
    """Checks what the shapes do not express, and resolves references."""

    def __init__(self, file: Path, shape: shapes.FeedFile, report: Report) -> None:
        self.file, self.shape, self.report = file, shape, report
        self.signals: list[str] = []

    def mapping(self) -> Mapping:
        """Return the mapping; mistakes go to the report."""
        shape = self.shape
        stations = shape.units or {}
        self._check_topology()
        self._check_words()
        _check_losses(shape, self.report)
        self._check_shifts()
        sources = tuple(self._sources())
        self._check_twice(sources)
        is_id = shape.parts not in {shapes.FIFO, shapes.NONE}
        return Mapping(
            name=shape.feed or "",
            file=files.display(self.file),
            plant=self._plant(),
            units=tuple(stations),
            unit_time_s=tuple(each.unit_time or 0.0 for each in stations.values()),
            names=dict(shape.names),
            states=self._states(),
            other=self._other_words(),
            sources=sources,
            signals=tuple(self.signals),
            parts="id" if is_id else shape.parts,
            shape=shape,
        )

    def _check_topology(self) -> None:
        shape, report = self.shape, self.report
        if shape.plant is None and shape.units is None and report.clean(("plant",)) and report.clean(("units",)):
            report.add((), "names no units", "Write plant: cell.yaml, or units: [M1, M2].")
        if shape.plant is not None and shape.units is not None:
            report.add(("units",), "contradicts plant, which has the units", "Leave one of the two out.", at_key=True)
        if shape.units is not None and not shape.units:
            report.add(("units",), "is empty", "Write units: [M1, M2].")
        for name, unit in (shape.units or {}).items():
            for state in unit.power:
                report.check_known(("units", name, "power", state), state, "a state", MAPPED_STATES)
        if not shape.sources and report.clean(("sources",)):
            report.missing(("sources",), '[{csv: "m1.csv", unit: M1, state: state}]')

    def _plant(self) -> str:
        name = self.shape.plant
        if name is None:
            return ""
        beside = self.file.parent / name
        if beside.is_file():
            return files.display(beside)
        try:
            files.find(name)
        except ConfigError as error:
            hint = error.problems[0].hint
            self.report.add(("plant",), f"{name!r}: no such file beside this one, and no packaged plant", hint)
        return name

    def _check_words(self) -> None:
        for word, state in self.shape.states.items():
            known = [*MAPPED_STATES, *([REFUSE] if word == "*" else [])]
            self.report.check_known(("states", word), state, "a state", known)

    def _check_shifts(self) -> None:
        name = self.shape.stops.shifts if self.shape.stops else None
        if name and not (self.file.parent / name).is_file():
            beside = sorted(each.name for each in self.file.parent.iterdir() if each.is_file())
            self.report.add(("stops", "shifts"), f"{name!r}: no such file beside this one", did_you_mean(name, beside))

    def _states(self) -> dict[str, int]:
        return {word: MAPPED_STATES[state] for word, state in self.shape.states.items() if state in MAPPED_STATES}

    def _other_words(self) -> int | None:
        return MAPPED_STATES.get(self.shape.states.get("*", REFUSE))

    def _sources(self) -> Iterator[SourceMap]:
        for index, source in enumerate(self.shape.sources):
            path: Address = ("sources", index)
            kinds = [kind for kind in KINDS if getattr(source, kind) is not None]
            if len(kinds) != 1:
                if self.report.clean(path):
                    found = f"has {' and '.join(kinds)}" if kinds else "has no kind"
                    self.report.add(path, f"{found}; expected exactly one of {', '.join(KINDS)}")
                continue
            yield self._source(index, kinds[0], source, path)

    def _source(self, index: int, kind: str, source: shapes.Source, path: Address) -> SourceMap:
        pattern = getattr(source, kind)
        self._check_pattern(kind, pattern, source, path)
        items = tuple(self._items(kind, source, path))
        loads = tuple(self._signals(source))
        if not items and not loads and kind != "log" and self.report.clean(path):
            self.report.add(path, "maps no item", f"Write one of {', '.join(_ITEMS)} or cycles.")
        self._check_form(kind, source, path)
        if source.layout is None and kind in TABLES and self.report.clean((*path, "layout")):
            self.report.missing(
                (*path, "layout"), "long", "long has columns time, item, value; wide has one column an item"
            )
        has_states = any(each.item == Item.STATE for each in items)
        if has_states and not self.shape.states and self.report.clean(("states",)):
            self.report.missing(("states",), "{RUNNING: busy, IDLE: starved}", "a source has state words")
        columns = source.columns
        return SourceMap(
            index=index,
            kind=kind,
            pattern=pattern,
            place=self.report.place(path),
            unit=source.unit or "",
            layout=source.layout or "",
            each=source.each or "",
            encoding=source.encoding or "",
            columns={} if columns is None else {k: v for k, v in columns.model_dump().items() if v is not None},
            clock=self._clock(source.clock, path),
            items=(*items, *(ItemMap(item=item, where=self.signals[item - Item.SIGNAL]) for item in loads)),
            cycles_from=loads,
            min_confidence=source.cycles.confidence if source.cycles else 0.6,
        )

    def _check_form(self, kind: str, source: shapes.Source, path: Address) -> None:
        """Report keys that do not apply to a kind of source, and what a long layout of JSON lacks."""
        applies = {"layout": (*TABLES, *JSON), "each": JSON, "decimal": ("csv",), "encoding": ("csv",)}
        for key, kinds in applies.items():
            if getattr(source, key) is not None and kind not in kinds:
                self.report.add((*path, key), f"applies to {' and '.join(kinds)} only", "Leave it out.", at_key=True)
        if source.columns is not None and source.columns.date and kind not in TABLES:
            self.report.add((*path, "columns", "date"), f"applies to {' and '.join(TABLES)} only", "Leave it out.")
        if source.encoding is not None and not is_encoding(source.encoding):
            hint = "Write utf-8, cp1252 (Windows), latin-1, gb18030 or another name that Python has."
            self.report.add((*path, "encoding"), f"{source.encoding!r} is not an encoding", hint)
        if kind in JSON and source.layout == LONG and self.report.clean((*path, "columns")):
            for key, example in (("item", "$.id"), ("value", "$.v")):
                if source.columns is None or getattr(source.columns, key) is None:
                    self.report.missing((*path, "columns", key), example, "a long layout needs their paths")

    def _check_pattern(self, kind: str, pattern: str, source: shapes.Source, path: Address) -> None:
        captures = "{unit}" in pattern
        if source.unit is not None:
            if captures:
                self.report.add((*path, "unit"), "contradicts {unit} in the pattern", "Leave one of the two out.")
            is_path = source.unit.startswith("$") or kind == "xes"
            if self.shape.units is not None and not is_path:
                self.report.check_known((*path, "unit"), source.unit, "a unit of this file", self.shape.units)
        named = captures or source.unit or kind in {"log", "xes"} or (source.columns and source.columns.unit)
        if not named and not self._wide_units(source) and self.report.clean(path):
            self.report.add(path, "does not name a unit", "Write unit: M1, or {unit} in the topic, file or column.")
        levels = len(pattern.strip("/").split("/"))
        if kind == "sparkplug" and levels not in (2, 3):
            self.report.add((*path, kind), f"has {levels} levels", "Expected group/node or group/node/device.")

    def _wide_units(self, source: shapes.Source) -> bool:
        """Return whether the items name the unit: `{unit}.state`."""
        return any("{unit}" in _place_of(getattr(source, name)) for name in _ITEMS if getattr(source, name) is not None)

    def _items(self, kind: str, source: shapes.Source, path: Address) -> Iterator[ItemMap]:
        for name, item in _ITEMS.items():
            spec: shapes.Where | None = getattr(source, name)
            is_followed = self.shape.parts not in {shapes.FIFO, shapes.NONE}
            if item == Item.ID and spec is None and is_followed and kind in JSON and source.layout != LONG:
                yield ItemMap(item=item, where=self.shape.parts)
            if spec is None:
                continue
            where = _place_of(spec)
            if not where and self.report.clean((*path, name)):
                self.report.missing((*path, name, "path"), "$.state")
            yield ItemMap(
                item=item,
                where=where,
                factor=self._factor(item, spec, (*path, name)),
                wraps=spec.wraps or 0,
                resets=spec.resets,
                decimal=source.decimal or ".",
            )

    def _factor(self, item: Item, spec: shapes.Where, path: Address) -> float:
        dimension, usual = DIMENSIONS.get(item, ("", ""))
        if spec.unit is None:
            if dimension:
                self.report.missing((*path, "unit"), usual, f"{dimension} needs a unit")
            return 1.0
        if not dimension:
            self.report.add((*path, "unit"), "applies to energy and power only", "Leave it out.", at_key=True)
            return 1.0
        known = units.UNITS[dimension]
        self.report.check_known((*path, "unit"), spec.unit, f"a unit of {dimension}", known)
        named = re.split(r"[^A-Za-z]+", _place_of(spec).rstrip(")] "))[-1]
        stated = next((unit for unit in known if named in {unit, unit.lower()} and len(named) > 1), spec.unit)
        if spec.unit in known and stated != spec.unit and named != spec.unit.lower():  # W may be an axis
            self.report.add((*path, "unit"), f"contradicts the name, which ends in {named}", f"Write unit: {stated}.")
        return known.get(spec.unit, 1.0)

    def _signals(self, source: shapes.Source) -> Iterator[int]:
        for name in source.cycles.from_ if source.cycles else ():
            if name not in self.signals:
                self.signals.append(name)
            yield Item.SIGNAL + self.signals.index(name)

    def _clock(self, own: shapes.Clock | None, path: Address) -> ClockRule:
        top = self.shape.clock
        self._check_zone(top.zone, ("clock", "zone"))
        self._check_format(top.format, ("clock", "format"))
        chosen = {key: getattr(top, key) for key in shapes.Clock.model_fields}
        if own is not None:
            self._check_zone(own.zone, (*path, "clock", "zone"))
            self._check_format(own.format, (*path, "clock", "format"))
            chosen |= {key: value for key, value in own.model_dump().items() if value is not None}
        return ClockRule(
            time=chosen["time"] or "",
            zone=chosen["zone"] or "",
            format=chosen["format"] or "",
            late_ns=round((_LATE_S if chosen["late"] is None else chosen["late"]) * _NS),
            stale_ns=round((chosen["stale"] or 0.0) * _NS),
            resolution_ns=round((chosen["resolution"] or 0.0) * _NS),
            skip_without=chosen["without"] == shapes.SKIP,
        )

    def _check_zone(self, zone: str | None, path: Address) -> None:
        if zone is None:
            return
        try:
            ZoneInfo(zone)
        except (KeyError, ValueError, OSError):
            self.report.add(path, f"{zone!r} is not a time zone", did_you_mean(zone, available_timezones()))

    def _check_format(self, form: str | None, path: Address) -> None:
        if form is not None and "%" not in form:
            hint = "Write for instance '%d.%m.%Y %H:%M:%S': day, month, year, hour, minute and second."
            self.report.add(path, f"{form!r} has no part of a time", hint)

    def _check_twice(self, sources: tuple[SourceMap, ...]) -> None:
        """Report two sources that give one item of one unit."""
        owners: dict[tuple[str, int, str], SourceMap] = {}
        for source in sources:
            for each in source.items:
                name = source.unit or source.pattern
                file = "" if source.unit and "$" not in source.unit else source.kind
                first = owners.setdefault((name, each.item, file), source)
                if first is not source:
                    what = Item(each.item).name.lower() if each.item < Item.SIGNAL else each.where
                    message = f"{what} of {name} has two sources: this one and that in line {first.place.line}"
                    self.report.add(("sources", source.index), message, "Leave one of them out.")


def is_encoding(name: str) -> bool:
    """Return whether Python has an encoding of text."""
    try:
        b"text".decode(name)
    except UnicodeError:
        return True
    except LookupError:
        return False
    return True


def _place_of(spec: shapes.Where) -> str:
    return spec.path or spec.metric or spec.item or spec.column or ""
