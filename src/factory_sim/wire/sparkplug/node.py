"""An edge node's session as a pure state machine: messages and moments in, messages and commands out.

Whoever owns the connection (`sessions.py`) asks for the will before each CONNECT, publishes what `opened` gives right
after it, and hands over what arrives. Between two births `seq` rises by one a message, modulo 256.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from math import isfinite
from typing import TYPE_CHECKING, Any

from factory_sim.errors import PayloadError
from factory_sim.records import Message
from factory_sim.wire.formats.decoder_checks import RefusedError, json_object, refuse, whole
from factory_sim.wire.sparkplug import payload_reader, payload_writer
from factory_sim.wire.sparkplug.namespace import BD_SEQ, MESSAGES, REBIRTH, VERSION, state_topic
from factory_sim.wire.sparkplug.payload_writer import TIME_BYTES, Metric, Type

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from factory_sim.wire.sparkplug.namespace import Device, Node
    from factory_sim.wire.sparkplug.payload_writer import Value

SEQ_COUNT = 256
DEBOUNCE_MS = 1_000  # rebirths asked for sooner after a birth wait until then: many hosts may ask at once
STATISTICS_MS = 5_000  # at least between two NDATA
_HEAD = 1 + TIME_BYTES  # bytes of a payload's own time
_COMMANDS_KNOWN = 256  # that came last: one of them that comes again is a duplicate


@dataclass(frozen=True, slots=True)
class Order:
    """A value that a host wrote to a device."""

    unit: int
    name: str  # of the metric
    value: Value


@dataclass(slots=True)
class Refusals:
    """Commands that were not carried out, as they could not be read or nobody can do it."""

    count: int = 0
    reason: str = ""  # of the last one
    told: int = 0

    def add(self, reason: str) -> None:
        """Count one more."""
        self.count, self.reason = self.count + 1, reason

    def news(self) -> str:
        """What has happened since the last call; empty: nothing."""
        new, self.told = self.count - self.told, self.count
        return f"{new:,} command{'s'[: new - 1]} refused: {self.reason}" if new else ""


@dataclass(slots=True)
class Reply:
    """What follows from a message."""

    messages: list[Message] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)
    leave: bool = False  # disconnect, then connect again and wait for the primary host


class EdgeNode:
    """One edge node.

    current : a device's present values, one for each of its metrics.
    primary_host : id of the host without which nothing is published; empty: none.
    bd_seq : number of the first connection, continued from an earlier process where it is known.
    """

    def __init__(
        self,
        node: Node,
        current: Callable[[Device], Sequence[Value]],
        *,
        primary_host: str = "",
        debounce_ms: int = DEBOUNCE_MS,
        bd_seq: int = 0,
    ) -> None:
        self.node, self.born, self.births = node, False, 0
        self.messages = 0  # of data
        self._told, self._told_ms = 0, 0  # by the last birth or NDATA, and when
        self._current, self._debounce_ms = current, debounce_ms
        self._host = state_topic(primary_host) if primary_host else ""
        self._host_online, self._host_ms = False, -1
        self._connected = False
        self.bd_seq = (bd_seq - 1) % SEQ_COUNT  # the next CONNECT's is one more
        self._seq = 0
        self._born_ms = -debounce_ms
        self._asked = False  # for a rebirth that waits
        self._devices = {node.topic("DCMD", device): device for device in node.devices}
        self._done: deque[int] = deque(maxlen=_COMMANDS_KNOWN)  # hashes of commands to devices that say their time

    @property
    def takes_data(self) -> bool:
        """Whether data may be sent: not before the births, nor between a request for new ones and these."""
        return self.born and not self._asked

    @property
    def waits_for_host(self) -> bool:
        """Whether it is connected and its primary host is not known to be online."""
        return self._connected and bool(self._host) and not self._host_online

    def filters(self) -> list[str]:
        """What to subscribe to, at QoS 1, before anything is published."""
        commands = [self.node.topic("NCMD"), f"{self.node.topic('DCMD')}/+"]
        return [*commands, self._host] if self._host else commands

    def will(self, now_ms: int) -> Message:
        """The will of the next CONNECT: NDEATH with a new bdSeq."""
        self.bd_seq = (self.bd_seq + 1) % SEQ_COUNT
        self.lost()
        return self._death(now_ms)

    def lost(self) -> None:
        """The connection is gone, and with it the session."""
        self.born = self._connected = self._host_online = False

    def opened(self, now_ms: int) -> list[Message]:
        """What to publish first: the births, unless a primary host has to be waited for."""
        self._connected = True
        return [] if self._host and not self._host_online else self._birth(now_ms)

    def data(self, message: Message, now_ms: int) -> Message:
        """A DDATA as the format makes it, with this session's sequence number and the moment of sending."""
        assert self.born, "births come first"
        self.messages += 1
        seq_bytes = 3 if message.payload[-2:-1] >= b"\x80" else 2  # numbers above 127 take two digits
        return self._numbered(message.topic, message.payload[_HEAD:-seq_bytes], now_ms)

    def statistics(self, now_ms: int) -> Message:
        """NDATA: messages sent so far."""
        self._told, self._told_ms = self.messages, now_ms
        alias = next(m.alias for m in self.node.metrics if m.name == MESSAGES)
        body = payload_writer.by_alias(alias, Type.INT64, self.messages, now_ms)
        return self._numbered(self.node.topic("NDATA"), body, now_ms)

    def changed(self, device: Device, values: dict[str, Value], now_ms: int) -> Message:
        """DDATA: writable metrics have become these values, by name."""
        known = [m for m in device.metrics if m.name in values]
        body = b"".join(payload_writer.by_alias(m.alias, m.type, values[m.name], now_ms) for m in known)
        return self._numbered(self.node.topic("DDATA", device), body, now_ms)

    def due(self, now_ms: int) -> list[Message]:
        """Births that were asked for and had to wait, or how many messages were sent if that has changed."""
        if self._asked and self.born and now_ms - self._born_ms >= self._debounce_ms:
            return self._birth(now_ms)
        changed = self.messages != self._told and now_ms - self._told_ms >= STATISTICS_MS
        return [self.statistics(now_ms)] if changed and self.takes_data else []

    def closing(self, now_ms: int) -> list[Message]:
        """What to publish before a deliberate disconnect: every device's death, then the node's."""
        if not self.born:
            return []
        devices = [self._numbered(self.node.topic("DDEATH", device), b"", now_ms) for device in self.node.devices]
        self.born = False
        return [*devices, self._death(now_ms)]

    def heard(self, message: Message, now_ms: int) -> Reply:
        """What follows from a command or a host's state. Raises PayloadError and then changes nothing."""
        try:
            if message.topic == self._host:
                return self._state(message.payload, now_ms)
            if message.retain:
                refuse("a retained command: nobody knows how old it is")
            if message.topic == self.node.topic("NCMD"):
                return self._node_command(message.payload, now_ms)
            if message.topic in self._devices:
                if not self.born:
                    refuse("a command to a device that is not born")
                return Reply(orders=self._device_command(self._devices[message.topic], message))
            refuse(f"no topic of edge node {self.node.id}")
        except RefusedError as error:
            raise PayloadError(message.topic, "sparkplug", str(error)) from None

    def _state(self, payload: bytes, now_ms: int) -> Reply:
        online, time_ms = host_state(payload)
        if time_ms < self._host_ms:
            return Reply()  # an old session of the host
        self._host_ms, self._host_online = time_ms, online
        if not online:
            was_born = self.born
            return Reply(self.closing(now_ms), leave=was_born)
        return Reply(self._birth(now_ms) if self._connected and not self.born else [])

    def _node_command(self, payload: bytes, now_ms: int) -> Reply:
        asks = [m for m in _commanded(payload_reader.command(payload)) if m.name == REBIRTH]
        self._asked |= True in [
            payload_reader.scalar(m, Type.BOOLEAN) for m in asks
        ]  # all are read before one has an effect
        return Reply(self.due(now_ms) if self._asked else [])

    def _device_command(self, device: Device, message: Message) -> list[Order]:
        payload, known = payload_reader.command(message.payload), hash((message.topic, message.payload))
        if known in self._done:
            refuse("the same command again, with the same time")
        orders = _orders(device, _commanded(payload))
        if payload.HasField("timestamp"):  # else nothing tells a repetition from a second wish
            self._done.append(known)
        return orders

    def _birth(self, now_ms: int) -> list[Message]:
        self._seq, self.born, self._asked, self._born_ms = -1, True, False, now_ms
        self.births += 1
        self._told, self._told_ms = self.messages, now_ms
        session = (Metric(BD_SEQ, Type.INT64, self.bd_seq), Metric(REBIRTH, Type.BOOLEAN, value=False))
        values: dict[str, Any] = {MESSAGES: self.messages}
        own = tuple(_valued(m, values.get(m.name, m.value)) for m in self.node.metrics)
        return [
            self._numbered(self.node.topic("NBIRTH"), _metrics((*session, *own), now_ms), now_ms),
            *(self._device_birth(device, now_ms) for device in self.node.devices),
        ]

    def _device_birth(self, device: Device, now_ms: int) -> Message:
        metrics = tuple(map(_valued, device.metrics, self._current(device)))
        return self._numbered(self.node.topic("DBIRTH", device), _metrics(metrics, now_ms), now_ms)

    def _death(self, now_ms: int) -> Message:
        body = payload_writer.metric(Metric(BD_SEQ, Type.INT64, self.bd_seq), now_ms)
        return Message(self.node.topic("NDEATH"), payload_writer.payload(body, now_ms), qos=1)

    def _numbered(self, topic: str, body: bytes, now_ms: int) -> Message:
        self._seq = (self._seq + 1) % SEQ_COUNT
        return Message(topic, payload_writer.payload(body, now_ms, self._seq), qos=0)


