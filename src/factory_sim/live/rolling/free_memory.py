"""Give freed memory back to the operating system."""

from __future__ import annotations

import ctypes


def trim() -> None:
    """Return freed memory to the system, where the C library can (glibc).

    Else large arrays of changing sizes leave gaps, and a process of months stays at the peak of its memory.
    """
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError, TypeError):  # another C library; Windows has no default one
        return
