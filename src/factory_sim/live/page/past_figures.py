"""The figures of a past instant: the analysis of the windows that end there, from the recording."""

from __future__ import annotations

import time
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np

from factory_sim.analysis import facts as facts_of
from factory_sim.analysis import kpis, losses, trust
from factory_sim.analysis.blocks import BLOCK_US, Blocks
from factory_sim.analysis.checkpoint import windowed
from factory_sim.live.page.conclusions import Conclusions, named_shift, stops
from factory_sim.live.page.page_answers import Refusal
from factory_sim.live.recorded_kpis import as_received, rebuilt
from factory_sim.live.rolling.descriptions import clipped
from factory_sim.live.rolling.shift_spans import DAY_US, HOUR_US, MINUTE_US, open_before, windows_at
from factory_sim.live.rolling.windows import WHOLE_US
from factory_sim.records import ROW_READINGS, Window
from factory_sim.results.feed import FeedCounts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from factory_sim.analysis.rebuild import Losses
    from factory_sim.recordings.recorded_run import RecordedRun
    from factory_sim.records import EventLog

_BY_BLOCK = [each.name for each in fields(Blocks) if each.name not in {"period_us", "sensor"}]
KEPT_S = 300.0  # without a question, after which what was read of a shift is dropped


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class _Shift:
    """What has been read of a shift: the rows before an instant, and the samples between its begin and this instant."""

    run_id: str
    begin_us: int
    until_us: int
    log: EventLog
    blocks: tuple[Blocks, ...]
    losses: Losses


class PastFigures:
    """Concludes at any instant of a recording as a listener would have then; keeps the shift that was read last."""

    def __init__(self) -> None:
        self._shift: _Shift | None = None
        self._latest: tuple[str, int, Conclusions] | None = None
        self._asked_s = 0.0

    def rest(self) -> None:
        """Drop what has not been asked for in the last minutes."""
        if self._shift is not None and time.monotonic() - self._asked_s > KEPT_S:
            self._shift = self._latest = None

    def known(self, run_id: str, t_us: int) -> Conclusions | None:
        """Return the conclusions at an instant that were computed last; None: they are those of another minute."""
        run, end_us, found = self._latest or ("", 0, None)
        return found if (run, end_us) == (run_id, t_us // MINUTE_US * MINUTE_US) else None

    def at(self, run: RecordedRun, t_us: int) -> Conclusions:
        """Return the conclusions at the last whole minute before an instant. Raises Refusal."""
        self._asked_s = time.monotonic()
        found = self.known(run.meta.run_id, t_us)
        if found is None:
            found = self._concluded(as_received(run), t_us // MINUTE_US * MINUTE_US)
            self._latest = (run.meta.run_id, t_us // MINUTE_US * MINUTE_US, found)
        return found

    def _concluded(self, run: RecordedRun, end_us: int) -> Conclusions:
        meta, t0_us = run.meta, run.meta.window.t0_us
        if end_us <= t0_us:
            raise Refusal(404, "No minute of the run had passed then: there are no figures yet.")
        windows = windows_at(meta, t0_us, end_us)
        shift, hour = windows.get("shift", windows["today"]), windows["1 h"]
        read = self._reading(run, shift, end_us)
        log = read.log.take(slice(int(np.searchsorted(read.log.t_us, end_us))))
        blocks = _until(read.blocks, end_us)
        found = trust.judge(log, clipped(meta, end_us), _until(read.blocks, end_us - BLOCK_US), read.losses)
        in_hour = facts_of.collect(windowed(log, meta, hour), meta, None, hour)
        usable = found.usable(blocks)
        facts = facts_of.collect(windowed(log, meta, shift), meta, usable, shift, found.findings)
        table = kpis.of_facts(facts)
        return Conclusions(
            meta=meta,
            whole=table,
            table=table,
            shift=named_shift(meta, shift),
            losses=losses.pareto(facts),
            stopped=stops(in_hour),
            feed=_counts(log, blocks, shift, read.losses),
            findings=found.findings,
        )

    def _reading(self, run: RecordedRun, shift: Window, end_us: int) -> _Shift:
        """Return what is needed of a shift: read up to the next whole hour, as far as it has been recorded."""
        read, meta = self._shift, run.meta
        if read is None or (read.run_id, read.begin_us) != (meta.run_id, shift.t0_us) or read.until_us < end_us:
            recorded_us = min((run.span(q)[1] * q for q in {s.period_us for s in meta.sensors}), default=end_us)
            until_us = max(min(-(-end_us // HOUR_US) * HOUR_US, recorded_us // MINUTE_US * MINUTE_US), end_us)
            is_long = meta.window.t1_us - meta.window.t0_us > WHOLE_US
            since_us = open_before(meta, shift.t0_us, DAY_US) if is_long else None
            judged_us = max(shift.t0_us - HOUR_US, meta.window.t0_us)  # sensors are not judged by minutes alone
            feed = rebuilt(run, Window(judged_us, until_us), rows_from_us=since_us)
            self._shift = read = _Shift(
                run_id=meta.run_id,
                begin_us=shift.t0_us,
                until_us=until_us,
                log=feed.log(),
                blocks=feed.blocks(),
                losses=feed.losses(),
            )
        return read


def _until(blocks: Sequence[Blocks], end_us: int) -> tuple[Blocks, ...]:
    """Return the blocks up to the minute after an instant, in which a meter may be read."""
    found = []
    for each in blocks:
        kept = int(np.searchsorted(each.block, end_us // BLOCK_US + 1))
        columns = {name: getattr(each, name)[:kept] for name in _BY_BLOCK}
        found.append(replace(each, **columns))
    return tuple(found)


def _counts(log: EventLog, blocks: Sequence[Blocks], shift: Window, lost: Losses) -> FeedCounts:
    """Return the readings of the shift; what was lost is that of all that was read."""
    rows = len(log) - int(np.searchsorted(log.t_us, shift.t0_us))
    samples = sum(int(each.count[each.block >= shift.t0_us // BLOCK_US].sum()) for each in blocks)
    return FeedCounts(
        readings=ROW_READINGS * rows + samples,
        messages=0,
        lost=lost.lost,
        duplicates=0,
        damaged=lost.damaged,
        foreign=lost.foreign,
        skipped=0,
    )
