"""Guess what a signal is from its name and its values; `factory-sim map` writes the guesses into a first feed file."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from factory_sim.intake.mapping import Item
from factory_sim.intake.words import text_of

MOST_WORDS = 24  # a signal with more is text, not a state
_KNOWN_WORDS = {  # word in capitals -> state; PackML, MTConnect, OPC UA machinery and usual plain words
    "busy": "RUNNING RUN EXECUTE EXECUTING ACTIVE PRODUCING PRODUCTION BUSY WORKING AUTO AUTOMATIC PROCESSING ON",
    "starved": "IDLE READY STARVED WAITING STANDBY SUSPENDED UNSUSPENDING SUSPENDING COMPLETE COMPLETED COMPLETING",
    "blocked": "BLOCKED FULL",
    "waiting": "HELD HOLDING UNHOLDING FEED_HOLD INTERRUPTED OPTIONAL_STOP PAUSED HOLD",
    "down": "FAULT FAULTED ERROR ALARM DOWN ABORTED ABORTING FAILED FAILURE BREAKDOWN BROKEN EMERGENCY EMERGENCY_STOP",
    "repair": "REPAIR CLEARING",
    "setup": "SETUP SETTING CHANGEOVER STARTING RESETTING",
    "maintenance": "MAINTENANCE SERVICE CLEANING",
    "off": "OFF STOPPED STOPPING STOP PROGRAM_STOPPED PROGRAM_COMPLETED SHUTDOWN CLOSED INACTIVE",
    "unknown": "UNAVAILABLE UNKNOWN OFFLINE DISCONNECTED UNDEFINED NONE",
}
STATE_OF = {word: state for state, words in _KNOWN_WORDS.items() for word in words.split()}
STATE_OF |= {"STOPPED": "off", "PROGRAM_COMPLETED": "starved", "PROGRAM_STOPPED": "starved"}
NAMES = (  # (item, pattern of names in lower case); the first that fits counts
    (Item.SCRAP, r"scrap|reject|defect|\bnok\b|bad"),
    (Item.GOOD, r"good|\bok\b|yield"),
    (Item.COUNT, r"count|parts|pieces|produced|processed|quantity|total|cycles"),
    (Item.ENERGY, r"energy|kwh|\bwh\b"),
    (Item.POWER, r"power|\bkw\b|watt"),
    (Item.ID, r"serial|part_?id|piece_?id|\bsn\b"),
    (Item.ORDER, r"order|job|batch|program|recipe"),
    (Item.REASON, r"reason|fault_?code|alarm_?code|stop_?code"),
    (Item.STATE, r"state|status|mode|execution"),
)
_TIME = re.compile(r"(^|[._:$\[])(time_?stamp(_?\w+)?|time|ts|t|tst|datetime|date)$")
_UNIT_WORDS = {Item.ENERGY: (("kwh", "kWh"), ("wh", "Wh"), ("kj", "kJ")), Item.POWER: (("kw", "kW"), ("w", "W"))}


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
        self.count += 1
        text = text_of(value)
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


def is_time(name: str, values: Signal) -> bool:
    """Return whether a signal is a time stamp."""
    if not _TIME.search(name.lower()):
        return False
    dated = any(re.match(r"\d{4}-\d\d-\d\d", word) for word in values.words)
    return dated or (values.is_number and values.low > 1e8)


def item_of(name: str, values: Signal) -> Item | None:
    """Return the item that a signal most likely is, None for none."""
    short = re.sub(r"([a-z])([A-Z])", r"\1_\2", name.rpartition("/")[2]).lower().replace("_", " ").replace(".", " ")
    few = len(values.words) <= MOST_WORDS
    meant = [(STATE_OF.get(word.upper(), ""), n) for word, n in values.words.items()]
    known = sum(n for state, n in meant if state not in ("", "unknown"))
    news = sum(n for state, n in meant if state != "unknown")
    if not values.is_number and few and known >= 0.5 * news > 0:
        return Item.STATE
    for item, pattern in NAMES:
        if not re.search(pattern, short) and not re.search(pattern, name.lower()):
            continue
        if item in (Item.COUNT, Item.GOOD, Item.SCRAP):
            if values.is_number and values.whole and values.rises >= values.falls:
                return item
        elif item in (Item.ENERGY, Item.POWER):
            if values.is_number:
                return item
        elif (item == Item.STATE and few and (not values.is_number or values.whole)) or item in (
            Item.ID,
            Item.ORDER,
            Item.REASON,
        ):
            return item
    return None


def unit_of(item: Item, name: str, values: Signal) -> str:
    """Return the unit of measure of a meter or a power: that which the source states, or that of its name."""
    if values.unit_text:
        return values.unit_text
    short = name.lower()
    return next((unit for word, unit in _UNIT_WORDS[item] if short.endswith(word)), _UNIT_WORDS[item][0][1])
