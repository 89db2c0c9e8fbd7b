"""The edge node's session, statement by statement; docs/sparkplug.md names these tests."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import orjson
import pytest
from named_metrics import named
from wire_feeds import ROOT, SECOND_US, cells, random_rows, random_samples, row_set, small_meta

from factory_sim.errors import PayloadError
from factory_sim.records import Message, Readings, Rows, Samples
from factory_sim.wire import topics
from factory_sim.wire.formats import sparkplug
from factory_sim.wire.sparkplug import payload_reader, payload_writer
from factory_sim.wire.sparkplug.namespace import REBIRTH, SPEED, START, STOP, Device, nodes
from factory_sim.wire.sparkplug.node import DEBOUNCE_MS, STATISTICS_MS, EdgeNode, historical
from factory_sim.wire.sparkplug.payload_types import Type, Value
from factory_sim.wire.sparkplug.payload_writer import Metric

META = small_meta()
NODES = {node.id: node for node in nodes(META, ROOT)}
MILLING = NODES["housing_machining"]
NOW = 1_767_229_200_000
HOST = "spBv1.0/STATE/scada"


def nothing(device: Device) -> list[Value]:
    return [m.value for m in device.metrics]


def edge(**options: object) -> EdgeNode:
    return EdgeNode(MILLING, nothing, **options)  # type: ignore[arg-type]


def born(**options: object) -> EdgeNode:
    node = edge(**options)
    node.will(NOW)
    node.opened(NOW)
    return node


def command(topic: str, *metrics: Metric) -> Message:
    return Message(topic, payload_writer.payload(b"".join(payload_writer.metric(m, NOW) for m in metrics), NOW), qos=0)


def rebirth() -> Message:
    return command(MILLING.topic("NCMD"), Metric(REBIRTH, Type.BOOLEAN, value=True))


def state(*, online: bool, ms: int) -> Message:
    return Message(HOST, orjson.dumps({"online": online, "timestamp": ms}), retain=True)


def kinds(messages: list[Message]) -> list[str]:
    return [m.topic.split("/")[2] for m in messages]


def metrics(message: Message) -> list[Metric]:
    return [named(m) for m in payload_reader.payload(message.payload, needs_seq=False).metrics]


def ddata(*, is_strict: bool = False) -> list[Message]:
    block = random_samples(META, SECOND_US, 30, 1)
    found = sparkplug.Encoder(META, ROOT, is_strict=is_strict).data(Readings(random_rows(META, 40, 1), (block,)))
    return [m for m in found if m.topic == MILLING.topic("DDATA", MILLING.devices[0])]


def test_sections_are_edge_nodes_and_units_are_devices_with_valid_names() -> None:
    assert set(NODES) == {"_line", "housing_machining", "assembly"}
    assert MILLING.topic("DBIRTH", MILLING.devices[0]) == (
        "spBv1.0/Works_Ltd:Chongqing:gearbox/DBIRTH/housing_machining/M_1_a"
    )
    for node in NODES.values():
        ids = [node.group, node.id, *(d.id for d in node.devices)]
        assert not any(sign in one for one in ids for sign in "/+#")
        assert len({d.id.lower() for d in node.devices}) == len(node.devices)
        assert not any(topics.problem_of(node.topic("DDATA", d)) for d in node.devices)


def test_the_will_is_the_death_with_the_births_number_at_qos_1_not_retained() -> None:
    node = edge()
    will = node.will(NOW)
    birth = node.opened(NOW)[0]
    assert (will.topic, will.qos, will.retain) == (MILLING.topic("NDEATH"), 1, False)
    assert [(m.name, m.value) for m in metrics(will)] == [("bdSeq", 0)]
    assert not payload_reader.payload(will.payload, needs_seq=False).HasField("seq")
    assert metrics(birth)[0] == Metric("bdSeq", Type.INT64, 0, -1, (), NOW)


def test_every_connection_counts_bd_seq_up_and_255_is_followed_by_0() -> None:
    node = edge(bd_seq=254)
    found = []
    for _ in range(3):
        will, birth = node.will(NOW), node.opened(NOW)[0]
        assert metrics(will)[0].value == metrics(birth)[0].value
        found.append(metrics(will)[0].value)
    assert found == [254, 255, 0]


def test_births_come_first_the_node_before_its_devices_at_qos_0_not_retained_with_seq_from_0() -> None:
    node = edge()
    node.will(NOW)
    births = node.opened(NOW)
    assert kinds(births) == ["NBIRTH"] + ["DBIRTH"] * len(MILLING.devices)
    start = "spBv1.0/Works_Ltd:Chongqing:gearbox"
    topics_of = [f"{start}/DBIRTH/housing_machining/{d.id}" for d in MILLING.devices]
    assert [m.topic for m in births] == [f"{start}/NBIRTH/housing_machining", *topics_of]
    assert all((m.qos, m.retain) == (0, False) for m in births)
    payloads = [payload_reader.payload(m.payload) for m in births]
    assert [p.seq for p in payloads] == list(range(len(births)))
    assert all(p.timestamp == NOW for p in payloads)


def test_the_node_birth_offers_a_rebirth_without_alias() -> None:
    node = edge()
    node.will(NOW)
    found = {m.name: m for m in metrics(node.opened(NOW)[0])}
    assert found[REBIRTH] == Metric(REBIRTH, Type.BOOLEAN, value=False, alias=-1, time_ms=NOW)


def test_a_device_birth_names_every_metric_with_alias_type_unit_and_range() -> None:
    node = edge()
    node.will(NOW)
    found = {m.name: m for m in metrics(node.opened(NOW)[1])}
    power = found["spindle_power"]
    assert (power.type, power.value) == (Type.FLOAT, None)
    assert dict(power.properties) == {"engUnit": "kW", "engLow": 0.0, "engHigh": 30.0}
    assert found["energy"].type is Type.DOUBLE  # 32 bits do not fit a float
    assert set(found) >= {"seq", "state", "part", "outcome", "detail", SPEED, STOP, "temperature", "vibration"}


def test_aliases_are_unique_within_an_edge_node() -> None:
    for node in NODES.values():
        aliases = [m.alias for m in node.metrics] + [m.alias for d in node.devices for m in d.metrics]
        assert len(set(aliases)) == len(aliases)
        assert min(aliases) >= 1


@pytest.mark.parametrize("is_strict", [True, False])
def test_data_carry_aliases_times_and_types_but_no_names(*, is_strict: bool) -> None:
    node, types = edge(), {m.alias: m.type for device in MILLING.devices for m in device.metrics}
    node.will(NOW)
    node.opened(NOW)
    for message in ddata(is_strict=is_strict):
        sent = node.data(message, NOW)
        assert (sent.qos, sent.retain) == (0, False)
        payload = payload_reader.payload(sent.payload)
        assert payload.timestamp == NOW
        for m in payload.metrics:
            assert m.HasField("alias")
            assert m.HasField("timestamp")
            assert not m.HasField("name")
            assert m.HasField("datatype") is not is_strict
            assert is_strict or m.datatype == types[m.alias]


def test_values_of_one_metric_stand_in_order_of_time() -> None:
    for message in ddata():
        times: dict[int, int] = {}
        for m in payload_reader.payload(message.payload).metrics:
            assert m.timestamp >= times.get(m.alias, 0)
            times[m.alias] = m.timestamp


def test_seq_counts_every_message_and_wraps_at_255() -> None:
    node = edge()
    node.will(NOW)
    found = [payload_reader.payload(m.payload).seq for m in node.opened(NOW)]
    messages = ddata()
    for k in range(600):
        sent = node.statistics(NOW) if k % 7 == 0 else node.data(messages[k % len(messages)], NOW)
        found.append(payload_reader.payload(sent.payload).seq)
    assert found == [k % 256 for k in range(len(found))]


def test_a_renumbered_message_carries_the_same_readings() -> None:
    node = edge()
    node.will(NOW)
    node.opened(NOW)
    decoder = sparkplug.Decoder(META, ROOT)
    for _ in range(40):  # over the end of the encoder's and the node's own count
        messages = ddata()
        first, second = [decoder.feed(m) for m in messages], [decoder.feed(node.data(m, NOW)) for m in messages]
        assert cells(first) == cells(second)
        assert row_set(first) == row_set(second)


def test_a_rebirth_is_the_whole_birth_with_the_same_bd_seq_and_seq_from_0() -> None:
    node = edge(bd_seq=7)
    node.will(NOW)
    first = node.opened(NOW)
    node.data(ddata()[0], NOW)
    again = node.receive(rebirth(), NOW + DEBOUNCE_MS).messages
    assert kinds(again) == kinds(first)
    assert metrics(again[0])[0].value == 7
    assert [payload_reader.payload(m.payload).seq for m in again] == list(range(len(again)))


def test_simultaneous_rebirth_requests_give_one_rebirth() -> None:
    node = edge()
    node.will(NOW)
    node.opened(NOW)
    for k in range(5):
        assert node.receive(rebirth(), NOW + 10 * k).messages == []
    assert node.due(NOW + 500) == []
    assert kinds(node.due(NOW + DEBOUNCE_MS))[0] == "NBIRTH"
    assert node.due(NOW + 2 * DEBOUNCE_MS) == []


def test_a_request_without_a_timestamp_is_accepted() -> None:
    node = edge()
    node.will(NOW)
    node.opened(NOW)
    body = payload_writer.metric(Metric(REBIRTH, Type.BOOLEAN, value=True), NOW)
    assert kinds(node.receive(Message(MILLING.topic("NCMD"), body), NOW + DEBOUNCE_MS).messages)[0] == "NBIRTH"


def test_between_a_request_and_its_births_no_data_are_sent() -> None:
    node = edge()
    assert not node.accepts_data
    node.will(NOW)
    node.opened(NOW)
    assert node.accepts_data
    node.receive(rebirth(), NOW + 1)
    assert not node.accepts_data
    node.due(NOW + DEBOUNCE_MS)
    assert node.accepts_data


def test_a_node_publishes_its_message_count_periodically() -> None:
    node = edge()
    node.will(NOW)
    node.opened(NOW)
    assert node.due(NOW + STATISTICS_MS) == []  # nothing has changed
    for message in ddata():
        node.data(message, NOW)
    (reported,) = node.due(NOW + STATISTICS_MS)
    (metric,) = payload_reader.payload(reported.payload).metrics
    alias = next(m.alias for m in MILLING.metrics if m.name == "Feed/Messages")
    assert (reported.topic, metric.alias, metric.long_value) == (MILLING.topic("NDATA"), alias, len(ddata()))
    node.data(ddata()[0], NOW)
    assert node.due(NOW + 2 * STATISTICS_MS - 1) == []
    assert kinds(node.due(NOW + 2 * STATISTICS_MS)) == ["NDATA"]


def test_a_false_rebirth_and_unknown_names_have_no_effect() -> None:
    node = edge()
    node.will(NOW)
    node.opened(NOW)
    topic = MILLING.topic("NCMD")
    for metric in (Metric(REBIRTH, Type.BOOLEAN, value=False), Metric("Node Control/Reboot", Type.BOOLEAN, value=True)):
        assert node.receive(command(topic, metric), NOW + 5_000).messages == []


def test_nothing_is_born_before_the_primary_host_is_online() -> None:
    node = edge(primary_host="scada")
    assert HOST in node.filters()
    node.will(NOW)
    assert node.opened(NOW) == []
    assert node.receive(state(online=False, ms=NOW), NOW).messages == []
    assert kinds(node.receive(state(online=True, ms=NOW + 1), NOW + 1).messages)[0] == "NBIRTH"


def test_the_primary_host_s_death_ends_the_session_with_a_death() -> None:
    node = edge(primary_host="scada")
    node.will(NOW)
    node.opened(NOW)
    node.receive(state(online=True, ms=NOW), NOW)
    reply = node.receive(state(online=False, ms=NOW + 5), NOW + 5)
    assert kinds(reply.messages) == [*["DDEATH"] * len(MILLING.devices), "NDEATH"]
    assert reply.disconnect
    assert not node.born


def test_an_old_state_of_the_primary_host_changes_nothing() -> None:
    node = edge(primary_host="scada")
    node.will(NOW)
    node.opened(NOW)
    node.receive(state(online=True, ms=NOW), NOW)
    assert node.receive(state(online=False, ms=NOW - 1), NOW + 5).messages == []
    assert node.born
    node.receive(state(online=False, ms=NOW + 6), NOW + 6)
    assert node.receive(state(online=True, ms=NOW + 5), NOW + 7).messages == []
    assert not node.born


def test_another_host_s_state_is_not_the_primary_host_s() -> None:
    node = edge(primary_host="scada")
    node.will(NOW)
    node.opened(NOW)
    with pytest.raises(PayloadError, match="not a topic of edge node"):
        node.receive(Message("spBv1.0/STATE/other", state(online=True, ms=NOW).payload), NOW)
    assert node.waits_for_host
    assert not node.born


def test_a_deliberate_end_is_the_devices_deaths_and_then_the_node_s_with_the_birth_s_number() -> None:
    node = edge(bd_seq=3)
    node.will(NOW)
    births = node.opened(NOW)
    *devices, death = node.closing(NOW)
    assert [m.topic for m in devices] == [MILLING.topic("DDEATH", d) for d in MILLING.devices]
    assert all((m.qos, m.retain) == (0, False) for m in devices)
    payloads = [payload_reader.payload(m.payload) for m in devices]
    assert [p.seq for p in payloads] == [len(births) + k for k in range(len(devices))]
    assert all((p.timestamp, len(p.metrics)) == (NOW, 0) for p in payloads)
    assert kinds([death]) == ["NDEATH"]
    assert metrics(death)[0].value == 3
    assert node.closing(NOW) == []


def test_a_device_command_is_read_by_name_and_by_alias() -> None:
    node, device = born(), MILLING.devices[0]
    speed = next(m for m in device.metrics if m.name == SPEED)
    topic = MILLING.topic("DCMD", device)
    named = node.receive(command(topic, Metric(SPEED, Type.DOUBLE, 0.5), Metric("temperature", Type.FLOAT, 9.0)), NOW)
    assert [(o.unit, o.name, o.value) for o in named.commands] == [(1, SPEED, 0.5)]
    body = payload_writer.metric(Metric("", Type.DOUBLE, 2.0, speed.alias), NOW)
    aliased = node.receive(Message(topic, payload_writer.payload(body, NOW)), NOW)
    assert [(o.name, o.value) for o in aliased.commands] == [(SPEED, 2.0)]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_speed_that_is_not_a_number_is_refused(value: float) -> None:
    topic = MILLING.topic("DCMD", MILLING.devices[0])
    with pytest.raises(PayloadError, match="expected a number"):
        born().receive(command(topic, Metric(SPEED, Type.DOUBLE, value)), NOW)


def test_a_partly_refused_command_requests_no_rebirth() -> None:
    node = edge()
    node.opened(NOW)
    asks = [Metric(REBIRTH, Type.BOOLEAN, value=True), Metric(REBIRTH, Type.STRING, "now")]
    with pytest.raises(PayloadError):
        node.receive(command(MILLING.topic("NCMD"), *asks), NOW + DEBOUNCE_MS)
    assert node.due(NOW + 2 * DEBOUNCE_MS) == []


@pytest.mark.parametrize("payload", [b"", b"\xff", b"{}", payload_writer.payload(b"\x12\x7f", NOW)])
def test_a_damaged_command_is_refused(payload: bytes) -> None:
    for topic in (MILLING.topic("NCMD"), MILLING.topic("DCMD", MILLING.devices[0])):
        with pytest.raises(PayloadError):
            born().receive(Message(topic, payload), NOW)


@pytest.mark.parametrize("payload", [b"", b"ONLINE", b"{}", b'{"online":1,"timestamp":2}', b'{"online":true}'])
def test_a_damaged_state_is_refused(payload: bytes) -> None:
    with pytest.raises(PayloadError):
        edge(primary_host="scada").receive(Message(HOST, payload), NOW)


def test_historical_data_are_marked_and_otherwise_unchanged() -> None:
    decoder = sparkplug.Decoder(META, ROOT)
    for message in ddata():
        old = historical(message)
        assert all(m.is_historical for m in payload_reader.payload(old.payload).metrics)
        assert cells([decoder.feed(old)]) == cells([decoder.feed(message)])
        assert row_set([decoder.feed(old)]) == row_set([decoder.feed(message)])


def test_a_float_carries_every_count_of_16_bits() -> None:
    device = MILLING.devices[0]
    assert next(m for m in device.metrics if m.name == "temperature").type is Type.FLOAT
    raw = np.arange(-(2**15), 2**15, dtype=np.int64)
    value = (raw * 0.05 - 40.0).astype(np.float32).astype(np.float64)
    assert (np.rint((value + 40.0) / 0.05) == raw).all()


PAGE = Path(__file__).parents[2] / "docs" / "sparkplug.md"


def test_the_page_in_docs_shows_a_message_as_it_is_sent() -> None:
    block = Samples(SECOND_US, 3_600, np.array([0, 1, 2], np.int16), np.array([[742, 1500, 123_456]], np.int32))
    (made,) = sparkplug.Encoder(META, ROOT).data(Readings(Rows.empty(), (block,)))
    node = edge()
    node.will(NOW)
    sent = [node.opened(NOW)[-1]]
    while payload_reader.payload(sent[-1].payload).seq != 4:
        sent.append(node.data(made, NOW))
    shown = PAGE.read_text(encoding="utf-8").partition(f"{sent[-1].topic}\n")[2].partition("\n")[0]
    assert shown == sent[-1].payload.hex(" ", -4)


def test_every_test_that_the_page_in_docs_names_exists() -> None:
    here = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_wire_sparkplug_*.py"))
    named = re.findall(r"`(test_\w+)` \|", PAGE.read_text(encoding="utf-8"))
    assert len(named) > 10
    assert all(f"def {name}(" in here for name in named)


def test_an_invalid_device_command_is_refused_with_a_reason() -> None:
    node, topic = born(), MILLING.topic("DCMD", MILLING.devices[0])
    good = command(topic, Metric(SPEED, Type.DOUBLE, 0.5))
    refused = {
        "its age is unknown": Message(topic, good.payload, retain=True),
        "has no writable metric Sped; expected Device Control/Speed": command(topic, Metric("Sped", Type.DOUBLE, 0.5)),
        "has no writable metric temperature": command(
            topic, Metric("temperature", Type.FLOAT, 0.5)
        ),  # not to be written
        "expected data type 10": command(topic, Metric(SPEED, Type.FLOAT, 0.5)),
        "expected data type 11": command(topic, Metric(SPEED, Type.DOUBLE, 0.5), Metric(STOP, Type.STRING, "yes")),
        "must not be null": command(topic, Metric(SPEED, Type.DOUBLE, None)),
        "without a metric": command(topic),
        "a metric's name is not UTF-8": Message(topic, good.payload.replace(b"Speed", b"Sp\xffed")),
    }
    for reason, message in refused.items():
        with pytest.raises(PayloadError, match=reason):
            node.receive(message, NOW)
    assert [o.value for o in node.receive(good, NOW).commands] == [0.5]
    with pytest.raises(PayloadError, match="not born"):
        edge().receive(good, NOW)


def test_a_duplicate_command_is_carried_out_once_if_it_has_a_timestamp() -> None:
    node, topic = born(), MILLING.topic("DCMD", MILLING.devices[0])
    first, second = (command(topic, Metric(SPEED, Type.DOUBLE, value)) for value in (0.5, 1.0))
    for message in (first, second):
        assert len(node.receive(message, NOW).commands) == 1
    for message in (first, second):
        with pytest.raises(PayloadError, match="the same command again"):
            node.receive(message, NOW)
    timeless = Message(topic, payload_writer.metric(Metric(SPEED, Type.DOUBLE, 2.0), NOW))
    assert [len(node.receive(timeless, NOW).commands) for _ in range(2)] == [1, 1]


def test_written_values_are_reported() -> None:
    node, device = born(), MILLING.devices[0]
    reported = node.changed(device, {STOP: True, START: False}, NOW)
    found = {m.alias: m.boolean_value for m in payload_reader.payload(reported.payload).metrics}
    aliases = {m.name: m.alias for m in device.metrics}
    assert found == {aliases[STOP]: True, aliases[START]: False}


@pytest.mark.parametrize("names", [("Spindle", "spindle"), ("a b", "A_B"), ("Seq", "STATE")])
def test_names_that_differ_in_case_only_become_different(names: tuple[str, str]) -> None:
    first, second = META.sensors[:2]
    sensors = (replace(first, name=names[0]), replace(second, unit=first.unit, name=names[1]), *META.sensors[2:])
    units = (*META.units[:-1], replace(META.units[-1], section="ASSEMBLY"))
    found = nodes(replace(META, sensors=sensors, units=units), ROOT)
    assert {"assembly", "ASSEMBLY_2"} <= {n.id for n in found}
    for device in (d for n in found for d in n.devices):
        assert len({m.name.lower() for m in device.metrics}) == len(device.metrics)


def test_a_legacy_state_of_the_primary_host_counts_until_a_newer_one_arrives() -> None:
    node, topic = edge(primary_host="scada"), "STATE/scada"
    node.will(NOW)
    assert node.opened(NOW) == []
    assert topic in node.filters()
    with pytest.raises(PayloadError, match="expected ONLINE or OFFLINE"):
        node.receive(Message(topic, b"online"), NOW)
    assert kinds(node.receive(Message(topic, b"ONLINE", retain=True), NOW).messages)[0] == "NBIRTH"
    node.receive(state(online=True, ms=NOW), NOW)
    assert node.receive(Message(topic, b"OFFLINE"), NOW).disconnect is False  # a version-3.0 host is online
    assert node.born
