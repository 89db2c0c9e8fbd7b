"""A witness between a program and its broker: every packet that the program sends, decoded by hand.

It shares no code with the package: MQTT 3.1.1 and 5 and Sparkplug's protobuf are read here a second time.
"""

from __future__ import annotations

import socket
import struct
import threading
from dataclasses import dataclass, field
from typing import Self


@dataclass
class Metric:
    """One metric; what is not there is None."""

    name: str | None = None
    alias: int | None = None
    timestamp: int | None = None
    datatype: int | None = None
    is_historical: bool = False
    is_null: bool = False
    keys: int = 0  # of properties
    properties: list[tuple[int, int]] = field(default_factory=list)  # type, and protobuf field, of each value
    field: int | None = None  # number of the protobuf field that holds the value, 10 int to 15 string
    value: object = None


@dataclass
class Payload:
    """A Sparkplug payload."""

    timestamp: int | None = None
    seq: int | None = None
    metrics: list[Metric] = field(default_factory=list)

    def metric(self, name: str) -> Metric:
        return next(m for m in self.metrics if m.name == name)


@dataclass
class Publish:
    """A PUBLISH, or a will."""

    topic: str
    payload: bytes
    qos: int
    retain: bool

    @property
    def levels(self) -> list[str]:
        return self.topic.split("/")

    @property
    def kind(self) -> str:
        return self.levels[1] if self.levels[1] == "STATE" else self.levels[2]


@dataclass
class Connect:
    """A CONNECT; `expiry_s` of the session, MQTT 5."""

    version: int
    clean: bool
    expiry_s: int
    will: Publish | None


@dataclass
class Subscribe:
    """A SUBSCRIBE: filter -> QoS."""

    filters: dict[str, int]


@dataclass
class Disconnect:
    """A DISCONNECT; reason of MQTT 5."""

    reason: int


Packet = Connect | Subscribe | Publish | Disconnect


