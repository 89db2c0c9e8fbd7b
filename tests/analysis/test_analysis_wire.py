"""MQTT is invisible: KPIs of a log equal the KPIs of the log rebuilt from encoded, shuffled, duplicated messages."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from analysis_lines import FLAVOURS, S, describe, numbered_rows, random_run

from factory_sim.analysis import kpis
from factory_sim.analysis.kernels import block_sums, cause_walk, order, part_visits, state_times
from factory_sim.analysis.rebuild import Feed
from factory_sim.analysis.warm_kernels import warm
from factory_sim.plant.states import Outcome, State
from factory_sim.records import EventLog, KpiTable, Meta, Readings, Samples, SensorInfo, Window
from factory_sim.wire.formats import FORMATS

HALF = 1800 * S
WINDOW = Window(0, HALF)
ROOT = "works/hall"


def with_meters(meta: Meta) -> Meta:
    machines = [u for u, info in enumerate(meta.units) if info.role == "machine"]
    rest = ("energy", "energy", "Wh", 0.5, 0.0, 0.0, 1e9, 10 * S, 32)
    return replace(meta, sensors=tuple(SensorInfo(i, u, *rest) for i, u in enumerate(machines)))


def sent(log: EventLog, meta: Meta) -> list[Readings]:
    """The feed in slices of a minute; machines do not report their wear."""
    machine = np.array([u.role == "machine" for u in meta.units])[log.unit]
    wear = machine & (log.state == State.BUSY) & np.isin(log.outcome, (Outcome.NONE, Outcome.TOOK, Outcome.MERGED))
    rows, n = numbered_rows(replace(log, detail=np.where(wear, 0, log.detail))), len(meta.sensors)
    ticks = np.arange(WINDOW.t1_us // (10 * S))
    raw = (ticks[:, None] * np.arange(1, n + 1)).astype(np.int32)
    ids, slices = np.arange(n, dtype=np.int16), []
    for t0 in range(0, HALF, 60 * S):
        a, b = np.searchsorted(log.t_us, [t0, t0 + 60 * S])
        k = t0 // (10 * S)
        slices.append(Readings(rows.take(slice(a, b)), (Samples(10 * S, k, ids, raw[k : k + 6]),)))
    return slices


def over_the_wire(feed_format: str, log: EventLog, meta: Meta, seed: int) -> tuple[KpiTable, Feed]:
    """Encoded, shuffled, some messages twice, decoded, rebuilt."""
    encoder, decoder = FORMATS[feed_format].encoder(meta, ROOT), FORMATS[feed_format].decoder(meta, ROOT)
    messages = [message for each in sent(log, meta) for message in encoder.data(each)]
    rng, feed = np.random.default_rng(seed), Feed(meta)
    for i in rng.permutation(np.concatenate((np.arange(len(messages)), rng.integers(0, len(messages), 20)))):
        feed.add(decoder.feed(messages[i]))
    return kpis.table(feed.log(), meta, feed.blocks()), feed


@pytest.mark.parametrize("feed_format", ["machine", "bulk"])
@pytest.mark.parametrize(("flavour", "seed"), [(flavour, seed) for flavour in FLAVOURS for seed in range(2)])
def test_kpis_of_the_feed_equal_those_of_the_log(feed_format: str, flavour: str, seed: int) -> None:
    plant, log = random_run(seed, flavour, HALF)
    meta = with_meters(describe(plant, WINDOW))
    direct = Feed(meta)
    for each in sent(log, meta):
        direct.add(each)
    expected = kpis.table(log, meta, direct.blocks())
    found, feed = over_the_wire(feed_format, log, meta, seed)
    for name, kpi in expected.kpis.items():
        close = name.partition(".")[2] in {"critical_path_share", "constraint", "path_outside_share"}
        np.testing.assert_allclose(found.kpis[name].values, kpi.values, atol=0.01 if close else 0, rtol=0, err_msg=name)
    losses = feed.losses()
    assert (losses.lost, losses.damaged, losses.foreign) == (0, 0, 0)
    assert losses.duplicates > 0


def test_one_value_per_topic_keeps_times_to_a_millisecond() -> None:
    plant, log = random_run(1, "plain", HALF)
    meta = with_meters(describe(plant, WINDOW))
    found, feed = over_the_wire("uns", log, meta, 1)
    expected = kpis.table(log, meta)
    assert feed.losses().lost == 0
    for name in ("machine.parts", "machine.good_parts", "machine.failures", "line.good_parts", "line.constraint"):
        np.testing.assert_array_equal(found.kpis[name].values, expected.kpis[name].values, err_msg=name)
    for name in ("machine.cycle_time_s", "line.lead_time_seen_s"):
        np.testing.assert_allclose(found.kpis[name].values, expected.kpis[name].values, atol=2e-3, err_msg=name)


def test_after_warming_no_kernel_is_compiled() -> None:
    warm()
    kernels = [
        getattr(module, name)
        for module in (cause_walk, order, part_visits, block_sums, state_times)
        for name in dir(module)
        if hasattr(getattr(module, name), "signatures")
    ]
    public = [k for k in kernels if not k.__name__.startswith("_")]
    assert all(k.signatures for k in public)
    before = [len(k.signatures) for k in public]
    plant, log = random_run(2, "transport", HALF)
    over_the_wire("bulk", log, with_meters(describe(plant, WINDOW)), 1)
    assert [len(k.signatures) for k in public] == before
