"""The connections of a plant's edge nodes: one MQTT session each, as a will belongs to one connection.

A sender like the client: it takes the description, which says who the edge nodes are, and then their DDATA. Data go out
at QoS 0, so what was under way when a connection broke or when a host lost something is unknown: the last messages of
every node are held, and after a rebirth they are sent again as history. Receivers remove what they have already.
While a broker or a primary host is away, messages are only held; `publish` waits when there is no room for more.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

from factory_sim.errors import BrokerError, PayloadError
from factory_sim.wire import meta as description
from factory_sim.wire import topics
from factory_sim.wire.client import Client, wait_for
from factory_sim.wire.options import Options
from factory_sim.wire.sparkplug import parse
from factory_sim.wire.sparkplug.namespace import nodes, state_topic
from factory_sim.wire.sparkplug.node import EdgeNode, Order, historical

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from factory_sim.records import Message
    from factory_sim.wire.sparkplug.fields import Value
    from factory_sim.wire.sparkplug.namespace import Device, Node

HISTORY_BYTES = 4 * 1024 * 1024  # of each edge node; 20 minutes of a section with 100 sensors at 1 Hz
_KEPT_BYTES = HISTORY_BYTES - 1024 * 1024  # of these while nobody takes them; the rest is what was under way before
_LOOK_EVERY = 32  # messages between two looks at a socket
_PAUSE_S = 0.01
_ASK_EVERY_S = 2.0
_KEY = slice(7, 12)  # of a payload: the first metric's length and alias, which tell its samples and rows apart


def now_ms() -> int:
    """Milliseconds since 1970 UTC."""
    return time.time_ns() // 1_000_000


@dataclass(slots=True)
class _Session:
    """One edge node's connection and what it may have to say again."""

    edge: EdgeNode
    client: Client = field(init=False)
    history: deque[Message] = field(default_factory=deque)
    held: int = 0  # bytes of the history
    kept: int = 0  # bytes of it that nobody could be told yet
    births: int = 0  # after which the history has been said, or is being said
    again: list[Message] = field(default_factory=list)  # of it, what is left to say, latest first
    since_look: int = 0
    asked_s: float = field(default_factory=time.monotonic)  # for the primary host's state

    def remember(self, message: Message) -> None:
        self.history.append(message)
        self.held += len(message.payload)
        while self.held > HISTORY_BYTES:
            self.held -= len(self.history.popleft().payload)


