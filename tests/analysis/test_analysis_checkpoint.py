"""A feed that forgets: every KPI of a window is, bit for bit, that of the whole log over this window."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
from analysis_lines import FLAVOURS, S, describe, numbered_rows, random_run
from hypothesis import given, settings
from hypothesis import strategies as st

from factory_sim.analysis import kpis, losses
from factory_sim.analysis.checkpoint import windowed
from factory_sim.analysis.facts import collect
from factory_sim.analysis.rebuild import Feed
from factory_sim.records import EventLog, Meta, Readings, Rows, Samples, SensorInfo, Window

LENGTH_S, MINUTE_S, PERIOD_S = 7200, 60, 10


@cache
def feed_of(seed: int, flavour: str) -> tuple[EventLog, Rows, Samples, Meta]:
    """A random line's log, its rows, the readings of an energy meter per machine, and the description."""
    plant, log = random_run(seed, flavour, LENGTH_S * S)
    meta = describe(plant, Window(0, LENGTH_S * S))
    machines = [u for u, info in enumerate(meta.units) if info.role == "machine"]
    sensors = tuple(
        SensorInfo(i, u, "energy", "energy", "Wh", 0.1, 0.0, 0.0, 1e6, PERIOD_S * S, 32) for i, u in enumerate(machines)
    )
    rng = np.random.default_rng(seed)
    raw = np.cumsum(rng.integers(0, 90, (LENGTH_S // PERIOD_S, len(sensors))), axis=0).astype(np.int32)
    ids = np.arange(len(sensors), dtype=np.int16)
    return log, numbered_rows(log), Samples(PERIOD_S * S, 0, ids, raw), replace(meta, sensors=sensors)


def some(samples: Samples, first_s: int, stop_s: int) -> Samples:
    """The readings of a stretch of time."""
    first, stop = -(-first_s // PERIOD_S), -(-stop_s // PERIOD_S)
    return replace(samples, first_tick=first, raw=samples.raw[first:stop])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 11), st.sampled_from(FLAVOURS), st.data())
def test_every_kpi_of_every_window_is_that_of_the_whole_log(seed: int, flavour: str, data: st.DataObject) -> None:
    log, rows, samples, meta = feed_of(seed, flavour)
    whole = Feed(meta)
    whole.add(Readings(rows, (samples,)))
    feed, arrived_s, kept_s = Feed(meta), 0, 0
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    cuts_s = sorted(data.draw(st.lists(st.integers(2 * MINUTE_S, LENGTH_S), min_size=1, max_size=4, unique=True)))
    for now_s in cuts_s:
        first, stop = np.searchsorted(log.t_us, (arrived_s * S, now_s * S))
        new = rows.take(slice(first, stop))
        feed.add(Readings(new.take(rng.permutation(len(new))), (some(samples, arrived_s, now_s),)))
        arrived_s, end_s = now_s, (now_s - PERIOD_S - 1) // MINUTE_S * MINUTE_S
        begin_s = data.draw(st.integers(min(kept_s, end_s - 1), end_s - 1))
        window = Window(max(begin_s, kept_s) * S, end_s * S)
        if window.t0_us >= window.t1_us:
            continue
        kept_s = window.t0_us // S
        feed.forget(window.t0_us)
        found = kpis.table(windowed(feed.log(), meta, window), meta, feed.blocks(), window)
        wanted = kpis.table(log, meta, whole.blocks(), window)
        for name, kpi in wanted.kpis.items():
            np.testing.assert_array_equal(found.kpis[name].values, kpi.values, err_msg=name)
    counts = feed.losses()
    assert (counts.lost, counts.late, counts.damaged, counts.duplicates) == (0, 0, 0, 0)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 11), st.sampled_from(FLAVOURS), st.integers(0, LENGTH_S - 1), st.integers(1, 3600))
def test_the_losses_of_a_window_are_those_of_the_whole_log(
    seed: int, flavour: str, begin_s: int, length_s: int
) -> None:
    log, _, _, meta = feed_of(seed, flavour)
    window = Window(begin_s * S, min(begin_s + length_s, LENGTH_S) * S)
    found = losses.pareto(collect(windowed(log, meta, window), meta, None, window))
    assert found == losses.pareto(collect(log.take(log.t_us < window.t1_us), meta, None, window))


@given(st.integers(0, 11), st.sampled_from(FLAVOURS), st.integers(0, 2**32 - 1))
def test_a_feed_that_forgets_counts_what_is_lost_twice_or_late(seed: int, flavour: str, choice: int) -> None:
    log, rows, samples, meta = feed_of(seed, flavour)
    rng, half_us = np.random.default_rng(choice), LENGTH_S // 2 * S
    lost = rng.random(len(rows)) < 0.01
    last = np.zeros(len(rows), np.bool_)
    for unit in np.unique(rows.unit):
        last[np.flatnonzero(rows.unit == unit)[-1]] = True  # a gap at the end shows only with the numbers sent
    lost &= ~last
    early = log.t_us < half_us
    plain, feed = Feed(meta), Feed(meta)
    for each in (plain, feed):
        each.add(Readings(rows.take(early & ~lost), (some(samples, 0, LENGTH_S // 2),)))
        each.add(Readings(rows.take(early & ~lost & (rng.random(len(rows)) < 0.1))))
        if each is feed:
            each.forget(half_us)
        each.add(Readings(rows.take(~early & ~lost), (some(samples, LENGTH_S // 2, LENGTH_S),)))
    assert feed.losses().lost == plain.losses().lost
    again = rows.take(slice(3))
    feed.add(Readings(again))
    assert feed.losses().late == 4 * len(again)
    sent = tuple(np.bincount(rows.unit, minlength=len(meta.units)).tolist())
    feed.finish(replace(meta, sent_rows=sent))
    assert feed.losses().lost == 4 * int(lost.sum())
