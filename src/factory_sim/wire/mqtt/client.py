"""The MQTT client: one connection, driven by the caller's thread.

The caller drives the socket (measured faster than paho's background thread), with a window of unacknowledged messages:
`publish` blocks while it is full, and `messages` reads only while the caller takes messages, so both directions have
back-pressure. paho connects, subscribes and keeps alive; published messages and their acknowledgements bypass it
(`packets`), many in one write (`socket_stream`). A lost connection is restored: reconnect after 0.2 s, then every
0.25 s, subscribe again, send again what was not acknowledged. Nothing happens between calls: a caller that stays away
too long is disconnected, which the next call repairs; with `clean_session` the broker drops what it held for it.
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
from factory_sim.wire.mqtt.client_options import VERSIONS, ClientOptions
from factory_sim.wire.mqtt.connection import Connection
from factory_sim.wire.mqtt.inflight import InflightWindow
from factory_sim.wire.mqtt.socket_stream import wait_for
from factory_sim.wire.mqtt.tls import is_final, refusal, unreachable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from factory_sim.records import Message
    from factory_sim.wire.mqtt.socket_stream import Stream

_POLL_EVERY = 64  # messages between two polls of the socket
_WRITE_AT = 32 * 1024  # bytes
_MAX_WAITING = 1024 * 1024  # bytes that the socket has not accepted yet; QoS 0 has no other limit
_BROKEN = (OSError, ValueError, IndexError, struct.error)  # the effects of a peer that does not speak MQTT


class Client:
    """A connection to a broker. Raises BrokerError when it fails, or is lost for longer than `reconnect_timeout_s`."""

    def __init__(self, url: str, options: ClientOptions | None = None, **changes: Any) -> None:
        self.options = replace(options or ClientOptions(), **changes)
        self.address = parse(url)
        self._filters: dict[str, int] = dict.fromkeys(self.options.filters, 1)
        self._inbox: deque[Message] = deque()
        self._window = InflightWindow(self.options.window, self.options.window_bytes)
        self.sent = 0  # messages handed over
        self.connections = 0  # so far
        self.last_error = ""  # why the last attempt to connect failed
        self._refused = ""  # why the broker refused a message
        self._next_attempt_at = self._online_at = self._misc_at = 0.0  # the last: when paho must next check its pings
        self._received_at, self._beat_at = time.monotonic(), 0.0
        self._lost_at: float | None = None  # of a connection; None: something was acknowledged or received since
        self._stopped_at: float | None = None  # when it was noticed that the program is to end
        self._versions = VERSIONS[self.options.mqtt]  # of MQTT, left to try
        self.version = self._versions[0]
        self._mqtt = self._new()
        try:
            self._attempt()
            if self.last_error and not self.options.allow_offline_start:
                self._raise_if_stopped()
                self._fail(self.last_error)
        except BrokerError:
            self.close()
            raise

    def __enter__(self) -> Self:
        """Return the connected client."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close without waiting for acknowledgements; `flush` waits."""
        self.close()

    def publish(self, messages: Iterable[Message]) -> None:
        """Send; block while the window of unacknowledged messages is full.

        Raises BrokerError, before it sends, on a payload or topic that brokers disconnect on.
        """
        for k, message in enumerate(messages):
            if k % _POLL_EVERY == 0:
                self._drive(0.0)
            self._check(message)
            while not self.is_online or self._is_full(len(message.payload)):
                self._drive(0.1)
            self._hand_over(message)
        self.push()

    def wait(self, seconds: float) -> None:
        """Service the connection. Return when a message arrives or `seconds` have passed."""
        wait_for((self.stream,), seconds)
        self.ready()

    def push(self) -> None:
        """Send what was handed over, as far as the socket accepts it."""
        try:
            if (stream := self.stream) is not None:
                stream.write()
        except _BROKEN:
            self._mqtt.is_online = False

    @property
    def stream(self) -> Stream | None:
        """The socket of the connection; None: it does not stand, as far as is known."""
        return self._mqtt.stream if self.is_online else None

    @property
    def is_online(self) -> bool:
        """Whether the connection stands, as far as is known."""
        return self._mqtt.is_online

    def ready(self, size: int = 0) -> bool:
        """Return whether a message of `size` bytes can be sent at once.

        Service the connection and restore a lost one, but never wait: at most one attempt to connect.
        """
        self._move(0.0)
        self._raise_if_refused()
        if not self.is_online and time.monotonic() >= self._next_attempt_at:
            self._attempt()
        return self.is_online and not self._is_full(size)

    def send(self, message: Message) -> bool:
        """Hand over a message after `ready`; it is sent by the next `ready`, `push` or `flush`.

        False if the connection is lost and it was not handed over.
        """
        self._check(message)
        if self.is_online:
            self._hand_over(message)
        return self.is_online

    def arrived(self) -> Iterator[Message]:
        """Return the messages that have arrived already; `ready` services the socket."""
        while self._inbox:
            yield self._inbox.popleft()

    @property
    def settled(self) -> int:
        """The number of messages sent before the first unacknowledged one."""
        return self._window.first(otherwise=self.sent)

    def leave(self) -> None:
        """Disconnect when all is acknowledged, which avoids a retry; the next call connects again."""
        self._drain(lambda: bool(self._window))
        self.close()
        self._mqtt.is_online = False
        self._next_attempt_at = time.monotonic() + self.options.back_off_s[1]

    def close(self) -> None:
        """Disconnect, so that the broker does not publish the will."""
        if self.is_online and self.options.presence is not None:
            self._hand_over(self.options.presence.offline)
        self._drain(self._has_output)
        self._mqtt.leave()

    def flush(self, timeout_s: float = 30.0) -> None:
        """Wait until the broker has acknowledged everything. Raises BrokerError after `timeout_s`."""
        end = time.monotonic() + timeout_s
        while self._window or self._has_output():
            if time.monotonic() > end:
                self._fail(f"{len(self._window):,} messages not acknowledged within {timeout_s:g} s")
            self._drive(0.05)

    def subscribe(self, filters: Sequence[str], qos: int = 1) -> None:
        """Subscribe, and again after every reconnect. Return when the broker has granted all filters.

        One busy filter per client at QoS 1: the embedded broker counts inflight messages per client but limits them per
        filter, and excess messages wait for half a minute. Subscribe to retained topics such as <root>/meta at QoS 0.
        """
        new = [one for one in filters if self._filters.get(one) != qos]  # the others were requested at the connect
        self._filters.update(dict.fromkeys(new, qos))
        self.ask(new)
        end = time.monotonic() + self.options.connect_timeout_s
        while self._mqtt.waiting:
            if time.monotonic() > end:
                self._fail(f"did not grant {', '.join(filters)} within {self.options.connect_timeout_s:g} s")
            self._drive(0.05)

    def ask(self, filters: Iterable[str]) -> None:
        """Request filters again without waiting: their retained messages arrive once more."""
        if filters:
            self._mqtt.ask({one: self._filters[one] for one in filters})

    def messages(self, timeout_s: float) -> Iterator[Message]:
        """Return messages as they arrive; end when none has arrived for `timeout_s` (0: those already there).

        An empty payload deletes a retained value in MQTT and is not passed on.
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

    def _drain(self, is_pending: Callable[[], bool]) -> None:
        end = time.monotonic() + 1.0
        while self.is_online and is_pending() and time.monotonic() < end:
            self._move(0.05)

    def _has_output(self) -> bool:
        return bool(self.stream and self.stream.waiting)

    def _is_full(self, size: int) -> bool:
        return self.stream is None or len(self.stream.waiting) > _MAX_WAITING or self._window.is_full(size)

    def _check(self, message: Message) -> None:
        problem, size, limit = topics.problem_of(message.topic), len(message.payload), self.options.max_payload
        if size > limit:
            problem = f"a payload of {size:,} bytes is over the limit of {limit:,}; brokers disconnect on it"
        if problem:
            self._fail(f"cannot publish {message.topic[:200]!r}: {problem}")

    def _hand_over(self, message: Message) -> None:
        stream = self.stream
        assert stream is not None
        if not self._window:
            self._received_at = time.monotonic()  # from now on an acknowledgement is due
        packet_id = self._window.add(message, self.sent, self._mqtt.next_id) if message.qos else 0
        stream.send(self._packets.publish(message, packet_id))
        self.sent += 1
        if len(stream.waiting) >= _WRITE_AT:
            self.push()

    def _new(self) -> Connection:
        if any(sign.isspace() for sign in self.options.client_id):
            self._fail(f"the client id {self.options.client_id!r} contains a space, which brokers refuse")
        mqtt = Connection(self.address, self.options, self.version, self._check)
        self._packets = packets.Writer(is_5=mqtt.is_5, expiry_s=self.options.expiry_s)
        return mqtt

    def _reconnect(self) -> None:
        now, limit_s = time.monotonic(), self.options.reconnect_timeout_s
        if self._lost_at is None or now - self._online_at > limit_s:
            self._lost_at = now
        end, (pause, later) = self._lost_at + limit_s, self.options.back_off_s
        while not self.is_online:
            self._raise_if_stopped()
            if time.monotonic() > end:
                why = self.last_error or "it closes the connection again"
                self._fail(f"the connection was lost and could not be restored within {limit_s:g} s: {why}")
            time.sleep(pause)
            pause = later
            self._attempt()

    def _attempt(self) -> None:
        """Try once to connect; `last_error` explains a failure. Raises BrokerError on what a retry cannot change."""
        self._next_attempt_at = time.monotonic() + self.options.back_off_s[1]
        self.last_error = ""
        try:
            self._connect()
        except OSError as error:
            self.last_error = unreachable(error)
        if not self.is_online and not self.last_error:
            self.last_error = "closed the connection or did not answer" + self._mqtt.hint() * (not self.connections)

    def _connect(self) -> None:
        """Make one attempt in each version of MQTT left to try. Raises OSError."""
        for version in self._versions:
            if version != self.version:
                self._mqtt.leave()
                self.version = version
                self._mqtt = self._new()
            self._shake_hands()
            if self.is_online:
                self._versions = (version,)
            if self.is_online or self.options.is_stopped():
                return

    def _shake_hands(self) -> None:
        try:
            self._mqtt.open()
        except OSError as error:
            self._raise_if_final(error)
            raise
        end = time.monotonic() + self.options.connect_timeout_s
        while not self.is_online and (stream := self._mqtt.stream) is not None and time.monotonic() < end:
            try:
                self._service(stream, 0.05)
            except _BROKEN as error:
                self._raise_if_final(error)
                return
            self._raise_if_refused()
            if self.options.is_stopped():
                return

    def _drive(self, timeout_s: float) -> None:
        """Service the connection, waiting at most `timeout_s` for the socket; restore a lost one."""
        self._move(timeout_s)
        self._raise_if_refused()
        self._raise_if_stopped()
        if not self.is_online:
            self._reconnect()

    def _move(self, timeout_s: float) -> None:
        """Service the connection, waiting at most `timeout_s` for the socket; note a lost one."""
        if (stream := self.stream) is not None:
            try:
                self._service(stream, timeout_s)
            except _BROKEN:
                self._mqtt.is_online = False

    def _service(self, stream: Stream, timeout_s: float) -> None:
        stream.write()
        at_once = stream.has_decrypted
        writers = [stream] if stream.waiting else []
        readable, _, _ = select.select([stream], writers, [], 0.0 if at_once else timeout_s)
        if readable or at_once:
            self._read(stream)
        stream.write()
        now = time.monotonic()
        if now >= self._misc_at:
            self._misc_at = now + 1.0
            self._mqtt.loop_misc()
            self._beat(now)
            if self._window and now - self._received_at > self.options.silence_s:
                raise TimeoutError

    def _read(self, stream: Stream) -> None:
        self._received_at = time.monotonic()
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
                    self._begin(stream)  # not in paho's callback, which delays what is sent there

    def _arrived(self, stream: Stream, head: int, body: bytes) -> None:
        message, packet_id = packets.read_publish(head, body, is_5=self._mqtt.is_5)
        self._lost_at = None
        if packet_id:
            stream.send(packets.acknowledgement(packet_id))
        if message.payload:
            self._inbox.append(message)

    def _acknowledged(self, body: bytes) -> None:
        packet_id, reason = packets.read_acknowledgement(body)
        message = self._window.acknowledge(packet_id)
        self._lost_at = None
        if reason >= packets.REFUSED and message is not None:
            self._refused = f"the broker refused a message on {message.topic!r}, reason {reason:#x} of MQTT 5"

    def _begin(self, stream: Stream) -> None:
        """Do what follows a CONNACK: subscribe, send the opening, and send unacknowledged messages again."""
        self.connections += 1
        self._online_at = time.monotonic()
        self._beat_at = 0.0
        self._window.messages = self._mqtt.receive_maximum
        self.ask(list(self._filters))
        unacknowledged = list(self._window)
        self._beat(self._online_at)
        for message in self.options.opening() if self.options.opening else ():
            self._hand_over(message)
        for packet_id, message in unacknowledged:
            stream.send(self._packets.publish(message, packet_id, again=True))

    def _beat(self, now: float) -> None:
        """Send the heartbeat if it is due, and at once after a connect."""
        presence = self.options.presence
        if presence is not None and self.is_online and now >= max(self._beat_at, self._online_at):
            self._beat_at = now + presence.heartbeat_s
            self._hand_over(presence.online)

    def _raise_if_refused(self) -> None:
        if reason := self._refused or self._mqtt.refused:
            self._fail(reason)

    def _raise_if_stopped(self) -> None:
        """Raise StoppedError once the program is to end and the broker is silent."""
        if not self.options.is_stopped():
            return
        now = time.monotonic()
        self._stopped_at = self._stopped_at or now
        if not self.is_online or now - max(self._stopped_at, self._received_at) > self.options.stop_silence_s:
            reason = f"no answer while the program was ending; {len(self._window):,} messages were unacknowledged"
            raise StoppedError(self.address.display_url, reason)

    def _raise_if_final(self, error: Exception) -> None:
        if is_final(error):
            self._fail(refusal(error, self.options.cert_file))

    def _fail(self, reason: str) -> NoReturn:
        raise BrokerError(self.address.display_url, reason) from None
