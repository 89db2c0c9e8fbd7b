"""The page of any plant's own feed, read by a mapping: redrawn with each report."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from factory_sim.analysis import losses
from factory_sim.clock import US_PER_S, ns_from_us
from factory_sim.live.foreign.mapped_feed import NothingReadError
from factory_sim.live.page.conclusions import Conclusions, stops
from factory_sim.records import Rows
from factory_sim.results.feed import FeedCounts

if TYPE_CHECKING:
    from factory_sim.live.foreign.mapped_feed import MappedFeed
    from factory_sim.live.foreign.mapped_windows import MappedWindows
    from factory_sim.live.page.live_page import LivePage
    from factory_sim.records import EventLog, Meta

SHARE = 0.1  # of the time, at most, that redrawing may take
NEAR_US = 12 * 3600 * US_PER_S  # before the last row, that the page remembers


def redraw(page: LivePage, feed: MappedFeed, windows: MappedWindows) -> None:
    """Show what a feed has yielded so far, unless that takes too much of the time."""
    begin_s = time.monotonic()
    if begin_s < page.conclude_due_s:
        return
    try:
        found = windows.conclude()
    except NothingReadError:
        return
    meta, facts, window = found.meta, found.facts, found.table.window
    skipped = sum(each.count for each in found.tally.entries())
    counts = FeedCounts(
        readings=feed.observations, messages=feed.messages, lost=0, duplicates=0, damaged=0, foreign=0, skipped=skipped
    )
    conclusions = Conclusions(
        meta=meta,
        whole=found.table,
        table=found.table,
        shift=("", window.t0_us, window.t1_us),
        losses=losses.pareto(facts),
        stopped=stops(facts),
        feed=counts,
    )
    page.redraw(_recent(found.log, meta), conclusions)
    end_s = time.monotonic()
    page.conclude_due_s = end_s + (end_s - begin_s) / SHARE


def _recent(log: EventLog, meta: Meta) -> Rows:
    """Return the latest rows, and before them the last one of each unit, numbered by unit."""
    seq = np.empty(len(log), np.int64)
    by_unit = np.argsort(log.unit, kind="stable")
    first = np.searchsorted(log.unit[by_unit], log.unit[by_unit])
    seq[by_unit] = np.arange(len(log)) - first
    rows = Rows(ns_from_us(log.t_us, meta.epoch_ns), log.unit, seq, log.state, log.part, log.outcome, log.detail)
    near = log.t_us >= (log.t_us[-1] if len(log) else 0) - NEAR_US
    units, back = np.unique(log.unit[~near][::-1], return_index=True)
    far = np.flatnonzero(~near)[::-1][back] if len(units) else np.zeros(0, np.int64)
    return rows.take(np.concatenate([np.sort(far), np.flatnonzero(near)]))
