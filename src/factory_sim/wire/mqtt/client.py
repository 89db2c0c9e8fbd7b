"""The only file with an MQTT socket: one connection, one thread, no surprises.

The caller's thread drives the socket (measured faster than paho's background thread), with a window of unacknowledged
messages: `publish` blocks while it is full, and `messages` reads only while the caller takes messages, so both
directions are back-pressure. paho connects, subscribes and keeps alive; published messages and their acknowledgements
pass it by (`packets`), many in one piece (`stream`). A lost connection heals by itself: reconnect after 0.2 s, then
every 0.25 s, subscribe again, send again what was not acknowledged. Between calls nothing moves: a caller that stays
away too long is disconnected, which the next call heals; with `clean_session` the broker forgets what it held for it.
"""

from __future__ import annotations

import select
import struct
import time
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn, Self

from factory_sim.errors import BrokerError, StoppedError
from factory_sim.wire import topics
from factory_sim.wire.mqtt import packets
from factory_sim.wire.mqtt.broker_url import parse
from factory_sim.wire.mqtt.client_options import VERSIONS, Options
from factory_sim.wire.mqtt.connection import Connection
from factory_sim.wire.mqtt.inflight import Window
from factory_sim.wire.mqtt.tls import is_final, refusal, unreachable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from factory_sim.records import Message
    from factory_sim.wire.mqtt.socket_stream import Stream

_LOOK_EVERY = 64  # messages between two looks at the socket
_WRITE_AT = 32 * 1024  # bytes
_MAX_WAITING = 1024 * 1024  # bytes that the socket has not taken yet; QoS 0 has no other limit
SILENCE_S = 30.0  # with messages to acknowledge, after which a connection counts as lost
_GOODBYE_S = 2.0  # of silence, after which it is no use to wait for the rest
_BROKEN = (OSError, ValueError, IndexError, struct.error)  # what a peer that does not speak MQTT makes of us


