"""A feed in any order, with duplicates, gaps and damage, becomes the log it was."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from analysis_lines import EPOCH_NS, S, describe, numbered_rows, random_run
from hypothesis import given
from hypothesis import strategies as st

from factory_sim.analysis import facts, kpis, losses
from factory_sim.analysis.rebuild import Feed
from factory_sim.plant.opening_rows import opening_rows
from factory_sim.plant.states import Outcome
from factory_sim.records import EventLog, Meta, Readings, Rows, Samples, SensorInfo, Window

HOUR = 3600 * S
WINDOW = Window(600 * S, HOUR)


def sent(seed: int) -> tuple[Rows, EventLog, Meta]:
    """What a publisher sends of a run: opening rows, then the window's; and the log it stands for."""
    plant, log = random_run(seed, "people", HOUR)
    early = int(np.searchsorted(log.t_us, WINDOW.t0_us))
    rows, numbers = numbered_rows(log), np.arange(len(log))
    opening = opening_rows(replace(log, cause=numbers.astype(np.int32)).take(slice(early)), len(plant.units)).cause
    keep = np.concatenate((opening, numbers[early:]))
    return rows.take(keep), log.take(keep), describe(plant, WINDOW)


SENT = {seed: sent(seed) for seed in (0, 3, 5, 12)}


def same(found: EventLog, log: EventLog) -> bool:
    return all(np.array_equal(getattr(found, f.name), getattr(log, f.name)) for f in fields(log) if f.name != "cause")


@pytest.mark.parametrize("seed", range(25))
def test_rows_of_one_instant_are_rebuilt_in_the_order_of_the_line_s_moves(seed: int) -> None:
    plant, log = random_run(seed, "plain", HOUR)
    rows, feed = numbered_rows(log), Feed(describe(plant, Window(0, HOUR)))
    feed.add(Readings(rows.take(np.random.default_rng(seed).permutation(len(rows)))))
    assert same(feed.log(), log)


@given(st.sampled_from(sorted(SENT)), st.integers(0, 2**32 - 1), st.integers(1, 20))
def test_order_batches_and_duplicates_are_invisible(seed: int, shuffle: int, batches: int) -> None:
    rows, _, meta = SENT[seed]
    straight = Feed(meta)
    straight.add(Readings(rows))
    rng, feed = np.random.default_rng(shuffle), Feed(meta)
    twice = rng.permutation(np.concatenate((np.arange(len(rows)), rng.integers(0, len(rows), 50))))
    for piece in np.array_split(twice, batches):
        feed.add(Readings(rows.take(piece)))
        if rng.random() < 0.3:
            feed.log()  # looking does not disturb
    assert same(feed.log(), straight.log())
    lost = feed.losses()
    assert (lost.lost, lost.duplicates, lost.damaged) == (0, 4 * 50, 0)
    assert lost.received == 4 * (len(rows) + 50)


@given(st.sampled_from(sorted(SENT)), st.data())
def test_lost_rows_are_counted_by_unit(seed: int, data: st.DataObject) -> None:
    rows, _, meta = SENT[seed]
    inside = np.flatnonzero(rows.t_ns >= EPOCH_NS + WINDOW.t0_us * 1000)
    last = {int(u): int(s) for u, s in zip(rows.unit, rows.seq, strict=True)}
    drawn = data.draw(st.sets(st.sampled_from(inside.tolist()), max_size=20))
    gone = [i for i in drawn if rows.seq[i] < last[int(rows.unit[i])]]
    feed = Feed(meta)
    feed.add(Readings(rows.take(np.delete(np.arange(len(rows)), gone))))
    lost = feed.losses()
    assert lost.lost == 4 * len(gone)
    assert lost.lost_rows == tuple(np.bincount(rows.unit[gone], minlength=len(meta.units)).tolist())
    assert lost.distrusted == tuple(sorted({int(rows.unit[i]) for i in gone}))
    assert len(feed.log()) == len(rows) - len(gone)


def test_losses_at_both_ends_are_counted_with_the_final_description() -> None:
    rows, _, meta = SENT[0]
    counts = tuple(np.bincount(rows.unit, minlength=len(meta.units)).tolist())
    kept = rows.take(slice(10, len(rows) - 10))
    feed = Feed(meta)
    feed.add(Readings(kept))
    feed.finish(replace(meta, sent_rows=counts))
    assert feed.losses().lost == 4 * 20


def test_lost_samples_are_sent_minus_received() -> None:
    _, _, meta = SENT[0]
    sensors = tuple(SensorInfo(i, 1, f"s{i}", "power", "W", 1.0, 0.0, 0.0, 1.0, S, 16) for i in range(3))
    meta = replace(meta, sensors=sensors, sent_ticks=((S, 600, 100),))
    feed = Feed(meta)
    ids, raw = np.arange(3, dtype=np.int16), np.zeros((90, 3), np.int32)
    present = np.ones((90, 3), np.bool_)
    present[5, 1] = False
    feed.add(Readings(Rows.empty(), (Samples(S, 605, ids, raw, present),)))
    feed.add(Readings(Rows.empty(), (Samples(2 * S, 0, ids, raw),)))
    lost = feed.losses()
    assert lost.lost == 100 * 3 - 90 * 3 + 1
    assert lost.foreign == 270
    feed.finish(replace(meta, sent_ticks=()))
    assert feed.losses().lost == 1


