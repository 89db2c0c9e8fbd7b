"""A file that lines are appended to by one process at a time, each on disk before the call returns, whole or not."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, BinaryIO

from factory_sim.errors import FactoryError

if TYPE_CHECKING:
    from pathlib import Path


class HeldError(FactoryError):
    """A file that another process appends to at this moment."""

    exit_code = 2


def is_begun(path: Path) -> bool:
    """Whether anything is there: a process that is killed as it begins a file leaves an empty one."""
    return path.exists() and (not path.is_file() or path.stat().st_size > 0)


class Appended:
    """Locked while it is open; unbuffered, so a full disk is met by the line that finds it full and by nobody else."""

    def __init__(self, path: Path, first: str | None = None) -> None:
        """Opens a file; with `first`, begins it with that line where nothing is yet, or leaves nothing behind.

        Raises OSError, and HeldError when another process has it open.
        """
        self._file: BinaryIO = path.open("r+b" if first is None else "a+b", buffering=0)
        try:
            _lock(self._file, path)
            if first is not None and not self.content():
                self._begin(path, first)
        except (OSError, HeldError):
            self.close()
            raise

    def _begin(self, path: Path, first: str) -> None:
        try:
            self.add(first)
        except OSError:
            self.close()
            path.unlink()
            raise

    def content(self) -> bytes:
        """All that is in it. Raises OSError."""
        self._file.seek(0)
        return self._file.read()

    def cut(self, size: int) -> None:
        """Drop what stands behind `size` bytes: a line that a killed program left unfinished. Raises OSError."""
        self._file.truncate(size)

    def add(self, line: str) -> None:
        """Append `line` and its end. Raises OSError; the file then is what it was."""
        content, size = f"{line}\n".encode(), self._file.seek(0, 2)
        try:
            while content:
                content = content[self._file.write(content) :]
        except OSError:
            self._file.truncate(size)
            raise

    def close(self) -> None:
        """No more lines; another process may open it."""
        self._file.close()


def _lock(file: BinaryIO, path: Path) -> None:
    """Until it is closed, or its process ends in whatever way, no other open file of this path gets the lock."""
    try:
        if sys.platform == "win32":
            import msvcrt  # noqa: PLC0415 - exists there only

            file.seek(1 << 40)  # a byte that is never written: readers may read the others
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl  # noqa: PLC0415 - does not exist on Windows

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        msg = f"{path} is being written by another process. Wait until that has finished, or name another file."
        raise HeldError(msg) from None
