"""A file of lines that one process at a time appends to; a line is on disk, whole or not, before the call returns."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from factory_sim.file_lock import LockedError, lock

if TYPE_CHECKING:
    from pathlib import Path


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
            lock(self._file, path)
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