def test_impossible_rows_are_damaged_and_change_nothing() -> None:
    rows, _, meta = SENT[0]
    straight = Feed(meta)
    straight.add(Readings(rows))
    bad = rows.take(np.arange(8))
    spoiled = [
        replace(bad, unit=np.full(8, 999, np.int16)),
        replace(bad, unit=np.full(8, -1, np.int16)),
        replace(bad, state=np.full(8, 77, np.uint8)),
        replace(bad, outcome=np.full(8, 99, np.uint8)),
        replace(bad, part=np.full(8, -2, np.int32)),
        replace(bad, seq=np.full(8, -5)),
        replace(bad, t_ns=np.full(8, EPOCH_NS - 1)),
        replace(bad, seq=np.full(8, 2**60)),
    ]
    feed = Feed(meta)
    for each in (rows, *spoiled):
        feed.add(Readings(each))
    assert same(feed.log(), straight.log())
    assert feed.losses().damaged == 4 * 64


@given(st.sampled_from(sorted(SENT)), st.integers(0, 10**6), st.integers(-(10**12), 10**12))
def test_a_row_with_a_wrong_time_does_not_affect_its_neighbours(seed: int, where: int, shift_us: int) -> None:
    rows, _, meta = SENT[seed]
    t_ns = rows.t_ns.copy()
    t_ns[where % len(rows)] = max(t_ns[where % len(rows)] + shift_us * 1000, EPOCH_NS)
    feed = Feed(meta)
    feed.add(Readings(replace(rows, t_ns=t_ns)))
    assert len(feed.log()) >= len(rows) - 2
    assert (np.diff(feed.log().t_us) >= 0).all()


def test_different_copies_give_one_row_in_any_order_of_arrival() -> None:
    rows, _, meta = SENT[0]
    other = rows.take(slice(40, 41))
    other = replace(other, part=other.part + 1)
    logs = []
    for pieces in ((rows, other), (other, rows)):
        feed = Feed(meta)
        for piece in pieces:
            feed.add(Readings(piece))
        logs.append(feed.log())
        assert feed.losses().damaged == 4
    assert same(*logs)


def test_an_empty_feed_has_an_empty_log() -> None:
    feed = Feed(SENT[0][2])
    assert len(feed.log()) == 0
    assert feed.losses().lost == 0
    assert feed.blocks() == ()


def test_thousands_of_rows_of_one_instant_keep_their_order() -> None:
    _, _, meta = SENT[0]
    n = 20_000
    rows = Rows(
        np.full(n, EPOCH_NS),
        np.repeat([0, 1], n // 2).astype(np.int16),
        np.tile(np.arange(n // 2), 2),
        np.full(n, 2, np.uint8),
        np.full(n, -1, np.int32),
        np.full(n, Outcome.NONE, np.uint8),
        np.zeros(n, np.int32),
    )
    feed = Feed(meta)
    feed.add(Readings(rows))
    assert len(feed.log()) == n


@given(st.integers(0, 2**32 - 1))
def test_random_rows_never_break_the_analysis(seed: int) -> None:
    _, _, meta = SENT[3]
    rng, n = np.random.default_rng(seed), 60
    wide = rng.random() < 0.5
    noise = Rows(
        EPOCH_NS + rng.integers(-10, 2**40 if wide else 50, n),
        rng.integers(-2, len(meta.units) + 2, n).astype(np.int16),
        rng.integers(-1, 2**50 if wide else 20, n),
        rng.integers(0, 16, n).astype(np.uint8),
        rng.integers(-2, 2**31 if wide else 9, n).astype(np.int32),
        rng.integers(0, 11, n).astype(np.uint8),
        rng.integers(-(2**31), 2**31, n).astype(np.int32),
    )
    feed = Feed(meta)
    feed.add(Readings(noise))
    log = feed.log()
    assert (np.diff(log.t_us) >= 0).all()
    assert feed.losses().received == 4 * n
    table = kpis.table(log, meta)
    shares = sum(table.kpis[f"machine.{name}"].values for name in kpis.KPIS if name.startswith("share_"))
    assert (shares <= 1 + 1e-9).all()
    losses.pareto(facts.collect(log, meta))


@given(st.sampled_from(sorted(SENT)), st.integers(0, 2**32 - 1), st.integers(1, 3), st.integers(0, 2))
def test_restarted_sequence_numbers_begin_an_epoch_and_damage_nothing(
    seed: int, shuffle: int, restarts: int, first: int
) -> None:
    rows, _, meta = SENT[seed]
    straight = Feed(meta)
    straight.add(Readings(rows))
    rng, seq, feed = np.random.default_rng(shuffle), rows.seq.copy(), Feed(meta)
    for unit in range(len(meta.units)):
        own = np.flatnonzero(rows.unit == unit)
        for part in np.array_split(own, restarts + 1)[1:]:
            later = part[1:][(np.diff(rows.t_ns[part]) > 0) & (np.diff(rows.seq[part]) == 1)]
            if len(later) > 8:  # a restart takes time, and rows before and after it show that it is one
                begin = int(later[4])
                seq[own[own >= begin]] = np.arange(int((own >= begin).sum())) + first
    order = rng.permutation(np.concatenate((np.arange(len(rows)), rng.integers(0, len(rows), 50))))
    feed.add(Readings(replace(rows, seq=seq).take(order)))
    assert same(feed.log(), straight.log())
    assert (feed.losses().duplicates, feed.losses().damaged) == (4 * 50, 0)


def test_a_row_that_is_late_or_has_a_damaged_number_begins_no_epoch() -> None:
    def row(seq: int, t: int, part: int = 1) -> tuple[int, ...]:
        return (EPOCH_NS + t * 1_000_000_000, 0, seq, 3, part, 0, 0)

    *_, meta = SENT[0]
    feed = Feed(meta)
    good = [row(seq, 600 + seq) for seq in range(10)]
    feed.add(Readings(Rows.of_rows([*good, row(4, 604), row(3, 605, part=9)])))
    losses = feed.losses()
    assert (losses.duplicates, losses.damaged) == (4, 4)
    assert len(feed.log()) == 10