class Client:
    """A connection to a broker. Raises BrokerError when it cannot be had, or not within `patience_s` any more."""

    def __init__(self, url: str, options: Options | None = None, **changes: Any) -> None:
        self.options = replace(options or Options(), **changes)
        self.address = parse(url)
        self._filters: dict[str, int] = dict.fromkeys(self.options.filters, 1)
        self._inbox: deque[Message] = deque()
        self._window = Window(self.options.window, self.options.window_bytes)
        self.sent = 0  # messages handed over
        self._next_attempt_at = 0.0
        self.connections = 0  # so far
        self._refused = ""  # why the broker refused a message: final
        self._lost_at: float | None = None  # when the trouble began; None: acknowledged or heard something since
        self._online_at, self._heard_at = 0.0, time.monotonic()
        self._stopped_at: float | None = None  # when it was seen that the program is to end
        self._idle_at = 0.0  # when paho is to look after its pings again
        self._versions = VERSIONS[self.options.mqtt]  # of MQTT, that it may speak
        self.version = self._versions[0]
        self.trouble = ""  # why it could not be had, the last time
        self._mqtt = self._new()
        try:
            self._attempt()
            if self.trouble and not self.options.waits_for_broker:
                self._raise_if_stopped()
                self._fail(self.trouble)
        except BrokerError:
            self.close()
            raise

    def __enter__(self) -> Self:
        """The connected client."""
        return self

    def __exit__(self, *_: object) -> None:
        """Closes without waiting for acknowledgements; `flush` waits."""
        self.close()

    def publish(self, messages: Iterable[Message]) -> None:
        """Sends; blocks while the window of unacknowledged messages is full.

        Raises BrokerError, before it sends, on a payload or topic that a broker disconnects on.
        """
        for k, message in enumerate(messages):
            if k % _LOOK_EVERY == 0:
                self._drive(0.0)
            self._send(message)
        self.push()

    def wait(self, seconds: float) -> None:
        """Looks after the connection; returns when something has arrived, at the latest after `seconds`."""
        wait_for((self,), seconds)
        self.ready()

    def push(self) -> None:
        """What was handed over goes out now, as far as the socket takes it."""
        stream = self._mqtt.stream
        if stream is not None:
            try:
                stream.write()
            except _BROKEN:
                self._mqtt.is_online = False

    @property
    def is_online(self) -> bool:
        """Whether the connection stands, as far as is known."""
        return self._mqtt.is_online

    def ready(self, size: int = 0) -> bool:
        """Whether a message of `size` bytes can go out at once.

        Moves what can be moved and heals a lost connection, but never waits: at most one attempt to connect.
        """
        self._move(0.0)
        self._raise_if_refused()
        if not self.is_online and time.monotonic() >= self._next_attempt_at:
            self._attempt()
        return self.is_online and not self._is_full(size)

    def send(self, message: Message) -> bool:
        """Hand over a message after `ready`; it leaves with others, by the next `ready`, `push` or `flush`.

        False if the connection is lost and it did not go out.
        """
        self._check(message)
        if self.is_online:
            self._hand_over(message)
        return self.is_online

    def arrived(self) -> Iterator[Message]:
        """What has arrived already; `ready` moves the socket."""
        while self._inbox:
            yield self._inbox.popleft()

    @property
    def settled(self) -> int:
        """Of the messages sent so far, counted in order, how many lie before the first that is not acknowledged."""
        return self._window.first(otherwise=self.sent)

    def leave(self) -> None:
        """Says goodbye when all is acknowledged, else it would be sent once more; the next call connects again."""
        end = time.monotonic() + 1.0
        while self.is_online and self._window and time.monotonic() < end:
            self._move(0.05)
        self.close()
        self._mqtt.is_online = False
        self._next_attempt_at = time.monotonic() + self.options.back_off_s[1]

    def flush(self, timeout_s: float = 30.0) -> None:
        """Waits until the broker has acknowledged everything. Raises BrokerError after `timeout_s`."""
        end = time.monotonic() + timeout_s
        while self._window or self._has_waiting():
            if time.monotonic() > end:
                self._fail(f"{len(self._window):,} messages not acknowledged within {timeout_s:g} s")
            self._drive(0.05)

    def subscribe(self, filters: Sequence[str], qos: int = 1) -> None:
        """Asks for topics, and again after every reconnect. Returns when the broker has granted all of them.

        One client, one busy filter at QoS 1: the embedded broker counts what is under way per client but limits it per
        filter, and what goes over waits for half a minute. Ask for what is retained, as <root>/meta is, at QoS 0.
        """
        new = [one for one in filters if self._filters.get(one) != qos]  # the others were asked for when it connected
        self._filters.update(dict.fromkeys(new, qos))
        self.ask(new)
        end = time.monotonic() + self.options.connect_timeout_s
        while self._mqtt.waiting:
            if time.monotonic() > end:
                self._fail(f"did not grant {', '.join(filters)} within {self.options.connect_timeout_s:g} s")
            self._drive(0.05)

    def messages(self, timeout_s: float) -> Iterator[Message]:
        """Messages as they arrive; ends when none has arrived for `timeout_s` (0: takes what is there).

        An empty payload deletes a retained value in MQTT and says nothing: it is not passed on.
        """
        end = time.monotonic() + timeout_s
        while True:
            while self._inbox:
                yield self._inbox.popleft()
                end = time.monotonic() + timeout_s
            left = end - time.monotonic()
            self._drive(min(max(left, 0.0), 0.1))
            if not self._inbox and left <= 0:
                return

    def close(self) -> None:
        """Says goodbye, so that the broker does not publish the will."""
        end = time.monotonic() + 1.0
        while self.is_online and self._has_waiting() and time.monotonic() < end:
            self._move(0.05)
        self._mqtt.leave()

    def _has_waiting(self) -> bool:
        return bool(self._mqtt.stream and self._mqtt.stream.waiting)

    def _send(self, message: Message) -> None:
        self._check(message)
        while not self.is_online or self._is_full(len(message.payload)):
            self._drive(0.1)
        self._hand_over(message)

    def _hand_over(self, message: Message) -> None:
        stream = self._mqtt.stream
        assert stream is not None
        if not self._window:
            self._heard_at = time.monotonic()  # from now on an answer is due
        number = self._window.add(message, self.sent, self._mqtt.next_number) if message.qos else 0
        stream.send(self._packets.publish(message, number))
        self.sent += 1
        if len(stream.waiting) >= _WRITE_AT:
            self.push()

    def _new(self) -> Connection:
        if any(sign.isspace() for sign in self.options.client_id):
            self._fail(f"the client id {self.options.client_id!r} holds a space, which brokers refuse")
        mqtt = Connection(self.address, self.options, self.version, self._check)
        self._packets = packets.Writer(is_5=mqtt.is_5, expiry_s=self.options.expiry_s)
        return mqtt

    def _connect(self) -> None:
        """One attempt in each version that it may speak. Raises OSError."""
        for version in self._versions:
            if version != self.version:
                self._mqtt.leave()
                self.version = version
                self._mqtt = self._new()
            self._greet()
            if self.is_online:
                self._versions = (version,)
            if self.is_online or self.options.is_stopped():
                return

    def _greet(self) -> None:
        try:
            self._mqtt.open()
        except OSError as error:
            self._raise_if_final(error)
            raise
        end = time.monotonic() + self.options.connect_timeout_s
        while not self.is_online and self._mqtt.stream is not None and time.monotonic() < end:
            try:
                self._turn(0.05)
            except _BROKEN as error:
                self._raise_if_final(error)
                return
            self._raise_if_refused()
            if self.options.is_stopped():
                return

    def _drive(self, timeout_s: float) -> None:
        """Moves what can be moved, waiting at most `timeout_s` for the socket; heals a lost connection."""
        self._move(timeout_s)
        self._raise_if_refused()
        self._raise_if_stopped()
        if not self.is_online:
            self._reconnect()

    def _move(self, timeout_s: float) -> None:
        """Moves what can be moved, waiting at most `timeout_s` for the socket; notes a lost connection."""
        if self.is_online and self._mqtt.stream is not None:
            try:
                self._turn(timeout_s)
            except _BROKEN:
                self._mqtt.is_online = False

    def _turn(self, timeout_s: float) -> None:
        stream = self._mqtt.stream
        assert stream is not None
        stream.write()
        at_once = stream.has_decrypted
        writers = [stream] if stream.waiting else []
        readable, _, _ = select.select([stream], writers, [], 0.0 if at_once else timeout_s)
        if readable or at_once:
            self._read(stream)
        stream.write()
        if time.monotonic() >= self._idle_at:
            self._idle_at = time.monotonic() + 1.0
            self._mqtt.loop_misc()
            if self._window and time.monotonic() - self._heard_at > SILENCE_S:
                raise TimeoutError

    def _read(self, stream: Stream) -> None:
        self._heard_at = time.monotonic()
        for head, body in stream.read():
            kind = head & 0xF0
            if kind == packets.PUBLISH:
                self._arrived(stream, head, body)
            elif kind == packets.PUBACK:
                self._acknowledged(body)
            else:
                was_online = self.is_online
                if not self._mqtt.take(stream, head, body):
                    self._mqtt.is_online = False
                    return
                if was_online:
                    self._lost_at = None
                elif self.is_online:
                    self._begin(stream)  # not in paho's callback, which holds back what is sent there

    def _arrived(self, stream: Stream, head: int, body: bytes) -> None:
        message, number = packets.read_publish(head, body, is_5=self._mqtt.is_5)
        self._lost_at = None
        if number:
            stream.send(packets.acknowledgement(number))
        if message.payload:
            self._inbox.append(message)

    def _acknowledged(self, body: bytes) -> None:
        number, reason = packets.read_acknowledgement(body)
        message = self._window.acknowledge(number)
        self._lost_at = None
        if reason >= packets.REFUSED and message is not None:
            self._refused = f"the broker refused a message on {message.topic!r}, reason {reason:#x} of MQTT 5"

    def _reconnect(self) -> None:
        now = time.monotonic()
        if self._lost_at is None or now - self._online_at > self.options.patience_s:
            self._lost_at = now
        end, pause = self._lost_at + self.options.patience_s, self.options.back_off_s[0]
        while not self.is_online:
            self._raise_if_stopped()
            if time.monotonic() > end:
                why = self.trouble or "it closes the connection again"
                self._fail(f"connection lost, and not healed within {self.options.patience_s:g} s: {why}")
            time.sleep(pause)
            pause = self.options.back_off_s[1]
            self._attempt()

    def _attempt(self) -> None:
        """Try once to connect; `trouble` says what went wrong. Raises BrokerError on what cannot heal."""
        self._next_attempt_at = time.monotonic() + self.options.back_off_s[1]
        self.trouble = ""
        try:
            self._connect()
        except OSError as error:
            self.trouble = unreachable(error)
        if not self.is_online and not self.trouble:
            self.trouble = "closed the connection or did not answer" + self._mqtt.what_else() * (not self.connections)

    def ask(self, filters: Iterable[str]) -> None:
        """Asks for topics that were subscribed to: what is retained comes once more. Returns at once."""
        if filters:
            self._mqtt.ask({one: self._filters[one] for one in filters})

    def _is_full(self, size: int) -> bool:
        stream = self._mqtt.stream
        return stream is None or len(stream.waiting) > _MAX_WAITING or self._window.is_full(size)

    def _check(self, message: Message) -> None:
        problem, size, limit = topics.problem_of(message.topic), len(message.payload), self.options.max_payload
        if size > limit:
            problem = f"a payload of {size:,} bytes is over the limit of {limit:,}; brokers disconnect on it"
        if problem:
            self._fail(f"cannot publish {message.topic[:200]!r}: {problem}")

    def _begin(self, stream: Stream) -> None:
        """What follows a CONNACK: subscriptions, first words, and once more what was not acknowledged."""
        self.connections += 1
        self._online_at = time.monotonic()
        self._window.messages = self._mqtt.receive_maximum
        self.ask(list(self._filters))
        unacknowledged = list(self._window)
        for message in self.options.opening() if self.options.opening else ():
            self._hand_over(message)
        for number, message in unacknowledged:
            stream.send(self._packets.publish(message, number, again=True))

    def _raise_if_refused(self) -> None:
        reason = self._refused or self._mqtt.refused
        if reason:
            self._fail(reason)

    def _raise_if_stopped(self) -> None:
        """Whoever is to end waits for a broker that says something, and no longer."""
        if not self.options.is_stopped():
            return
        now = time.monotonic()
        self._stopped_at = self._stopped_at or now
        if not self.is_online or now - max(self._stopped_at, self._heard_at) > _GOODBYE_S:
            reason = f"it did not answer when the program was to end; {len(self._window):,} messages were under way"
            raise StoppedError(self.address.shown, reason)

    def _raise_if_final(self, error: Exception) -> None:
        if is_final(error):
            self._fail(refusal(error, self.options.cert_file))

    def _fail(self, reason: str) -> NoReturn:
        raise BrokerError(self.address.shown, reason) from None


def wait_for(clients: Iterable[Client], seconds: float) -> None:
    """Returns when one of them has something to read, at the latest after `seconds`."""
    streams = [client._mqtt.stream for client in clients if client.is_online]  # noqa: SLF001
    if connected := [stream for stream in streams if stream is not None]:
        select.select(connected, [], [], seconds)
    else:
        time.sleep(seconds)  # Windows refuses to select from nothing
