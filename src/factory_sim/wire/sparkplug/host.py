"""A Sparkplug host as a pure state machine: which nodes are online, what is missing, when to request a rebirth.

It watches a feed and holds nothing back: readings carry their own numbers and times, so late ones need no buffer.
A gap in `seq` that does not close within REORDER_MS, data from a node without a birth, or an alias that no birth
named make it request a rebirth of the edge node, until it arrives: again after RETRY_MS, then after twice as long each
time, at most MAX_RETRY_MS. The memory for births is limited: a birth that would exceed the limit is refused.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from factory_sim.records import Message
from factory_sim.wire.payload_checks import reading, refuse
from factory_sim.wire.sparkplug import payload_reader, payload_writer
from factory_sim.wire.sparkplug.namespace import BD_SEQ, REBIRTH, VERSION, state_topic
from factory_sim.wire.sparkplug.node import SEQ_COUNT, host_state
from factory_sim.wire.sparkplug.payload_types import Type
from factory_sim.wire.sparkplug.payload_writer import Metric

if TYPE_CHECKING:
    from collections.abc import Iterable

REORDER_MS = 2_000
RETRY_MS, MAX_RETRY_MS = 5_000, 300_000
MAX_NODES = 4_096
MAX_BYTES = 256 * 1024 * 1024  # of memory for births, about
MAX_EARLY = SEQ_COUNT // 2  # messages ahead of a missing one: beyond it is lost, and its number will soon recur
_EACH_BYTES = 512  # of a node, a device, or a metric with its name and alias, besides their text
Metrics = frozenset[int | str]  # aliases and names in a birth
_FROM_NODE = ("NBIRTH", "NDEATH", "NDATA")
_FROM_DEVICE = ("DBIRTH", "DDEATH", "DDATA")


@dataclass(slots=True)
class DeviceState:
    """A device according to its births and deaths; its metrics are stale while it is offline."""

    online: bool
    since_ms: int
    metrics: Metrics = frozenset()
    bytes: int = 0  # of memory, about


@dataclass(slots=True)
class NodeState:
    """An edge node according to its births and deaths."""

    online: bool = False
    since_ms: int = 0
    bd_seq: int = -1
    expected: int = 0  # the next sequence number
    latest: int = 0  # hash of the message with the number before it
    early: dict[int, int] = field(default_factory=dict)  # hashes by number, of messages that came early
    gap_ms: int = -1  # since when a message is missing; -1: none is
    is_lost: bool = False  # and is not merely late
    requested_ms: int = -(2**62)
    requests: int = 0  # of a rebirth since the last birth
    devices: dict[str, DeviceState] = field(default_factory=dict)
    own: Metrics = frozenset()  # of the node itself
    bytes: int = 0  # of memory, about, besides its devices'


class Host:
    """One host application for all edge nodes of a group."""

    def __init__(self, host_id: str, group: str) -> None:
        self.host_id, self.group = host_id, group
        self.nodes: dict[str, NodeState] = {}
        self.rebirths = 0  # requested
        self.asked: dict[str, int] = {}  # nodes of which a rebirth was requested since the last report -> requests
        self._state_ms = 0
        self.memory_bytes = 0  # for births, about

    def filters(self) -> list[str]:
        """Return what to subscribe to before anything is published: the whole namespace, as specified."""
        return [f"{VERSION}/#", state_topic(self.host_id)]

    def will(self, now_ms: int) -> Message:
        """Return the will of the next CONNECT: this host is offline."""
        self._state_ms = now_ms
        return self._state(online=False, now_ms=now_ms)

    def opened(self) -> list[Message]:
        """Return what to publish first: this host is online, with the will's time."""
        return [self._state(online=True, now_ms=self._state_ms)]

    def closing(self, now_ms: int) -> list[Message]:
        """Return what to publish before a deliberate disconnect."""
        return [self._state(online=False, now_ms=now_ms)]

    def receive(self, message: Message, now_ms: int) -> list[Message]:
        """Return the replies to a message; other groups and hosts get none. A PayloadError changes nothing."""
        with reading(message.topic, "sparkplug"):
            if message.topic == state_topic(self.host_id):
                online, _ = host_state(message.payload)
                return [] if online else self.opened()
            return self._from_edge(message, now_ms)

    def due(self, now_ms: int) -> list[Message]:
        """Return requests to nodes whose gaps have stayed open."""
        late = [i for i, n in self.nodes.items() if n.is_lost or 0 <= n.gap_ms <= now_ms - REORDER_MS]
        return [request for node_id in late for request in self._request(node_id, now_ms)]

    def report(self) -> str:
        """Return the nodes of which a rebirth was requested since the last report, empty if of none."""
        asked, self.asked = self.asked, {}
        names = ", ".join(f"{name} ({count} times)" if count > 1 else name for name, count in asked.items())
        return f"Requested a rebirth of edge node {names}." if names else ""

    def _from_edge(self, message: Message, now_ms: int) -> list[Message]:
        levels = message.topic.split("/")
        if levels[0] == VERSION and levels[1:2] != [self.group]:
            return []
        kind, ids = "".join(levels[2:3]), levels[3:]
        if levels[0] != VERSION or len(ids) != 1 + (kind in _FROM_DEVICE):
            refuse("not a Sparkplug topic of this group")
        if max(map(len, ids)) > payload_reader.MAX_NAME:
            refuse(f"an id of more than {payload_reader.MAX_NAME:,} characters")
        if kind in ("NCMD", "DCMD"):
            return []
        if kind not in _FROM_NODE + _FROM_DEVICE:
            refuse(f"{kind[:60]!r} is not a kind of message")
        payload = payload_reader.payload(message.payload, needs_seq=kind != "NDEATH")
        node_id, is_known = ids[0], True
        node = self._node(node_id)
        if kind == "NBIRTH":
            self._node_birth(node, payload, now_ms)
        elif kind == "NDEATH":
            _node_death(node, payload, now_ms)
        else:
            is_known = node.online and self._applied(node, kind, ids[1:], payload)
            if is_known:
                _count(node, payload.seq, hash(message.payload), now_ms)
        self.nodes[node_id] = node
        return [] if is_known and not node.is_lost else self._request(node_id, now_ms)

    def _node(self, node_id: str) -> NodeState:
        """Return a node's state; a new one is kept after its first valid message."""
        if node_id not in self.nodes and len(self.nodes) >= MAX_NODES:
            refuse(f"more than {MAX_NODES:,} edge nodes")
        return self.nodes.get(node_id) or NodeState()

    def _node_birth(self, node: NodeState, payload: Any, now_ms: int) -> None:
        number = _bd_seq(payload)
        if not 0 <= number < SEQ_COUNT:
            refuse("an NBIRTH needs a bdSeq from 0 to 255")
        if payload.seq:
            refuse(f"an NBIRTH has seq 0, got {payload.seq}")
        own = _metrics(payload)
        node.bytes = self._reserve(own, node.bytes + sum(device.bytes for device in node.devices.values()))
        node.own = own
        node.online, node.since_ms, node.bd_seq = True, now_ms, number
        node.expected, node.gap_ms, node.is_lost, node.requests = 1, -1, False, 0
        node.early.clear()
        node.devices.clear()

    def _reserve(self, text: Iterable[int | str], instead_of: int) -> int:
        """Reserve memory for names and aliases in place of so many bytes. Return their bytes; refuse too many."""
        needed = _EACH_BYTES + sum(_EACH_BYTES // 2 + (4 * len(x) if isinstance(x, str) else 0) for x in text)
        if self.memory_bytes - instead_of + needed > MAX_BYTES:
            refuse("the births exceed the memory limit of this host")
        self.memory_bytes += needed - instead_of
        return needed

    def _applied(self, node: NodeState, kind: str, ids: list[str], payload: Any) -> bool:
        """Apply a device's birth or death. Return whether all metrics of data are known."""
        if not ids:
            return _knows(node.own, payload)
        state = node.devices.get(ids[0])
        if kind == "DBIRTH":
            metrics = _metrics(payload)
            size = self._reserve({ids[0], *metrics}, state.bytes if state else 0)
            node.devices[ids[0]] = DeviceState(online=True, since_ms=payload.timestamp, metrics=metrics, bytes=size)
            return True
        if state is None or not state.online:
            return False
        if kind == "DDEATH":
            state.online, state.since_ms = False, payload.timestamp
            return True
        return _knows(state.metrics, payload)

    def _request(self, node_id: str, now_ms: int) -> list[Message]:
        """Return a request for a rebirth, unless one was sent recently."""
        node = self.nodes[node_id]
        wait_ms = min(RETRY_MS * 2 ** min(max(node.requests - 1, 0), 10), MAX_RETRY_MS)
        if now_ms - node.requested_ms < wait_ms:
            return []
        node.requested_ms, node.requests = now_ms, node.requests + 1
        self.rebirths += 1
        self.asked[node_id] = node.requests
        body = payload_writer.metric(Metric(REBIRTH, Type.BOOLEAN, value=True), now_ms)
        return [Message(f"{VERSION}/{self.group}/NCMD/{node_id}", payload_writer.payload(body, now_ms), qos=0)]

    def _state(self, *, online: bool, now_ms: int) -> Message:
        payload = orjson.dumps({"online": online, "timestamp": now_ms})
        return Message(state_topic(self.host_id), payload, qos=1, retain=True)


def _count(node: NodeState, seq: int, checksum: int, now_ms: int) -> None:
    """Follow the sequence: any number but the next opens a gap, except the last message again. A birth ends a loss."""
    if node.is_lost or (seq == (node.expected - 1) % SEQ_COUNT and checksum == node.latest):
        return
    if seq != node.expected:
        node.early[seq] = checksum
        if node.gap_ms < 0:
            node.gap_ms = now_ms
        node.is_lost |= len(node.early) > MAX_EARLY
        return
    node.expected, node.latest = (node.expected + 1) % SEQ_COUNT, checksum
    while node.expected in node.early:
        node.latest = node.early.pop(node.expected)
        node.expected = (node.expected + 1) % SEQ_COUNT
    if not node.early:
        node.gap_ms = -1


def _node_death(node: NodeState, payload: Any, now_ms: int) -> None:
    if _bd_seq(payload) != node.bd_seq:
        return  # of an earlier connection
    node.online, node.since_ms, node.gap_ms, node.is_lost = False, now_ms, -1, False
    for device in node.devices.values():
        device.online, device.since_ms = False, now_ms


def _bd_seq(payload: Any) -> int:
    """Return the number of a session, of any integer type; -1: none."""
    found = next((m for m in payload.metrics if m.name == BD_SEQ), None)
    which = None if found is None else found.WhichOneof("value")
    return int(getattr(found, which)) if which in ("int_value", "long_value") else -1


def _metrics(payload: Any) -> Metrics:
    """Return the names and aliases that data may refer to, of any type, unknown ones included."""
    if not all(payload_reader.text(m.name, "a metric's name") for m in payload.metrics):
        refuse("a metric of a birth has a name")
    return frozenset(x for m in payload.metrics for x in ((m.name, m.alias) if m.HasField("alias") else (m.name,)))


def _knows(metrics: Metrics, payload: Any) -> bool:
    return all((m.alias if m.HasField("alias") else m.name) in metrics for m in payload.metrics)
