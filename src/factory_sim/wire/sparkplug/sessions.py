"""The connections of a plant's edge nodes: one MQTT session each, because a will belongs to one connection.

A sender like the client: it takes the description, from which it derives the edge nodes, and then their DDATA. Data are
sent at QoS 0, so it is unknown what a broken connection or a host lost: the last messages of every node are kept, and
after a rebirth they are sent again as history, each at most MAX_REPLAYS times on request, so that commands cannot be
amplified, and all of them after a reconnect. Receivers remove duplicates.
While a broker or a primary host is away, messages are only kept; when there is no room for more, `publish` waits,
counts and reports it. Once `is_stopped`, nothing waits longer than LEAVE_S; `unsent` counts the undelivered messages.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self

from factory_sim.errors import BrokerError, PayloadError
from factory_sim.wire import meta as description
from factory_sim.wire.mqtt.client import Client
from factory_sim.wire.mqtt.client_options import ClientOptions
from factory_sim.wire.mqtt.socket_stream import wait_for
from factory_sim.wire.sparkplug import payload_reader
from factory_sim.wire.sparkplug.birth_numbers import BirthNumbers
from factory_sim.wire.sparkplug.namespace import OPPOSITE, nodes, state_topic
from factory_sim.wire.sparkplug.node import DeviceCommand, EdgeNode, Refusals, historical

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from factory_sim.records import Message
    from factory_sim.wire.sparkplug.namespace import Device, Node
    from factory_sim.wire.sparkplug.payload_types import Value

HISTORY_BYTES = 4 * 1024 * 1024  # of each edge node; 20 minutes of a section with 100 sensors at 1 Hz
_POLL_EVERY = 32  # messages between two polls of a socket
_PAUSE_S = 0.01
_ASK_EVERY_S = 2.0
_HOST_S = 1.0  # after which a primary host that is not online is reported
MAX_REPLAYS = 2  # of a message that hosts request
LEAVE_S = 2.0  # how long a stopped run waits for a broker or host that is away
_KEY = slice(7, 12)  # of a payload: the first metric's length and alias, which distinguish its samples from its rows


def now_ms() -> int:
    """Return the last complete millisecond since 1970 UTC: a message always arrives after its time."""
    return time.time_ns() // 1_000_000 - 1


@dataclass(slots=True)
class _Kept:
    """A message of the history."""

    message: Message
    replays: int = 0  # since the last connect


@dataclass(slots=True)
class _Session:
    """One edge node's connection and the messages it may have to send again."""

    edge: EdgeNode
    limit: int  # bytes of the history
    client: Client = field(init=False)
    history: deque[_Kept] = field(default_factory=deque)
    held: int = 0  # bytes of the history
    kept: int = 0  # bytes of it that could not be sent yet
    births: int = 0  # after which the history has been sent, or is being sent
    connections: int = 0  # of the client, after which all of the history is sent
    again: list[_Kept] = field(default_factory=list)  # of it, what is left to send, latest first
    since_poll: int = 0
    asked_s: float = field(default_factory=time.monotonic)  # for the primary host's state

    def remember(self, message: Message) -> None:
        self.history.append(_Kept(message))
        self.held += len(message.payload)
        while self.held > self.limit:
            self.held -= len(self.history.popleft().message.payload)

    @property
    def is_pending(self) -> bool:
        """Whether something is still to be sent, or may have been lost with a connection."""
        return bool(self.kept or self.again) or not self.client.is_online

    def unsent(self) -> int:
        """Return the number of messages that are kept or still to be sent again: the latest of the history."""
        found, left = len(self.again), self.kept
        for kept in reversed(self.history):
            if left <= 0:
                break
            found, left = found + 1, left - len(kept.message.payload)
        return found

    def replay(self, clock: Callable[[], int]) -> None:
        """Send the history since the last birth, as far as the connection accepts it now."""
        if self.births != self.edge.births:
            if self.connections != self.client.connections:
                self.connections = self.client.connections
                for kept in self.history:
                    kept.replays = 0
            self.again = [kept for kept in reversed(self.history) if kept.replays < MAX_REPLAYS]
            self.births, self.kept = self.edge.births, 0
        while self.again and self.client.ready() and self.births == self.edge.births:
            for _ in range(min(_POLL_EVERY, len(self.again))):
                kept = self.again.pop()
                kept.replays += 1
                self.client.send(self.edge.data(historical(kept.message), clock()))


