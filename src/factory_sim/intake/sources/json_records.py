"""Records of JSON: one document, or each element of an array in it; items by path, or named by the record itself."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from factory_sim.intake.mapping import WORDS

if TYPE_CHECKING:
    from factory_sim.intake.buffer import Buffer
    from factory_sim.intake.feed_context import Context
    from factory_sim.intake.mapping import ItemMap, SourceMap

NO_TIME = "message without a time stamp"
NOTHING = "message without any mapped item"
NO_UNIT = "message that does not name its unit"
_STEP = re.compile(r"\.?([^.\[\]]+)|\[(\d+)\]|\['([^']*)'\]")
_NUMBERS = (int, float)
_MOST_NAMES = 100_000
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


@dataclass(slots=True, kw_only=True)
class Target:
    """What the documents of one topic or file give to one source."""

    context: Context
    source: SourceMap
    buffer: Buffer
    unit: int  # -1: the record names it
    unit_steps: Steps
    time: Steps
    each: Steps | None  # None: the document is the only record
    items: list[tuple[ItemMap, Steps, bool]]  # with whether its value is a word
    item_steps: Steps | None  # of a long layout: where the record names its item
    value_steps: Steps
    owned: set[tuple[int, int]] = field(default_factory=set)
    named: dict[str, tuple[ItemMap, int] | None] = field(default_factory=dict)  # long layout: name -> item and unit

    def read(self, where: str, document: Any, arrival_ns: int) -> None:
        """Collect the items of a document; arrival_ns 0: only its own time stamps count."""
        self.buffer.arrival_ns = arrival_ns
        records = (document,) if self.each is None else self._records(document)
        has_any = False
        for record in records:
            unit = self.unit if self.unit >= 0 else self._unit_in(record, document)
            time = at(record, self.time) if self.time else None
            if time is None:
                time = self._time_without(document, where, arrival_ns)
                if time is None:
                    return
            if self.item_steps is not None:
                has_any |= self._read_named(record, unit, where, time)
            elif unit >= 0:
                has_any |= self._read_items(record, unit, where, time)
            else:
                has_any = True  # counted by its reason
        if not has_any:
            self.context.tally.where = ""
            self.context.tally.add(NOTHING, where)

    def _time_without(self, document: Any, where: str, arrival_ns: int) -> Any:
        """Return the time of the whole document, or of its arrival; None, counted, if none may be used."""
        time = at(document, self.time) if self.time else None
        if time is not None:
            return time
        if self.source.clock.skip_without or not arrival_ns:
            self.context.tally.add(NO_TIME, where)
            return None
        return arrival_ns

    def _records(self, document: Any) -> list[Any]:
        found = at(document, self.each or ())
        return found if isinstance(found, list) else [found] if isinstance(found, dict) else []

    def _found(self, steps: Steps, record: Any, document: Any) -> Any:
        """Return what a record has at a path; where it has nothing, what the whole document has there."""
        found = at(record, steps)
        return at(document, steps) if found is None and record is not document else found

    def _unit_in(self, record: Any, document: Any) -> int:
        name = self._found(self.unit_steps, record, document)
        if name is None and self.item_steps is None:
            self.context.tally.add(NO_UNIT, self.source.unit)
        return self.context.unit(str(name)) if name is not None and not isinstance(name, dict | list) else -1

    def _read_items(self, record: Any, unit: int, where: str, time: Any) -> bool:
        has_any, add, context, owned = False, self.buffer.add, self.context, self.owned
        for spec, steps, is_word in self.items:
            found = at(record, steps)
            if found is None or ((unit, spec.item) not in owned and not self._owns(unit, spec.item)):
                continue
            has_any = True
            if type(found) in _NUMBERS and not is_word:
                value = found * spec.factor
            else:
                context.tally.where = where
                value = context.words.code(spec.item, found) if is_word else context.value(spec, found)
            add((time, unit, spec.item, value))
        return has_any

    def _read_named(self, record: Any, unit: int, where: str, time: Any) -> bool:
        """Collect the item that a record of a long layout names."""
        name, value = str(at(record, self.item_steps or ())), at(record, self.value_steps)
        found = self.named.get(name)
        if found is None and name not in self.named:
            found = self._resolved(name)
            if len(self.named) < _MOST_NAMES:
                self.named[name] = found
        if found is None:
            return False
        spec, own = found
        unit = own if own >= 0 else unit
        if unit < 0 or not ((unit, spec.item) in self.owned or self._owns(unit, spec.item)):
            return True
        if value is not None:
            self.context.tally.where = where
            self.buffer.add((time, unit, spec.item, self.context.value(spec, value)))
        return True

    def _resolved(self, name: str) -> tuple[ItemMap, int] | None:
        for spec, _, _ in self.items:
            match = re.fullmatch(re.escape(spec.where).replace(r"\{unit\}", "(?P<unit>.+)"), name)
            if match is not None:
                named = match.groupdict().get("unit")
                return spec, self.context.unit(named) if named else -1
        self.context.saw(self.source.index, name)
        return None

    def _owns(self, unit: int, item: int) -> bool:
        is_owner = self.context.owns(self.source.index, unit, item)
        if is_owner:
            self.owned.add((unit, item))
        return is_owner


def target(source: SourceMap, context: Context, buffer: Buffer, unit: int) -> Target:
    """Return how a source reads documents; unit -1: the documents name it."""
    is_long = source.layout == "long"
    time = source.columns.get("time") or source.clock.time
    named = source.columns.get("unit") or source.unit
    return Target(
        context=context,
        source=source,
        buffer=buffer,
        unit=unit,
        unit_steps=steps_of(named or "$"),
        time=steps_of(time) if time else (),
        each=steps_of(source.each) if source.each else None,
        items=[(each, steps_of(each.where), each.item in WORDS) for each in source.items],
        item_steps=steps_of(source.columns["item"]) if is_long else None,
        value_steps=steps_of(source.columns["value"]) if is_long else (),
    )
