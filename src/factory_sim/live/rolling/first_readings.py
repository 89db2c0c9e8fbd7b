"""When the first reading of a run was received, which shows whether a listener joined late."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from factory_sim import clock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from factory_sim.records import Meta, Readings

LATE_US = 1_500_000  # after the start of the window: a listener whose first reading is later has joined late
_NEVER_US = 2**62


class FirstReadings:
    """The times of the first readings of a run, by unit.

    recorded_us : the time of the first reading that an earlier process recorded; None: there is none.
    """

    def __init__(self, recorded_us: int | None = None) -> None:
        self._first: dict[int, int] = {} if recorded_us is None else {-1: recorded_us, -2: recorded_us}
        self._two = (_NEVER_US, _NEVER_US) if recorded_us is None else (recorded_us, recorded_us)  # the earliest

    def add(self, readings: Readings, meta: Meta) -> bool:
        """Add live readings. Return whether `joined_us` may have changed."""
        before, found = self._two, list(_times(readings, meta, self._two[1]))
        for unit, t_us in found:
            self._first[unit] = min(t_us, self._first.get(unit, _NEVER_US))
        if found:
            first, *later = sorted(self._first.values())
            self._two = (first, later[0] if later else _NEVER_US)
        return self._two != before

    def joined_us(self, t0_us: int) -> int | None:
        """Return the time from which on readings were received; None: from the start of the window on.

        One unit that is alone with an earlier time has a clock that is behind.
        """
        first, second = self._two
        if first == _NEVER_US or first <= t0_us + LATE_US:
            return None
        return second if first + LATE_US < second < _NEVER_US else first


def _times(readings: Readings, meta: Meta, before_us: int) -> Iterator[tuple[int, int]]:
    """Yield unit and time [µs since the run's start] of readings before a time."""
    for samples in readings.samples:
        t_us = samples.first_tick * samples.period_us
        if t_us < before_us:
            ids = set(samples.sensor.tolist())
            yield from {(sensor.unit, t_us) for sensor in meta.sensors if sensor.id in ids}
    rows = readings.rows
    times_us = clock.us_from_ns(rows.t_ns, meta.epoch_ns)
    for k in np.flatnonzero(times_us < before_us).tolist():
        yield int(rows.unit[k]), int(times_us[k])
