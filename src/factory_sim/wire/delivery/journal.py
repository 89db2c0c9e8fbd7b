"""Store and forward: messages on disk until they are acknowledged.

A journal is a folder with an SQLite database. A block is some messages of one call of `append`; a call is one
transaction, so a killed process, a full disk or a loss of power leaves whole calls only, and the write-ahead log is
cut off at its first damaged page. A checksum of each block, which is stored as PUBLISH packets, detects other damage.
"""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NoReturn
from zlib import crc32

import orjson

from factory_sim.errors import ConfigError, Problem
from factory_sim.wire.mqtt.packets import Frames, Writer, read_publish

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from factory_sim.records import Message

BLOCK_MESSAGES = 2_000
Scalar = str | int | float | bool | None
_FILE = "journal.db"
_WRITER = Writer(is_5=False)
_SETTINGS = """
PRAGMA locking_mode = EXCLUSIVE;  -- until the process ends, however it does
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
PRAGMA wal_autocheckpoint = 4000;  -- pages of 4 KiB
CREATE TABLE IF NOT EXISTS block (number INTEGER PRIMARY KEY, crc INTEGER, packets BLOB);
CREATE TABLE IF NOT EXISTS state (only INTEGER PRIMARY KEY, calls INTEGER, blocks INTEGER, acknowledged INTEGER, run);
INSERT OR IGNORE INTO state VALUES (0, 0, 0, 0, NULL);
"""


class Journal:
    """A folder of messages that wait for their acknowledgement.

    Raises ConfigError when the folder cannot be used or contains something else.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if any(folder.glob("*.log")):
            self._fail("it was written by version 0.1.0", "Deliver it with that version, or name another folder")
        with self._failing("cannot be used", "Name a writable folder: --journal DIR"):
            folder.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(folder / _FILE, timeout=0.0, check_same_thread=False)
            try:
                self._database.executescript(_SETTINGS)
                found = self._database.execute("SELECT calls, blocks, acknowledged FROM state").fetchone()
            except BaseException:
                self.close()
                raise
        self.calls: int = found[0]  # complete calls of `append` ever made
        self.blocks: int = found[1]  # ever written
        self.acknowledged: int = found[2]  # blocks before this one are deleted

    @property
    def bytes(self) -> int:
        """The size of the messages on disk."""
        values = ("page_count", "freelist_count", "page_size")
        pages, free, size = (self._database.execute(f"PRAGMA {name}").fetchone()[0] for name in values)
        return int((pages - free) * size)

    def identity(self, wanted: dict[str, Scalar]) -> dict[str, Scalar]:
        """Return what this journal belongs to: `wanted` when it is new, else what was recorded first.

        Raises ConfigError when a key of `wanted` that does not begin with `_` differs.
        """
        with self._writing():
            self._database.execute("UPDATE state SET run = ? WHERE run IS NULL", (orjson.dumps(wanted),))
            (text,) = self._database.execute("SELECT run FROM state").fetchone()
        found: dict[str, Scalar] = orjson.loads(text)
        for key, value in wanted.items():
            if not key.startswith("_") and found.get(key) != value:
                what = f"it belongs to another run: {key} was {found.get(key)!r}, now {value!r}"
                self._fail(what, "Repeat that run's options to resume it, or name another folder")
        return found

    def append(self, messages: Sequence[Message]) -> None:
        """Write the messages of one call; they survive a kill when this returns."""
        starts = range(0, len(messages), BLOCK_MESSAGES) or (0,)
        with self._writing():
            for number, start in enumerate(starts, self.blocks):
                packets = b"".join(_WRITER.publish(m, m.qos) for m in messages[start : start + BLOCK_MESSAGES])
                self._database.execute("INSERT INTO block VALUES (?, ?, ?)", (number, crc32(packets), packets))
            self._database.execute("UPDATE state SET calls = calls + 1, blocks = blocks + ?", (len(starts),))
        self.calls, self.blocks = self.calls + 1, self.blocks + len(starts)

    def block(self, number: int) -> list[Message]:
        """Return the messages of a block that is not deleted."""
        if not self.acknowledged <= number < self.blocks:
            msg = f"block {number} is not held: {self.acknowledged} to {self.blocks - 1} are"
            raise IndexError(msg)
        with self._failing("was damaged", "Name another folder, or remove this one and begin the run again"):
            query = "SELECT crc, packets FROM block WHERE number = ?"
            crc, packets = self._database.execute(query, (number,)).fetchone() or (0, b"missing")
            if crc32(packets) != crc:
                msg = f"block {number} differs from its checksum"
                raise ValueError(msg)
            return [read_publish(head, body, is_5=False)[0] for head, body in Frames().feed(packets)]

    def acknowledge(self, number: int) -> None:
        """Delete the blocks before `number`."""
        if number <= self.acknowledged:
            return
        self.acknowledged = number
        with suppress(sqlite3.OperationalError), self._database:  # a full disk: an old number is safe as well
            self._database.execute("DELETE FROM block WHERE number < ?", (number,))
            self._database.execute("UPDATE state SET acknowledged = ?", (number,))

    def close(self) -> None:
        """Close the files; another process may continue."""
        self._database.close()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with self._failing("cannot be written", "Make room on the disk, then repeat the command"), self._database:
            yield

    @contextmanager
    def _failing(self, what: str, hint: str) -> Iterator[None]:
        try:
            yield
        except (OSError, sqlite3.Error, TypeError, ValueError) as error:  # the last two: damaged text or bytes
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY:
                self._fail("another process uses it", "One run, one folder: wait for the other, or name another one")
            self._fail(f"{what}: {getattr(error, 'strerror', None) or error}", hint)

    def _fail(self, what: str, hint: str) -> NoReturn:
        raise ConfigError([Problem(str(self.folder), 0, 0, "journal", what, hint)]) from None
