"""PUBLISH and PUBACK, nearly all of the traffic, as bytes: MQTT 3.1.1 and 5, sections 3.3 and 3.4.

paho takes 40 to 60 µs for such a packet in either direction, these functions 2. paho handles all other packets.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from factory_sim.records import Message
from factory_sim.wire.varint import varint

if TYPE_CHECKING:
    from collections.abc import Iterator

REFUSED = 0x80  # reasons of MQTT 5 from here on are refusals
PUBLISH, PUBACK = 0x30, 0x40  # kinds: the upper half of a packet's first byte
MAX_PACKET = 32 * 1024 * 1024  # bytes; longer ones are skipped, the decoders would refuse them
JSON, COLUMNS = "application/json", "application/vnd.factory-sim.bulk"
_AGAIN, _RETAIN = 0x08, 0x01
_EXPIRY, _CONTENT_TYPE = b"\x02", b"\x03"  # properties of MQTT 5, section 2.2.2.2
_NONE = b"\x00"  # no properties
_LENGTH_BYTES = 4
_USUAL = 256  # bytes of a topic; longer ones are not cached


def content_type(message: Message) -> str:
    """Return the type of a payload by its first bytes; empty: none, as Sparkplug has no content types."""
    if message.payload.startswith(b"{"):
        return JSON
    return COLUMNS if message.payload.startswith(b"FSIM") else ""


class Writer:
    """Messages to PUBLISH packets.

    is_5 : MQTT 5, with the content type, and for data (messages that are not retained) the seconds after which a broker
    may drop what it could not deliver; 0: never.
    """

    def __init__(self, *, is_5: bool, expiry_s: int = 0) -> None:
        self._is_5 = is_5
        self._expiry = _EXPIRY + expiry_s.to_bytes(4, "big") if expiry_s else b""

    def publish(self, message: Message, number: int = 0, *, again: bool = False) -> bytes:
        """Return a packet; `number` identifies it at QoS 1, `again` marks a retry."""
        head = PUBLISH | message.qos << 1 | (_RETAIN if message.retain else 0) | (_AGAIN if again else 0)
        start = _topic(message.topic)
        if message.qos:
            start += number.to_bytes(2, "big")
        if self._is_5:
            start += self._properties(message)
        return b"".join((bytes((head,)), varint(len(start) + len(message.payload)), start, message.payload))

    def _properties(self, message: Message) -> bytes:
        kind = content_type(message)
        if not kind:
            return _NONE
        found = _CONTENT_TYPE + _topic(kind)
        return _sized(found if message.retain else found + self._expiry)


def acknowledgement(number: int) -> bytes:
    """Return the PUBACK of a message."""
    return b"\x40\x02" + number.to_bytes(2, "big")


def read_publish(head: int, body: bytes, *, is_5: bool) -> tuple[Message, int]:
    """Return a message and, at QoS 1, its number, else 0. Raises ValueError if it is not a PUBLISH at QoS 0 or 1."""
    qos, at = head >> 1 & 3, 2 + int.from_bytes(body[:2], "big")
    topic = (_usual_text if at < _USUAL else _text)(body[2:at])
    number = 0
    if qos:
        number = int.from_bytes(body[at : at + 2], "big")
        at += 2
    if is_5:
        size, at = _read_varint(body, at)
        at += size
    if qos > 1 or at > len(body) or bool(qos) != bool(number):
        msg = "not a PUBLISH at QoS 0 or 1"
        raise ValueError(msg)
    return Message(topic, body[at:], qos, bool(head & _RETAIN)), number


def read_acknowledgement(body: bytes) -> tuple[int, int]:
    """Return (number, reason) of a PUBACK; reasons from REFUSED on are refusals. Raises ValueError."""
    if len(body) < 2:
        msg = "not a PUBACK"
        raise ValueError(msg)
    return int.from_bytes(body[:2], "big"), body[2] if len(body) > 2 else 0


class Frames:
    """Cuts incoming data, in pieces of any size, into packets."""

    def __init__(self) -> None:
        self._rest = b""
        self._skip = 0  # bytes of a packet that is too long

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Return (first byte, body) of every packet that is complete. Raises ValueError on a length of five bytes.

        Exhaust the iterator before the next call.
        """
        data, at = self._rest + data, 0
        while True:
            if self._skip:
                skipped = min(self._skip, len(data) - at)
                self._skip, at = self._skip - skipped, at + skipped
            try:
                size, start = _read_varint(data, at + 1)
            except IndexError:  # its length is incomplete
                break
            if size > MAX_PACKET:
                self._skip, at = size, start
                continue
            if start + size > len(data):
                break
            yield data[at], data[start : start + size]
            at = start + size
        self._rest = data[at:]


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    """Return a length and where it ends. Raises IndexError if it is incomplete, ValueError if it has five bytes."""
    size = data[at]
    if size < 0x80:
        return size, at + 1
    size &= 0x7F
    for k in range(1, _LENGTH_BYTES):
        byte = data[at + k]
        size |= (byte & 0x7F) << 7 * k
        if byte < 0x80:
            return size, at + k + 1
    msg = "a length of five bytes"
    raise ValueError(msg)


@lru_cache(maxsize=16)
def _sized(content: bytes) -> bytes:
    return varint(len(content)) + content


@lru_cache(maxsize=65_536)
def _topic(text: str) -> bytes:
    content = text.encode()
    return len(content).to_bytes(2, "big") + content


def _text(content: bytes) -> str:
    return content.decode(errors="replace")  # a foreign client's topic may be malformed; no decoder knows it


_usual_text = lru_cache(maxsize=65_536)(_text)
