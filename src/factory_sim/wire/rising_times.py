"""Time stamps that rise strictly per series: a store keyed by series and time keeps every value."""

from __future__ import annotations

from typing import Generic, TypeVar

Key = TypeVar("Key")


class RisingTimes(Generic[Key]):
    """The last time stamp of every series."""

    def __init__(self) -> None:
        self._last: dict[Key, int] = {}

    def shift(self, series: Key, time: int) -> int:
        """Return how much later than `time` the next value of a series must be marked: 0, or just after the last."""
        shifted = max(time, self._last.get(series, time - 1) + 1)
        self._last[series] = shifted
        return shifted - time
