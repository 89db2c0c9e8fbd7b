"""Nothing is lost when the journal, the broker or the consumer is killed."""

from __future__ import annotations

import random
import socket
import sys
import time
from threading import Event
from typing import TYPE_CHECKING, Self

import pytest

from factory_sim.errors import BrokerError, PayloadError, StoppedError
from factory_sim.records import Message
from factory_sim.validation.feed.processes import Mortal
from factory_sim.wire import topics
from factory_sim.wire.broker.embedded import Broker
from factory_sim.wire.delivery import acknowledgements
from factory_sim.wire.delivery.acknowledgements import Receipts
from factory_sim.wire.delivery.forwarder import Forwarder
from factory_sim.wire.delivery.journal import Journal
from factory_sim.wire.mqtt.broker_url import parse
from factory_sim.wire.mqtt.client import Client
from factory_sim.wire.mqtt.client_options import ClientOptions

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ROOT = "works/line"


def call(k: int, n: int = 20) -> list[Message]:
    return [Message(f"{ROOT}/d/{k % 7}", f"{k}.{i}".encode()) for i in range(n)]


class Consumer:
    """Receives, acknowledges, remembers what came."""

    def __init__(self, url: str, name: str = "test") -> None:
        self.client, self.receipts = Client(url), Receipts(ROOT, name)
        self.client.subscribe([f"{ROOT}/#"])
        self.payloads: list[bytes] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def turn(self) -> None:
        if not self.client.ready():
            return
        for message in list(self.client.arrived()):
            if message.topic.startswith(f"{ROOT}/d/"):
                self.payloads.append(message.payload)
            if "/ack/" not in message.topic:
                answer = self.receipts.take(message)
                if answer is not None:
                    self.client.send(answer)


def run_out(forwarder: Forwarder, consumer: Consumer | None = None, timeout_s: float = 60.0) -> None:
    end = time.monotonic() + timeout_s
    while forwarder.pending and time.monotonic() < end:
        forwarder.pump()
        if consumer:
            consumer.turn()
    assert not forwarder.pending


def test_everything_arrives_and_the_broker_s_acknowledgements_empty_the_journal(broker: Broker, tmp_path: Path) -> None:
    with Consumer(broker.url) as consumer:
        with Client(broker.url) as client, Forwarder(Journal(tmp_path), client, root=ROOT, run_id="r") as forwarder:
            for k in range(50):
                forwarder.publish(call(k))
            assert forwarder.finish()
            assert forwarder.journal.acknowledged == 50
        end = time.monotonic() + 30
        while len(consumer.payloads) < 1_000 and time.monotonic() < end:
            consumer.turn()
    assert consumer.payloads == [m.payload for k in range(50) for m in call(k)]


def test_a_consumer_s_acknowledgements_empty_the_journal(broker: Broker, tmp_path: Path) -> None:
    with (
        Consumer(broker.url) as consumer,
        Client(broker.url) as client,
        Forwarder(Journal(tmp_path), client, root=ROOT, run_id="r", consumer="test") as forwarder,
    ):
        for k in range(30):
            forwarder.publish(call(k))
        assert forwarder.pending
        run_out(forwarder, consumer)
    assert sorted(set(consumer.payloads)) == sorted(m.payload for k in range(30) for m in call(k))


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_ten_killed_brokers_lose_nothing_that_a_consumer_must_acknowledge(tmp_path: Path) -> None:
    rng = random.Random(1)
    with (
        Mortal() as broker,
        Client(broker.url) as client,
        Consumer(broker.url) as consumer,
        Forwarder(Journal(tmp_path), client, root=ROOT, run_id="r", consumer="test", stall_s=0.5) as forwarder,
    ):
        forwarder.publish([Message(topics.meta_topic(ROOT), b"{}", retain=True)])
        for k in range(100):
            forwarder.publish(call(k))
            if k % 10 == 5:
                broker.kill()
            if rng.random() < 0.7:
                consumer.turn()
        run_out(forwarder, consumer)
        with Client(broker.url) as late:
            late.subscribe([topics.meta_topic(ROOT)])
            assert [m.payload for m in late.messages(1.5)] == [b"{}"]  # said again after the last broker's death
    assert set(consumer.payloads) == {m.payload for k in range(100) for m in call(k)}


