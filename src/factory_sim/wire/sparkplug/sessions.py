"""The connections of a plant's edge nodes: one MQTT session each, as a will belongs to one connection.

A sender like the client: it takes the description, which says who the edge nodes are, and then their DDATA. Data go out
at QoS 0, so what was under way when a connection broke or when a host lost something is unknown: the last messages of
every node are held, and after a rebirth they are sent again as history. Receivers remove what they have already.
While a broker or a primary host is away, messages are only held; when there is no room for more, `publish` waits,
counts it and says so. Once `is_stopped`, nothing waits longer than LEAVE_S; `unsent` tells what nobody could be told.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

from factory_sim.errors import BrokerError, PayloadError
from factory_sim.wire import meta as description
from factory_sim.wire import topics
from factory_sim.wire.mqtt.client import Client, wait_for
from factory_sim.wire.mqtt.client_options import Options
from factory_sim.wire.sparkplug import payload_reader
from factory_sim.wire.sparkplug.birth_numbers import Numbers
from factory_sim.wire.sparkplug.namespace import OPPOSITE, nodes, state_topic
from factory_sim.wire.sparkplug.node import EdgeNode, Order, Refusals, historical

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from factory_sim.records import Message
    from factory_sim.wire.sparkplug.namespace import Device, Node
    from factory_sim.wire.sparkplug.payload_writer import Value

HISTORY_BYTES = 4 * 1024 * 1024  # of each edge node; 20 minutes of a section with 100 sensors at 1 Hz
_KEPT_BYTES = HISTORY_BYTES - 1024 * 1024  # of these while nobody takes them; the rest is what was under way before
_LOOK_EVERY = 32  # messages between two looks at a socket
_PAUSE_S = 0.01
_ASK_EVERY_S = 2.0
LEAVE_S = 2.0  # how long a run that is to end waits for a broker or host that is away
_KEY = slice(7, 12)  # of a payload: the first metric's length and alias, which tell its samples and rows apart


def now_ms() -> int:
    """The last millisecond since 1970 UTC that is over: however fast a message is, it arrives after its time."""
    return time.time_ns() // 1_000_000 - 1


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

    @property
    def owes(self) -> bool:
        """Whether something is to be said still, or may have been lost with a connection."""
        return bool(self.kept or self.again) or not self.client.is_online

    def unsent(self) -> int:
        """Messages that are kept or still to be said again: the youngest of the history."""
        found, left = len(self.again), self.kept
        for message in reversed(self.history):
            if left <= 0:
                break
            found, left = found + 1, left - len(message.payload)
        return found


class EdgeSessions:
    """All edge nodes of a plant. Raises BrokerError as `Client` does, and when a broker stays away too long.

    numbers : folder where the bdSeq of every node is kept for the next process; None: it starts at 0.
    """

    def __init__(
        self,
        url: str,
        *,
        primary_host: str = "",
        numbers: Path | None = None,
        clock: Callable[[], int] = now_ms,
        **options: Any,
    ) -> None:
        self._url, self._options, self._clock = url, Options(**options), clock
        self._primary_host = primary_host
        self._client = Client(url, self._options)  # for the description, and to find out early what is wrong
        self.address = self._client.address
        self._numbers = Numbers(numbers, self.address.shown)
        self._sessions: dict[str, _Session] = {}  # by edge node
        self._senders: dict[str, _Session] = {}  # by topic of its data
        self._latest: dict[str, dict[bytes, Message]] = {}  # topic -> last message of each kind
        self._written: dict[tuple[int, str], Value] = {}
        self._orders: list[Order] = []
        self.refused = Refusals()
        self.full = 0  # times that an edge node had no room for more
        self.on_full: Callable[[str], None] = lambda _: None  # called each time, with what is away
        self.is_stopped: Callable[[], bool] = lambda: False  # whether the run is to end as it is
        self._leave_at = float("inf")

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
            if self._is_there(self._client):
                self._client.publish([message])
            if message.topic.endswith("/meta") and not self._sessions:
                self._open(message)
        self.serve()

    def flush(self) -> None:
        """Waits until everything is out; data at QoS 0 are not acknowledged. Then hears what hosts want."""
        if self._is_there(self._client):
            self._client.flush()
        for session in self._sessions.values():
            self._look(session)
            while session.owes and self._wait(session, for_host=False):
                pass
            if session.client.is_online:
                session.client.flush()
        self.serve()

    @property
    def unsent(self) -> int:
        """Messages that nobody could be told so far."""
        return sum(session.unsent() for session in self._sessions.values())

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
        values: dict[str, Value] = {order.name: order.value}
        if order.name in OPPOSITE:
            values[OPPOSITE[order.name]] = False
        self._written |= {(order.unit, name): value for name, value in values.items()}
        for session in self._sessions.values():
            device = next((d for d in session.edge.node.devices if d.unit == order.unit), None)
            if device is not None and session.edge.takes_data:  # else its births will tell
                session.client.send(session.edge.changed(device, values, self._clock()))
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
            number = self._numbers.next(node)
            session = _Session(EdgeNode(node, self._current, primary_host=self._primary_host, bd_seq=number))
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
                will=lambda: self._will(edge),
                filters=tuple(edge.filters()),
                will_at_goodbye=True,
                opening=lambda: edge.opened(self._clock()),
            ),
        )

    def _will(self, edge: EdgeNode) -> Message:
        will = edge.will(self._clock())
        self._numbers.used(edge.node, edge.bd_seq)
        return will

    def _send(self, session: _Session, message: Message) -> None:
        self._latest.setdefault(message.topic, {})[message.payload[_KEY]] = message
        session.since_look += 1
        if (session.since_look < _LOOK_EVERY and session.edge.takes_data) or self._takes(session):
            session.remember(message)  # if it does not go out, it follows the next birth
            session.client.send(session.edge.data(message, self._clock()))
            return
        if session.kept + len(message.payload) > _KEPT_BYTES:
            self.full += 1
            self.on_full(self._missing(session))
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

    def _wait(self, session: _Session, *, for_host: bool = True) -> bool:
        """Whether it takes data, as soon as it does; False once the run is to end and LEAVE_S are over.

        Raises BrokerError if the broker stays away; a primary host may, if so told.
        """
        end = time.monotonic() + self._options.patience_s
        while not self._takes(session):
            if self._is_leaving():
                return False
            if for_host and session.client.is_online:
                end = time.monotonic() + self._options.patience_s
            if time.monotonic() > end:
                away = f"{self._missing(session)} has been away for {self._options.patience_s:g} s"
                raise BrokerError(self.address.shown, f"{away}, and data wait for it")
            time.sleep(_PAUSE_S)
        return True

    def _is_there(self, client: Client) -> bool:
        """Whether a connection stands; waits for it, which may raise BrokerError later, until the run is to end."""
        while not client.ready():
            if client.is_online or not self.is_stopped():
                return True
            if self._is_leaving():
                return False
            time.sleep(_PAUSE_S)
        return True

    def _is_leaving(self) -> bool:
        """Whether the run is to end and has waited long enough."""
        if self.is_stopped():
            self._leave_at = min(self._leave_at, time.monotonic() + LEAVE_S)
        return time.monotonic() > self._leave_at

    def _missing(self, session: _Session) -> str:
        return f"the primary host {self._primary_host}" if session.client.is_online else "the broker"

    def _look(self, session: _Session) -> bool:
        """Moves a session on; whether it takes data now."""
        session.since_look = 0
        client, edge = session.client, session.edge
        is_ready = client.ready()
        if not client.is_online:
            edge.lost()
        if not is_ready:
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
        except PayloadError as error:
            self.refused.add(f"{error.topic}: {error.reason}")
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
            for found in payload_reader.payload(message.payload).metrics:
                if found.timestamp >= times.get(found.alias, -1):
                    times[found.alias] = found.timestamp
                    values[found.alias] = payload_reader.scalar(found, types[found.alias])
        return list(values.values())

    def _topic(self, device: Device) -> str:
        owner = next(s.edge.node for s in self._sessions.values() if device in s.edge.node.devices)
        return owner.topic("DDATA", device)
