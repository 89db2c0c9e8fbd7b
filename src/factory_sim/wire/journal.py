"""Store and forward: messages on disk until somebody has acknowledged them.

A journal is a folder of segments; a segment is a row of blocks, a block some messages of one call of `append`:

    FSJ1  crc4  length4  block8  call8  is_last1  count4  |  topic_length2 payload_length4 flags1 topic payload  ...

A block is written by one system call, so a process that is killed leaves whole blocks and at most one torn one, which
the next start cuts off together with the unfinished call it belongs to (a machine that loses power may lose more).
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn
from zlib import crc32

import orjson

from factory_sim.errors import ConfigError, Problem
from factory_sim.records import Message

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

BLOCK_MESSAGES = 2_000
SEGMENT_BYTES = 8 * 1024 * 1024
_MAGIC = b"FSJ1"
_OUTER = struct.Struct("<4sII")  # magic, CRC-32 of the rest, length of the rest
_INNER = struct.Struct("<QQ?I")  # block, call, is_last, messages
_MESSAGE = struct.Struct("<HIB")
_RETAIN, _QOS = 0x80, 0x03
_RUN, _ACKED = "run.json", "acked"


@dataclass(frozen=True, slots=True)
class Block:
    """Some messages of one call."""

    number: int  # from 0 in order of writing
    call: int
    is_last: bool  # of its call
    messages: tuple[Message, ...]
    segment: int
    end: int  # offset in its segment's file behind it


class Journal:
    """A folder of messages that wait for their acknowledgement.

    Raises ConfigError when the folder cannot be used or holds something else.
    """

    def __init__(self, folder: Path, *, segment_bytes: int = SEGMENT_BYTES) -> None:
        self.folder, self._segment_bytes = folder, segment_bytes
        self.calls = 0  # whole calls of `append` ever made
        self.blocks = 0  # ever written
        self.acknowledged = 0  # blocks before this one are forgotten
        self.bytes = 0  # on disk
        self._last_of: dict[int, int] = {}  # segment -> its last block's number
        self._where: dict[int, tuple[int, int, int]] = {}  # block -> segment, offset, length
        self._file = -1
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._recover()
        except OSError as error:
            self._fail(f"cannot be used: {error.strerror}", "Name a folder that can be written: --journal DIR")

    def identity(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """What this journal belongs to: `wanted` when it is new, else what was said first.

        Raises ConfigError when a key of `wanted` that does not begin with `_` differs.
        """
        path = self.folder / _RUN
        if not path.exists():
            _replace(path, orjson.dumps(wanted))
            return wanted
        try:
            found: dict[str, Any] = orjson.loads(path.read_bytes())
        except orjson.JSONDecodeError:
            self._fail(f"{_RUN} is no JSON", "Name another folder, or remove this one")
        for key, value in wanted.items():
            if not key.startswith("_") and found.get(key) != value:
                what = f"it belongs to another run: {key} was {found.get(key)!r}, now {value!r}"
                self._fail(what, "Repeat that run's options to go on with it, or name another folder")
        return found

    def append(self, messages: Sequence[Message]) -> None:
        """Write the messages of one call; they are safe from a kill when this returns."""
        starts = range(0, len(messages), BLOCK_MESSAGES) or (0,)
        pieces = [messages[start : start + BLOCK_MESSAGES] for start in starts]
        for i, piece in enumerate(pieces):
            data = _block(self.blocks, self.calls, is_last=i == len(pieces) - 1, messages=piece)
            segment = self._open_segment()
            at = os.lseek(self._file, 0, os.SEEK_END)
            os.write(self._file, data)
            self._where[self.blocks] = (segment, at, len(data))
            self._last_of[segment] = self.blocks
            self.blocks += 1
            self.bytes += len(data)
        self.calls += 1

    def block(self, number: int) -> Block:
        """A block that is not forgotten."""
        segment, start, length = self._where[number]
        with self._path(segment).open("rb") as file:
            file.seek(start)
            return next(_blocks(file.read(length), segment))

    def acknowledge(self, number: int) -> None:
        """Forget the blocks before `number`; segments go when all of their blocks may."""
        number = min(number, self.blocks)
        if number <= self.acknowledged:
            return
        for block in range(self.acknowledged, number):
            del self._where[block]
        self.acknowledged = number
        done = [s for s, last in self._last_of.items() if last < number and s != max(self._last_of)]
        for segment in done:
            path = self._path(segment)
            self.bytes -= path.stat().st_size
            path.unlink()
            del self._last_of[segment]
        _replace(self.folder / _ACKED, orjson.dumps({"blocks": number}))

    def close(self) -> None:
        """Close the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _recover(self) -> None:
        """Read what is there; cut off a torn block and the blocks of an unfinished call."""
        segments = sorted(int(path.stem) for path in self.folder.glob("*.log"))
        whole = (-1, 0)  # segment and offset behind the last finished call
        for block, start in self._in_a_row(segments):
            self._last_of[block.segment] = block.number
            self._where[block.number] = (block.segment, start, block.end - start)
            if block.is_last:
                whole, self.calls, self.blocks = (block.segment, block.end), block.call + 1, block.number + 1
        for segment in segments:
            if segment > whole[0]:
                self._path(segment).unlink()
                self._last_of.pop(segment, None)
            elif segment == whole[0]:
                os.truncate(self._path(segment), whole[1])
                self._last_of[segment] = self.blocks - 1
        self.bytes = sum(self._path(segment).stat().st_size for segment in self._last_of)
        self.acknowledged = self._read_acknowledged()
        self._where = {n: place for n, place in self._where.items() if self.acknowledged <= n < self.blocks}

    def _in_a_row(self, segments: list[int]) -> Iterator[tuple[Block, int]]:
        """Blocks and where they begin, up to the first one that is missing or damaged."""
        expected = -1
        for segment in segments:
            start = 0
            for block in _blocks(self._path(segment).read_bytes(), segment):
                if block.number != expected and expected >= 0:
                    return
                yield block, start
                start, expected = block.end, block.number + 1

    def _read_acknowledged(self) -> int:
        """As last written; nothing is lost if that is too small: receivers remove duplicates."""
        path = self.folder / _ACKED
        try:
            found = int(orjson.loads(path.read_bytes())["blocks"]) if path.exists() else 0
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
            found = 0
        return min(max(found, min(self._where, default=0)), self.blocks)

    def _open_segment(self) -> int:
        segment = max(self._last_of, default=-1)
        full = segment >= 0 and self._path(segment).stat().st_size >= self._segment_bytes
        if segment < 0 or full:
            self.close()
            segment += 1
        if self._file < 0:
            self._file = os.open(self._path(segment), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        return segment

    def _path(self, segment: int) -> Path:
        return self.folder / f"{segment:010}.log"

    def _fail(self, what: str, hint: str) -> NoReturn:
        raise ConfigError([Problem(str(self.folder), 0, 0, "journal", what, hint)])


def _block(number: int, call: int, *, is_last: bool, messages: Sequence[Message]) -> bytes:
    parts = [_INNER.pack(number, call, is_last, len(messages))]
    for m in messages:
        topic = m.topic.encode()
        parts += [_MESSAGE.pack(len(topic), len(m.payload), m.qos | (_RETAIN if m.retain else 0)), topic, m.payload]
    rest = b"".join(parts)
    return _OUTER.pack(_MAGIC, crc32(rest), len(rest)) + rest


def _blocks(data: bytes, segment: int) -> Iterator[Block]:
    """The whole blocks from the front of a segment; what follows a damaged one is not trusted."""
    at = 0
    while at + _OUTER.size <= len(data):
        magic, check, length = _OUTER.unpack_from(data, at)
        start, at = at + _OUTER.size, at + _OUTER.size + length
        if magic != _MAGIC or at > len(data) or crc32(memoryview(data)[start:at]) != check:
            return
        number, call, is_last, count = _INNER.unpack_from(data, start)
        yield Block(number, call, is_last, tuple(_messages(data, start + _INNER.size, count)), segment, at)


def _messages(data: bytes, at: int, count: int) -> Iterator[Message]:
    for _ in range(count):
        topic_length, payload_length, flags = _MESSAGE.unpack_from(data, at)
        middle = at + _MESSAGE.size + topic_length
        at, topic = middle + payload_length, data[at + _MESSAGE.size : middle].decode()
        yield Message(topic, data[middle:at], flags & _QOS, bool(flags & _RETAIN))


def _replace(path: Path, content: bytes) -> None:
    """Write a small file so that a kill leaves either the old or the new one."""
    new = path.with_suffix(".new")
    new.write_bytes(content)
    new.replace(path)