def test_a_publisher_that_is_killed_and_started_again_repeats_no_call_and_loses_none(
    broker: Broker, tmp_path: Path
) -> None:
    with Consumer(broker.url, "again") as consumer:
        for stop_at in (13, 29, 40):  # the third one ends its run
            with (
                Client(broker.url) as client,
                Forwarder(Journal(tmp_path), client, root=ROOT, run_id="r", consumer="again") as forwarder,
            ):
                for k in range(stop_at):  # the same run makes the same calls
                    forwarder.publish(call(k))
                    consumer.turn()
                if stop_at == 40:
                    run_out(forwarder, consumer)
                assert client.stream is not None
                client.stream.connection.shutdown(socket.SHUT_RDWR)  # without a DISCONNECT
    assert forwarder.journal.calls == 40
    assert set(consumer.payloads) == {m.payload for k in range(40) for m in call(k)}


class Slow:
    """A client whose broker acknowledges all of a sudden, once in a while."""

    connections, sent, settled, turns, last_error = 1, 0, 0, 0, ""
    address, options = parse("mqtt://slow"), ClientOptions()

    def ready(self) -> bool:
        self.turns += 1
        if self.turns % 100 == 0:
            self.settled = self.sent
        return True

    def send(self, _: Message) -> bool:
        self.sent += 1
        return True

    def push(self) -> None: ...


def test_a_full_journal_waits_counts_and_reports_it(tmp_path: Path) -> None:
    said: list[int] = []
    journal, slow = Journal(tmp_path), Slow()
    with Forwarder(journal, slow, root=ROOT, run_id="r", limit_bytes=30_000) as forwarder:  # type: ignore[arg-type]
        forwarder.on_full = lambda: said.append(journal.bytes)
        for k in range(400):
            forwarder.publish(call(k))
            assert journal.bytes < 50_000
        assert forwarder.finish()
    assert slow.sent == 400 * 20
    assert forwarder.counts.full == len(said) > 0
    assert forwarder.counts.waited_s > 0


def test_a_stopped_run_does_not_wait_for_room(tmp_path: Path) -> None:
    slow, stop = Slow(), Event()
    slow.options = ClientOptions(is_stopped=stop.is_set)
    with Forwarder(Journal(tmp_path), slow, root=ROOT, run_id="r", limit_bytes=1) as forwarder:  # type: ignore[arg-type]
        forwarder.on_full = stop.set
        forwarder.publish(call(0))
        with pytest.raises(StoppedError, match="the journal is full"):
            forwarder.publish(call(1))
        assert forwarder.journal.calls == 1  # so the next process makes the second one


class Silent(Slow):
    """A client whose consumer says only what the test says for it."""

    def __init__(self) -> None:
        self.out: list[Message] = []
        self.answers: list[Message] = []
        self.is_away = False

    def ready(self) -> bool:
        return not self.is_away

    def subscribe(self, _: list[str]) -> None:
        """Nothing comes by itself."""

    def send(self, message: Message) -> bool:
        self.out.append(message)
        return True

    def arrived(self) -> list[Message]:
        found, self.answers = self.answers, []
        return found

    def data(self) -> list[bytes]:
        return [m.payload for m in self.out if "/journal/" not in m.topic]


def pump_until(forwarder: Forwarder, happened: Callable[[], bool], timeout_s: float = 30.0) -> None:
    end = time.monotonic() + timeout_s
    while not happened():
        assert time.monotonic() < end
        forwarder.pump()
        time.sleep(0.001)


def test_a_silent_consumer_is_queried_and_its_backlog_is_not_sent_again(tmp_path: Path) -> None:
    silent, everything = Silent(), [m.payload for k in range(5) for m in call(k)]
    with Forwarder(
        Journal(tmp_path),
        silent,
        root=ROOT,
        run_id="r",
        consumer="test",
        stall_s=0.005,  # type: ignore[arg-type]
    ) as forwarder:
        for k in range(5):
            forwarder.publish(call(k))
        pump_until(forwarder, lambda: forwarder.counts.queries == 4)
        assert forwarder.counts.rewinds == 0
        assert silent.data() == everything
        account = Receipts(ROOT, "test")  # it wakes up: two blocks came whole, of the third the first message is lost
        for message in [*call(0), *call(1), *call(2)[1:], *(m for m in silent.out if "/journal/" in m.topic)]:
            account.take(message)
        silent.answers = [account.acknowledgement()]
        silent.out.clear()
        pump_until(forwarder, lambda: forwarder.counts.rewinds == 1)
        pump_until(forwarder, lambda: len(silent.data()) == 60)
        assert silent.data() == [m.payload for k in (2, 3, 4) for m in call(k)]


