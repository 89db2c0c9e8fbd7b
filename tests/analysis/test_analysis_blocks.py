"""Block statistics: once each, in any order, exactly."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import naive
from factory_sim.analysis.blocks import Blocks, BlockStore
from factory_sim.records import Samples, SensorInfo, Window

IDS = (3, 4, 9, 10, 11, 12, 13, 14, 15, 40)
S = 1_000_000


WINDOW = Window(0, 7200 * S)


def store(period_us: int = S, window: Window = WINDOW) -> BlockStore:
    infos = [SensorInfo(i, 0, "x", "x", "W", 1.0, 0.0, 0.0, 1.0, period_us, 32) for i in IDS]
    return BlockStore(period_us, infos, window)


def single(tick: int, sensor: int, raw: int, period_us: int = S) -> Samples:
    return Samples(period_us, tick, np.array([sensor], np.int16), np.array([[raw]], np.int32))


def as_dict(blocks: Blocks) -> dict[tuple[int, int], dict[str, int]]:
    names = ("count", "total", "low", "high", "first_tick", "first_raw", "last_tick", "last_raw")
    return {
        (int(minute), int(sensor)): {name: int(getattr(blocks, name)[i, j]) for name in names}
        for i, minute in enumerate(blocks.block)
        for j, sensor in enumerate(blocks.sensor)
        if blocks.count[i, j]
    }


readings = st.lists(st.tuples(st.integers(0, 7199), st.sampled_from(IDS)), max_size=60)


@given(readings, st.sampled_from([250_000, S, 7 * S, 90 * S]))
def test_blocks_equal_their_twin_and_count_duplicates(ticks: list[tuple[int, int]], period: int) -> None:
    offered = [(t * S // period, s, (t * 7919 + s) % 60_000 - 30_000) for t, s in ticks]
    values = {(t, s): raw for t, s, raw in reversed(offered)}
    offered = [(t, s, values[t, s]) for t, s, _ in offered]
    full = store(period)
    for t, s, raw in offered:
        full.add(single(t, s, raw, period))
    assert as_dict(full.blocks()) == naive.blocks(offered, period)
    assert full.duplicates == len(offered) - len(values)
    assert full.counted == len(values)


@given(st.integers(0, 2**32 - 1))
def test_blocks_do_not_depend_on_order_batches_or_duplicates(seed: int) -> None:
    rng = np.random.default_rng(seed)
    raw = rng.integers(-(2**31), 2**31, (400, len(IDS)), dtype=np.int64).astype(np.int32)
    ids, straight, shuffled = np.array(IDS, np.int16), store(), store()
    straight.add(Samples(S, 3500, ids, raw))
    cuts = sorted({0, 400, *rng.integers(0, 400, 4).tolist()})
    pieces = [(a, b) for a, b in pairwise(cuts)]
    for k in rng.permutation(len(pieces) * 2):
        a, b = pieces[k % len(pieces)]
        order = rng.permutation(len(IDS))
        mask = rng.random((b - a, len(IDS))) < 0.7
        shuffled.add(Samples(S, 3500 + a, ids[order], raw[a:b][:, order], mask[:, order]))
        shuffled.add(Samples(S, 3500 + a, ids[order], raw[a:b][:, order], ~mask[:, order]))
    assert as_dict(shuffled.blocks()) == as_dict(straight.blocks())
    assert shuffled.duplicates == 400 * len(IDS)


def test_the_mean_of_large_counters_is_exact() -> None:
    one = store()
    counter = 2**31 - 100 + np.arange(60, dtype=np.int64) % 3
    one.add(Samples(S, 0, np.array([IDS[0]], np.int16), counter[:, None].astype(np.int32)))
    assert one.blocks().mean()[0, 0] == counter.mean()
    assert np.isnan(one.blocks().mean()[0, 1])


def test_readings_of_unknown_sensors_and_outside_the_window_are_foreign() -> None:
    one = store(window=Window(60 * S, 120 * S))
    raw = np.ones((120, 2), np.int32)
    one.add(Samples(S, 0, np.array([3, 5], np.int16), raw))
    assert one.counted == 60
    assert one.foreign == 180
    one.add(single(2**50, 3, 1))
    assert one.foreign == 181


def test_gaps_between_the_first_and_last_reading_are_counted() -> None:
    one = store()
    for tick in (10, 11, 15, 70):
        one.add(single(tick, 4, 1))
    assert one.gaps() == 70 - 10 + 1 - 4


def test_an_empty_store_has_no_blocks() -> None:
    assert len(store().blocks().block) == 0
    assert store().gaps() == 0
