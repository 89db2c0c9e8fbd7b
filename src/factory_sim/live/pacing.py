"""Real time: every message is sent at the time of its last reading, not with the slice that contained it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from threading import Event

    from factory_sim.records import I8, Message

MAX = float("inf")
TOGETHER_S = 0.005  # messages this close are sent in one call; a p99 latency of 3 ms needs no finer clock
AHEAD_S = 0.1  # the next slice is computed this long before it begins, so that its first messages are not late
_TURN_S = 0.1  # the longest wait between two checks for Ctrl-C


def rest(seconds: float, stop: Event, wait: Callable[[float], None]) -> None:
    """Call `wait` until so much time has passed, or `stop` is set."""
    end_s = time.monotonic() + seconds
    while not stop.is_set() and (left_s := end_s - time.monotonic()) > 0:
        wait(min(left_s, _TURN_S))


class Pace:
    """Simulated time against the clock. `speed`: simulated seconds per real second; MAX never waits.

    t0_us : the simulated time that is due at `begun_ns` [ns since 1970 UTC]; 0: at the first wait.
    wait : waits for at most so many seconds and services the connection meanwhile.
    """

    def __init__(self, speed: float, t0_us: int, begun_ns: int, stop: Event, wait: Callable[[float], None]) -> None:
        self._speed, self._t0_us, self._stop, self._wait = speed, t0_us, stop, wait
        self._begun_s = time.monotonic() - (time.time_ns() - begun_ns) / 1e9 if begun_ns else None

    def wait(self, t_us: float, ahead_s: float = 0.0) -> bool:
        """Wait for simulated time `t_us`, less `ahead_s` of real time; False once `stop` is set."""
        if self._begun_s is None:
            self._begun_s = time.monotonic()
        due_s = self._begun_s + (t_us - self._t0_us) / 1e6 / self._speed - ahead_s
        rest(due_s - time.monotonic(), self._stop, self._wait)
        return not self._stop.is_set()

    def send(self, messages: Sequence[Message], t_us: I8, publish: Callable[[Sequence[Message]], None]) -> None:
        """Publish each message at its time, all at once when `stop` is set. t_us : shape (n,).

        The grouping depends on the times alone, so that a resumed run repeats the same calls.
        """
        if self._speed == MAX:
            publish(messages)
            return
        for some, last_us in groups(t_us, round(TOGETHER_S * self._speed * 1e6)):
            self.wait(last_us)
            publish([messages[i] for i in some])


def groups(t_us: I8, together_us: int) -> list[tuple[list[int], int]]:
    """Return positions in order of time, grouped by stretches of `together_us`, and each group's last time."""
    if not len(t_us):
        return []
    order = np.argsort(t_us, kind="stable")
    stretch = t_us[order] // max(1, together_us)
    parts = np.split(order, np.flatnonzero(np.diff(stretch)) + 1)
    return [(part.tolist(), int(t_us[part[-1]])) for part in parts]
