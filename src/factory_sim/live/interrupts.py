"""Ctrl-C: the first one asks a run or a feed to end in good order, the second one ends it at once."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from threading import Event


@contextmanager
def graceful(stop: Event, *numbers: int) -> Iterator[None]:
    """Set `stop` on the first of these signals; the second one raises KeyboardInterrupt."""

    def ask(number: int, frame: Any) -> None:
        if stop.is_set():
            signal.default_int_handler(number, frame)
        stop.set()

    before = {number: signal.signal(number, ask) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def interruptible(stop: Event) -> Iterator[None]:
    """Let Ctrl-C set `stop`, in a program that has no handler of its own."""
    is_main = threading.current_thread() is threading.main_thread()
    if is_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        with graceful(stop, signal.SIGINT):
            yield
    else:
        yield
