"""What a `feed.yaml` says, checked and resolved: the sources, their items and the meaning of words."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING

from factory_sim.plant.states import State

if TYPE_CHECKING:
    from factory_sim.intake.feed_shapes import FeedFile
    from factory_sim.plant.spec import Place

REFUSE = "refuse"
UNKNOWN = int(State.UNKNOWN)
_MACHINE_STATES = (
    *(State.OFF, State.SETUP, State.STARVED, State.BUSY, State.BLOCKED, State.WAITING, State.MAINTENANCE),
    *(State.DOWN, State.REPAIR, State.IDLE),
)
MAPPED_STATES: dict[str, int] = {state.name.lower(): int(state) for state in _MACHINE_STATES} | {"unknown": UNKNOWN}


class Item(IntEnum):
    """What an observation is about; signals of cycle detection count from SIGNAL."""

    STATE = 0
    COUNT = 1
    GOOD = 2
    SCRAP = 3
    ID = 4
    ORDER = 5
    REASON = 6
    ENERGY = 7
    POWER = 8
    SIGNAL = 16


WORDS = (Item.STATE, Item.ID, Item.ORDER, Item.REASON)  # values are codes of words
DIMENSIONS = {Item.ENERGY: ("energy", "kWh"), Item.POWER: ("power", "kW")}  # and the usual unit of measure
COUNTERS = (Item.COUNT, Item.GOOD, Item.SCRAP)
TOTALS = (Item.COUNT, Item.GOOD)  # scrap alone does not count the parts


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemMap:
    """One item of a source: where it is and how to read it."""

    item: int
    where: str
    factor: float = 1.0  # to SI
    wraps: int = 0
    resets: bool = False
    decimal: str = "."  # separator in texts that are numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockRule:
    """Time stamps of a source."""

    time: str = ""
    zone: str = ""
    format: str = ""  # of strptime; "": ISO 8601 or a number
    late_ns: int = 5_000_000_000
    resolution_ns: int = 0
    stale_ns: int = 0  # 0: a state holds
    skip_without: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceMap:
    """One source."""

    index: int
    kind: str
    pattern: str
    place: Place
    unit: str = ""
    layout: str = ""
    columns: dict[str, str] = field(default_factory=dict)
    each: str = ""  # path of an array in JSON; "": the document is one record
    encoding: str = ""
    clock: ClockRule = ClockRule()
    items: tuple[ItemMap, ...] = ()
    cycles_from: tuple[int, ...] = ()  # items
    min_confidence: float = 0.6


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping:
    """A checked `feed.yaml`."""

    name: str
    file: str
    plant: str  # as `load` takes it; "": single stations
    units: tuple[str, ...]  # of single stations
    unit_time_s: tuple[float, ...]  # of single stations; 0: not given
    names: dict[str, str]
    states: dict[str, int]
    other: int | None  # the state of every other word; None: refused
    sources: tuple[SourceMap, ...]
    signals: tuple[str, ...]  # names of items from Item.SIGNAL on
    parts: str  # "fifo", "none" or "id"
    shape: FeedFile

    def has(self, item: int) -> bool:
        """Return whether some source has the item."""
        return any(each.item == item for source in self.sources for each in source.items)

    @property
    def detects_cycles(self) -> bool:
        """Whether some source detects cycles from signals."""
        return any(source.cycles_from for source in self.sources)
