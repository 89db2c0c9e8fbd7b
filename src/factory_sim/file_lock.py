"""Files that only one process may write."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from factory_sim.errors import FactoryError

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO


class LockedError(FactoryError):
    """A file that another process is writing."""

    exit_code = 2


def lock(file: BinaryIO, path: Path) -> None:
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
        msg = f"{path} is being written by another process. Wait until that has finished, or name another."
        raise LockedError(msg) from None
