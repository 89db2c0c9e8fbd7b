"""Store and forward: messages on disk until they are acknowledged.

A journal is a folder of segments; a segment is a sequence of blocks, a block some messages of one call of `append`:

    FSJ1  crc4  length4  block8  call8  is_last1  count4  |  topic_length2 payload_length4 flags1 topic payload  ...

A block is written by one system call, so a killed process leaves whole blocks and at most one torn one, which the next
start cuts off together with the unfinished call it belongs to (a machine that loses power may lose more).
"""

from __future__ import annotations

import os
import struct
from array import array
from bisect import bisect_right
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn
from zlib import crc32

import orjson

try:
    import fcntl
except ImportError:  # Windows, where a journal is not locked
    fcntl = None  # type: ignore[assignment]

from factory_sim.errors import ConfigError, Problem
from factory_sim.records import Message

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

BLOCK_MESSAGES = 2_000
SEGMENT_BYTES = 8 * 1024 * 1024
Scalar = str | int | float | bool | None
_MAGIC = b"FSJ1"
_OUTER = struct.Struct("<4sII")  # magic, CRC-32 of the rest, length of the rest
_INNER = struct.Struct("<QQ?I")  # block, call, is_last, messages
_MESSAGE = struct.Struct("<HIB")
_RETAIN, _QOS = 0x80, 0x03
_RUN, _ACKED, _LOCK = "run.json", "acked", "lock"
_BINARY = getattr(os, "O_BINARY", 0)  # Windows writes text otherwise


@dataclass(frozen=True, slots=True)
class Block:
    """Some messages of one call."""

    number: int  # from 0 in order of writing
    call: int
    is_last: bool  # of its call
    messages: tuple[Message, ...]
    end: int  # offset in its segment's file behind it


@dataclass(slots=True)
class _Segment:
    """A file; it takes eight bytes of memory per block, however long nothing is acknowledged."""

    path: Path
    first: int  # number of its first block
    starts: array[int] = field(default_factory=lambda: array("Q"))  # offsets of its blocks
    size: int = 0

    def add(self, end: int) -> None:
        self.starts.append(self.size)
        self.size = end


