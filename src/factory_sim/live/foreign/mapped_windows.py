"""Rolling windows of a foreign feed, in bounded memory: `listen --map` may run for months."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from factory_sim.analysis.trust import Trust
from factory_sim.clock import NS_PER_US, us_from_ns
from factory_sim.live.foreign.conclusion import Conclusion, of_view
from factory_sim.live.foreign.mapped_feed import NothingReadError
from factory_sim.live.rolling.shift_spans import HOUR_US
from factory_sim.live.rolling.windows import Analysis, Windows

if TYPE_CHECKING:
    from factory_sim.analysis.blocks import Blocks
    from factory_sim.analysis.facts import Facts
    from factory_sim.analysis.rebuild import Feed, Losses
    from factory_sim.live.foreign.conclusion import View
    from factory_sim.live.foreign.mapped_feed import MappedFeed
    from factory_sim.records import EventLog, KpiTable, Meta

SETTLED_US = HOUR_US  # before the present: rows that later observations no longer change
_HOUR_NS, _EARLIER_H = HOUR_US * NS_PER_US, 24
SHARE = 0.1  # of the time, at most, that computing windows may take


class MappedWindows(Analysis):
    """The rolling windows of a foreign feed."""

    def __init__(self, feed: MappedFeed) -> None:
        self._feed = feed
        self._view: View | None = None
        self._due_s = float("-inf")
        self.windows: Windows | None = None

    @property
    def is_rolling(self) -> bool:
        """Whether the feed is too long for KPIs of the whole."""
        return self.windows is not None and self.windows.is_rolling

    def reached_us(self, feed: Feed) -> int:
        """Return the time that the feed has reached; a clock that is ahead of the arrival does not count."""
        return int(us_from_ns(self._reached_ns(), feed.meta.epoch_ns))

    def judge(self, log: EventLog, meta: Meta, blocks: tuple[Blocks, ...], losses: Losses) -> Trust:  # noqa: ARG002 - meters of plants are not judged
        """Return which clocks disagree."""
        return Trust(() if self._view is None else self._view.findings(log, meta))

    def table(self, facts: Facts) -> KpiTable:
        """Return the KPIs of a window with their bounds, NaN where one is not derivable."""
        assert self._view is not None
        return self._view.table(facts)

    def refresh(self) -> None:
        """Compute the windows anew if a minute has passed and that takes little of the time; forget what is old."""
        begin_s = time.monotonic()
        if begin_s < self._due_s:
            return
        try:
            self._refresh()
        except NothingReadError:
            return
        end_s = time.monotonic()
        self._due_s = end_s + (end_s - begin_s) / SHARE

    def conclude(self) -> Conclusion:
        """Return the KPIs of everything so far, or of the present shift. Raises NothingReadError if there are none."""
        self._refresh()
        view, windows = self._view, self.windows
        assert view is not None
        assert windows is not None
        facts = next(filter(None, map(windows.facts, ("shift", "today"))), None) if windows.is_rolling else None
        found = of_view(view, self._feed.context.tally, facts)
        return replace(found, windows=windows.tables(), shift_names=windows.shift_names)

    def _refresh(self) -> None:
        feed, settled_ns = self._feed, None
        feed.collect()
        if feed.store.series:
            settled_ns = self._reached_ns() - SETTLED_US * NS_PER_US
            feed.epoch_ns = feed.epoch_ns or (feed.store.first_ns // _HOUR_NS - _EARLIER_H) * _HOUR_NS
        self._view = view = feed.view(settled_ns)
        if self.windows is None:
            self.windows = Windows(view.feed, keep=lambda windows: feed.forget(windows.feed), analysis=self)
        self.windows.feed = view.feed
        self.windows.refresh()

    def _reached_ns(self) -> int:
        late_ns = max(source.clock.late_ns for source in self._feed.mapping.sources)
        return min(self._feed.store.last_ns, self._feed.arrival_ns) - late_ns
