"""A file that lines are appended to, each on disk before the call returns, whole or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class Appended:
    """Unbuffered, so that a full disk is met by the line that finds it full and by nobody else."""

    def __init__(self, path: Path, size: int | None = None) -> None:
        """Opens an existing file; what stands behind `size` bytes is cut off, None: nothing. Raises OSError."""
        self._file = path.open("ab", buffering=0)
        if size is not None:
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
        """No more lines."""
        self._file.close()


def begun(path: Path, line: str) -> None:
    """Make a file of one line. Raises OSError, also when it exists; then nothing is left behind."""
    path.open("xb").close()
    file = Appended(path)
    try:
        file.add(line)
    except OSError:
        path.unlink()
        raise
    finally:
        file.close()