class EdgeSessions:
    """All edge nodes of a plant. Raises BrokerError as `Client` does, and when a broker stays away too long.

    numbers : folder where the bdSeq of every node is kept for the next process; None: it starts at 0.
    history_bytes : of each edge node.
    is_strict : data without data types, as in the encoder.
    """

    def __init__(  # noqa: PLR0913 - the settings of all sessions
        self,
        url: str,
        options: ClientOptions | None = None,
        *,
        primary_host: str = "",
        numbers: Path | None = None,
        history_bytes: int = HISTORY_BYTES,
        is_strict: bool = False,
        clock: Callable[[], int] = now_ms,
    ) -> None:
        self._url, self._options, self._clock = url, options or ClientOptions(), clock
        self._primary_host, self._history_bytes, self._is_strict = primary_host, history_bytes, is_strict
        self._client = Client(url, self._options)  # for the description, and to detect problems early
        self.address = self._client.address
        self._numbers = BirthNumbers(numbers, self.address.display_url)
        self._sessions: dict[str, _Session] = {}  # by edge node
        self._senders: dict[str, _Session] = {}  # by topic of its data
        self._latest: dict[str, dict[bytes, Message]] = {}  # topic -> last message of each kind
        self._written: dict[tuple[int, str], Value] = {}
        self._commands: list[DeviceCommand] = []
        self.refused = Refusals()
        self.full = 0  # times that an edge node had no room for more
        self.on_full: Callable[[str], None] = lambda _: None  # called each time, with what is away
        self.on_host: Callable[[bool], None] = lambda _: None  # called with whether the primary host is online
        self._awaited_at, self._is_awaited = float("inf"), False  # since when the primary host, and that is reported
        self.is_stopped: Callable[[], bool] = lambda: False  # whether the run is to end as it is
        self._leave_at = float("inf")

    def __enter__(self) -> Self:
        """Return the sender."""
        return self

    def __exit__(self, *_: object) -> None:
        """End every session with a death certificate."""
        self.close()

    @property
    def edges(self) -> tuple[EdgeNode, ...]:
        """Return the edge nodes of the description that was published."""
        return tuple(session.edge for session in self._sessions.values())

    def publish(self, messages: Iterable[Message]) -> None:
        """Send data as their nodes, everything else as a plain client; the description opens the sessions."""
        for message in messages:
            session = self._senders.get(message.topic)
            if session is not None:
                self._send(session, message)
                continue
            if self._is_there(self._client):
                self._client.publish([message])
            if message.topic.endswith("/meta") and not self._sessions:
                self._open(message)
        self.serve()

    def flush(self) -> None:
        """Wait until everything is sent (QoS 0 is not acknowledged), then process what hosts have sent."""
        if self._is_there(self._client):
            self._client.flush()
        for session in self._sessions.values():
            self._poll(session)
            while session.is_pending and self._wait(session, for_host=False):
                pass
            if session.client.is_online:
                session.client.flush()
        self.serve()

    @property
    def unsent(self) -> int:
        """Return the number of messages that could not be sent so far."""
        return sum(session.unsent() for session in self._sessions.values())

    def serve(self) -> None:
        """Service every session: commands, rebirths, history, pending output."""
        self._client.ready()
        for session in self._sessions.values():
            self._poll(session)
            session.client.push()
        self._report_host()

    def wait(self, seconds: float) -> None:
        """Wait that long for messages of hosts, and process them."""
        wait_for((self._client.stream, *(s.client.stream for s in self._sessions.values())), seconds)
        self.serve()

    def commands(self) -> list[DeviceCommand]:
        """Return what hosts have written to devices since the last call."""
        self.serve()
        commands, self._commands = self._commands, []
        return commands

    def confirm(self, command: DeviceCommand) -> None:
        """Report to hosts that a command has been carried out: a DDATA with the new value."""
        values: dict[str, Value] = {command.name: command.value}
        if command.name in OPPOSITE:
            values[OPPOSITE[command.name]] = False
        self._written |= {(command.unit, name): value for name, value in values.items()}
        for session in self._sessions.values():
            device = next((d for d in session.edge.node.devices if d.unit == command.unit), None)
            if device is not None and session.edge.accepts_data:  # otherwise its births will carry the value
                session.client.send(session.edge.changed(device, values, self._clock()))
                session.client.push()

    def close(self) -> None:
        """End every session with a death certificate."""
        for session in self._sessions.values():
            for message in session.edge.closing(self._clock()):
                session.client.send(message)
            session.client.close()
        self._client.close()

    def _open(self, message: Message) -> None:
        self._options = replace(self._options, mqtt=self._client.version)  # a refused CONNECT would use up a bdSeq
        meta = description.decode(message.payload, message.topic)
        for node in nodes(meta, message.topic.removesuffix("/meta")):
            number = self._numbers.next(node)
            edge = EdgeNode(
                node, self._current, primary_host=self._primary_host, bd_seq=number, is_strict=self._is_strict
            )
            session = self._sessions[node.id] = _Session(edge, self._history_bytes)
            self._senders |= dict.fromkeys((node.topic("DDATA", device) for device in node.devices), session)
            session.client = self._connect(node, edge)

    def _connect(self, node: Node, edge: EdgeNode) -> Client:
        client_id = f"{self._options.client_id}-{node.id}" if self._options.client_id else ""
        options = replace(
            self._options,
            client_id=client_id,
            will=lambda: self._will(edge),
            presence=None,
            filters=tuple(edge.filters()),
            will_on_disconnect=True,
            opening=lambda: edge.opened(self._clock()),
        )
        return Client(self._url, options)

    def _will(self, edge: EdgeNode) -> Message:
        will = edge.will(self._clock())
        self._numbers.used(edge.node, edge.bd_seq)
        return will

    def _send(self, session: _Session, message: Message) -> None:
        self._latest.setdefault(message.topic, {})[message.payload[_KEY]] = message
        session.since_poll += 1
        if (session.since_poll < _POLL_EVERY and session.edge.accepts_data) or self._accepts(session):
            session.remember(message)  # if it is not sent now, it follows the next birth
            session.client.send(session.edge.data(message, self._clock()))
            return
        if session.kept + len(message.payload) > session.limit * 3 // 4:  # the rest was in flight before
            self.full += 1
            self.on_full(self._missing(session))
            self._wait(session)
        session.kept += len(message.payload)
        session.remember(message)

    def _accepts(self, session: _Session) -> bool:
        """Return whether the node is born and its connection accepts data; wait while it is merely busy."""
        while not self._poll(session):
            if not (session.edge.accepts_data and session.client.is_online):
                return False
            time.sleep(_PAUSE_S)
        return True

    def _wait(self, session: _Session, *, for_host: bool = True) -> bool:
        """Wait until a session accepts data; False once the run is to end and LEAVE_S have passed.

        Raises BrokerError if the broker stays away; `for_host` allows the primary host to stay away.
        """
        limit_s = self._options.reconnect_timeout_s
        end = time.monotonic() + limit_s
        while not self._accepts(session):
            self._client.ready()  # its heartbeat shows that the run is live
            self._report_host()
            if self._is_leaving():
                return False
            if for_host and session.client.is_online:
                end = time.monotonic() + limit_s
            if time.monotonic() > end:
                reason = f"{self._missing(session)} has been away for {limit_s:g} s, and data wait for it"
                raise BrokerError(self.address.display_url, reason)
            time.sleep(_PAUSE_S)
        return True

    def _is_there(self, client: Client) -> bool:
        """Wait for a connection, which may raise BrokerError later; False once the run is to end without one."""
        while not client.ready():
            if client.is_online or not self.is_stopped():
                return True
            if self._is_leaving():
                return False
            time.sleep(_PAUSE_S)
        return True

    def _is_leaving(self) -> bool:
        """Return whether the run is to end and has waited long enough."""
        if self.is_stopped():
            self._leave_at = min(self._leave_at, time.monotonic() + LEAVE_S)
        return time.monotonic() > self._leave_at

    def _report_host(self) -> None:
        """Report, each time, that the primary host has been awaited for a while, and that it is there again."""
        edges = self.edges
        if any(edge.waits_for_host for edge in edges):
            self._awaited_at = min(self._awaited_at, time.monotonic())
        elif all(edge.born for edge in edges):  # unlike one that is connecting, to which the host's state is not known
            self._awaited_at = float("inf")
        is_awaited = time.monotonic() > self._awaited_at + _HOST_S
        if is_awaited != self._is_awaited:
            self._is_awaited = is_awaited
            self.on_host(not is_awaited)

    def _missing(self, session: _Session) -> str:
        return f"the primary host {self._primary_host}" if session.client.is_online else "the broker"

    def _poll(self, session: _Session) -> bool:
        """Service a session. Return whether it accepts data now."""
        session.since_poll = 0
        client, edge = session.client, session.edge
        is_ready = client.ready()
        if not client.is_online:
            edge.lost()
        if not is_ready:
            return False
        for message in client.arrived():
            self._receive(session, message)
        if edge.waits_for_host and time.monotonic() - session.asked_s > _ASK_EVERY_S:
            session.asked_s = time.monotonic()
            client.ask([state_topic(self._primary_host)])  # a broker under load may lose a state in transit
        for message in edge.due(self._clock()):
            client.send(message)
        if edge.accepts_data:
            session.replay(self._clock)
        return edge.accepts_data

    def _receive(self, session: _Session, message: Message) -> None:
        try:
            reply = session.edge.receive(message, self._clock())
        except PayloadError as error:
            self.refused.add(f"{error.topic}: {error.reason}")
            return
        self._commands += reply.commands
        for answer in reply.messages:
            session.client.send(answer)
        if reply.disconnect:
            session.client.leave()

    def _current(self, device: Device) -> list[Value]:
        """Return a device's present values: of each metric the one with the latest time among its last messages."""
        values = {m.alias: self._written.get((device.unit, m.name), m.value) for m in device.metrics}
        types = {m.alias: m.type for m in device.metrics}
        times: dict[int, int] = {}
        for message in self._latest.get(self._topic(device), {}).values():
            for found in payload_reader.payload(message.payload).metrics:
                if found.timestamp >= times.get(found.alias, -1):
                    times[found.alias] = found.timestamp
                    values[found.alias] = payload_reader.scalar(found, types[found.alias])
        return list(values.values())

    def _topic(self, device: Device) -> str:
        owner = next(edge.node for edge in self.edges if device in edge.node.devices)
        return owner.topic("DDATA", device)
