from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from wire_feeds import ROOT, cells, random_readings, resolution_ns, row_set, small_meta, wide_meta

from factory_sim.errors import BrokerError
from factory_sim.records import Message
from factory_sim.wire import meta as wire_meta
from factory_sim.wire.broker.embedded import Broker
from factory_sim.wire.formats import FORMATS
from factory_sim.wire.loopback import Exchange, Loopback
from factory_sim.wire.mqtt import broker_url
from factory_sim.wire.mqtt.client import Client
from factory_sim.wire.mqtt.client_options import PASSWORD_VARIABLE, ClientOptions

if TYPE_CHECKING:
    from collections.abc import Iterator

META = small_meta()


def taken(client: Client, n: int) -> list[Message]:
    """n messages, or fewer if none comes for five seconds."""
    found = []
    for message in client.messages(5.0):
        found.append(message)
        if len(found) == n:
            break
    return found


@pytest.mark.parametrize("name", FORMATS)
def test_a_wildcard_subscriber_gets_every_reading_through_a_real_broker(broker: Broker, name: str) -> None:
    root, ns = f"{ROOT}/{name}", resolution_ns(name)
    readings = random_readings(META, 2, ticks=20, rows=100)
    messages = FORMATS[name].encoder(META, root).data(readings)
    decoder = FORMATS[name].decoder(META, root)
    with Client(broker.url) as listener, Client(broker.url) as sender:
        listener.subscribe([FORMATS[name].topic_filter(root)])
        sender.publish(messages)
        sender.flush()
        found = [decoder.feed(message) for message in taken(listener, len(messages))]
    assert cells(found) == cells([readings])
    assert row_set(found, round_ns=ns) == row_set([readings], round_ns=ns)


def test_a_late_subscriber_gets_the_retained_description(broker: Broker) -> None:
    meta = wide_meta()
    with Client(broker.url) as sender:
        sender.publish([wire_meta.message(META, "late"), wire_meta.message(meta, "late")])
        sender.flush()
    with Client(broker.url) as listener:
        listener.subscribe(["late/meta"])
        (message,) = taken(listener, 1)
    assert message.retain
    assert wire_meta.decode(message.payload, message.topic) == meta


def test_loopback_and_broker_deliver_the_same(broker: Broker) -> None:
    script = [
        Message("twin/a/state", b"1", retain=True),
        Message("twin/a/state", b"2", retain=True),
        Message("twin/b/state", b"3", retain=True),
        Message("twin/b/state", b"", retain=True),
        Message("twin/b/other", b"4"),
    ]
    exchange = Exchange()
    loops = [Loopback(exchange) for _ in range(3)]
    with Client(broker.url) as one, Client(broker.url) as two, Client(broker.url) as three:
        results = []
        for early, sender, late in ((one, two, three), tuple(loops)):
            early.subscribe(["twin/+/state"])
            sender.publish(script)
            sender.flush()
            late.subscribe(["twin/#"])
            results.append([sorted(heard(early)), sorted(heard(late))])
    assert results[0] == results[1]


def heard(client: Client | Loopback) -> list[tuple[str, bytes, bool]]:
    return [(m.topic, m.payload, m.retain) for m in client.messages(1.5)]


def test_non_ascii_topics_are_delivered(broker: Broker) -> None:
    with Client(broker.url) as listener, Client(broker.url) as sender:
        listener.subscribe(["Fräserei/#"])
        sender.publish([Message("Fräserei/µ.v1/温度", b"x")])
        assert taken(listener, 1) == [Message("Fräserei/µ.v1/温度", b"x")]


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (Message("a b", b""), "must not contain a space"),
        (Message("a/+", b""), r"must not contain a space, \+"),
        (Message("a", bytes(2**20)), "a payload of 1,048,576 bytes is over the limit of 1,044,480"),
    ],
)
def test_what_brokers_disconnect_on_is_refused_before_it_is_sent(broker: Broker, message: Message, said: str) -> None:
    with Client(broker.url) as client:
        with pytest.raises(BrokerError, match=said):
            client.publish([message])
        client.publish([Message("fine", b"")])
        client.flush()


