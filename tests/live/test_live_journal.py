"""A run whose broker is killed ten times and that is itself killed twice tells the analyzer the same."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
import pytest

from factory_sim import registry
from factory_sim.live.listen import Listener, listen
from factory_sim.live.publish import RunSetup, Sent, publish
from factory_sim.live.replies import Replies
from factory_sim.validation.feed.processes import Mortal
from factory_sim.wire.delivery import acknowledgements
from factory_sim.wire.delivery.forwarder import MAX_STALL_S, Forwarder
from factory_sim.wire.delivery.journal import Journal
from factory_sim.wire.loopback import Loopback
from factory_sim.wire.mqtt.client import Client

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from factory_sim.records import KpiTable, Message

PLANT = registry.load(Path(__file__).with_name("three.yaml"))
ROOT = "t/journal"
ORDER = RunSetup(
    warm_up_s=60.0,
    duration_s=1_800.0,
    slice_s=30.0,
    payload_format="machine",
    root=ROOT,
    run_id="three-1",
    start_ns=1_767_225_600_000_000_000,
)


class KilledError(Exception):
    """The publisher is gone between two slices."""


class Stage:
    """The consumer, and the accidents."""

    def __init__(self, tmp_path: Path) -> None:
        self.folder, self.broker = tmp_path, Mortal()
        self.listener, self.replies = Listener(ROOT), Replies(ROOT, ack_as="analyzer")
        self.slices = self.kills = 0

    def __enter__(self) -> Self:
        self.broker.__enter__()
        self.client = Client(self.broker.url)
        self.client.subscribe([f"{ROOT}/#"])
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self.broker.__exit__()

    def listen(self) -> None:
        if not self.client.ready():
            return
        for message in self.client.arrived():
            for answer in self.replies.to(message, was_used=self.listener.take(message)):
                self.client.send(answer)

    def watch(self, _: Sent) -> None:
        self.listen()
        self.slices += 1
        if self.slices % 6 == 3 and self.broker.kills < 10:
            self.broker.kill()
        if self.slices in (25, 70):
            self.kills += 1
            raise KilledError

    def perform(self) -> None:
        """One life of the publisher."""
        client = Client(self.broker.url)
        journal = Journal(self.folder)
        forwarder = Forwarder(journal, client, root=ROOT, run_id=ORDER.run_id, consumer="analyzer", stall_s=0.5)
        try:
            publish(PLANT, ORDER, forwarder, self.watch)
            while forwarder.pending:
                forwarder.pump()
                self.listen()
        finally:
            if client.stream is not None:
                client.stream.connection.close()  # without a DISCONNECT
            journal.close()


def values(table: KpiTable) -> dict[str, list[float]]:
    return {name: np.asarray(kpi.values).ravel().tolist() for name, kpi in table.kpis.items()}


def undisturbed() -> dict[str, list[float]]:
    sender = Loopback()
    sender.subscribe(["#"])
    publish(PLANT, ORDER, sender)
    listener = Listener(ROOT)
    messages: list[Message] = list(sender.messages())
    for message in messages:
        listener.take(message)
    return values(listener.table())


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
@pytest.mark.slow
def test_ten_killed_brokers_and_a_publisher_killed_twice_change_no_kpi(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        while stage.kills < 2:
            with suppress(KilledError):
                stage.perform()
        stage.perform()
        assert stage.broker.kills == 10
    assert stage.listener.ended
    assert stage.listener.feed is not None
    assert stage.listener.feed.losses().lost == 0
    np.testing.assert_equal(values(stage.listener.table()), undisturbed())


def test_messages_before_their_description_are_not_acknowledged() -> None:
    wire, listener, replies = Loopback(), Listener(ROOT), Replies(ROOT, ack_as="analyzer")
    wire.subscribe(["#"])
    publish(PLANT, ORDER, wire)
    described, *data = wire.messages()
    block = [m for m in data[:50] if m.payload]
    for message in (*block, acknowledgements.mark(ROOT, "r", 0, 0, block)):
        replies.to(message, was_used=listener.take(message))
    assert replies.receipts is not None
    assert replies.receipts.blocks == 0
    listener.take(described)
    for message in (*block, acknowledgements.mark(ROOT, "r", 0, 0, block)):
        replies.to(message, was_used=listener.take(message))
    assert replies.receipts.blocks == 1


def test_the_first_mark_that_is_refused_is_reported() -> None:
    wire, listener, replies = Loopback(), Listener(ROOT), Replies(ROOT, ack_as="analyzer")
    wire.subscribe(["#"])
    publish(PLANT, ORDER, wire)
    described, *data = wire.messages()
    listener.take(described)
    for block in (0, 9_000, 9_001):
        message = acknowledgements.mark(ROOT, "r", block, min(block, 8_000), data[:1])
        replies.to(message, was_used=listener.take(message))
    reported = replies.report()
    assert reported.startswith("A mark of the journal was refused: ")
    assert "block 9000 after block 0: it is beyond what was sent" in reported
    assert replies.report() == ""


class Late:
    """A receiver to which the last data come long after the end of the run is reported."""

    def __init__(self, messages: list[Message]) -> None:
        late = [m for m in messages if m.topic.endswith("/data")][-1]
        self._turns = [[m for m in messages if m is not late], *[[] for _ in range(20)], [late]]

    def subscribe(self, filters: Sequence[str], qos: int = 1) -> None:
        """All of it comes."""

    def publish(self, messages: Iterable[Message]) -> None:
        """No subscriber."""

    def flush(self) -> None:
        """No acknowledgements."""

    def messages(self, timeout_s: float) -> list[Message]:  # noqa: ARG002 - silence takes no time here
        return self._turns.pop(0) if self._turns else []


def test_an_acknowledging_listener_waits_for_missing_readings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("factory_sim.live.listen.GRACE_S", 0.0)
    sender, listener = Loopback(), Listener(ROOT)
    sender.subscribe(["#"])
    publish(PLANT, ORDER, sender)
    replies = Replies(ROOT, ack_as="analyzer")
    assert replies.patience_s > MAX_STALL_S  # so long may a publisher keep silent
    monkeypatch.setattr(Replies, "settled", True)  # no marks: nothing of a journal came by this way
    listen(listener, Late([m for m in sender.messages() if m.payload]), replies=replies)
    assert listener.feed is not None
    assert listener.feed.losses().lost == 0
