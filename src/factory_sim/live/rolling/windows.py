"""The KPIs of a running feed: of its rolling windows, and of the whole run while that fits in memory."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from factory_sim.analysis import facts as facts_of
from factory_sim.analysis import kpis, trust
from factory_sim.analysis.checkpoint import windowed
from factory_sim.live.rolling.descriptions import clipped
from factory_sim.live.rolling.free_memory import trim
from factory_sim.live.rolling.shift_spans import (
    DAY_US,
    HOUR_US,
    MINUTE_US,
    NAMES,
    begun_shifts,
    midnight_us,
    shifts_of,
    windows_at,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from factory_sim.analysis.blocks import Blocks
    from factory_sim.analysis.facts import Facts
    from factory_sim.analysis.rebuild import Feed, Losses
    from factory_sim.live.rolling.shift_spans import ShiftSpan
    from factory_sim.records import EventLog, KpiTable, Meta, Readings, Window

__all__ = ["NAMES", "WHOLE_US", "Windows"]

WHOLE_US = 2 * DAY_US  # a longer run, or one without end, has no KPIs of the whole
LATE_US = 600_000_000  # readings may arrive so late; then a finished shift is closed
AHEAD_US = 120_000_000  # readings of sensors may arrive so long after rows
ASSESS_US = 600_000_000  # of a running feed, between two assessments of its sensors
_SETTLE_US = 10_000_000  # readings of the end of a minute may arrive so late
_LOOK_EVERY = 64  # messages between two looks at the time reached
_CLOSED_KEPT = 2
_CLOSE_S = 60.0  # of real time, between two looks for finished shifts: one serves several of a feed at full speed


class Analysis:
    """How the KPIs of a feed are concluded: here for the formats of this project."""

    def reached_us(self, feed: Feed) -> int:
        """Return the time that the feed has reached."""
        return feed.reached_us()

    def judge(self, log: EventLog, meta: Meta, blocks: tuple[Blocks, ...], losses: Losses) -> trust.Trust:
        """Return which readings cannot be right."""
        return trust.judge(log, meta, blocks, losses)

    def table(self, facts: Facts) -> KpiTable:
        """Return the KPIs of a window."""
        return kpis.of_facts(facts)


class Windows:
    """The windows of one run, which end at a whole minute of the run, or with their shift.

    `add` and `refresh` belong to the thread that receives the feed; `table`, `facts` and `window` return what the last
    `refresh` computed, to any thread. Edges are whole minutes, so that a meter has been read at each.
    """

    def __init__(
        self,
        feed: Feed,
        close_shift: Callable[[str, KpiTable], None] | None = None,
        keep: Callable[[Windows], None] | None = None,
        analysis: Analysis | None = None,
    ) -> None:
        """Begin without readings. close_shift : stores a finished shift; keep : is called when rows were forgotten."""
        self.feed, self.trust = feed, trust.Trust(())  # trust as of the last analysis
        self._analysis = analysis or Analysis()
        self.ended = False  # the publisher has ended the run
        self.shift_names: dict[str, str] = {}  # of the windows `shift` and `last shift`
        self._close_shift, self._keep = close_shift, keep
        self._closed: dict[str, tuple[KpiTable, Facts | None]] = {}  # the latest finished shifts, by name
        self._shown: dict[str, tuple[KpiTable, Facts | None]] = {}
        self._assessed = (-1, False)
        self._closed_until_us = -1  # the end of the latest closed shift
        self._shown_until_us = -1
        self._close_due_s = time.monotonic() + _CLOSE_S
        self._refresh_due_s = 0.0
        self._seen = 0

    @property
    def is_rolling(self) -> bool:
        """Whether rows are forgotten: the run is longer than WHOLE_US, or has no end."""
        window = self.feed.meta.window
        return window.t1_us - window.t0_us > WHOLE_US

    @property
    def shift_name(self) -> str:
        """The name of the present shift, or of the one that ended last."""
        return self.shift_names.get("shift", "")

    def tables(self) -> dict[str, KpiTable]:
        """Return the KPIs of all windows as of the last `refresh`."""
        return {name: table for name, (table, _) in self._shown.items()}

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the windows that exist as of the last `refresh`."""
        return tuple(self._shown)

    def table(self, name: str) -> KpiTable | None:
        """Return every KPI of a window as of the last `refresh`; None: there is no such window yet."""
        found = self._shown.get(name)
        return found[0] if found else None

    def facts(self, name: str) -> Facts | None:
        """Return the facts behind the KPIs of a window; None: none yet, or a shift closed by an earlier process."""
        found = self._shown.get(name)
        return found[1] if found else None

    def window(self, name: str) -> Window | None:
        """Return a window as of the last `refresh`."""
        found = self._shown.get(name)
        return found[0].window if found else None

    def add(self, readings: Readings) -> None:
        """Add readings to the feed; close the shifts that are over, and forget what no window needs."""
        self.feed.add(readings)
        self._seen += 1
        if self._seen % _LOOK_EVERY == 0 and (self.is_rolling or self._may_close()):
            self._advance(self._analysis.reached_us(self.feed))

    def whole(self) -> Facts:
        """Return the facts of the whole window, or of the part that has arrived or is kept."""
        log, reached_us = self.feed.log(), self.feed.reached_us()
        until_us = int(log.t_us[-1]) + 1 if len(log) else 0
        if until_us > reached_us + AHEAD_US and reached_us > self.feed.meta.window.t0_us:
            until_us = reached_us  # later rows are of a clock that is ahead
        meta = self.feed.meta if self.ended else clipped(self.feed.meta, until_us)
        usable = self._usable(log, meta, until_us)
        return facts_of.collect(log, meta, usable, findings=self.trust.findings)

    def refresh(self) -> None:
        """Compute the windows anew if a minute has passed since the last time."""
        meta, end_us = self.feed.meta, self._end_us()
        self._advance(end_us)
        if end_us == self._shown_until_us:
            return
        spans, self._shown_until_us = windows_at(meta, max(meta.window.t0_us, self.feed.from_us), end_us), end_us
        begun = begun_shifts(meta, meta.window.t0_us, end_us)[-2:]
        log, until_us = self.feed.log(), end_us
        blocks = self._usable(log, clipped(meta, until_us), until_us)
        shown: dict[str, tuple[KpiTable, Facts | None]] = {
            name: self._of(log, window, blocks) for name, window in spans.items()
        }
        named = dict(zip(("shift", "last shift"), (each.name for each in reversed(begun)), strict=False))
        shown |= {name: self._closed[shift] for name, shift in named.items() if shift in self._closed}
        self.shift_names = named
        self._shown = {name: shown[name] for name in NAMES if name in shown}
        del log, blocks
        trim()

    def refresh_in_turn(self) -> None:
        """Refresh, unless that would take more than a tenth of the time: a feed may be faster than its analysis."""
        begin_s = time.monotonic()
        if begin_s >= self._refresh_due_s:
            self.refresh()
            end_s = time.monotonic()
            self._refresh_due_s = end_s + 9 * (end_s - begin_s)

    def finish(self) -> None:
        """Close the shifts that are over at the end of the run, without waiting for late readings."""
        self._advance(self._end_us() + LATE_US)

    def restore(self, closed: dict[str, KpiTable]) -> None:
        """Continue with the shifts that an earlier process has closed."""
        in_time = sorted(closed.items(), key=lambda each: each[1].window.t0_us)
        self._closed = {name: (table, None) for name, table in in_time[-_CLOSED_KEPT:]}
        self._closed_until_us = max((table.window.t1_us for table in closed.values()), default=-1)

    def _end_us(self) -> int:
        """Return the end of the last whole minute whose readings have arrived."""
        window = self.feed.meta.window
        if self.ended:
            return window.t1_us
        settled = self._analysis.reached_us(self.feed) - _SETTLE_US
        return max(window.t0_us, min(settled // MINUTE_US * MINUTE_US, window.t1_us))

    def _may_close(self) -> bool:
        """Return whether it is time to look for finished shifts of a run that is kept whole."""
        if self._close_shift is None or (now_s := time.monotonic()) < self._close_due_s:
            return False
        self._close_due_s = now_s + _CLOSE_S
        return True

    def _of(self, log: EventLog, window: Window, blocks: tuple[Blocks, ...]) -> tuple[KpiTable, Facts]:
        meta = self.feed.meta
        found = facts_of.collect(windowed(log, meta, window), meta, blocks, window, self.trust.findings)
        return self._analysis.table(found), found

    def _usable(self, log: EventLog, meta: Meta, until_us: int) -> tuple[Blocks, ...]:
        """Return the plausible samples: assessed every ten minutes of the feed, and after its end when more arrived."""
        blocks = self.feed.blocks()
        stage = (self._seen if self.ended else until_us // ASSESS_US, self.ended)
        if stage != self._assessed:
            self.trust, self._assessed = self._analysis.judge(log, meta, blocks, self.feed.losses()), stage
        return self.trust.usable(blocks)

    def _advance(self, reached_us: int) -> None:
        due = self._due(reached_us)
        if due and (self.is_rolling or self._close_shift):
            log = self.feed.log()
            blocks = self._usable(log, clipped(self.feed.meta, reached_us), reached_us)
            for each in due:
                self._closed[each.name] = found = self._of(log, each.window, blocks)
                self._closed_until_us = each.window.t1_us
                if self._close_shift is not None:
                    self._close_shift(each.name, found[0])
            for name in list(self._closed)[:-_CLOSED_KEPT]:
                del self._closed[name]
        # Rows from before the window come with the first readings: they are needed.
        begin_us = max(self.feed.from_us, self.feed.meta.window.t0_us)
        if self.is_rolling and (cut_us := self._cut_us(reached_us)) > begin_us + HOUR_US:
            self.feed.forget(cut_us)
            if self._keep is not None:
                self._keep(self)
            trim()

    def _due(self, reached_us: int) -> list[ShiftSpan]:
        """Return the shifts that are over and have not been closed; none that began before what is kept."""
        begin_us = max(self.feed.meta.window.t0_us, self.feed.from_us)
        spans = shifts_of(self.feed.meta, begin_us, max(reached_us - LATE_US, 0))
        over = [each for each in spans if begin_us <= each.window.t0_us and each.window.t1_us <= reached_us - LATE_US]
        return [each for each in over if each.window.t1_us > self._closed_until_us]

    def _cut_us(self, reached_us: int) -> int:
        """Return the time from which on everything is needed: the day, the hour, and the shifts not closed."""
        meta, settled = self.feed.meta, reached_us - LATE_US
        begins = [midnight_us(meta, max(settled, 0)), settled - HOUR_US]
        begins += [each.window.t0_us for each in begun_shifts(meta, meta.window.t0_us, settled)[-1:]]
        return max(min(begins), meta.window.t0_us)
