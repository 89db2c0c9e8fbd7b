"""The answers of `publish` and `listen`: what was sent, and what arrived."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from factory_sim.results.record import Record, Result

if TYPE_CHECKING:
    from collections.abc import Mapping

    from factory_sim.results.compare import ShiftOutput
    from factory_sim.results.simulate import KpiValues
    from factory_sim.results.stop_losses import StopLosses


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOutput(Record):
    """Good parts of a run: per planned hour, per day and week of its calendar, and over its shifts."""

    good_parts_per_h: float
    good_parts_per_day: float
    good_parts_per_week: float
    shifts: ShiftOutput


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishResult(Record):
    """What a run has published."""

    plant: str
    run_id: str
    root: str  # first levels of every topic
    readings: int
    messages: int  # that passed the link
    dropped: int  # messages that the link lost
    undelivered: int  # messages that passed the link and were not sent: their broker or primary host was away
    good_parts: int | None  # that the simulator counted; None: the run was stopped
    events: int  # rows of the log file
    output: RunOutput | None = None  # of the window as far as it was simulated; None: unknown, or no planned time


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedCounts(Record):
    """What arrived of a feed, in readings."""

    readings: int
    messages: int
    lost: int
    duplicates: int
    damaged: int
    foreign: int
    skipped: int  # messages that no decoder reads
    late: int = 0  # of a time that a long run had dropped when they arrived


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordResult(Record):
    """What a recorder has received of its latest run."""

    plant: str
    run_id: str
    root: str
    ended: bool  # the publisher has ended the run
    feed: FeedCounts
    conflicts: tuple[str, ...]  # sentences about descriptions that were ignored


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt(Record):
    """A sensor or unit that the analyzer distrusts for a while."""

    unit: str
    sensor: str | None  # None: the whole unit
    what: str
    from_us: int
    to_us: int
    size: float
    size_unit: str
    reason: str
    excluded: bool  # its readings are not used


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockDoubt(Record):
    """A unit whose clock disagrees with those of its neighbours, and the KPIs that depend on the order of moves."""

    unit: str
    ahead_s: float  # estimated
    kpis: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowKpis(Record):
    """The KPIs of one of the windows that end now."""

    window_us: tuple[int, int]  # since the run's start
    shift: str  # of the windows `shift` and `last shift`: its name, such as "2026-01-05/early"; else empty
    kpis: Mapping[str, KpiValues]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenResult(Result):
    """A feed and its KPIs."""

    plant: str
    run_id: str
    root: str
    payload_format: str
    ended: bool  # the publisher has closed the run
    window_us: tuple[int, int]
    feed: FeedCounts
    distrusted: tuple[Doubt, ...]
    energy_by_states: tuple[str, ...]  # machines whose meter is not used
    kpis: Mapping[str, KpiValues]
    clock_doubt: tuple[ClockDoubt, ...]
    joined_us: int | None  # of a listener that joined late: where the window that it received begins
    conflicts: tuple[str, ...]  # sentences about descriptions that were ignored while the run was live
    unfinished: tuple[ListenResult, ...]  # earlier runs, silent when another one began
    stops: StopLosses | None = None  # with stop rules
    kpis_of: str = "run"  # "run": `kpis` are of the whole window; "shift": the run is longer than two days
    windows: Mapping[str, WindowKpis] = field(default_factory=dict)  # "15 min", "1 h", "shift", "last shift", "today"