def _commanded(payload: Any) -> Any:
    """The metrics of a command: there are some, with readable names or none."""
    if not payload.metrics:
        refuse("a command without a metric")
    for metric in payload.metrics:
        payload_reader.text(metric.name, "a metric's name")
    return payload.metrics


def _orders(device: Device, metrics: Any) -> list[Order]:
    """What a command asks of a device: all of it, or it is refused; names that we do not know ask for nothing."""
    writable = [m for m in device.metrics if dict(m.properties).get("writable") is True]
    by_name, by_alias = {m.name: m for m in writable}, {m.alias: m for m in writable}
    orders = []
    for found in metrics:
        known = by_name.get(found.name) or (by_alias.get(found.alias) if found.HasField("alias") else None)
        if known is None:
            continue
        if found.HasField("datatype") and found.datatype != known.type:
            refuse(f"{known.name}: expected data type {known.type} ({known.type.name}), got {found.datatype}")
        value = payload_reader.scalar(found, known.type)
        if value is None:
            refuse(f"{known.name} may not be null")
        if isinstance(value, float) and not isfinite(value):
            refuse(f"{known.name}: expected a number, got {value}")
        orders.append(Order(device.unit, known.name, value))
    if not orders:
        names = ", ".join(m.name or f"alias {m.alias}" for m in metrics)[:200]
        refuse(f"nothing of {device.id} to write is called {names}; expected {', '.join(by_name) or 'nothing'}")
    return orders


