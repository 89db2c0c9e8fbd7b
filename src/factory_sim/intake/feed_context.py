"""What the readers of one feed share: the mapping, units by name, codes of words, and what was skipped."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from factory_sim.errors import did_you_mean
from factory_sim.intake.mapping import DIMENSIONS, WORDS, Item
from factory_sim.intake.tally import Tally
from factory_sim.intake.words import NAN, UNAVAILABLE, Words
from factory_sim.records import Observations
from factory_sim.units import UNITS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from factory_sim.intake.mapping import ItemMap, Mapping
    from factory_sim.records import I8, Meta

UNKNOWN_UNIT = "unit that the plant or `units` does not contain"
NOT_A_NUMBER = "value that is not a number"
TWO_SOURCES = "second source of one item of one unit"
UNITS_DIFFER = "unit of measure that contradicts that of the feed file"
COMMA = ","
_GROUPS = re.compile("[.\u00a0\u202f ']")  # between thousands
_GROUPED = re.compile("[+-]?\\d{1,3}(?:[.\u00a0\u202f ']\\d{3})+(?:,\\d+)?")
_WITH_COMMA = re.compile(r"[+-]?[\d.]*\d,\d+")
_MOST_NAMES = 1000


class Context:
    """Shared by the readers of one feed."""

    def __init__(self, mapping: Mapping, meta: Meta) -> None:
        self.mapping, self.tally = mapping, Tally()
        self.words = Words(mapping, self.tally)
        machines = {info.name: unit for unit, info in enumerate(meta.units) if info.role != "source"}
        self.units = {**machines, **{name: machines[unit] for name, unit in mapping.names.items() if unit in machines}}
        self.matched: set[tuple[int, int]] = set()  # (source, item) with at least one observation
        self.other_names: dict[int, set[str]] = {}  # source -> names of items or metrics that it does not map
        self._owners: dict[tuple[int, int], int] = {}  # (unit, item) -> source

    def unit(self, name: str) -> int:
        """Return the id of a unit; -1, counted, for one that is not known."""
        found = self.units.get(name)
        if found is None:
            self.tally.add(UNKNOWN_UNIT, f"{name!r}. {did_you_mean(name, self.units)}")
            return -1
        return found

    def saw(self, source: int, name: str) -> None:
        """Note a name that a source does not map, for the report of lines that match nothing."""
        names = self.other_names.setdefault(source, set())
        if len(names) < _MOST_NAMES:
            names.add(name)

    def owns(self, source: int, unit: int, item: int) -> bool:
        """Return whether a source is the one that gives an item of a unit: the first that did."""
        self.matched.add((source, item))
        owner = self._owners.setdefault((unit, item), source)
        if owner != source:
            first, second = (self.mapping.sources[at].place.line for at in (owner, source))
            name = next(name for name, known in self.units.items() if known == unit)
            what = Item(item).name.lower() if item < Item.SIGNAL else self.mapping.signals[item - Item.SIGNAL]
            self.tally.add(TWO_SOURCES, f"{what} of {name}: sources in line {first} and line {second}")
        return owner == source

    def compare_unit(self, spec: ItemMap, stated: str) -> None:
        """Count a unit of measure that the source states and that differs from the one of the feed file."""
        if spec.item not in DIMENSIONS:
            return
        known = UNITS[DIMENSIONS[Item(spec.item)][0]]
        if known.get(stated, spec.factor) != spec.factor:
            self.tally.add(UNITS_DIFFER, f"{stated}; expected unit: {stated} in the feed file")

    def value(self, spec: ItemMap, found: Any) -> float:
        """Return one value as a number in SI units or the code of a word; NaN for none."""
        if spec.item in WORDS:
            return self.words.code(spec.item, found)
        if isinstance(found, int | float):
            return found * spec.factor
        if found is None or found == UNAVAILABLE:
            return NAN
        try:
            return number_of(found, spec.decimal) * spec.factor
        except (TypeError, ValueError):
            is_comma = spec.decimal != COMMA and isinstance(found, str) and _WITH_COMMA.fullmatch(found.strip())
            hint = '. Write decimal: "," for a CSV source with decimal commas' if is_comma else ""
            self.tally.add(NOT_A_NUMBER, f"{found!r}"[:80] + hint)
            return NAN


def number_of(value: Any, decimal: str) -> float:
    """Return a text as a number; with a decimal comma also 1.234,5. Raises ValueError for another text."""
    if decimal != COMMA or not isinstance(value, str):
        return float(value)
    text = value.strip()
    text = _GROUPS.sub("", text) if _GROUPED.fullmatch(text) else text
    if "." in text:
        raise ValueError(value)
    return float(text.replace(COMMA, "."))


def observations(t_ns: I8, unit: Sequence[int], item: Sequence[int], value: Sequence[float]) -> Observations:
    """Return observations from columns; one without a value keeps NaN."""
    return Observations(t_ns, np.array(unit, np.int16), np.array(item, np.int16), np.array(value, np.float64))
