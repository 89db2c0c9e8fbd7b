"""The only file with an MQTT socket: one connection, one thread, no surprises.

The caller's thread drives paho's socket (measured faster than its background thread), with a window of unacknowledged
messages of its own: `publish` blocks while the window is full, and `messages` reads the socket only while the caller
takes messages, so both directions are back-pressure. A lost connection heals by itself: reconnect after 0.2 to 0.5 s,
subscribe again, send again what was not acknowledged. Between calls nothing moves: a caller that stays away too long is
disconnected, which the next call heals; with `clean_session` the broker then forgets what it held for a subscriber.
"""

from __future__ import annotations

import select
import socket
import ssl
import struct
import time
from collections import deque
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any, NoReturn, Self
from uuid import uuid4

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from factory_sim.errors import BrokerError
from factory_sim.records import Message
from factory_sim.wire import topics
from factory_sim.wire.address import parse
from factory_sim.wire.options import PASSWORD_VARIABLE, Options, password_of
from factory_sim.wire.tls import context, unreachable, untrusted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_SUBACK_FAILURE = 0x80
_SEND_AT_ONCE = 64  # messages between two looks at the socket
_READ_AT_ONCE = 32
_HAS_CORK = hasattr(socket, "TCP_CORK")  # Linux
_BROKEN = (OSError, ValueError, IndexError, struct.error)  # what paho raises on a peer that does not speak MQTT


