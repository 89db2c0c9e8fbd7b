"""The host's session, statement by statement; docs/sparkplug.md names these tests."""

from __future__ import annotations

import random
from itertools import pairwise

import orjson
import pytest
from named_metrics import named
from wire_feeds import ROOT, SECOND_US, random_samples, small_meta

from factory_sim.errors import PayloadError
from factory_sim.records import Message, Readings, Rows
from factory_sim.wire.formats import sparkplug
from factory_sim.wire.sparkplug import payload_reader, payload_writer
from factory_sim.wire.sparkplug.host import REORDER_MS, RETRY_MS, Host
from factory_sim.wire.sparkplug.namespace import group_id, nodes
from factory_sim.wire.sparkplug.node import EdgeNode
from factory_sim.wire.sparkplug.payload_types import Type
from factory_sim.wire.sparkplug.payload_writer import Metric

META = small_meta()
MILLING = next(n for n in nodes(META, ROOT) if n.id == "housing_machining")
DEVICE = MILLING.devices[0]
NOW = 1_767_229_200_000
GROUP = group_id(ROOT)


def edge() -> tuple[EdgeNode, list[Message]]:
    """An edge node and its births."""
    node = EdgeNode(MILLING, lambda device: [m.value for m in device.metrics])
    node.will(NOW)
    return node, node.opened(NOW)


def host(*births: Message) -> Host:
    found = Host("scada", GROUP)
    for message in births:
        assert found.receive(message, NOW) == []
    return found


def data(node: EdgeNode, n: int) -> list[Message]:
    block = random_samples(META, SECOND_US, n, 1)
    made = sparkplug.Encoder(META, ROOT, batch=1).data(Readings(Rows.empty(), (block,)))
    return [node.data(m, NOW) for m in made if m.topic == MILLING.topic("DDATA", DEVICE)]


def is_request(messages: list[Message]) -> bool:
    if not messages:
        return False
    (message,) = messages
    (metric,) = payload_reader.payload(message.payload, needs_seq=False).metrics
    found = named(metric)
    assert (message.topic, message.qos, message.retain) == (MILLING.topic("NCMD"), 0, False)
    return found.name == "Node Control/Rebirth" and found.value is True


def test_state_is_retained_json_at_qos_1_whose_time_is_the_will_s() -> None:
    found = Host("scada", GROUP)
    will = found.will(NOW)
    (birth,) = found.opened()
    for message, online in ((will, False), (birth, True)):
        assert (message.topic, message.qos, message.retain) == ("spBv1.0/STATE/scada", 1, True)
        assert orjson.loads(message.payload) == {"online": online, "timestamp": NOW}
    (death,) = found.closing(NOW + 9)
    assert orjson.loads(death.payload) == {"online": False, "timestamp": NOW + 9}


def test_a_host_that_receives_its_own_death_publishes_its_birth() -> None:
    found = Host("scada", GROUP)
    will = found.will(NOW)
    assert found.receive(will, NOW + 1) == found.opened()
    assert found.receive(found.opened()[0], NOW + 1) == []


def test_an_undisturbed_feed_needs_no_rebirth() -> None:
    node, births = edge()
    found = host(*births)
    for message in data(node, 700):
        assert found.receive(message, NOW) == []
    assert found.due(NOW + 10**9) == []


def test_data_before_a_birth_request_one() -> None:
    node, _ = edge()
    assert is_request(Host("scada", GROUP).receive(data(node, 1)[0], NOW))


def test_data_of_a_device_without_a_birth_request_one() -> None:
    node, births = edge()
    assert is_request(host(births[0]).receive(data(node, 1)[0], NOW))


def test_an_unknown_alias_requests_a_birth() -> None:
    _, births = edge()
    body = payload_writer.metric(Metric("", Type.FLOAT, 1.0, 9_999), NOW)
    message = Message(MILLING.topic("DDATA", DEVICE), payload_writer.payload(body, NOW, len(births)))
    assert is_request(host(*births).receive(message, NOW))


def test_a_gap_that_stays_open_requests_a_rebirth_after_the_reorder_timeout() -> None:
    node, births = edge()
    found = Host("scada", GROUP)
    for message in births:
        found.receive(message, NOW)
    messages = data(node, 5)
    for message in (messages[0], *messages[2:]):
        assert found.receive(message, NOW) == []
    assert found.due(NOW + REORDER_MS - 1) == []
    assert is_request(found.due(NOW + REORDER_MS))