def test_the_largest_payload_passes_the_embedded_broker(broker: Broker) -> None:
    payload = random.Random(1).randbytes(ClientOptions().max_payload)
    with Client(broker.url) as listener, Client(broker.url) as sender:
        listener.subscribe(["big"])
        sender.publish([Message("big", payload)])
        sender.flush()
        assert taken(listener, 1) == [Message("big", payload)]


def test_a_full_window_blocks_until_the_broker_acknowledges(broker: Broker) -> None:
    with Client(broker.url, window=10, window_bytes=4_000) as sender, Client(broker.url) as listener:
        listener.subscribe(["window"])
        high = 0
        for k in range(300):
            sender.publish([Message("window", bytes(500) + b"%d" % k)])
            high = max(high, sender.sent - sender.settled)
        sender.flush()
        assert [int(m.payload[500:]) for m in taken(listener, 300)] == list(range(300))
    assert high <= 8  # 4,000 bytes are less than ten messages


@contextmanager
def listening(answer: bytes) -> Iterator[int]:
    """A server that is no broker: answers every connection with some bytes and waits."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        stop = threading.Event()

        def serve() -> None:
            open_ones = []
            while not stop.is_set():
                try:
                    open_ones.append(server.accept()[0])
                    open_ones[-1].sendall(answer)
                except TimeoutError:
                    continue
            for one in open_ones:
                one.close()

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        stop.set()
        thread.join()


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"INFO {}\r\n", b"\xff" * 999, b"\x20\x02"]
)
def test_a_server_that_is_not_a_broker_is_reported(answer: bytes) -> None:
    with listening(answer) as port, pytest.raises(BrokerError, match="is this the port of an MQTT broker"):
        Client(f"mqtt://127.0.0.1:{port}", connect_timeout_s=0.5)


def test_a_missing_broker_is_reported_with_its_url_and_advice() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"mqtt://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(BrokerError, match=rf"{url}: nothing is listening there.*--broker"):
            Client(url)


def test_an_unknown_host_is_named() -> None:
    with pytest.raises(BrokerError, match=r"no-such-host\.invalid:1883: no such host"):
        Client("mqtt://no-such-host.invalid")


def test_a_wrong_password_stops_at_once_and_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    with Broker(user="anna", password="right") as guarded:  # noqa: S106
        place = f"127.0.0.1:{guarded.port}"
        for url in (f"mqtt://anna:wrong@{place}", f"mqtt://{place}", f"mqtt://eve:right@{place}"):
            with pytest.raises(BrokerError, match="refused") as refusal:
                Client(url)
            assert "wrong" not in str(refusal.value)
            assert "right" not in str(refusal.value)
        monkeypatch.setenv(PASSWORD_VARIABLE, "right")
        with Client(f"mqtt://anna@{place}") as client:
            assert "right" not in repr(client.options) + repr(client.address)
        Client(f"mqtt://anna:wrong@{place}", password="right").close()  # noqa: S106


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("localhost:1883", "Did you mean mqtt://localhost:1883?"),
        ("http://localhost", "'http' is not MQTT"),
        ("mqtt://", "expected mqtt://"),
        ("mqtt://host/topic", "expected mqtt://"),
        ("mqtt://host:99999", "Port out of range"),
        ("mqtt://host:0", "expected mqtt://"),
        ("mqtt://host:port", "expected mqtt://"),
        ("", "expected mqtt://"),
        ("mqtt://user:secret@", "expected mqtt://"),
        ("user:secret@host", "expected mqtt://"),
    ],
)
def test_a_url_that_is_not_a_broker_is_explained(url: str, said: str) -> None:
    with pytest.raises(BrokerError) as refusal:
        broker_url.parse(url)
    assert said in str(refusal.value)
    assert "secret" not in str(refusal.value)
    assert refusal.value.exit_code == 2  # invalid input, not a missing server


def test_urls_are_read_in_full() -> None:
    assert broker_url.parse("mqtts://a%40b:p%2Fw@[::1]") == broker_url.Address(True, "::1", 8883, "a@b", "p/w")  # noqa: FBT003
    assert broker_url.parse("mqtt://h:5/").display_url == "mqtt://h:5"


def test_the_will_is_published_when_a_client_dies_and_not_when_it_leaves(broker: Broker) -> None:
    will = Message("will/m1", b"gone", retain=True)
    with Client(broker.url) as listener:
        listener.subscribe(["will/#"])
        Client(broker.url, will=will).close()
        assert list(listener.messages(0.3)) == []
        dying = Client(broker.url, will=will)
        stream = dying.stream
        assert stream is not None
        stream.close()
        assert [m.payload for m in taken(listener, 1)] == [b"gone"]


def cut(client: Client) -> None:
    """What a cable pulled out does, at once."""
    stream = client.stream
    assert stream is not None
    stream.connection.shutdown(socket.SHUT_RDWR)


def test_a_lost_connection_of_a_publisher_is_restored_without_loss(broker: Broker) -> None:
    with Client(broker.url) as listener, Client(broker.url, back_off_s=(0.01, 0.05)) as sender:
        listener.subscribe(["heal/#"])
        for k in range(400):
            sender.publish([Message("heal/x", b"%d" % k)])
            if k % 50 == 25:
                cut(sender)
        sender.flush()
        found = {int(m.payload) for m in listener.messages(1.5)}
    assert found == set(range(400))


def test_a_subscriber_with_a_session_misses_nothing_when_its_connection_is_lost() -> None:
    with (
        Broker(retry_s=1) as broker,
        Client(broker.url, client_id="heal-l", clean_session=False, back_off_s=(0.01, 0.05)) as listener,
        Client(broker.url) as sender,
    ):
        listener.subscribe(["heal/#"])
        found: set[int] = set()
        for k in range(300):
            sender.publish([Message("heal/x", b"%d" % k)])
            if k % 100 == 25:
                cut(listener)
            found.update(int(m.payload) for m in listener.messages(0.0))
        sender.flush()
        found.update(int(m.payload) for m in listener.messages(1.5))
    assert found == set(range(300))


def test_a_broker_that_stays_away_ends_in_an_error() -> None:
    with Broker() as short:
        client = Client(short.url, reconnect_timeout_s=0.3, back_off_s=(0.05, 0.05))
    with (
        client,
        pytest.raises(
            BrokerError, match=r"the connection was lost and could not be restored within 0\.3 s: nothing is listening"
        ),
    ):
        client.publish(Message("x", b"") for _ in range(1_000))


def test_a_broker_that_never_acknowledges_ends_in_an_error() -> None:
    with listening(b"\x20\x02\x00\x00") as port, Client(f"mqtt://127.0.0.1:{port}") as client:
        client.publish([Message("x", b"")])
        with pytest.raises(BrokerError, match=r"1 messages not acknowledged within 0\.2 s"):
            client.flush(0.2)


def test_a_client_id_with_a_space_is_refused(broker: Broker) -> None:
    with pytest.raises(BrokerError, match="contains a space"):
        Client(broker.url, client_id="my client")


SENDER = """
import sys
from factory_sim.wire.mqtt.client import Client
from factory_sim.wire.formats import FORMATS
sys.path.insert(0, sys.argv[2])
from wire_feeds import random_readings, wide_meta
meta = wide_meta()
with Client(sys.argv[1]) as client:
    for k in range(4):
        client.publish(FORMATS["bulk"].encoder(meta, "two").data(random_readings(meta, k, ticks=300, rows=50)))
    client.flush()
"""


def test_bulk_from_another_process_arrives_without_loss(broker: Broker) -> None:
    meta = wide_meta()
    decoder = FORMATS["bulk"].decoder(meta, "two")
    with Client(broker.url) as listener:
        listener.subscribe([FORMATS["bulk"].topic_filter("two")])
        command = [sys.executable, "-c", SENDER, broker.url, str(Path(__file__).parent)]
        with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": "src"}) as sender:
            got, end = 0, time.monotonic() + 120  # starting it takes long on a busy machine
            while got < 4 * (300 * 1_224 + 4 * 50) and time.monotonic() < end:
                got += sum(decoder.feed(m).count() for m in listener.messages(0.1))
            assert sender.wait(60) == 0
    assert got == 4 * (300 * 1_224 + 4 * 50)