class Journal:
    """A folder of messages that wait for their acknowledgement.

    Raises ConfigError when the folder cannot be used or contains something else.
    """

    def __init__(self, folder: Path, *, segment_bytes: int = SEGMENT_BYTES) -> None:
        self.folder, self._segment_bytes = folder, segment_bytes
        self.calls = 0  # complete calls of `append` ever made
        self.blocks = 0  # ever written
        self.acknowledged = 0  # blocks before this one are deleted
        self.bytes = 0  # on disk
        self._segments: list[_Segment] = []
        self._file = self._lock = -1
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
            if fcntl is not None:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # until the process ends, however it does
            self._recover()
        except BlockingIOError:
            self.close()
            self._fail("another process uses it", "One run, one folder: wait for the other, or name another one")
        except OSError as error:
            self.close()
            self._fail(f"cannot be used: {error.strerror}", "Name a writable folder: --journal DIR")

    def identity(self, wanted: dict[str, Scalar]) -> dict[str, Scalar]:
        """Return what this journal belongs to: `wanted` when it is new, else what was recorded first.

        Raises ConfigError when a key of `wanted` that does not begin with `_` differs.
        """
        path = self.folder / _RUN
        if not path.exists():
            try:
                _replace(path, orjson.dumps(wanted))
            except OSError as error:
                self._cannot_write(error)
            return wanted
        try:
            found: dict[str, Scalar] = orjson.loads(path.read_bytes())
        except orjson.JSONDecodeError:
            self._fail(f"{_RUN} is not JSON", "Name another folder, or remove this one")
        for key, value in wanted.items():
            if not key.startswith("_") and found.get(key) != value:
                what = f"it belongs to another run: {key} was {found.get(key)!r}, now {value!r}"
                self._fail(what, "Repeat that run's options to resume it, or name another folder")
        return found

    def append(self, messages: Sequence[Message]) -> None:
        """Write the messages of one call; they survive a kill when this returns."""
        starts = range(0, len(messages), BLOCK_MESSAGES) or (0,)
        for start in starts:
            piece = messages[start : start + BLOCK_MESSAGES]
            data = _block(self.blocks, self.calls, is_last=start == starts[-1], messages=piece)
            try:
                segment = self._open_segment()
                _write(self._file, data)
            except OSError as error:
                self._cannot_write(error)
            segment.add(segment.size + len(data))
            self.blocks += 1
            self.bytes += len(data)
        self.calls += 1

    def block(self, number: int) -> Block:
        """Return a block that is not deleted."""
        if not self.acknowledged <= number < self.blocks:
            msg = f"block {number} is not held: {self.acknowledged} to {self.blocks - 1} are"
            raise IndexError(msg)
        segment = self._segments[bisect_right(self._segments, number, key=lambda s: s.first) - 1]
        start, *following = segment.starts[number - segment.first : number - segment.first + 2]
        try:
            with segment.path.open("rb") as file:
                file.seek(start)
                return next(_blocks(file.read((following or [segment.size])[0] - start)))
        except (OSError, StopIteration):
            self._fail(f"{segment.path.name} was damaged during the run", "Repeat the command")

    def acknowledge(self, number: int) -> None:
        """Delete the blocks before `number`; a segment is deleted with its last block."""
        number = min(number, self.blocks)
        if number <= self.acknowledged:
            return
        self.acknowledged = number
        while len(self._segments) > 1 and self._segments[1].first <= number:
            done = self._segments.pop(0)
            done.path.unlink()
            self.bytes -= done.size
        with suppress(OSError):  # a full disk: an old number is safe as well, and the deletions have made room
            _replace(self.folder / _ACKED, orjson.dumps({"blocks": number}))

    def close(self) -> None:
        """Close the files; another process may continue."""
        self._close_segment()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _close_segment(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _recover(self) -> None:
        """Read what is there; cut off a torn block and the blocks of an unfinished call."""
        paths = sorted(self.folder.glob("*.log"), key=lambda path: int(path.stem))
        complete = (0, 0, 0)  # segments, blocks of the last one and its size up to the last complete call
        for block in self._consecutive(paths):
            if block.is_last:
                complete = (len(self._segments), len(self._segments[-1].starts), block.end)
                self.calls, self.blocks = block.call + 1, block.number + 1
        del self._segments[complete[0] :]
        if self._segments:
            last = self._segments[-1]
            del last.starts[complete[1] :]
            last.size = complete[2]
            os.truncate(last.path, last.size)
        for path in set(paths) - {segment.path for segment in self._segments}:
            path.unlink()
        self.bytes = sum(segment.size for segment in self._segments)
        self.acknowledged = self._read_acknowledged()

    def _consecutive(self, paths: list[Path]) -> Iterator[Block]:
        """Return blocks, recorded in segments, up to the first one that is missing or damaged."""
        expected = -1
        for path in paths:
            for block in _blocks(path.read_bytes()):
                if block.number != expected and expected >= 0:
                    return
                if not self._segments or self._segments[-1].path != path:
                    self._segments.append(_Segment(path, block.number))
                self._segments[-1].add(block.end)
                expected = block.number + 1
                yield block

    def _read_acknowledged(self) -> int:
        """Return the number last written; a number that is too small is safe: receivers remove duplicates."""
        path = self.folder / _ACKED
        try:
            found = int(orjson.loads(path.read_bytes())["blocks"]) if path.exists() else 0
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
            found = 0
        return min(max(found, self._segments[0].first if self._segments else 0), self.blocks)

    def _open_segment(self) -> _Segment:
        if not self._segments or self._segments[-1].size >= self._segment_bytes:
            self._close_segment()
            number = int(self._segments[-1].path.stem) + 1 if self._segments else 0
            self._segments.append(_Segment(self.folder / f"{number:010}.log", self.blocks))
        if self._file < 0:
            self._file = os.open(self._segments[-1].path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | _BINARY, 0o600)
        return self._segments[-1]

    def _cannot_write(self, error: OSError) -> NoReturn:
        self._fail(f"cannot be written: {error.strerror}", "Make room on the disk, then repeat the command")

    def _fail(self, what: str, hint: str) -> NoReturn:
        raise ConfigError([Problem(str(self.folder), 0, 0, "journal", what, hint)])


def _block(number: int, call: int, *, is_last: bool, messages: Sequence[Message]) -> bytes:
    parts = [_INNER.pack(number, call, is_last, len(messages))]
    for m in messages:
        topic = m.topic.encode()
        parts += [_MESSAGE.pack(len(topic), len(m.payload), m.qos | (_RETAIN if m.retain else 0)), topic, m.payload]
    rest = b"".join(parts)
    return _OUTER.pack(_MAGIC, crc32(rest), len(rest)) + rest


def _blocks(data: bytes) -> Iterator[Block]:
    """Return the whole blocks from the front of a segment; what follows a damaged one is not used."""
    at = 0
    while at + _OUTER.size <= len(data):
        magic, check, length = _OUTER.unpack_from(data, at)
        start, at = at + _OUTER.size, at + _OUTER.size + length
        if magic != _MAGIC or at > len(data) or crc32(memoryview(data)[start:at]) != check:
            return
        number, call, is_last, count = _INNER.unpack_from(data, start)
        yield Block(number, call, is_last, tuple(_messages(data, start + _INNER.size, count)), at)


def _messages(data: bytes, at: int, count: int) -> Iterator[Message]:
    for _ in range(count):
        topic_length, payload_length, flags = _MESSAGE.unpack_from(data, at)
        middle = at + _MESSAGE.size + topic_length
        at, topic = middle + payload_length, data[at + _MESSAGE.size : middle].decode()
        yield Message(topic, data[middle:at], flags & _QOS, bool(flags & _RETAIN))


def _write(file: int, data: bytes) -> None:
    """Write with one system call, or several where a disk that fills up takes a part: the torn end is cut off later."""
    while data:
        data = data[os.write(file, data) :]


def _replace(path: Path, content: bytes) -> None:
    """Write a small file so that a kill leaves either the old or the new one."""
    new = path.with_suffix(".new")
    new.write_bytes(content)
    new.replace(path)
