"""A sender that writes everything into a journal first and sends from there until it is acknowledged.

Publishing never waits for the broker, however long it is away, while the journal has room; at its limit it waits and
counts. After a reconnect, and when a consumer has taken a block's mark but not all of its messages, it goes back to the
first unacknowledged message: receivers remove duplicates by sequence number. A silent consumer is queried with a mark
now and then; its backlog is not sent again.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Self

from factory_sim.errors import PayloadError, StoppedError
from factory_sim.wire import topics
from factory_sim.wire.delivery import acknowledgements
from factory_sim.wire.mqtt.socket_stream import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from factory_sim.records import Message
    from factory_sim.wire.delivery.journal import Journal
    from factory_sim.wire.mqtt.client import Client

LIMIT_BYTES = 1024 * 1024 * 1024
MAX_STALL_S = 60.0
STALL_S = 2.0  # without progress of a consumer until it is queried, or everything is sent again if it lacks something
_POLL_EVERY = 16  # messages between two polls of the socket
_PAUSE_S = 0.002


@dataclass(slots=True)
class Counts:
    """What happened during the delivery of a journal."""

    rewinds: int = 0
    queries: int = 0  # to a silent consumer
    full: int = 0  # times that the disk limit was reached
    waited_s: float = 0.0  # for room, because of that
    refused: int = 0  # acknowledgements of what was not sent


class Forwarder:
    """A journal and the client that delivers it.

    consumer : the name of the end-to-end consumer; empty: the broker's acknowledgements count.
    limit_bytes : of the journal's folder; at it `publish` waits until something is acknowledged.
    """

    def __init__(  # noqa: PLR0913 - source, destination and policy of a delivery
        self,
        journal: Journal,
        client: Client,
        *,
        root: str,
        run_id: str,
        consumer: str = "",
        limit_bytes: int = LIMIT_BYTES,
        stall_s: float = STALL_S,
    ) -> None:
        self.journal, self.client, self.counts = journal, client, Counts()
        self.address = client.address
        self.on_full: Callable[[], None] = lambda: None  # called each time that the limit is reached
        self.on_connection: Callable[[str], None] = lambda _: None  # called with the error of a lost broker; "": back
        self._is_away = False
        self._root, self._run_id, self._consumer = root, run_id, consumer
        self._limit, self._stall_s = limit_bytes, stall_s
        self._patience_s = stall_s  # doubles while a consumer is silent: it may be busy
        self._calls = 0  # of `publish` in this process; the journal contains the first ones already
        self._connections = client.connections
        self._meta_topic = topics.meta_topic(root)
        self._retained: Message | None = None  # the description: a restarted broker may have lost it
        self._held: Message | None = None  # could not be handed over
        self._source: Iterator[Message] = iter(())
        self._next = journal.acknowledged  # block to send
        self._sent = journal.blocks  # blocks before this one may have been sent, some by an earlier process
        self._sent_until: list[tuple[int, int]] = []  # (client's count of messages, block that ended there)
        self._moved_at = time.monotonic()
        self._turn, self._taken = 0, (0, -1)  # turns so far; turn and block of the mark that the consumer has taken
        self._queried = False  # the consumer, and it has not answered
        if consumer:
            client.subscribe([acknowledgements.ack_topic(root, consumer)])

    def __enter__(self) -> Self:
        """Return the sender."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the journal; unacknowledged messages stay in it."""
        self.journal.close()

    @property
    def pending(self) -> int:
        """The number of unacknowledged blocks."""
        return self.journal.blocks - self.journal.acknowledged

    def publish(self, messages: Iterable[Message]) -> None:
        """Journal messages, then send what can be sent now. A call that an earlier process made is not repeated."""
        self._calls += 1
        messages = list(messages)
        if self._calls > self.journal.calls:
            self._wait_for_room()
            self.journal.append(messages)
        self._retained = next((m for m in messages if m.topic == self._meta_topic), self._retained)
        self.pump()

    def flush(self) -> None:
        """Send what can be sent now; `finish` waits."""
        self.pump()

    def wait(self, seconds: float) -> None:
        """Send what can be sent now. Return when a message arrives or `seconds` have passed."""
        self.pump()
        wait_for((self.client.stream,), seconds)

    def finish(self, is_stopped: Callable[[], bool] = lambda: False) -> bool:
        """Wait until everything is acknowledged or `is_stopped`. Return whether everything is."""
        while self.pending and not is_stopped():
            if not self.pump():
                time.sleep(_PAUSE_S)
        return not self.pending

    def pump(self) -> bool:
        """Send and take acknowledgements while the connection accepts data. Return whether there was progress."""
        moved = False
        while self._is_ready():
            for _ in range(_POLL_EVERY):
                message = self._next_message()
                if message is None:
                    self.client.push()
                    return self._take() or moved
                if not self.client.send(message):
                    self._held = message
                    return moved
                moved = True
        return self._take() or moved

    def _is_ready(self) -> bool:
        ready = self.client.ready()
        if bool(self.client.last_error) != self._is_away:
            self._is_away = not self._is_away
            self.on_connection(self.client.last_error)
        if self.client.connections != self._connections:
            self._connections = self.client.connections
            self._reconnected()
        self._take()
        all_sent = self.pending and self._next == self.journal.blocks
        if ready and self._consumer and all_sent and time.monotonic() - self._moved_at > self._patience_s:
            if self._taken >= (self._turn, self.journal.acknowledged):
                self._rewind()
            else:
                self._query()
            self._patience_s = min(2 * self._patience_s, MAX_STALL_S)
        return ready

    def _reconnected(self) -> None:
        if self._retained is not None:
            self.client.send(self._retained)
        if self._consumer:
            self._rewind()
            self._patience_s, self._queried = self._stall_s, False

    def _next_message(self) -> Message | None:
        held, self._held = self._held, None
        if held is not None:
            return held
        while True:
            for message in self._source:
                return message
            if self._next == self.journal.blocks:
                return None
            self._source = self._messages(self._next)
            self._next += 1
            self._sent = max(self._sent, self._next)

    def _messages(self, number: int) -> Iterator[Message]:
        messages = self.journal.block(number)
        yield from messages
        if self._consumer:
            yield self._mark(number, messages)
        else:
            self._sent_until.append((self.client.sent, number))

    def _mark(self, number: int, messages: Iterable[Message]) -> Message:
        first = min(self.journal.acknowledged, number)  # it may be acknowledged while it is sent again
        return acknowledgements.mark(self._root, self._run_id, number, first, messages, self._turn)

    def _take(self) -> bool:
        """Take acknowledgements. Return whether there were any."""
        before = self.journal.acknowledged
        if not self._consumer:
            settled = self.client.settled
            while self._sent_until and self._sent_until[0][0] <= settled:
                self.journal.acknowledge(self._sent_until.pop(0)[1] + 1)
        else:
            for message in self.client.arrived():
                self._acknowledged(message)
        if self.journal.acknowledged > before:
            self._moved_at, self._patience_s = time.monotonic(), self._stall_s
        if self._next < self.journal.acknowledged:  # more was acknowledged than an earlier process had recorded
            self._next, self._source = self.journal.acknowledged, iter(())
        return self.journal.acknowledged > before

    def _acknowledged(self, message: Message) -> None:
        try:
            ack = acknowledgements.Ack.read(message)
        except PayloadError:
            return
        if ack.run_id == self._run_id:
            if max(ack.blocks, ack.block + 1) > self._sent:
                self.counts.refused += 1
                return
            self.journal.acknowledge(ack.blocks)
            self._taken = (ack.turn, ack.block) if ack.turn <= self._turn else self._taken
            if self._queried:  # the consumer is back
                self._queried, self._patience_s = False, self._stall_s

    def _query(self) -> None:
        """Send the first missing block's mark again, after everything else: the answer shows what was lost."""
        number = self.journal.acknowledged
        mark = self._mark(number, self.journal.block(number))
        self._source = chain(self._source, [mark])
        self.counts.queries += 1
        self._queried = True
        self._moved_at = time.monotonic()

    def _rewind(self) -> None:
        if self._next > self.journal.acknowledged:
            self.counts.rewinds += 1
        self._turn += 1
        self._next, self._source, self._held = self.journal.acknowledged, iter(()), None
        self._sent_until.clear()
        self._moved_at = time.monotonic()

    def _wait_for_room(self) -> None:
        if self.journal.bytes < self._limit:
            return
        self.counts.full += 1
        self.on_full()
        began = time.monotonic()
        while self.journal.bytes >= self._limit and self.pending:
            if self.client.options.is_stopped():
                raise StoppedError(self.address.display_url, "the journal is full. The same command resumes the run")
            if not self.pump():
                time.sleep(_PAUSE_S)
        self.counts.waited_s += time.monotonic() - began