def test_a_broker_s_loss_and_return_are_each_reported_once(tmp_path: Path) -> None:
    silent, reported = Silent(), list[str]()
    with Forwarder(Journal(tmp_path), silent, root=ROOT, run_id="r") as forwarder:  # type: ignore[arg-type]
        forwarder.on_connection = reported.append
        for error in ("", "gone", "gone", "still gone", "", ""):
            silent.last_error = error
            forwarder.pump()
    assert reported == ["gone", ""]


def test_a_resumed_run_waits_for_its_broker(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url, reported = f"mqtt://127.0.0.1:{port}", list[str]()
    with (
        Client(url, allow_offline_start=True) as client,
        Forwarder(Journal(tmp_path), client, root=ROOT, run_id="r", consumer="late") as forwarder,
    ):
        forwarder.on_connection = reported.append
        forwarder.publish(call(0))
        with Broker(port=port), Client(url) as listener:  # it supports MQTT 3.1.1 only
            account = Receipts(ROOT, "late")
            listener.subscribe([f"{ROOT}/#"])
            while forwarder.pending:
                forwarder.pump()
                for message in listener.messages(0.05):
                    if (answer := account.take(message)) is not None:
                        listener.publish([answer])
    assert reported[0].startswith("nothing is listening there")
    assert reported[1:] == [""]
    with pytest.raises(BrokerError, match="nothing is listening there"):
        Client(url)


class Clock:
    now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_no_consumer_is_queried_while_the_broker_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    silent, clock = Silent(), Clock()
    monkeypatch.setattr("factory_sim.wire.delivery.forwarder.time", clock)
    with Forwarder(Journal(tmp_path), silent, root=ROOT, run_id="r", consumer="test") as forwarder:  # type: ignore[arg-type]
        forwarder.publish(call(0))
        silent.is_away, clock.now = True, 100.0
        for _ in range(5):
            forwarder.pump()
        assert forwarder.counts.queries == 0
        silent.is_away = False
        forwarder.pump()
        assert forwarder.counts.queries == 1


def test_marks_and_messages_in_any_order_with_duplicates_give_the_same_receipts() -> None:
    sent = [m for k in range(30) for m in (*call(k), acknowledgements.mark(ROOT, "r", k, 0, call(k)))]
    rng = random.Random(4)
    for _ in range(20):
        order = [*sent, *rng.sample(sent, 200)]
        rng.shuffle(order)
        account = Receipts(ROOT, "x")
        for message in order:
            account.take(message)
        assert (account.run_id, account.blocks) == ("r", 30)


def test_one_missing_message_holds_back_its_block_and_all_later_ones() -> None:
    account = Receipts(ROOT, "x")
    for k in range(10):
        for i, message in enumerate((*call(k), acknowledgements.mark(ROOT, "r", k, 0, call(k)))):
            if (k, i) != (4, 3):
                account.take(message)
    assert account.blocks == 4
    account.take(call(4)[3])
    assert account.blocks == 10


def test_a_late_consumer_need_not_acknowledge_deleted_blocks() -> None:
    account = Receipts(ROOT, "x")
    for message in (*call(7), acknowledgements.mark(ROOT, "r", 7, 7, call(7))):
        account.take(message)
    assert account.blocks == 8


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{}",
        b'{"v":2}',
        b'{"v":1,"run_id":"","turn":0,"block":0,"first":0,"messages":""}',
        b'{"v":1,"run_id":"r","turn":0,"block":1,"first":2,"messages":""}',
        b'{"v":1,"run_id":"r","turn":0,"block":1,"first":0,"messages":"!"}',
        b'{"v":1,"run_id":"r","turn":0,"block":1,"first":0,"messages":"AAAA"}',
        b'{"v":1,"run_id":"r","turn":0,"block":-1,"first":0,"messages":""}',
    ],
)
def test_a_damaged_mark_is_refused_and_changes_nothing(payload: bytes) -> None:
    account = Receipts(ROOT, "x")
    with pytest.raises(PayloadError):
        account.take(Message(acknowledgements.mark_topic(ROOT), payload))
    assert (account.run_id, account.blocks) == ("", 0)


