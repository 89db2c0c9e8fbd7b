"""Guess what a signal is from its name and its values; `factory-sim map` writes the guesses into a first feed file."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from factory_sim.intake.mapping import Item
from factory_sim.intake.observing import vocabulary as words_of
from factory_sim.intake.words import text_of

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_WORDS = 24  # a signal with more is text, not a state
_BOOLEAN = {"0": "starved", "1": "busy", "false": "starved", "true": "busy"}
_MOST_KW = 500  # assumed: few machines have more
_MODE_NAME = r"\bmode\b|betriebsart"  # automatic or manual, whether the machine runs or not
_PACKML_NAME, _LARGEST_PACKML = r"state ?current", 17
_UNIT_WORDS = {
    Item.ENERGY: (("kwh", "kWh"), ("mwh", "MWh"), ("wh", "Wh"), ("kj", "kJ")),
    Item.POWER: (("kw", "kW"), ("w", "W")),
}


@dataclass(slots=True)
class Signal:
    """What has been seen of one signal."""

    name: str
    count: int = 0
    words: dict[str, int] = field(default_factory=dict)  # the first distinct values
    numbers: int = 0
    low: float = float("inf")
    high: float = float("-inf")
    last: float = float("nan")
    rises: int = 0
    falls: int = 0
    whole: bool = True
    unit_text: str = ""  # that the source states

    def add(self, value: Any) -> None:
        """Use one value."""
        text = text_of(value)
        if not text:
            return
        self.count += 1
        if text in self.words or len(self.words) <= MOST_WORDS:
            self.words[text] = self.words.get(text, 0) + 1
        try:
            number = float(text)
        except ValueError:
            return
        self.numbers += 1
        self.low, self.high = min(self.low, number), max(self.high, number)
        self.rises += number > self.last
        self.falls += number < self.last
        self.whole &= number.is_integer()
        self.last = number

    @property
    def is_number(self) -> bool:
        """Whether nearly all of its values are numbers."""
        return self.numbers >= 0.9 * self.count > 0

    def shown(self) -> str:
        """Return type and values in a few words."""
        if self.is_number:
            return f"number {self.low:g} to {self.high:g}"
        words = list(self.words)
        return f"words {', '.join(words[:8])}{', …' if len(words) > 8 else ''}"

    def meaning(self, word: str) -> tuple[str, str]:
        """Return the state that one of its words means, "" for none, and a note for the reader of the feed file."""
        if set(self.words) <= set(_BOOLEAN):
            return _BOOLEAN[word], "CHECK: what else does it mean that the machine does not run?" * (
                word in {"0", "false"}
            )
        if self._is_packml and int(word) in words_of.PACKML:
            name = words_of.PACKML[int(word)]
            return words_of.state_of(name), f"PackML {name.capitalize()}"
        return words_of.state_of(word), "CHECK: does it mean this state?" * words_of.is_unsure(word)

    @property
    def states(self) -> tuple[int, bool]:
        """The number of states that its words mean, and whether it is not a mode: the greater is the likelier state."""
        meant = {self.meaning(word)[0] for word in self.words} - {"", "unknown"}
        return len(meant), re.search(_MODE_NAME, words_of.plain(self.name)) is None

    @property
    def _is_packml(self) -> bool:
        is_named = re.search(_PACKML_NAME, words_of.plain(self.name)) is not None
        return is_named and self.numbers == self.count and self.whole and 0 <= self.low <= self.high <= _LARGEST_PACKML


def merged(name: str, signals: Iterable[Signal]) -> Signal:
    """Return several signals as one."""
    found = Signal(name)
    for each in signals:
        found.count, found.numbers = found.count + each.count, found.numbers + each.numbers
        found.low, found.high = min(found.low, each.low), max(found.high, each.high)
        found.rises, found.falls = found.rises + each.rises, found.falls + each.falls
        found.whole &= each.whole
        found.unit_text = found.unit_text or each.unit_text
        for word, n in each.words.items():
            found.words[word] = found.words.get(word, 0) + n
    return found


def is_time(name: str, values: Signal) -> bool:
    """Return whether a signal is a time stamp."""
    if not words_of.is_called(words_of.TIME, name):
        return False
    dated = any(re.match(r"\d{4}-\d\d-\d\d", word) for word in values.words)
    return dated or (values.is_number and values.low > 1e8)


def item_of(name: str, values: Signal) -> Item | None:
    """Return the item that a signal most likely is, None for none."""
    few = len(values.words) <= MOST_WORDS
    meant = [(words_of.state_of(word), n) for word, n in values.words.items()]
    known = sum(n for state, n in meant if state not in ("", "unknown"))
    news = sum(n for state, n in meant if state != "unknown")
    if not values.is_number and few and known >= 0.5 * news > 0:
        return Item.STATE
    last, whole = words_of.plain(words_of.last_step(name).rpartition("/")[2]), words_of.plain(name)
    for text in (last, whole):
        for item, pattern in words_of.NAMES:
            if re.search(pattern, text) and _can_be(item, values, few=few):
                return item
    if values.words and set(values.words) <= set(_BOOLEAN) and re.search(words_of.RUNNING, last):
        return Item.STATE
    return None


def _can_be(item: Item, values: Signal, *, few: bool) -> bool:
    if item in (Item.COUNT, Item.GOOD, Item.SCRAP):
        return values.is_number and values.whole and values.rises >= values.falls
    if item in (Item.ENERGY, Item.POWER):
        return values.is_number
    return item != Item.STATE or (few and (not values.is_number or values.whole))


def unit_of(item: Item, name: str, values: Signal) -> tuple[str, bool]:
    """Return the unit of measure of a meter or a power, and whether the source or the name states it."""
    if values.unit_text:
        return values.unit_text, True
    short = words_of.plain(name).replace(" ", "")
    stated = next((unit for word, unit in _UNIT_WORDS[item] if short.endswith(word)), "")
    usual = "W" if item == Item.POWER and values.high > _MOST_KW else _UNIT_WORDS[item][0][1]
    return stated or usual, bool(stated)
