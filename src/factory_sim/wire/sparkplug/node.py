"""An edge node's session as a pure state machine: messages and times in, messages and commands out.

The owner of the connection (`sessions.py`) requests the will before each CONNECT, publishes the result of `opened`
right after it, and passes on what arrives. Between two births `seq` rises by one per message, modulo 256.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import TYPE_CHECKING, Any

from factory_sim.records import Message
from factory_sim.wire.payload_checks import json_object, need, reading, refuse, whole
from factory_sim.wire.sparkplug import payload_reader, payload_writer
from factory_sim.wire.sparkplug.namespace import BD_SEQ, MESSAGES, REBIRTH, legacy_state_topic, state_topic
from factory_sim.wire.sparkplug.payload_types import Type
from factory_sim.wire.sparkplug.payload_writer import TIME_BYTES, Metric

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from factory_sim.wire.sparkplug.namespace import Device, Node
    from factory_sim.wire.sparkplug.payload_types import Value

SEQ_COUNT = 256
DEBOUNCE_MS = 1_000  # a rebirth requested sooner after a birth waits until then: many hosts may request one at once
STATISTICS_MS = 5_000  # at least between two NDATA
_HEAD = 1 + TIME_BYTES  # bytes of a payload's own time
_COMMANDS_KEPT = 256  # the last ones, to detect duplicates


@dataclass(frozen=True, slots=True)
class DeviceCommand:
    """A value that a host wrote to a device."""

    unit: int
    name: str  # of the metric
    value: Value


@dataclass(slots=True)
class Refusals:
    """Commands that were not carried out because they were unreadable or impossible."""

    count: int = 0
    reason: str = ""  # of the last one
    _reported: int = 0

    def add(self, reason: str) -> None:
        """Count one more."""
        self.count, self.reason = self.count + 1, reason

    def new_since_last(self) -> str:
        """Return a summary of the refusals since the last call, empty if there were none."""
        new, self._reported = self.count - self._reported, self.count
        return f"{new:,} command{'s'[: new - 1]} refused: {self.reason}" if new else ""


@dataclass(slots=True)
class Reply:
    """The consequences of a message."""

    messages: list[Message] = field(default_factory=list)
    commands: list[DeviceCommand] = field(default_factory=list)
    disconnect: bool = False  # then connect again and wait for the primary host


class EdgeNode:
    """One edge node.

    current : a device's present values, one for each of its metrics.
    primary_host : id of the host without which nothing is published; empty: none.
    bd_seq : number of the first connection, continued from an earlier process where it is known.
    is_strict : data without data types.
    """

    def __init__(
        self,
        node: Node,
        current: Callable[[Device], Sequence[Value]],
        *,
        primary_host: str = "",
        bd_seq: int = 0,
        is_strict: bool = False,
    ) -> None:
        self.node, self.born, self.births = node, False, 0
        self.messages = 0  # of data
        self._published, self._published_ms = 0, 0  # `messages` in the last birth or NDATA, and its time
        self._current, self._is_typed = current, not is_strict
        self._host = state_topic(primary_host) if primary_host else ""
        self._legacy_host = legacy_state_topic(primary_host) if primary_host else ""
        self._connected = self._host_online = False
        self._host_ms = -1
        self.bd_seq = (bd_seq - 1) % SEQ_COUNT  # the next CONNECT's is one more
        self._seq = 0
        self._born_ms = -DEBOUNCE_MS
        self._rebirth_pending = False
        self._devices = {node.topic("DCMD", device): device for device in node.devices}
        self._done: deque[int] = deque(maxlen=_COMMANDS_KEPT)  # hashes of device commands that have a timestamp

    @property
    def accepts_data(self) -> bool:
        """Whether data may be sent: not before the births, nor between a rebirth request and the new births."""
        return self.born and not self._rebirth_pending

    @property
    def waits_for_host(self) -> bool:
        """Whether it is connected and its primary host is not known to be online."""
        return self._connected and bool(self._host) and not self._host_online

    def filters(self) -> list[str]:
        """Return what to subscribe to, at QoS 1, before anything is published."""
        commands = [self.node.topic("NCMD"), f"{self.node.topic('DCMD')}/+"]
        return [*commands, self._host, self._legacy_host] if self._host else commands

    def will(self, now_ms: int) -> Message:
        """Return the will of the next CONNECT: NDEATH with a new bdSeq."""
        self.bd_seq = (self.bd_seq + 1) % SEQ_COUNT
        self.lost()
        return self._death(now_ms)

    def lost(self) -> None:
        """End the session because its connection is lost."""
        self.born = self._connected = self._host_online = False

    def opened(self, now_ms: int) -> list[Message]:
        """Return what to publish first: the births, unless the primary host is awaited."""
        self._connected = True
        return [] if self._host and not self._host_online else self._birth(now_ms)

    def data(self, message: Message, now_ms: int) -> Message:
        """Return a DDATA of the format with this session's sequence number and the time of sending."""
        assert self.born, "births come first"
        self.messages += 1
        seq_bytes = 3 if message.payload[-2:-1] >= b"\x80" else 2  # numbers above 127 take two bytes
        return self._numbered(message.topic, message.payload[_HEAD:-seq_bytes], now_ms)

    def statistics(self, now_ms: int) -> Message:
        """Return an NDATA with the number of messages sent so far."""
        self._published, self._published_ms = self.messages, now_ms
        alias = next(m.alias for m in self.node.metrics if m.name == MESSAGES)
        body = payload_writer.metric(Metric("", Type.INT64, self.messages, alias), now_ms, typed=self._is_typed)
        return self._numbered(self.node.topic("NDATA"), body, now_ms)

    def changed(self, device: Device, values: dict[str, Value], now_ms: int) -> Message:
        """Return a DDATA with new values of writable metrics, by name."""
        known = [m for m in device.metrics if m.name in values]
        body = b"".join(
            payload_writer.metric(Metric("", m.type, values[m.name], m.alias), now_ms, typed=self._is_typed)
            for m in known
        )
        return self._numbered(self.node.topic("DDATA", device), body, now_ms)

    def due(self, now_ms: int) -> list[Message]:
        """Return births whose request had to wait, or the number of messages sent if it has changed."""
        if self._rebirth_pending and self.born and now_ms - self._born_ms >= DEBOUNCE_MS:
            return self._birth(now_ms)
        has_news = self.messages != self._published and now_ms - self._published_ms >= STATISTICS_MS
        return [self.statistics(now_ms)] if has_news and self.accepts_data else []

    def closing(self, now_ms: int) -> list[Message]:
        """Return what to publish before a deliberate disconnect: every device's death, then the node's."""
        if not self.born:
            return []
        devices = [self._numbered(self.node.topic("DDEATH", device), b"", now_ms) for device in self.node.devices]
        self.born = False
        return [*devices, self._death(now_ms)]

    def receive(self, message: Message, now_ms: int) -> Reply:
        """Return the consequences of a command or a host's state. A PayloadError changes nothing."""
        with reading(message.topic, "sparkplug"):
            if message.topic == self._host:
                return self._state(*host_state(message.payload), now_ms)
            if message.topic == self._legacy_host:
                online = legacy_state(message.payload)
                return self._state(online, -1, now_ms)  # a state of version 3.0 takes precedence
            need(not message.retain, "a retained command: its age is unknown")
            if message.topic == self.node.topic("NCMD"):
                return self._node_command(message.payload, now_ms)
            need(message.topic in self._devices, f"not a topic of edge node {self.node.id}")
            need(self.born, "a command to a device that is not born")
            return Reply(commands=self._device_command(self._devices[message.topic], message))

    def _state(self, online: bool, time_ms: int, now_ms: int) -> Reply:
        if time_ms < self._host_ms:
            return Reply()  # an old session of the host
        self._host_ms, self._host_online = time_ms, online
        if not online:
            was_born = self.born
            return Reply(self.closing(now_ms), disconnect=was_born)
        return Reply(self._birth(now_ms) if self._connected and not self.born else [])

    def _node_command(self, payload: bytes, now_ms: int) -> Reply:
        requests = [m for m in payload_reader.command(payload).metrics if m.name == REBIRTH]
        values = [payload_reader.scalar(m, Type.BOOLEAN) for m in requests]  # all are read before one has an effect
        self._rebirth_pending |= True in values
        return Reply(self.due(now_ms) if self._rebirth_pending else [])

    def _device_command(self, device: Device, message: Message) -> list[DeviceCommand]:
        payload, known = payload_reader.command(message.payload), hash((message.topic, message.payload))
        if known in self._done:
            refuse("the same command again, with the same time")
        commands = _commands(device, payload.metrics)
        if payload.HasField("timestamp"):  # without one, a repetition looks like a second command
            self._done.append(known)
        return commands

    def _birth(self, now_ms: int) -> list[Message]:
        self._seq, self.born, self._rebirth_pending, self._born_ms = -1, True, False, now_ms
        self.births += 1
        self._published, self._published_ms = self.messages, now_ms
        session = (Metric(BD_SEQ, Type.INT64, self.bd_seq), Metric(REBIRTH, Type.BOOLEAN, value=False))
        own = (replace(m, value=self.messages) if m.name == MESSAGES else m for m in self.node.metrics)
        return [
            self._numbered(self.node.topic("NBIRTH"), _joined((*session, *own), now_ms), now_ms),
            *(self._device_birth(device, now_ms) for device in self.node.devices),
        ]

    def _device_birth(self, device: Device, now_ms: int) -> Message:
        values = self._current(device)
        metrics = (replace(m, value=value) for m, value in zip(device.metrics, values, strict=True))
        return self._numbered(self.node.topic("DBIRTH", device), _joined(metrics, now_ms), now_ms)

    def _death(self, now_ms: int) -> Message:
        body = payload_writer.metric(Metric(BD_SEQ, Type.INT64, self.bd_seq), now_ms)
        return Message(self.node.topic("NDEATH"), payload_writer.payload(body, now_ms), qos=1)

    def _numbered(self, topic: str, body: bytes, now_ms: int) -> Message:
        self._seq = (self._seq + 1) % SEQ_COUNT
        return Message(topic, payload_writer.payload(body, now_ms, self._seq), qos=0)


