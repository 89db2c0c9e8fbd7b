"""Mutated, truncated and foreign payloads for every reader: each is read or refused without a partial effect.

"No partial effect": a second reader receives only what the first one accepted, and both give equal answers to
everything that follows, genuine sessions included.
"""

from __future__ import annotations

import random
import resource
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from zlib import crc32

from factory_sim.errors import PayloadError
from factory_sim.records import Message

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from factory_sim.validation.feed.readers import Reader

SLOWEST_MS, GROWTH_MB = 1_000.0, 64.0  # limits; payloads have up to a megabyte
MONSTER_EVERY = 5_000
GENUINE_EVERY = 500
BLAME_KEPT = 200  # characters of a payload in a note
_MEGABYTE = 1_000_000
_WORDS = [b"null", b"1e99", b"-1.5", b"\xff\xff\xff\xff", b"true", b"[[[[", b"9" * 40, b'"', b"{", b"}", b",", b":0"]
_WORDS += [b"\x00", b"\x80", b"\xed\xa0\x80", b'"\\ud800"', b"NaN", b"-0", b"1" * 400]


@dataclass(frozen=True, slots=True)
class Fuzz:
    """The result of one reader's payloads."""

    reader: str
    seed: int
    payloads: int
    refused: int
    partial: int  # refused payloads that had an effect
    slowest_ms: float  # CPU time of one payload
    us: float  # CPU time of a payload on average
    growth_mb: float  # of the largest memory this process ever had

    def problems(self) -> list[str]:
        """Return the limits that were missed."""
        return [
            *[f"{self.reader}: a refused payload had an effect {self.partial} times"] * bool(self.partial),
            *[f"{self.reader}: one payload took {self.slowest_ms:.0f} ms"] * (self.slowest_ms > SLOWEST_MS),
            *[f"{self.reader}: memory grew by {self.growth_mb:.0f} MB"] * (self.growth_mb > GROWTH_MB),
        ]

    def text(self) -> list[str]:
        """Return lines for the terminal."""
        return [
            (
                f"fuzz {self.reader:<10} seed {self.seed}: {self.payloads:>9,} payloads, {self.refused:>9,} refused, "
                f"0 crashes, {self.partial} partial effects; {self.us:.0f} µs each, slowest {self.slowest_ms:.1f} ms, "
                f"memory {self.growth_mb:+.0f} MB"
            )
        ]


def fuzz(
    reader: Reader, payloads: int, seed: int, foreign: Sequence[Message], on_progress: Callable[[], None] = lambda: None
) -> Fuzz:
    """Send `payloads` mutants to a fresh reader. Any error but PayloadError is raised, with the payload in a note.

    foreign : messages of other formats. `on_progress` is called every GENUINE_EVERY payloads.
    """
    rng = random.Random(f"{reader.name} {seed}")  # noqa: S311 - chance, not a secret
    first, twin = reader.make(), reader.make()
    refused = partial = slowest_ns = total_ns = 0
    before_mb = _peak_mb()
    for turn in range(payloads):
        message = _monster(rng, reader) if turn % MONSTER_EVERY == 1 else mutant(rng, reader, foreign)
        begun_ns = time.thread_time_ns()
        answer = _answer(first, message)
        took_ns = time.thread_time_ns() - begun_ns
        slowest_ns, total_ns = max(slowest_ns, took_ns), total_ns + took_ns
        if isinstance(answer, _Refused):
            refused += 1
        else:
            partial += _answer(twin, message) != answer
        if turn % GENUINE_EVERY == 0:
            partial += sum(_answer(first, m) != _answer(twin, m) for m in reader.genuine)
            on_progress()
    each_us = total_ns / 1e3 / payloads
    return Fuzz(reader.name, seed, payloads, refused, partial, slowest_ns / 1e6, each_us, _peak_mb() - before_mb)


def mutant(rng: random.Random, reader: Reader, foreign: Sequence[Message]) -> Message:
    """Return a message that is damaged, truncated or of another format."""
    message = rng.choice(reader.genuine)
    kind = rng.randrange(20)
    if kind == 0:
        return Message(message.topic, rng.choice(foreign).payload)
    if kind == 1:
        return Message(rng.choice(foreign).topic, message.payload)
    if kind == 2:
        return Message(message.topic, rng.randbytes(rng.randrange(200)))
    if kind == 3:
        return Message(mutated(rng, message.topic.encode(), []).decode(errors="replace"), message.payload)
    if kind < 7:
        return Message(message.topic, message.payload[: rng.randrange(len(message.payload) + 1)])
    payload = mutated(rng, message.payload, [m.payload for m in rng.choices(reader.genuine, k=3)])
    return Message(message.topic, resealed(payload) if rng.random() < 0.5 else payload)


def mutated(rng: random.Random, payload: bytes, donors: Sequence[bytes]) -> bytes:
    """Apply one to four changes: bits, bytes, numbers and pieces of other payloads."""
    changed = bytearray(payload)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(changed) + 1)
        match rng.randrange(6):
            case 0 if changed:
                changed[at % len(changed)] ^= 1 << rng.randrange(8)
            case 1:
                changed[at:at] = rng.randbytes(rng.randint(1, 9))
            case 2:
                del changed[at : at + rng.randint(1, 9)]
            case 3:
                changed[at : at + 4] = rng.choice(_WORDS)
            case 4 if donors:
                changed[at:] = rng.choice(donors)[at:]
            case _:
                changed[at : at + 1] = rng.choice(_WORDS)
    return bytes(changed)


def _monster(rng: random.Random, reader: Reader) -> Message:
    """Return a megabyte that is hard to read."""
    genuine = rng.choice(reader.genuine)
    repeated = genuine.payload * (_MEGABYTE // max(1, len(genuine.payload)))
    noise = rng.randbytes(_MEGABYTE)
    forms = [b"[" * _MEGABYTE, b'{"a":' * 200_000, b"9" * _MEGABYTE, b'{"v":' + b"9" * 200_000 + b"}", repeated]
    forms += [noise, b"FSIM" + noise, b'"' + b"\\u0000" * 150_000 + b'"']
    return Message(genuine.topic, rng.choice(forms))


def resealed(payload: bytes) -> bytes:
    """Return a bulk payload with a corrected checksum, so that the other checks are tested alone."""
    if payload[:4] != b"FSIM" or len(payload) < 16:
        return payload
    check = crc32(payload[16:], crc32(payload[:8] + bytes(8)))
    return payload[:8] + check.to_bytes(4, "little") + bytes(4) + payload[16:]


class _Refused(str):
    """The reason of a refusal."""

    __slots__ = ()


def _answer(read: Callable[[Message], Any], message: Message) -> Any:
    """Return the answer or the refusal."""
    try:
        return read(message)
    except PayloadError as refusal:
        return _Refused(refusal)
    except Exception as crash:
        crash.add_note(f"topic {message.topic!r}, {len(message.payload)} bytes: {message.payload[:BLAME_KEPT]!r}")
        raise


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
