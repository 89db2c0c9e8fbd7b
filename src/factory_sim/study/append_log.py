"""A file of lines that one process at a time appends to; a line is on disk, whole or not, before the call returns."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, BinaryIO

from factory_sim.errors import FactoryError

if TYPE_CHECKING:
    from pathlib import Path


class LockedError(FactoryError):
    """A file that another process is writing."""

    exit_code = 2


def has_content(path: Path) -> bool:
    """Whether a file exists and is not empty; a process that is killed while it creates a file leaves an empty one."""
    return path.exists() and (not path.is_file() or path.stat().st_size > 0)


class AppendLog:
    """An open file of lines, locked until it is closed; unbuffered, so that a full disk fails the line it meets."""

    def __init__(self, path: Path, first: str | None = None) -> None:
        """Open a file; with `first`, start an empty or missing one with that line, or leave nothing behind.

        Raise OSError, and LockedError when another process has it open.
        """
        self._file: BinaryIO = path.open("r+b" if first is None else "a+b", buffering=0)
        try:
            _lock(self._file, path)
            if first is not None and not self.content():
                self._start(path, first)
        except (OSError, LockedError):
            self.close()
            raise

    def _start(self, path: Path, first: str) -> None:
        try:
            self.add(first)
        except OSError:
            self.close()
            path.unlink()
            raise

    def content(self) -> bytes:
        """Return the whole file. Raise OSError."""
        self._file.seek(0)
        return self._file.read()

    def cut(self, size: int) -> None:
        """Drop what follows the first `size` bytes: a line that a killed process left incomplete. Raise OSError."""
        self._file.truncate(size)

    def add(self, line: str) -> None:
        """Append `line` and a line end. Raise OSError; the file is then unchanged."""
        content, size = f"{line}\n".encode(), self._file.seek(0, 2)
        try:
            while content:
                content = content[self._file.write(content) :]
        except OSError:
            self._file.truncate(size)
            raise

    def close(self) -> None:
        """Close the file, so that another process can open it."""
        self._file.close()


def _lock(file: BinaryIO, path: Path) -> None:
    """Lock an open file until it is closed or the process ends. Raise LockedError when another process has the lock."""
    try:
        if sys.platform == "win32":
            import msvcrt  # noqa: PLC0415 - exists there only

            file.seek(1 << 40)  # a byte that is never written: the others stay readable
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl  # noqa: PLC0415 - does not exist on Windows

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        msg = f"{path} is being written by another process. Wait until that has finished, or name another file."
        raise LockedError(msg) from None
