"""Causes inferred from times and topology against the simulator's own, and against an independent recursion."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
from analysis_lines import FLAVOURS, S, Workshop, describe, numbered_rows, random_run, without_causes
from recursion import work_on_path

from factory_sim.analysis import bottleneck, causes
from factory_sim.analysis.rebuild import Feed
from factory_sim.distributions import Distribution, constant
from factory_sim.plant.spec import FailureMode
from factory_sim.plant.states import Outcome
from factory_sim.records import EventLog, Readings, Window
from factory_sim.sim.run import simulate

HOUR = 3600 * S


LINES = [(flavour, seed) for flavour, n in zip(FLAVOURS, (25, 20, 30), strict=True) for seed in range(n)]


@pytest.mark.parametrize(("flavour", "seed"), LINES)
def test_inferred_causes_give_the_critical_path_of_the_true_ones(flavour: str, seed: int) -> None:
    plant, log = random_run(seed, flavour, HOUR)
    meta = describe(plant, Window(600 * S, HOUR))
    true = bottleneck.critical_path(log, meta)
    inferred = bottleneck.critical_path(causes.infer(without_causes(log), meta), meta)
    np.testing.assert_allclose(inferred, true, atol=0.01)
    feed, rows = Feed(meta), numbered_rows(log)
    feed.add(Readings(rows.take(np.random.default_rng(seed).permutation(len(rows)))))
    rebuilt = bottleneck.critical_path(causes.infer(feed.log(), meta), meta)
    np.testing.assert_allclose(rebuilt, true, atol=0.01)


@pytest.mark.parametrize("seed", range(10))
def test_times_rounded_to_milliseconds_keep_the_critical_path(seed: int) -> None:
    plant, log = random_run(seed, "plain", HOUR)
    meta = describe(plant, Window(600 * S, HOUR))
    feed, rows = Feed(meta), numbered_rows(log)
    feed.add(Readings(replace(rows, t_ns=rows.t_ns // 1_000_000 * 1_000_000)))
    rebuilt = bottleneck.critical_path(causes.infer(feed.log(), meta), meta)
    np.testing.assert_allclose(rebuilt, bottleneck.critical_path(log, meta), atol=0.01)


@pytest.mark.parametrize("seed", range(8))
def test_the_critical_path_of_a_tandem_line_is_the_longest_chain_of_its_recursion(seed: int) -> None:
    r = random.Random(seed)
    buffers = [r.choice([0, 1, 2, 5]) for _ in range(5)]
    shop = Workshop()
    for buffer in buffers:
        shop.station(Distribution("lognormal", r.uniform(20, 40), 0.5), buffer=buffer)
    plant = shop.plant()
    log = simulate(plant, seed=seed, until_us=HOUR).log
    meta = describe(plant, Window(0, HOUR))
    done = int((log.outcome == Outcome.LEFT).sum())
    work = [[0] * len(buffers) for _ in range(done)]
    for unit in range(1, len(buffers) + 1):
        mine = log.take(log.unit == unit)
        begin = mine.t_us[mine.outcome == Outcome.TOOK][:done]
        after = np.flatnonzero(mine.outcome == Outcome.TOOK)[:done] + 1
        for part, us in enumerate((mine.t_us[after] - begin).tolist()):
            work[part][unit - 1] = us
    assert done > 50
    path = bottleneck.path_us(causes.infer(without_causes(log), meta), meta)
    assert path[1:].tolist() == work_on_path(work, buffers)


def test_shares_add_up_to_one_and_name_the_slow_station() -> None:
    plant = Workshop().station(constant(10.0)).station(constant(30.0)).station(constant(20.0)).plant()
    log = simulate(plant, seed=1, until_us=HOUR).log
    meta = describe(plant, Window(600 * S, HOUR))
    share = bottleneck.critical_path(causes.infer(log, meta), meta)
    assert share.sum() == pytest.approx(1)
    assert share[1] > 0.95


def test_waiting_for_a_crew_is_attributed_to_the_machine_it_repairs() -> None:
    shop = Workshop()
    shop.crews.append(1)
    slow = FailureMode("slow", constant(100.0), constant(1000.0), crew=0)
    quick = FailureMode("quick", constant(110.0), constant(1.0), crew=0)
    shop.station(constant(10.0), failures=(slow,), buffer=9).station(constant(9.0), failures=(quick,), buffer=9)
    plant = shop.plant()
    log = simulate(plant, seed=1, until_us=HOUR).log
    meta = describe(plant, Window(0, HOUR))
    assert bottleneck.critical_path(causes.infer(log, meta), meta)[0] > 0.9


def test_without_a_good_part_there_is_no_path() -> None:
    plant = Workshop().station(constant(100.0)).plant()
    meta = describe(plant, Window(0, 50 * S))
    log = simulate(plant, seed=1, until_us=50 * S).log
    assert np.isnan(bottleneck.critical_path(causes.infer(log, meta), meta)).all()
    assert np.isnan(bottleneck.critical_path(EventLog.empty(), meta)).all()


@pytest.mark.parametrize("seed", range(5))
def test_arbitrary_rows_are_accepted_and_every_cause_is_earlier(seed: int) -> None:
    plant, log = random_run(seed, "plain", HOUR)
    meta = describe(plant, Window(0, HOUR))
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.choice(len(log), len(log) // 2, replace=False))
    damaged = replace(
        log.take(chosen),
        part=rng.integers(-1, 2**31 - 1, len(chosen)).astype(np.int32),
        detail=rng.integers(-(2**31), 2**31 - 1, len(chosen)).astype(np.int32),
    )
    cause = causes.infer(damaged, meta).cause
    assert (cause < np.arange(len(cause))).all()
