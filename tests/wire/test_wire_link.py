"""The network: what a profile delays, loses and cuts off, whatever the slices and the other messages are."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wire_feeds import EPOCH_NS, ROOT, random_readings, resolution_ns, small_meta

from factory_sim.plant.spec import LinkProfile
from factory_sim.records import Message
from factory_sim.wire.formats import FORMATS
from factory_sim.wire.network import LOST, Link, arrivals_us, checksums

S = 1_000_000
BAD = LinkProfile("bad", 0.5, 0.4, 0.1, 60.0, 5.0)
META = small_meta()


def message(k: int, t_s: float, topics: int = 10) -> Message:
    return Message(f"a/{k % topics}", b"%d" % k, ready_ns=EPOCH_NS + round(t_s * 1e9))


def link(profile: LinkProfile = BAD, seed: int = 1, begin_us: int = 0) -> Link:
    return Link(profile, seed=seed, replication=0, epoch_ns=EPOCH_NS, begin_us=begin_us)


def sent(profile: LinkProfile, n: int, step_s: float, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    moments = (np.arange(n) * step_s * S).astype(np.int64)
    return moments, arrivals_us(profile, seed, 0, moments, np.arange(n, dtype=np.int64) * 7919)


def through(profile: LinkProfile, messages: list[Message], cuts_s: list[float]) -> list[tuple[Message, int]]:
    """What arrives, with its time, when the messages are handed over in slices that end at `cuts_s`."""
    net, found, begin = link(profile), [], -math.inf
    for cut in cuts_s:
        own = [m for m in messages if begin <= (m.ready_ns - EPOCH_NS) / 1e9 < cut]
        came = net.carry(own, round(cut * S))
        found += zip(came.messages, came.t_us.tolist(), strict=True)
        begin = cut
    rest = net.rest()
    return [*found, *zip(rest.messages, rest.t_us.tolist(), strict=True)]


def test_delay_has_the_profile_s_mean_and_spread() -> None:
    moments, arrived = sent(LinkProfile("x", 0.02, 0.01), 20_000, 0.01)
    delay_s = (arrived - moments) / S
    assert abs(delay_s.mean() - 0.02) < 5 * 0.01 / math.sqrt(20_000)
    assert abs(delay_s.std() - 0.01) < 0.001
    assert delay_s.min() > 0


def test_loss_has_the_profile_s_share() -> None:
    _, arrived = sent(LinkProfile("x", 0.02, 0.0, 0.05), 20_000, 0.01)
    assert abs((arrived == LOST).mean() - 0.05) < 5 * math.sqrt(0.05 * 0.95 / 20_000)


def test_outages_take_all_that_is_sent_meanwhile_and_have_their_length_and_frequency() -> None:
    moments, arrived = sent(LinkProfile("x", 0.001, outage_every_s=100.0, outage_s=10.0), 200_000, 0.1)
    edges = np.flatnonzero(np.diff(np.concatenate(([0], (arrived == LOST).astype(int), [0]))))
    lengths = (edges[1::2] - edges[::2]) * 0.1
    assert ((lengths > 9.8) & (lengths < 10.2))[:-1].all()
    expected = moments[-1] / S / 110.0
    assert abs(len(lengths) - expected) < 4 * math.sqrt(expected)


def test_a_perfect_link_changes_nothing() -> None:
    messages = [message(k, 5.0 - 0.01 * k) for k in range(50)]
    assert link(LinkProfile()).carry(messages, 10 * S).messages == messages


@settings(max_examples=25)
@given(cuts=st.lists(st.floats(0.1, 59.0), max_size=12), seed=st.integers(0, 99))
def test_slices_are_invisible(cuts: list[float], seed: int) -> None:
    rng = np.random.default_rng(seed)
    messages = [message(k, t) for k, t in enumerate(np.sort(rng.uniform(0, 60, 400)).tolist())]
    assert through(BAD, messages, [*sorted(cuts), 60.0]) == through(BAD, messages, [60.0])


def test_neighbours_are_invisible() -> None:
    messages = [message(k, 0.1 * k) for k in range(400)]
    alone = [pair for pair in through(BAD, messages, [60.0]) if pair[0].topic == "a/3"]
    assert through(BAD, [m for m in messages if m.topic == "a/3"], [60.0]) == alone


def test_messages_arrive_in_order_of_arrival_and_overtake_only_on_other_topics() -> None:
    messages = [message(k, 0.02 * k) for k in range(2000)]
    found = through(BAD, messages, [10.0, 20.0, 40.0])
    times = [t for _, t in found]
    assert times == sorted(times)
    numbers = [int(m.payload) for m, _ in found]
    assert numbers != sorted(numbers)
    for topic in range(10):
        own = [k for k in numbers if k % 10 == topic]
        assert own == sorted(own)


def test_messages_in_transit_at_the_end_of_a_slice_arrive_later() -> None:
    net = link(LinkProfile("slow", 2.0))
    first = net.carry([message(1, 0.5), message(2, 1.5)], 3 * S)
    assert [m.payload for m in first.messages] == [b"1"]
    assert first.t_us.tolist() == [2_500_000]
    assert [m.payload for m in net.rest().messages] == [b"2"]
    assert net.rest().messages == []


def test_opening_rows_are_sent_when_sending_begins() -> None:
    came = link(LinkProfile("slow", 2.0), begin_us=100 * S).carry([message(1, 5.0)], 200 * S)
    assert came.t_us.tolist() == [102 * S]


def test_a_sparkplug_node_keeps_one_order_over_all_its_topics() -> None:
    messages = [Message(f"spBv1.0/x/DDATA/n/{k % 7}", b"%d" % k, ready_ns=EPOCH_NS + k * 10**7) for k in range(500)]
    numbers = [int(m.payload) for m, _ in through(BAD, messages, [2.0, 5.0])]
    assert numbers == sorted(numbers)


def test_a_message_without_readings_is_sent_with_its_slice() -> None:
    net = link(LinkProfile("slow", 1.0))
    net.carry([], 10 * S)
    assert net.carry([Message("a", b"birth")], 20 * S).t_us.tolist() == [11 * S]


def test_another_seed_loses_other_messages() -> None:
    profile = replace(BAD, outage_s=0.0)
    first, again, other = (sent(profile, 500, 0.1, seed)[1] for seed in (1, 1, 2))
    assert (first == again).all()
    assert not np.array_equal(first == LOST, other == LOST)


def test_checksums_tell_topics_and_payloads_apart() -> None:
    found = checksums([Message("a", b"1"), Message("a", b"2"), Message("b", b"1"), Message("a", b"1")])
    assert len(set(found.tolist())) == 3
    assert found[0] == found[3]


@pytest.mark.parametrize("name", FORMATS)
def test_every_message_carries_the_time_of_its_last_reading(name: str) -> None:
    readings = random_readings(META, 3, ticks=6, rows=60)
    messages = FORMATS[name].encoder(META, ROOT).data(readings)
    decoder = FORMATS[name].decoder(META, ROOT)
    for one in messages:
        found = decoder.feed(one)
        times = [*found.rows.t_ns.tolist()]
        times += [EPOCH_NS + (b.first_tick + len(b.raw) - 1) * b.period_us * 1000 for b in found.samples]
        if times:
            assert abs(one.ready_ns - max(times)) <= resolution_ns(name) // 2