class Reader:
    """Bytes from the front."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, n: int) -> bytes:
        assert self.at + n <= len(self.data)
        self.at += n
        return self.data[self.at - n : self.at]

    def number(self, n: int) -> int:
        return int.from_bytes(self.take(n), "big")

    def sized(self) -> bytes:
        return self.take(self.number(2))

    def varint(self) -> int:
        found = shift = 0
        while True:
            digit = self.number(1)
            found |= (digit & 0x7F) << shift
            shift += 7
            if digit < 0x80:
                return found

    @property
    def left(self) -> int:
        return len(self.data) - self.at


def fields_of(data: bytes) -> list[tuple[int, object]]:
    """(number, value) of every protobuf field in order: varints as int, fixed and sized ones as bytes."""
    reader, found = Reader(data), []
    while reader.left:
        key = reader.varint()
        value: object
        if key & 7 == 0:
            value = reader.varint()
        else:
            value = reader.take({1: 8, 5: 4}.get(key & 7) or (reader.varint() if key & 7 == 2 else 1 // 0))
        found.append((key >> 3, value))
    return found


def payload_of(data: bytes) -> Payload:
    found = Payload()
    for number, value in fields_of(data):
        if number == 1:
            found.timestamp = int(value)  # type: ignore[call-overload]
        elif number == 3:
            found.seq = int(value)  # type: ignore[call-overload]
        elif number == 2:
            found.metrics.append(metric_of(value))  # type: ignore[arg-type]
    return found


def metric_of(data: bytes) -> Metric:
    found = Metric()
    for number, value in fields_of(data):
        if number == 1:
            found.name = value.decode()  # type: ignore[attr-defined]
        elif number in (2, 3, 4):
            setattr(found, {2: "alias", 3: "timestamp", 4: "datatype"}[number], value)
        elif number in (5, 7):
            setattr(found, {5: "is_historical", 7: "is_null"}[number], bool(value))
        elif number == 9:
            inner = fields_of(value)  # type: ignore[arg-type]
            found.keys = sum(n == 1 for n, _ in inner)
            found.properties = [property_of(content) for n, content in inner if n == 2]  # type: ignore[arg-type]
        elif number >= 10:
            shapes = {12: "<f", 13: "<d"}
            found.field, found.value = number, struct.unpack(shapes[number], value)[0] if number in shapes else value
    return found


def property_of(data: bytes) -> tuple[int, int]:
    found = fields_of(data)
    return next(int(value) for n, value in found if n == 1), next(n for n, _ in found if n > 2)  # type: ignore[call-overload]


def packet_of(head: int, body: bytes, version: int) -> Packet | None:
    """What a client sends; None: nothing of interest."""
    reader, kind = Reader(body), head >> 4
    if kind == 1:
        reader.sized()
        version, flags = reader.number(1), reader.number(1)
        reader.take(2)
        expiry_s = session_expiry(Reader(reader.take(reader.varint()))) if version == 5 else 0
        reader.sized()
        will = None
        if flags & 4:
            if version == 5:
                reader.take(reader.varint())
            will = Publish(reader.sized().decode(), reader.sized(), flags >> 3 & 3, bool(flags & 0x20))
        return Connect(version, bool(flags & 2), expiry_s, will)
    if kind == 3:
        topic, qos = reader.sized().decode(), head >> 1 & 3
        reader.take(2 if qos else 0)
        if version == 5:
            reader.take(reader.varint())
        return Publish(topic, reader.take(reader.left), qos, bool(head & 1))
    if kind == 8:
        reader.take(2)
        if version == 5:
            reader.take(reader.varint())
        filters = {}
        while reader.left:
            topic_filter = reader.sized().decode()
            filters[topic_filter] = reader.number(1) & 3
        return Subscribe(filters)
    return Disconnect(reader.number(1) if reader.left else 0) if kind == 14 else None


def session_expiry(properties: Reader) -> int:
    """Only the property that we know may come."""
    assert not properties.left or properties.number(1) == 0x11
    return properties.number(4) if properties.left else 0


class Tap:
    """Listens on a port of its own, forwards to a broker, and keeps what each connection has sent."""

    def __init__(self, port: int) -> None:
        self._broker = port
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.settimeout(0.1)
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self._sent: list[list[Packet]] = []
        self._threads = [threading.Thread(target=self._accept)]
        self.url = f"mqtt://127.0.0.1:{self._server.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        for one in (self._server, *self._open):
            one.close()

    def sessions(self, topic_part: str) -> list[list[Packet]]:
        """What each connection sent whose will's topic holds these words, in the order of the connections."""
        with self._lock:
            found = [list(sent) for sent in self._sent if sent]
        wills = [(sent[0].will if isinstance(sent[0], Connect) else None, sent) for sent in found]
        return [sent for will, sent in wills if will is not None and topic_part in will.topic]

    def _accept(self) -> None:
        while not self._stop.is_set():
            try:
                client, _ = self._server.accept()
            except TimeoutError:
                continue
            broker = socket.create_connection(("127.0.0.1", self._broker))
            self._open += (client, broker)
            sent: list[Packet] = []
            with self._lock:
                self._sent.append(sent)
            for source, target, log in ((client, broker, sent), (broker, client, None)):
                self._threads.append(threading.Thread(target=self._pump, args=(source, target, log)))
                self._threads[-1].start()

    def _pump(self, source: socket.socket, target: socket.socket, log: list[Packet] | None) -> None:
        source.settimeout(0.1)
        rest, version = b"", 4
        while not self._stop.is_set():
            try:
                data = source.recv(65_536)
            except TimeoutError:
                continue
            except OSError:
                data = b""
            if log is not None:
                rest, version = self._note(rest + data, version, log)
            try:
                if not data:
                    target.shutdown(socket.SHUT_WR)
                    break
                target.sendall(data)
            except OSError:
                break

    def _note(self, data: bytes, version: int, log: list[Packet]) -> tuple[bytes, int]:
        while True:
            reader = Reader(data)
            try:
                head = reader.number(1)
                body = reader.take(reader.varint())
            except AssertionError:  # not all of it is here
                return data, version
            packet = packet_of(head, body, version)
            data = data[reader.at :]
            if isinstance(packet, Connect):
                version = packet.version
            if packet is not None:
                with self._lock:
                    log.append(packet)