def test_marks_beyond_the_limit_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acknowledgements, "MAX_MARKS", 3)
    account = Receipts(ROOT, "x")
    marks = [acknowledgements.mark(ROOT, "r", k, 0, call(k)) for k in range(5)]
    for message in (*marks, *(m for k in range(5) for m in call(k))):
        account.take(message)
    assert account.blocks == 3
    for message in marks[3:]:  # the answer to a query
        account.take(message)
    assert account.blocks == 5


def test_an_acknowledgement_names_the_highest_mark_of_the_latest_turn() -> None:
    account = Receipts(ROOT, "x")
    for turn, number in ((0, 0), (0, 3), (0, 1), (1, 2)):
        account.take(acknowledgements.mark(ROOT, "r", number, 0, call(number), turn))
        ack = acknowledgements.Ack.read(account.acknowledgement())
        assert (ack.run_id, ack.turn) == ("r", turn)
        assert ack.block == {(0, 0): 0, (0, 3): 3, (0, 1): 3, (1, 2): 2}[turn, number]


def test_receipts_are_pending_until_the_mark_of_the_last_block_arrives() -> None:
    account = Receipts(ROOT, "x")
    assert (account.is_pending, account.is_complete) == (False, False)
    for message in call(0):
        account.take(message)
    assert (account.is_pending, account.is_complete) == (True, False)
    account.take(acknowledgements.mark(ROOT, "r", 0, 0, call(0)))
    assert (account.is_pending, account.is_complete) == (False, True)
    account.take(acknowledgements.mark(ROOT, "r", 2, 0, call(2)))  # block 1 is still to come
    assert (account.is_pending, account.is_complete) == (False, False)


def test_a_message_that_no_later_mark_can_name_is_forgotten() -> None:
    """What a broker delivers once more after a reconnect would otherwise keep the receipts pending."""
    account = Receipts(ROOT, "x")
    for number in range(acknowledgements.OVERTAKES + 2):
        twice = call(0)[:1] if number == 1 else []
        for message in (*twice, *call(number), acknowledgements.mark(ROOT, "r", number, 0, call(number))):
            account.take(message)
        assert account.blocks == number + 1
        assert account.is_pending == (1 <= number <= acknowledgements.OVERTAKES)
    assert account.is_complete


def test_a_block_sent_again_is_not_pending() -> None:
    account = Receipts(ROOT, "x")
    for message in (*call(0), acknowledgements.mark(ROOT, "r", 0, 0, call(0))) * 2:
        account.take(message)
    assert account.blocks == 1
    assert not account.is_pending


def test_acknowledgements_of_what_was_not_sent_are_refused(tmp_path: Path) -> None:
    silent = Silent()
    with Forwarder(Journal(tmp_path), silent, root=ROOT, run_id="r", consumer="test") as forwarder:  # type: ignore[arg-type]
        forwarder.publish(call(0))
        account = Receipts(ROOT, "test")
        for message in [*call(0), acknowledgements.mark(ROOT, "r", 7, 7, call(0))]:
            account.take(message)
        silent.answers = [account.acknowledgement()]
        forwarder.pump()
        assert (forwarder.counts.refused, forwarder.pending) == (1, 1)


def test_a_mark_beyond_what_was_sent_is_refused_and_changes_nothing() -> None:
    account = Receipts(ROOT, "test")
    for k in range(3):
        for message in [*call(k), acknowledgements.mark(ROOT, "r", k, 0, call(k))]:
            account.take(message)
    before = account.acknowledgement()
    for number, first in ((9, 9), (2**40, 0)):
        with pytest.raises(PayloadError, match="beyond what was sent"):
            account.take(acknowledgements.mark(ROOT, "r", number, first, call(0)))
    assert account.acknowledgement() == before
