"""Whole numbers as base-128 digits: lengths of MQTT packets and everything in protobuf are written so."""

from __future__ import annotations

from functools import lru_cache


@lru_cache(maxsize=16_384)
def varint(number: int) -> bytes:
    """A non-negative whole number, least digit first."""
    digits = bytearray()
    while number > 0x7F:
        digits.append(number & 0x7F | 0x80)
        number >>= 7
    digits.append(number)
    return bytes(digits)