class Client:
    """A connection to a broker. Raises BrokerError when it cannot be had, or not within `patience_s` any more."""

    def __init__(self, url: str, options: Options | None = None, **changes: Any) -> None:
        self.options = replace(options or Options(), **changes)
        self.address = parse(url)
        self._user = self.options.user or self.address.user
        self._filters: dict[str, int] = dict.fromkeys(self.options.filters, 1)
        self._inbox: deque[Message] = deque()
        self._unacknowledged: dict[int, tuple[int, int]] = {}  # message id -> its number, bytes; oldest first
        self.sent = 0  # messages handed over
        self._next_attempt_at = 0.0
        self.connections = 0  # so far
        self._bytes = 0
        self._pending: set[int] = set()  # message ids of subscriptions not granted yet
        self._refused: str = ""  # why the broker refused us: final
        self._online = False
        self._is_corked = False
        self._online_at = 0.0
        self._lost_at: float | None = None  # when the trouble began; None: acknowledged or heard something since
        self._mqtt = self._new()
        try:
            self._first_connect()
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
        for some in _batches(messages, _SEND_AT_ONCE):
            self._drive(0.0)
            self._cork()
            for message in some:
                self._send(message)
        self._uncork()

    def ready(self, size: int = 0) -> bool:
        """Whether a message of `size` bytes can go out at once.

        Moves what can be moved and heals a lost connection, but never waits: at most one attempt to connect.
        """
        if self._online and self._mqtt.socket() is not None:
            try:
                self._turn(0.0)
            except _BROKEN:
                self._online = False
        if not self._online and time.monotonic() >= self._next_attempt_at:
            self._attempt()
        return self._online and not self._mqtt.want_write() and not self._window_is_full(size)

    def send(self, message: Message) -> bool:
        """Hand over a message after `ready`; False if the connection is lost and it did not go out."""
        self._check(message)
        if self._online:
            self._hand_over(message)
        return self._online

    def arrived(self) -> Iterator[Message]:
        """What has arrived already; `ready` moves the socket."""
        while self._inbox:
            yield self._inbox.popleft()

    @property
    def settled(self) -> int:
        """Of the messages sent so far, counted in order, how many lie before the first that is not acknowledged."""
        for number, _ in self._unacknowledged.values():
            return number
        return self.sent

    def leave(self) -> None:
        """Says goodbye when all is acknowledged, else it would be sent once more; the next call connects again."""
        end = time.monotonic() + 1.0
        while self._online and self._unacknowledged and time.monotonic() < end:
            self._turn(0.05)
        self.close()
        self._online = False
        self._next_attempt_at = time.monotonic() + self.options.back_off_s[1]

    def flush(self, timeout_s: float = 30.0) -> None:
        """Waits until the broker has acknowledged everything. Raises BrokerError after `timeout_s`."""
        end = time.monotonic() + timeout_s
        while self._unacknowledged or self._mqtt.want_write():
            if time.monotonic() > end:
                self._fail(f"{len(self._unacknowledged):,} messages not acknowledged within {timeout_s:g} s")
            self._drive(0.05)

    def subscribe(self, filters: Sequence[str], qos: int = 1) -> None:
        """Asks for topics, and again after every reconnect. Returns when the broker has granted all of them.

        One client, one busy filter at QoS 1: the embedded broker counts what is under way per client but limits it per
        filter, and what goes over waits for half a minute. Ask for what is retained, as <root>/meta is, at QoS 0.
        """
        self._filters.update(dict.fromkeys(filters, qos))
        self._ask(filters)
        end = time.monotonic() + self.options.connect_timeout_s
        while self._pending:
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
        self._mqtt.disconnect()
        end = time.monotonic() + 1.0
        while self._mqtt.socket() is not None and self._mqtt.want_write() and time.monotonic() < end:
            self._mqtt.loop_write()
        connection = self._mqtt.socket()
        if connection is not None:
            connection.close()

    def _send(self, message: Message) -> None:
        self._check(message)
        while not self._online or self._window_is_full(len(message.payload)):
            self._drive(0.1)
        while not message.qos and self._online and self._mqtt.want_write():  # nothing else holds QoS 0 back
            self._drive(0.1)
        self._hand_over(message)

    def _hand_over(self, message: Message) -> None:
        info = self._mqtt.publish(message.topic, message.payload, message.qos, message.retain)
        if message.qos:
            self._unacknowledged[info.mid] = (self.sent, len(message.payload))
            self._bytes += len(message.payload)
        self.sent += 1

    def _new(self) -> paho.Client:
        o = self.options
        client_id = o.client_id or f"factory-sim-{uuid4().hex[:12]}"
        if any(sign.isspace() for sign in client_id):
            self._fail(f"the client id {client_id!r} holds a space, which brokers refuse")
        mqtt = paho.Client(
            CallbackAPIVersion.VERSION2, client_id, clean_session=o.clean_session, reconnect_on_failure=False
        )
        mqtt.max_inflight_messages_set(0)  # unlimited: the window is ours
        mqtt.connect_timeout = o.connect_timeout_s
        mqtt.on_connect, mqtt.on_disconnect = self._on_connect, self._on_disconnect
        mqtt.on_publish, mqtt.on_message, mqtt.on_subscribe = self._on_publish, self._on_message, self._on_subscribe
        if self._user:
            mqtt.username_pw_set(self._user, password_of(o.password, self.address.password) or None)
        if self.address.tls:
            mqtt.tls_set_context(self._trust())
        return mqtt

    def _set_will(self) -> None:
        will = self.options.will() if callable(self.options.will) else self.options.will
        if will is not None:
            self._check(will)
            self._mqtt.will_set(will.topic, will.payload, will.qos, will.retain)

    def _trust(self) -> ssl.SSLContext:
        o = self.options
        try:
            return context(o.ca_file, o.cert_file, o.key_file)
        except (OSError, ssl.SSLError) as error:
            self._fail(f"its certificates cannot be read ({o.ca_file} {o.cert_file}): {error}")

    def _first_connect(self) -> None:
        try:
            self._connect()
        except ssl.SSLError as error:
            self._fail(untrusted(error))
        except socket.gaierror:
            self._fail(f"no such host: {self.address.host!r}. Check the name in the broker's URL")
        except OSError as error:
            self._fail(unreachable(error))
        if not self._online:
            self._fail("closed the connection or did not answer; is this the port of an MQTT broker?")

    def _connect(self) -> None:
        """One attempt; returns online, or offline if the peer does not answer as a broker does."""
        self._set_will()
        self._mqtt.connect(self.address.host, self.address.port, self.options.keepalive_s)
        connection = self._mqtt.socket()
        if isinstance(connection, socket.socket):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        end = time.monotonic() + self.options.connect_timeout_s
        while not self._online and self._mqtt.socket() is not None and time.monotonic() < end:
            try:
                self._turn(0.05)
            except _BROKEN:
                return
            self._raise_if_refused()

    def _drive(self, timeout_s: float) -> None:
        """Moves what can be moved, waiting at most `timeout_s` for the socket; heals a lost connection."""
        if self._online and self._mqtt.socket() is not None:
            try:
                self._turn(timeout_s)
            except _BROKEN:
                self._online = False
        if not self._online:
            self._reconnect()

    def _turn(self, timeout_s: float) -> None:
        self._uncork()
        connection: Any = self._mqtt.socket()
        waiting = self.address.tls and connection.pending()  # decrypted already: select does not see it
        writers = [connection] if self._mqtt.want_write() else []
        readable, writable, _ = select.select([connection], writers, [], 0.0 if waiting else timeout_s)
        if readable or waiting:
            self._read()
        if writable and self._mqtt.loop_write() != MQTTErrorCode.MQTT_ERR_SUCCESS:
            self._online = False
        self._mqtt.loop_misc()

    def _read(self) -> None:
        """What has arrived, at most some packets: their acknowledgements leave together."""
        self._cork()
        for _ in range(_READ_AT_ONCE):
            before = len(self._inbox)
            if self._mqtt.loop_read() != MQTTErrorCode.MQTT_ERR_SUCCESS:
                self._online = False
            if len(self._inbox) == before:
                break
        self._uncork()

    def _cork(self) -> None:
        """Lets the kernel join small packets until `_uncork`, where it can: half the time of a small message."""
        self._set_cork(1)

    def _uncork(self) -> None:
        if self._is_corked:
            self._set_cork(0)

    def _set_cork(self, value: int) -> None:
        connection: Any = self._mqtt.socket()
        self._is_corked = bool(value)
        if _HAS_CORK and connection is not None:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, value)

    def _reconnect(self) -> None:
        now = time.monotonic()
        if self._lost_at is None or now - self._online_at > self.options.patience_s:
            self._lost_at = now
        end, pause = self._lost_at + self.options.patience_s, self.options.back_off_s[0]
        reason = "it closes the connection again"
        while not self._online:
            self._raise_if_refused()
            if time.monotonic() > end:
                self._fail(f"connection lost, and not healed within {self.options.patience_s:g} s: {reason}")
            time.sleep(pause)
            pause = self.options.back_off_s[1]
            reason = self._attempt() or reason

    def _attempt(self) -> str:
        """Try once to connect again; what went wrong, if anything. Raises BrokerError on what cannot heal."""
        self._raise_if_refused()
        self._next_attempt_at = time.monotonic() + self.options.back_off_s[1]
        try:
            self._connect()
        except ssl.SSLError as error:
            self._fail(untrusted(error))
        except OSError as error:
            return unreachable(error)
        return ""

    def _ask(self, filters: Sequence[str]) -> None:
        if filters:
            _, mid = self._mqtt.subscribe([(f, self._filters[f]) for f in filters])
            if mid is not None:
                self._pending.add(mid)

    def _window_is_full(self, size: int) -> bool:
        crowded = self._bytes + size > self.options.window_bytes and bool(self._unacknowledged)
        return crowded or len(self._unacknowledged) >= self.options.window

    def _check(self, message: Message) -> None:
        problem = topics.problem_of(message.topic)
        if len(message.payload) > self.options.max_payload:
            problem = (
                f"a payload of {len(message.payload):,} bytes is over the limit of {self.options.max_payload:,};"
                " brokers disconnect on it"
            )
        if problem:
            self._fail(f"cannot publish {message.topic[:200]!r}: {problem}")

    def _on_connect(self, _c: Any, _u: Any, _flags: Any, reason: Any, _p: Any) -> None:
        if reason.is_failure:
            who = f"user {self._user!r}" if self._user else "a client without user and password"
            self._refused = f"the broker refused {who}: {str(reason).lower()}. Check the name and {PASSWORD_VARIABLE}"
            return
        self._online, self._online_at = True, time.monotonic()
        self.connections += 1
        self._pending.clear()
        self._ask(list(self._filters))
        for message in self.options.opening() if self.options.opening else ():
            self._hand_over(message)

    def _on_disconnect(self, *_: Any) -> None:
        self._online = False

    def _on_publish(self, _c: Any, _u: Any, mid: int, _r: Any, _p: Any) -> None:
        self._bytes -= self._unacknowledged.pop(mid, (0, 0))[1]
        self._lost_at = None

    def _on_subscribe(self, _c: Any, _u: Any, mid: int, reasons: Any, _p: Any) -> None:
        self._pending.discard(mid)
        self._lost_at = None
        if any(reason.value >= _SUBACK_FAILURE for reason in reasons):
            self._refused = f"the broker refused to grant {', '.join(self._filters)}"

    def _on_message(self, _c: Any, _u: Any, message: Any) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:  # a foreign client's topic; nobody here listens to it
            return
        self._lost_at = None
        if message.payload:
            self._inbox.append(Message(topic, bytes(message.payload), message.qos, message.retain))

    def _raise_if_refused(self) -> None:
        if self._refused:
            self._fail(self._refused)

    def _fail(self, reason: str) -> NoReturn:
        raise BrokerError(self.address.shown, reason) from None


def _batches(messages: Iterable[Message], size: int) -> Iterator[list[Message]]:
    rest = iter(messages)
    while some := list(islice(rest, size)):
        yield some