class EdgeSessions:
    """All edge nodes of a plant. Raises BrokerError as `Client` does, and when a host or broker stays away too long."""

    def __init__(self, url: str, *, primary_host: str = "", clock: Callable[[], int] = now_ms, **options: Any) -> None:
        self._url, self._options, self._clock = url, Options(**options), clock
        self._primary_host = primary_host
        self._client = Client(url, self._options)  # for the description, and to find out early what is wrong
        self.address = self._client.address
        self._sessions: dict[str, _Session] = {}  # by edge node
        self._senders: dict[str, _Session] = {}  # by topic of its data
        self._latest: dict[str, dict[bytes, Message]] = {}  # topic -> last message of each kind
        self._written: dict[tuple[int, str], Value] = {}
        self._orders: list[Order] = []
        self.skipped = 0  # commands that could not be read

    def __enter__(self) -> Self:
        """The sender."""
        return self

    def __exit__(self, *_: object) -> None:
        """Ends every session with a death certificate."""
        self.close()

    def publish(self, messages: Iterable[Message]) -> None:
        """Sends data as their nodes, everything else as a plain client; the description opens the sessions."""
        for message in messages:
            session = self._senders.get(message.topic)
            if session is not None:
                self._send(session, message)
                continue
            self._client.publish([message])
            if message.topic.endswith("/meta") and not self._sessions:
                self._open(message)
        self.serve()

    def flush(self) -> None:
        """Waits until everything is out; data at QoS 0 are not acknowledged. Then hears what hosts want."""
        self._client.flush()
        for session in self._sessions.values():
            while session.kept or session.again:
                self._wait(session, for_host=False)
            session.client.flush()
        self.serve()

    def serve(self) -> None:
        """Looks after every session: commands, rebirths, history; what was handed over goes out."""
        self._client.ready()
        for session in self._sessions.values():
            self._look(session)
            session.client.push()

    def wait(self, seconds: float) -> None:
        """Waits so long for what hosts have to say, and serves them."""
        wait_for((self._client, *(s.client for s in self._sessions.values())), seconds)
        self.serve()

    def orders(self) -> list[Order]:
        """What hosts have written to devices since the last call."""
        self.serve()
        orders, self._orders = self._orders, []
        return orders

    def applied(self, order: Order) -> None:
        """Tells hosts that an order has been carried out: a DDATA with the new value."""
        self._written[order.unit, order.name] = order.value
        for session in self._sessions.values():
            device = next((d for d in session.edge.node.devices if d.unit == order.unit), None)
            if device is not None and session.edge.born:
                session.client.send(session.edge.changed(device, order.name, order.value, self._clock()))
                session.client.push()

    def close(self) -> None:
        """Ends every session with a death certificate."""
        for session in self._sessions.values():
            for message in session.edge.closing(self._clock()):
                session.client.send(message)
            session.client.close()
        self._client.close()

    def _open(self, message: Message) -> None:
        self._options = replace(self._options, mqtt=self._client.version)  # a refused CONNECT would use up a bdSeq
        root = message.topic.removesuffix("/meta")
        assert topics.meta_topic(root) == message.topic
        for node in nodes(description.decode(message.payload, message.topic), root):
            session = _Session(EdgeNode(node, self._current, primary_host=self._primary_host))
            self._sessions[node.id] = session
            self._senders |= dict.fromkeys((node.topic("DDATA", device) for device in node.devices), session)
            session.client = self._connect(node, session)

    def _connect(self, node: Node, session: _Session) -> Client:
        edge = session.edge
        return Client(
            self._url,
            replace(
                self._options,
                client_id=f"{self._options.client_id}-{node.id}" if self._options.client_id else "",
                will=lambda: edge.will(self._clock()),
                filters=tuple(edge.filters()),
                will_at_goodbye=True,
                opening=lambda: edge.opened(self._clock()),
            ),
        )

    def _send(self, session: _Session, message: Message) -> None:
        self._latest.setdefault(message.topic, {})[message.payload[_KEY]] = message
        session.since_look += 1
        if (session.since_look < _LOOK_EVERY and session.edge.takes_data) or self._takes(session):
            session.remember(message)  # if it does not go out, it follows the next birth
            session.client.send(session.edge.data(message, self._clock()))
            return
        if session.kept + len(message.payload) > _KEPT_BYTES:
            self._wait(session)
        session.kept += len(message.payload)
        session.remember(message)

    def _takes(self, session: _Session) -> bool:
        """Whether the node is born and its connection takes data; waits while it is merely busy."""
        while not self._look(session):
            if not (session.edge.takes_data and session.client.is_online):
                return False
            time.sleep(_PAUSE_S)
        return True

    def _wait(self, session: _Session, *, for_host: bool = True) -> None:
        """Returns when it takes data. Raises BrokerError if the broker stays away; a primary host may, if so told."""
        end = time.monotonic() + self._options.patience_s
        while not self._takes(session):
            if for_host and session.client.is_online:
                end = time.monotonic() + self._options.patience_s
            if time.monotonic() > end:
                who = f"primary host {self._primary_host}" if session.client.is_online else "broker"
                reason = f"the {who} has been away for {self._options.patience_s:g} s, and data wait for it"
                raise BrokerError(self.address.shown, reason)
            time.sleep(_PAUSE_S)

    def _look(self, session: _Session) -> bool:
        """Moves a session on; whether it takes data now."""
        session.since_look = 0
        client, edge = session.client, session.edge
        if not client.ready():
            return False
        for message in client.arrived():
            self._heard(session, message)
        if edge.waits_for_host and time.monotonic() - session.asked_s > _ASK_EVERY_S:
            session.asked_s = time.monotonic()
            client.ask([state_topic(self._primary_host)])  # a broker under load may lose a state on its way
        for message in edge.due(self._clock()):
            client.send(message)
        if edge.takes_data:
            self._say_again(session)
        return edge.takes_data

    def _heard(self, session: _Session, message: Message) -> None:
        try:
            reply = session.edge.heard(message, self._clock())
        except PayloadError:
            self.skipped += 1
            return
        self._orders += reply.orders
        for answer in reply.messages:
            session.client.send(answer)
        if reply.leave:
            session.client.leave()

    def _say_again(self, session: _Session) -> None:
        """The history since the last birth, as far as the connection takes it now."""
        if session.births != session.edge.births:
            session.again = list(reversed(session.history))
            session.births, session.kept = session.edge.births, 0
        while session.again and session.client.ready() and session.births == session.edge.births:
            for _ in range(min(_LOOK_EVERY, len(session.again))):
                session.client.send(session.edge.data(historical(session.again.pop()), self._clock()))

    def _current(self, device: Device) -> list[Value]:
        """A device's present values: of each metric the one with the latest time among its last messages."""
        values = {m.alias: self._written.get((device.unit, m.name), m.value) for m in device.metrics}
        types = {m.alias: m.type for m in device.metrics}
        times: dict[int, int] = {}
        for message in self._latest.get(self._topic(device), {}).values():
            for found in parse.payload(message.payload).metrics:
                if found.timestamp >= times.get(found.alias, -1):
                    times[found.alias] = found.timestamp
                    values[found.alias] = parse.scalar(found, types[found.alias])
        return list(values.values())

    def _topic(self, device: Device) -> str:
        owner = next(s.edge.node for s in self._sessions.values() if device in s.edge.node.devices)
        return owner.topic("DDATA", device)