def host_state(payload: bytes) -> tuple[bool, int]:
    """(online, timestamp) of a STATE message."""
    found = json_object(payload)
    online = found.get("online")
    if type(online) is not bool:
        refuse("online: expected true or false")
    return online, whole(found, "timestamp", 0, payload_writer.MAX_MS)


def historical(message: Message) -> Message:
    """A DDATA that is sent again: all of its metrics marked as history."""
    payload = payload_reader.payload(message.payload)
    for metric in payload.metrics:
        metric.is_historical = True
    body = b"".join(
        payload_writer.PAYLOAD_METRIC + payload_writer.sized(m.SerializeToString()) for m in payload.metrics
    )
    return Message(message.topic, payload_writer.payload(body, payload.timestamp, payload.seq), qos=0)


def is_ours(topic: str, node: Node) -> bool:
    """Whether a topic is one that this edge node publishes."""
    return topic.startswith(f"{VERSION}/{node.group}/") and topic.split("/")[3] == node.id


def _valued(metric: Metric, value: Value) -> Metric:
    return Metric(metric.name, metric.type, value, metric.alias, metric.properties)


def _metrics(metrics: tuple[Metric, ...], now_ms: int) -> bytes:
    return b"".join(payload_writer.metric(metric, now_ms) for metric in metrics)