def test_a_gap_that_closes_in_time_requests_nothing() -> None:
    node, births = edge()
    found = host(*births)
    messages = data(node, 40)
    random.Random(1).shuffle(messages)
    for message in messages:
        assert found.receive(message, NOW) == []
    assert found.due(NOW + REORDER_MS) == []


@pytest.mark.parametrize("lost", [1, 100, 127, 128, 200, 254, 255])
def test_losses_shorter_than_the_sequence_are_detected(lost: int) -> None:
    node, births = edge()
    found = host(*births)
    for message in data(node, lost + 20)[lost:]:
        found.receive(message, NOW)
    assert is_request(found.due(NOW + REORDER_MS))


@pytest.mark.parametrize("sent", [130, 256, 300, 600])
def test_a_loss_in_a_fast_feed_is_detected_before_its_number_recurs(sent: int) -> None:
    node, births = edge()
    found = host(*births)
    messages = data(node, sent)
    answers = [found.receive(m, NOW) for m in (*messages[:5], *messages[6:])]
    assert [is_request(a) for a in answers if a] == [True] * (sent > 134)
    assert is_request(found.due(NOW + RETRY_MS))  # a request may be lost: only a birth ends it
    for message in node.opened(NOW):
        found.receive(message, NOW)
    assert found.due(NOW + 10**6) == []


def test_requests_are_not_repeated_before_their_time() -> None:
    node, _ = edge()
    found = Host("scada", GROUP)
    messages = data(node, 3)
    assert is_request(found.receive(messages[0], NOW))
    assert found.receive(messages[1], NOW + RETRY_MS - 1) == []
    assert is_request(found.receive(messages[2], NOW + RETRY_MS))


def test_a_rebirth_closes_the_gap() -> None:
    node, births = edge()
    found = host(*births)
    found.receive(data(node, 3)[2], NOW)
    for message in node.opened(NOW):
        found.receive(message, NOW)
    assert found.due(NOW + 10**6) == []


def test_a_node_s_death_takes_its_devices_offline_and_an_old_death_does_not() -> None:
    node, births = edge()
    found = host(*births)
    old = EdgeNode(MILLING, lambda device: [m.value for m in device.metrics], bd_seq=9).will(NOW)
    found.receive(old, NOW + 1)
    assert found.nodes[MILLING.id].online
    found.receive(node.closing(NOW)[-1], NOW + 2)
    state = found.nodes[MILLING.id]
    assert (state.online, state.since_ms) == (False, NOW + 2)
    assert [d.online for d in state.devices.values()] == [False] * len(MILLING.devices)


def test_a_device_s_death_takes_it_offline_at_its_own_time() -> None:
    _, births = edge()
    found = host(*births)
    found.receive(Message(MILLING.topic("DDEATH", DEVICE), payload_writer.payload(b"", NOW - 5, len(births))), NOW)
    device = found.nodes[MILLING.id].devices[DEVICE.id]
    assert (device.online, device.since_ms) == (False, NOW - 5)


def test_mutated_messages_raise_nothing_but_payload_error_and_change_nothing() -> None:
    rng = random.Random(5)
    node, births = edge()
    good = [*births, *data(node, 4), *node.closing(NOW)]
    for _ in range(3_000):
        found = host(*births)
        before = repr(found.nodes)
        message = rng.choice(good)
        payload = bytearray(message.payload)
        for _ in range(rng.randint(1, 4)):
            payload[rng.randrange(len(payload))] ^= 1 << rng.randrange(8)
        topic = rng.choice([message.topic, message.topic + "/x", "spBv1.0", "a/b/c/d"])
        try:
            found.receive(Message(topic, bytes(payload)), NOW)
        except PayloadError:
            assert repr(found.nodes) == before


def test_requests_back_off_until_a_birth_arrives_and_name_the_node() -> None:
    _, births = edge()
    found, (data, *_) = host(), [m for m in births if "/DBIRTH/" in m.topic]
    asked = [ms for ms in range(NOW, NOW + 1_300_000, 500) if found.receive(data, ms)]
    assert [later - earlier for earlier, later in pairwise(asked)] == [
        5_000,
        10_000,
        20_000,
        40_000,
        80_000,
        160_000,
        *[300_000] * 3,
    ]
    assert found.report() == f"Requested a rebirth of edge node {MILLING.id} ({len(asked)} times)."
    assert found.report() == ""
    for message in births:
        found.receive(message, NOW + 1_300_000)
    found.receive(births[0].__class__(data.topic, data.payload), NOW + 1_300_000)
