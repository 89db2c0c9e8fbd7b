"""Edge nodes and a host over real brokers, the embedded one and mosquitto."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import socket
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from named_metrics import named
from wire_feeds import ROOT, SECOND_US, cells, random_readings, row_set, small_meta

from factory_sim.errors import BrokerError
from factory_sim.records import Message, Readings, Rows, Samples
from factory_sim.wire import meta as description
from factory_sim.wire.broker.embedded import Broker
from factory_sim.wire.formats import sparkplug
from factory_sim.wire.mqtt.client import Client
from factory_sim.wire.mqtt.client_options import ClientOptions
from factory_sim.wire.sparkplug import node as edge_node
from factory_sim.wire.sparkplug import payload_reader, payload_writer
from factory_sim.wire.sparkplug import sessions as edge_sessions
from factory_sim.wire.sparkplug.birth_numbers import BirthNumbers
from factory_sim.wire.sparkplug.host import Host
from factory_sim.wire.sparkplug.namespace import REBIRTH, SPEED, START, STOP, group_id, nodes
from factory_sim.wire.sparkplug.node import DeviceCommand
from factory_sim.wire.sparkplug.payload_types import Type
from factory_sim.wire.sparkplug.payload_writer import Metric
from factory_sim.wire.sparkplug.sessions import EdgeSessions, now_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

META = small_meta()
GROUP = group_id(ROOT)
MILLING = next(n for n in nodes(META, ROOT) if n.id == "housing_machining")
HAS_MOSQUITTO = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin")
absent = pytest.mark.skipif(not HAS_MOSQUITTO, reason="mosquitto is not installed")
SERVERS = ["nats", pytest.param("mosquitto", marks=absent)]


@pytest.fixture(params=SERVERS)
def any_broker(request: pytest.FixtureRequest) -> Iterator[Broker]:
    with Broker(server=request.param) as running:
        yield running


def kill(broker: Broker) -> None:
    """Kill a broker; return when its port is free."""
    os.kill(broker.pid, signal.SIGKILL)
    refused = errno.ECONNREFUSED
    end = time.monotonic() + 60
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", broker.port)) == refused:
                return
        time.sleep(0.01)
    pytest.fail("the port of the killed broker is still in use")


def listener(url: str) -> Client:
    client = Client(url)
    client.subscribe([f"spBv1.0/{GROUP}/#"], qos=0)
    return client


def until(
    client: Client, found: Callable[[list[Message]], bool], serve: Callable[[], None] = lambda: None
) -> list[Message]:
    """What has arrived when `found` says that it is enough."""
    messages: list[Message] = []
    end = time.monotonic() + 60
    while not found(messages):
        assert time.monotonic() < end, [m.topic for m in messages]
        serve()
        messages += client.messages(0.02)
    return messages


def born(sessions: EdgeSessions) -> list[int]:
    """The bdSeq of every edge node, as soon as all are born."""
    end = time.monotonic() + 60
    while not all(edge.born for edge in sessions.edges):
        assert time.monotonic() < end
        sessions.serve()
    return [edge.bd_seq for edge in sessions.edges]


def of(kind: str, messages: list[Message]) -> list[Message]:
    return [m for m in messages if m.topic.split("/")[2] == kind]


def test_a_feed_through_a_broker_has_births_a_complete_sequence_and_deaths(any_broker: Broker) -> None:
    readings = random_readings(META, 1, ticks=50, rows=50)
    with listener(any_broker.url) as client:
        with EdgeSessions(any_broker.url) as sessions:
            sessions.publish([description.message(META, ROOT)])
            sessions.publish(sparkplug.Encoder(META, ROOT).data(readings))
            sessions.flush()
        messages = until(client, lambda found: len({m.topic for m in of("NDEATH", found)}) == 3)
    host, decoder = Host("h", GROUP), sparkplug.Decoder(META, ROOT)
    lively = [m for m in messages if "/NDEATH/" not in m.topic]
    assert [host.receive(m, now_ms()) for m in lively] == [[]] * len(lively)
    assert all(node.gap_ms < 0 for node in host.nodes.values())
    found = [decoder.feed(m) for m in messages]
    assert cells(found) == cells([readings])
    assert row_set(found, round_ns=10**6) == row_set([readings], round_ns=10**6)


def test_a_broker_provides_what_sparkplug_requires(any_broker: Broker) -> None:
    zero, one = Message("asked/0", b"0", qos=0), Message("asked/1", b"1", qos=1, retain=True)
    will = Message("asked/will", b"w", qos=1, retain=True)
    with Client(any_broker.url) as client, Client(any_broker.url, will=will) as dying:
        client.subscribe(["asked/#"])
        dying.publish([zero, one])
        found = until(client, lambda got: len(got) == 2)
        stream = dying.stream
        assert stream is not None
        stream.connection.close()  # without a goodbye
        found += until(client, lambda got: len(got) == 1)
        assert [(m.topic, m.payload, m.qos, m.retain) for m in found] == [
            ("asked/0", b"0", 0, False),
            ("asked/1", b"1", 1, False),
            ("asked/will", b"w", 1, False),
        ]
    with Client(any_broker.url) as late:
        late.subscribe(["asked/#"])
        kept = until(late, lambda got: len(got) == 2)
        assert sorted((m.payload, m.qos, m.retain) for m in kept) == [(b"1", 1, True), (b"w", 1, True)]
        late.publish([Message(m.topic, b"", qos=1, retain=True) for m in kept])


def test_the_time_of_sending_is_past_when_the_message_is_sent() -> None:
    assert all(now_ms() < time.time_ns() // 10**6 for _ in range(1_000))  # the kit refuses a birth of this millisecond


def test_a_rebirth_brings_the_present_values_and_the_history(any_broker: Broker) -> None:
    readings = random_readings(META, 2, ticks=20, rows=30)
    with listener(any_broker.url) as client, EdgeSessions(any_broker.url) as sessions:
        sessions.publish([description.message(META, ROOT)])
        sessions.publish(sparkplug.Encoder(META, ROOT).data(readings))
        until(client, lambda found: len(of("DDATA", found)) > 8)
        body = payload_writer.metric(Metric(REBIRTH, Type.BOOLEAN, value=True), now_ms())
        client.publish([Message(MILLING.topic("NCMD"), payload_writer.payload(body, now_ms()), qos=0)])
        found = until(client, lambda got: bool(of("NBIRTH", got)) and len(of("DDATA", got)) > 1, sessions.serve)
    birth = next(m for m in of("DBIRTH", found) if m.topic.endswith("M_1_a"))
    values = {m.name: m.value for m in map(named, payload_reader.payload(birth.payload).metrics)}
    block = next(s for s in readings.samples if s.period_us == SECOND_US)
    power = block.raw[-1, block.sensor.tolist().index(0)] * 0.01
    assert values["spindle_power"] == pytest.approx(power, rel=1e-6)
    rows = readings.rows
    assert values["seq"] == rows.seq[rows.unit == 1].max()
    assert all(m.is_historical for d in of("DDATA", found) for m in payload_reader.payload(d.payload).metrics)


def test_a_killed_broker_causes_no_loss() -> None:
    encoder, decoder = sparkplug.Encoder(META, ROOT), sparkplug.Decoder(META, ROOT)
    pieces = [random_readings(META, 3, ticks=40, rows=0)]
    block = pieces[0].samples
    with Broker() as first:
        port = first.port
        with EdgeSessions(first.url) as sessions:
            sessions.publish([description.message(META, ROOT)])
            rows = pieces[0].rows
            half = Readings(rows, tuple(Samples(s.period_us, s.first_tick, s.sensor, s.raw[:20]) for s in block))
            rest = Readings(rows, tuple(Samples(s.period_us, s.first_tick + 20, s.sensor, s.raw[20:]) for s in block))
            sessions.publish(encoder.data(half))
            kill(first)
            with Broker(port=port) as second, listener(second.url) as client:
                sessions.publish(encoder.data(rest))
                whole = len(cells(pieces))
                found = until(
                    client, lambda got: len(cells([decoder.feed(m) for m in of("DDATA", got)])) == whole, sessions.serve
                )
    assert cells([decoder.feed(m) for m in of("DDATA", found)]) == cells(pieces)
    numbers = {named(payload_reader.payload(m.payload).metrics[0]).value for m in of("NBIRTH", found)}
    assert numbers
    assert min(numbers) > 0  # a new connection, a new bdSeq


def test_a_broker_killed_at_the_end_of_a_run_causes_no_loss() -> None:
    decoder, readings = sparkplug.Decoder(META, ROOT), random_readings(META, 9, ticks=40, rows=0)
    with Broker() as first, EdgeSessions(first.url) as sessions:
        sessions.publish([description.message(META, ROOT), *sparkplug.Encoder(META, ROOT).data(readings)])
        kill(first)
        with Broker(port=first.port) as second, listener(second.url) as client:
            sessions.flush()
            found = until(client, lambda got: cells([decoder.feed(m) for m in of("DDATA", got)]) == cells([readings]))
    assert len(of("NBIRTH", found)) == 3


def test_nothing_is_published_before_the_primary_host_is_online_and_nothing_is_lost(broker: Broker) -> None:
    root = "primary/host"
    host = Host("scada", group_id(root))
    host.will(now_ms())
    readings = random_readings(META, 4, ticks=5, rows=5)
    with Client(broker.url) as client, EdgeSessions(broker.url, primary_host="scada") as sessions:
        client.subscribe(host.filters(), qos=0)
        sessions.publish([description.message(META, root)])
        for _ in range(10):
            sessions.serve()
        assert [m for m in client.messages(0.1) if "/STATE/" not in m.topic] == []
        client.publish(host.opened())
        sessions.publish(sparkplug.Encoder(META, root).data(readings))
        found = until(client, lambda got: len(of("DDATA", got)) >= 6, sessions.serve)
        assert len(of("NBIRTH", found)) == 3
        client.publish(host.closing(now_ms()))
        until(client, lambda got: len(of("NDEATH", got)) == 3, sessions.serve)


def test_a_device_command_is_returned_and_its_new_value_is_reported(broker: Broker) -> None:
    with listener(broker.url) as client, EdgeSessions(broker.url) as sessions:
        sessions.publish([description.message(META, ROOT)])
        device = MILLING.devices[0]
        born = MILLING.topic("DBIRTH", device)  # before it the device is unknown, and the node does not accept commands
        until(client, lambda got: born in {m.topic for m in got}, sessions.serve)
        body = payload_writer.metric(Metric(SPEED, Type.DOUBLE, 0.5), now_ms())
        topic = MILLING.topic("DCMD", device)
        damaged = Message(topic, b"\xff\xff", qos=0)
        client.publish([damaged, Message(topic, payload_writer.payload(body, now_ms()), qos=0)])
        commands = []
        end = time.monotonic() + 30
        while not commands and time.monotonic() < end:
            commands = sessions.commands()
        assert [(o.unit, o.name, o.value) for o in commands] == [(1, SPEED, 0.5)]
        assert (sessions.refused.count, sessions.refused.new_since_last()[:19]) == (1, "1 command refused: ")
        sessions.confirm(commands[0])
        (reported,) = of("DDATA", until(client, lambda got: len(of("DDATA", got)) == 1, sessions.serve))
        (metric,) = payload_reader.payload(reported.payload).metrics
        assert metric.double_value == 0.5
        for name in (STOP, START):
            sessions.confirm(DeviceCommand(1, name, value=True))
        body = payload_writer.metric(Metric(REBIRTH, Type.BOOLEAN, value=True), now_ms())
        client.publish([Message(MILLING.topic("NCMD"), payload_writer.payload(body, now_ms()), qos=0)])
        births = until(client, lambda got: born in {m.topic for m in got}, sessions.serve)
        (birth,) = (m for m in births if m.topic == born)
        values = {m.name: m.value for m in map(named, payload_reader.payload(birth.payload).metrics)}
        assert (values[SPEED], values[STOP], values[START]) == (0.5, False, True)


def half(readings: Readings, first: int, stop: int) -> Readings:
    """Some ticks, no rows."""
    cut = (Samples(s.period_us, s.first_tick + first, s.sensor, s.raw[first:stop]) for s in readings.samples)
    return Readings(Rows.empty(), tuple(cut))


def test_data_produced_while_the_broker_is_away_are_kept_and_sent_as_history() -> None:
    encoder, decoder = sparkplug.Encoder(META, ROOT), sparkplug.Decoder(META, ROOT)
    readings = random_readings(META, 6, ticks=60, rows=0)
    with Broker() as first:
        port = first.port
        sessions = EdgeSessions(first.url, ClientOptions(reconnect_timeout_s=1.0))
        sessions.publish([description.message(META, ROOT)])
        born(sessions)
    for k in range(0, 60, 10):  # the broker is away: no call waits for it
        sessions.publish(encoder.data(half(readings, k, k + 10)))
    with Broker(port=port) as second, listener(second.url) as client, sessions:
        whole = cells([readings])
        found = until(client, lambda got: cells([decoder.feed(m) for m in of("DDATA", got)]) == whole, sessions.serve)
    host = Host("h", GROUP)
    assert [host.receive(m, now_ms()) for m in found] == [[]] * len(found)
    assert all(m.is_historical for d in of("DDATA", found) for m in payload_reader.payload(d.payload).metrics)


def test_at_the_limit_of_kept_data_the_feed_ends_without_loss() -> None:
    encoder = sparkplug.Encoder(META, ROOT)
    with Broker() as first:
        sessions = EdgeSessions(first.url, ClientOptions(reconnect_timeout_s=0.3), history_bytes=2_700)
        sessions.publish([description.message(META, ROOT)])
        born(sessions)
    readings = random_readings(META, 7, ticks=60, rows=0)
    messages = [m for k in range(60) for m in encoder.data(half(readings, k, k + 1))]
    missing: list[str] = []
    sessions.on_full = missing.append
    with pytest.raises(BrokerError, match=r"the broker has been away for 0\.3 s, and data wait"):
        sessions.publish(messages)
    assert (sessions.full, missing) == (1, ["the broker"])
    assert 0 < sessions.unsent < len(messages)
    sessions.close()


@pytest.mark.parametrize("room", [1, 100])
def test_a_stopped_run_does_not_wait_and_reports_undelivered_messages(
    room: int, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge_sessions, "LEAVE_S", 0.1)
    encoder = sparkplug.Encoder(META, "left/alone")
    messages = encoder.data(random_readings(META, 8, ticks=60, rows=60))
    sizes = Counter[str]()
    for message in messages:
        sizes[message.topic.split("/")[3]] += len(message.payload)
    options, history_bytes = ClientOptions(reconnect_timeout_s=10**9), room * max(sizes.values())
    with EdgeSessions(broker.url, options, primary_host="scada", history_bytes=history_bytes) as sessions:
        sessions.is_stopped = lambda: True  # Ctrl-C: without it this would never end
        sessions.publish([description.message(META, "left/alone"), *messages])
        sessions.flush()
        assert sessions.unsent == len(messages)


def test_a_number_that_could_not_be_written_leaves_the_last_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(path: Path, data: bytes) -> int:
        with path.open("wb") as file:
            file.write(data[:1])
        raise OSError(errno.ENOSPC, "No space left on device")

    BirthNumbers(tmp_path, "mqtt://plc").used(MILLING, 41)
    with monkeypatch.context() as full:
        full.setattr(Path, "write_bytes", half)
        BirthNumbers(tmp_path, "mqtt://plc").used(MILLING, 42)
    assert BirthNumbers(tmp_path, "mqtt://plc").next(MILLING) == 42  # one after the last that is known


def test_the_next_process_continues_the_count_and_failed_attempts_use_no_number(tmp_path: Path) -> None:
    with Broker() as first:
        for number in range(2):
            with EdgeSessions(first.url, numbers=tmp_path) as sessions:
                sessions.publish([description.message(META, ROOT)])
                assert born(sessions) == [number] * 3
        last = EdgeSessions(first.url, numbers=tmp_path)
        last.publish([description.message(META, ROOT)])
        assert born(last) == [2] * 3
    end = time.monotonic() + 1.2  # some attempts
    while time.monotonic() < end:
        last.serve()
    with Broker(port=first.port) as second:
        assert born(last) == [3] * 3
        last.close()
        (tmp_path / "gone").write_bytes(b"")
        for file in tmp_path.rglob("*housing*"):
            file.write_bytes(b"no number")
        with EdgeSessions(second.url, numbers=tmp_path) as sessions:
            sessions.publish([description.message(META, ROOT)])
            assert sorted(born(sessions)) == [0, 4, 4]
    with Broker() as elsewhere, EdgeSessions(elsewhere.url, numbers=tmp_path / "gone") as sessions:  # no folder
        sessions.publish([description.message(META, ROOT)])
        assert born(sessions) == [0] * 3


def test_many_requests_for_a_rebirth_do_not_multiply_the_history(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge_node, "DEBOUNCE_MS", 0)
    root, readings = "amplified/line", random_readings(META, 9, ticks=30, rows=30)
    topic = f"spBv1.0/amplified:line/NCMD/{MILLING.id}"
    body = payload_writer.metric(Metric(REBIRTH, Type.BOOLEAN, value=True), now_ms())
    with Client(broker.url) as client, EdgeSessions(broker.url) as sessions:
        client.subscribe([f"spBv1.0/amplified:line/DDATA/{MILLING.id}/+"])
        sessions.publish([description.message(META, root), *sparkplug.Encoder(META, root).data(readings)])
        sessions.flush()
        for _ in range(10):
            births = [edge.births for edge in sessions.edges]
            client.publish([Message(topic, payload_writer.payload(body, now_ms()), qos=0)])
            client.flush()
            end = time.monotonic() + 10
            while [edge.births for edge in sessions.edges] == births:
                assert time.monotonic() < end
                sessions.wait(0.01)
        sessions.flush()
        received = list(client.messages(1.5))
    own = sum(1 for m in sparkplug.Encoder(META, root).data(readings) if f"/{MILLING.id}/" in m.topic)
    assert own < len(received) <= 4 * own  # as data, after the first connect, and twice on request


def test_waiting_for_a_primary_host_and_its_return_are_reported(broker: Broker) -> None:
    reported: list[bool] = []
    with Client(broker.url) as host, EdgeSessions(broker.url, primary_host="old-scada") as sessions:
        sessions.on_host = reported.append
        sessions.publish([description.message(META, "waits/line")])
        end = time.monotonic() + 10
        while not reported and time.monotonic() < end:
            sessions.wait(0.05)
        host.publish([Message("STATE/old-scada", b"ONLINE", qos=1, retain=True)])
        host.flush()
        while len(reported) < 2 and time.monotonic() < end:
            sessions.wait(0.05)
        for state in (b"OFFLINE", b"ONLINE"):  # the edge nodes disconnect in between, which is no return of the host
            before = len(reported)
            host.publish([Message("STATE/old-scada", state, qos=1, retain=True)])
            host.flush()
            while len(reported) == before and time.monotonic() < end:
                sessions.wait(0.05)
        host.publish([Message("STATE/old-scada", b"", retain=True)])
        host.flush()
    assert reported == [False, True, False, True]