def _commands(device: Device, metrics: Any) -> list[DeviceCommand]:
    """Return what a command writes to a device; any wrong value refuses all of it, unknown names are ignored."""
    writable = [m for m in device.metrics if dict(m.properties).get("writable") is True]
    by_name, by_alias = {m.name: m for m in writable}, {m.alias: m for m in writable}
    commands = []
    for found in metrics:
        known = by_name.get(found.name) or (by_alias.get(found.alias) if found.HasField("alias") else None)
        if known is not None:
            commands.append(DeviceCommand(device.unit, known.name, _written(known, found)))
    if not commands:
        names = ", ".join(m.name or f"alias {m.alias}" for m in metrics)[:200]
        refuse(f"{device.id} has no writable metric {names}; expected {', '.join(by_name) or 'no command'}")
    return commands


def _written(known: Metric, found: Any) -> Value:
    if found.HasField("datatype") and found.datatype != known.type:
        refuse(f"{known.name}: expected data type {known.type} ({known.type.name}), got {found.datatype}")
    value = payload_reader.scalar(found, known.type)
    if value is None:
        refuse(f"{known.name} must not be null")
    if isinstance(value, float) and not isfinite(value):
        refuse(f"{known.name}: expected a number, got {value}")
    return value


def host_state(payload: bytes) -> tuple[bool, int]:
    """Return (online, timestamp) of a STATE message."""
    found = json_object(payload)
    online = found.get("online")
    if type(online) is not bool:
        refuse("online: expected true or false")
    return online, whole(found, "timestamp", 0, payload_writer.MAX_MS)


def legacy_state(payload: bytes) -> bool:
    """Return whether a host is online, from a STATE message before version 3.0."""
    if payload not in (b"ONLINE", b"OFFLINE"):
        refuse("expected ONLINE or OFFLINE")
    return payload == b"ONLINE"


def historical(message: Message) -> Message:
    """Return a DDATA to be sent again, with all of its metrics marked as historical."""
    payload = payload_reader.payload(message.payload)
    for metric in payload.metrics:
        metric.is_historical = True
    body = b"".join(payload_writer.field(m.SerializeToString()) for m in payload.metrics)
    return Message(message.topic, payload_writer.payload(body, payload.timestamp, payload.seq), qos=0)


def _joined(metrics: Iterable[Metric], now_ms: int) -> bytes:
    return b"".join(payload_writer.metric(metric, now_ms) for metric in metrics)
