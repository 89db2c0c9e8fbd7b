"""Words to codes: state words by the feed file's table, other words by number of first appearance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from factory_sim.errors import did_you_mean
from factory_sim.intake.mapping import UNKNOWN, Item

if TYPE_CHECKING:
    from factory_sim.intake.mapping import Mapping
    from factory_sim.intake.tally import Tally

UNKNOWN_WORD = "state word that `states` does not contain"
UNAVAILABLE = "UNAVAILABLE"  # MTConnect: the device cannot be reached
NAN = float("nan")
_MOST_WORDS = 1_000_000


class Words:
    """The codes of the words of one feed."""

    def __init__(self, mapping: Mapping, tally: Tally) -> None:
        self._states, self._other, self._tally = mapping.states, mapping.other, tally
        self.unknown: dict[str, str] = {}  # refused state words, each with where it first appeared
        self.reasons: list[str] = []
        self._next = {Item.ID: 0, Item.ORDER: 0}
        self._codes: dict[tuple[int, str], float] = {}

    def code(self, item: int, value: Any) -> float:
        """Return the code of a word, NaN for none; a state of which the source states that it has none is unknown."""
        if value is None and item == Item.STATE:
            return float(UNKNOWN)
        key = (item, text_of(value))
        found = self._codes.get(key)
        if found is None:
            found = self._new(*key)
            if len(self._codes) < _MOST_WORDS and key[1] not in self.unknown:
                self._codes[key] = found
        return found

    def forget(self, used: dict[int, set[float]]) -> None:
        """Forget the serial numbers and orders whose code is not among `used`, by item."""
        self._codes = {
            key: code for key, code in self._codes.items() if key[0] not in self._next or code in used.get(key[0], ())
        }

    def _new(self, item: int, text: str) -> float:
        if item == Item.STATE:
            return self._state(text)
        if text in {"", UNAVAILABLE}:
            return NAN
        if item == Item.REASON:
            self.reasons.append(text)
            return float(len(self.reasons) - 1)
        self._next[Item(item)] += 1
        return float(self._next[Item(item)] - 1)

    def _state(self, text: str) -> float:
        found = self._states.get(text, UNKNOWN if text == UNAVAILABLE else self._other)
        if found is None:
            hint = did_you_mean(text, self._states)
            self._tally.add(UNKNOWN_WORD, f"{text!r}. {hint}")
            self.unknown.setdefault(text, self._tally.where)
            return float(UNKNOWN)
        return float(found)


def text_of(value: Any) -> str:
    """Return a value as `states` spells it: true, 3, RUNNING."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "" if value is None else str(value)
