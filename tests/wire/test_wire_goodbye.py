"""A broker that ends, is dead or does not answer: what waits for it ends soon and reports why, also on Ctrl-C."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager, suppress
from threading import Event
from typing import TYPE_CHECKING

import pytest

from factory_sim.errors import BrokerError, StoppedError
from factory_sim.records import Message
from factory_sim.wire.broker.embedded import Broker
from factory_sim.wire.mqtt.client import Client
from factory_sim.wire.mqtt.client_options import ClientOptions
from factory_sim.wire.mqtt.packets import REFUSED

if TYPE_CHECKING:
    from collections.abc import Iterator

CONNECTED = b"\x20\x02\x00\x00"  # CONNACK, accepted
DATA = [Message(f"d/{k}", b"x" * 100) for k in range(50)]


@contextmanager
def mute(greeting: bytes) -> Iterator[str]:
    """A broker that greets its clients and then takes everything without a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):
                connection, _ = server.accept()
                with connection:
                    connection.sendall(greeting)
                    while connection.recv(65_536):
                        pass

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"mqtt://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits for a client
        thread.join(30)


def test_a_stopped_program_leaves_a_broker_that_never_acknowledges() -> None:
    stop = Event()
    options = ClientOptions(mqtt="3.1.1", window=10, is_stopped=stop.is_set, stop_silence_s=0.1)
    with mute(CONNECTED) as url, Client(url, options) as client:
        threading.Timer(0.3, stop.set).start()
        with pytest.raises(StoppedError, match="while the program was ending; 10 messages were unacknowledged"):
            client.publish(DATA)


def test_a_broker_that_never_acknowledges_counts_as_lost() -> None:
    options = ClientOptions(mqtt="3.1.1", reconnect_timeout_s=0.5, connect_timeout_s=0.2, silence_s=0.2)
    with mute(CONNECTED) as url, Client(url, options) as client:
        client.publish(DATA[:1])
        with pytest.raises(
            BrokerError, match=r"could not be restored within 0\.5 s: (closed|nothing is listening|cannot be reached)"
        ):
            client.flush()


def test_silence_counts_from_the_message_to_be_acknowledged(broker: Broker) -> None:
    with Client(broker.url, silence_s=0.5) as client:
        list(client.messages(1.2))  # no messages
        client.publish(DATA)
        time.sleep(1.2)  # the caller is busy; the answers wait in the socket
        client.flush()
        assert client.connections == 1


def test_a_stopped_program_still_sends_everything_to_a_responsive_broker(broker: Broker) -> None:
    stop = Event()
    with Client(broker.url, is_stopped=stop.is_set) as client, Client(broker.url) as listener:
        listener.subscribe(["d/+"])
        stop.set()
        client.publish(DATA)
        client.flush()
        assert sum(1 for _ in listener.messages(1.5)) == len(DATA)


def test_a_stopped_program_leaves_a_broker_that_is_gone() -> None:
    stop = Event()
    with Broker() as gone:
        client = Client(gone.url, reconnect_timeout_s=float("inf"), is_stopped=stop.is_set)
    threading.Timer(0.3, stop.set).start()
    with client, pytest.raises(StoppedError):
        list(client.messages(30.0))


def test_a_stopped_program_leaves_a_peer_that_does_not_accept_it() -> None:
    stop = Event()
    threading.Timer(0.3, stop.set).start()
    with mute(b"") as url, pytest.raises(StoppedError):
        Client(url, connect_timeout_s=60.0, is_stopped=stop.is_set)


def test_a_broker_that_closes_every_connection_is_reported() -> None:
    with Broker() as gone:
        client = Client(gone.url, reconnect_timeout_s=0.3)
    with client, pytest.raises(BrokerError, match=r"could not be restored within 0\.3 s: nothing is listening there"):
        client.publish(DATA)


STRANGER = -1  # in the place of a code: the client itself is refused


def denying(server: socket.socket, codes: list[int]) -> None:
    """Answer the subscription of each connection with the next code; close a refused one, except the last."""
    for k, code in enumerate(codes):
        connection, _ = server.accept()
        with connection:
            connection.recv(1000)
            connection.sendall(b"\x20\x02\x00\x05" if code == STRANGER else CONNECTED)
            if code == STRANGER:
                continue
            subscribe = connection.recv(1000)
            connection.sendall(b"\x90\x03" + subscribe[2:4] + bytes([code]))
            if code < REFUSED or k == len(codes) - 1:
                while connection.recv(1000):
                    pass


@pytest.mark.parametrize("codes", [[0x80, 0], [0x80, 0x80], [0x80], [0x80, STRANGER]], ids=str)
def test_a_subscription_refused_by_a_broker_that_is_ending_is_requested_again(codes: list[int]) -> None:
    """The embedded broker refuses what arrives while it ends; a broker that stays, or refuses twice, means it."""
    options = ClientOptions(mqtt="3.1.1", reconnect_timeout_s=10.0)
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=denying, args=(server, codes))
        thread.start()
        with Client(f"mqtt://127.0.0.1:{server.getsockname()[1]}", options) as client:
            if codes[-1]:
                with pytest.raises(BrokerError, match=r"refused (a client|to grant x)") as caught:
                    client.subscribe(["x"])
                assert ("a client" in str(caught.value)) == (codes[-1] == STRANGER)
            else:
                client.subscribe(["x"])
                assert client.connections == 2
        thread.join(30)
        assert not thread.is_alive()
