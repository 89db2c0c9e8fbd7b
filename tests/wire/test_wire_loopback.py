from __future__ import annotations

import pytest
from wire_feeds import ROOT, cells, random_readings, resolution_ns, row_set, small_meta

from factory_sim.errors import BrokerError
from factory_sim.records import Message
from factory_sim.wire.formats import FORMATS
from factory_sim.wire.loopback import Exchange, Loopback
from faulty_loopback import Faults, FaultyLoopback

NUMBERED = [Message("a/b", b"%d" % k) for k in range(1_000)]


def received(faults: Faults) -> list[int]:
    exchange = Exchange()
    listener, sender = FaultyLoopback(exchange, faults), Loopback(exchange)
    listener.subscribe(["a/#"])
    sender.publish(NUMBERED)
    return [int(m.payload) for m in listener.messages()]


def test_without_faults_everything_arrives_in_order() -> None:
    assert received(Faults()) == list(range(1_000))


def test_shuffling_changes_the_order_within_its_reach_and_loses_nothing() -> None:
    found = received(Faults(shuffle=20, seed=1))
    assert found != sorted(found)
    assert sorted(found) == list(range(1_000))
    assert all(number - place <= 20 for place, number in enumerate(found))


def test_dropping_and_duplicating_follow_their_shares() -> None:
    found = received(Faults(drop=0.1, duplicate=0.2, seed=3))
    assert 850 < len(set(found)) < 950
    assert 0.15 < 1 - len(set(found)) / len(found) < 0.25


def test_one_seed_gives_one_order() -> None:
    faults = Faults(drop=0.1, duplicate=0.1, shuffle=50, seed=9)
    assert received(faults) == received(faults)
    assert received(faults) != received(Faults(drop=0.1, duplicate=0.1, shuffle=50, seed=10))


def test_switching_one_fault_off_leaves_the_others_as_they_were() -> None:
    both, only = received(Faults(drop=0.1, duplicate=0.3, seed=4)), received(Faults(drop=0.1, seed=4))
    assert sorted(set(both)) == only


def test_a_late_subscriber_gets_the_last_retained_message_marked_as_such() -> None:
    exchange = Exchange()
    early, late, sender = Loopback(exchange), Loopback(exchange), Loopback(exchange)
    early.subscribe(["+/state"])
    sender.publish([Message("m/state", b"old", retain=True), Message("m/state", b"new", retain=True)])
    late.subscribe(["+/state"])
    assert [(m.payload, m.retain) for m in early.messages()] == [(b"old", False), (b"new", False)]
    assert [(m.payload, m.retain) for m in late.messages()] == [(b"new", True)]


def test_an_empty_payload_deletes_a_retained_message_and_is_not_delivered() -> None:
    exchange = Exchange()
    early, late = Loopback(exchange), Loopback(exchange)
    early.subscribe(["#"])
    early.publish([Message("m/state", b"x", retain=True), Message("m/state", b"", retain=True)])
    late.subscribe(["#"])
    assert [m.payload for m in early.messages()] == [b"x"]
    assert list(late.messages()) == []


def test_topics_that_a_broker_refuses_are_refused_here_too() -> None:
    with pytest.raises(BrokerError, match="contain a space"):
        Loopback().publish([Message("a b", b"")])


def test_a_closed_loopback_receives_nothing() -> None:
    exchange = Exchange()
    with Loopback(exchange) as listener:
        listener.subscribe(["#"])
    Loopback(exchange).publish(NUMBERED)
    assert list(listener.messages()) == []


@pytest.mark.parametrize("name", FORMATS)
def test_a_feed_survives_shuffling_and_duplicates(name: str) -> None:
    meta, ns = small_meta(), resolution_ns(name)
    readings = random_readings(meta, 8, ticks=30, rows=300)
    exchange = Exchange()
    listener = FaultyLoopback(exchange, Faults(shuffle=200, duplicate=0.2, seed=5))
    listener.subscribe([FORMATS[name].topic_filter(ROOT)])
    Loopback(exchange).publish(FORMATS[name].encoder(meta, ROOT).data(readings))
    decoder = FORMATS[name].decoder(meta, ROOT)
    found = [decoder.feed(message) for message in listener.messages()]
    assert cells(found) == cells([readings])
    assert row_set(found, round_ns=ns) == row_set([readings], round_ns=ns)
