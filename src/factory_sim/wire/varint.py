"""Whole numbers in base 128, as in the lengths of MQTT packets and everywhere in protobuf."""

from __future__ import annotations

from functools import lru_cache


@lru_cache(maxsize=16_384)
def varint(number: int) -> bytes:
    """Return a non-negative whole number, least significant byte first."""
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)
