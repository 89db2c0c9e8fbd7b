"""Descriptions of a feed that has begun earlier, has not ended, or is described again."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from factory_sim import clock
from factory_sim.records import Window

if TYPE_CHECKING:
    from factory_sim.records import Meta, Readings


def clipped(meta: Meta, until_us: int) -> Meta:
    """Return the description of the window up to `until_us`, for a feed that has not ended."""
    t0, t1 = meta.window.t0_us, min(max(until_us, meta.window.t0_us + 1), meta.window.t1_us)
    planned = tuple((a, min(b, t1)) for a, b in meta.planned_us if a < t1)
    return replace(meta, window=Window(t0, t1), planned_us=planned)


def since(meta: Meta, joined_us: int) -> Meta:
    """Return the description of what a listener can have received that joined at `joined_us`."""
    window = Window(joined_us, max(meta.window.t1_us, joined_us + 1))
    planned = tuple(each for each in meta.planned_us if each[1] > joined_us)  # its begin names shifts without a name
    shifts = tuple(each for each in meta.shifts if each[2] > joined_us)
    return replace(meta, window=window, planned_us=planned, shifts=shifts, sent_rows=(), sent_ticks=())


def unchanging(meta: Meta) -> Meta:
    """Return a description without what changes while a run lasts and when it ends: the window, and what follows."""
    return replace(meta, window=Window(0, 1), planned_us=(), shifts=(), sent_rows=(), sent_ticks=())


def extended(known: Meta, newer: Meta) -> Meta:
    """Return a newer description of a run with the earlier shifts that only `known` contains.

    A run without end is described for some days around the present.
    """
    if not newer.planned_us:
        return newer
    first = newer.planned_us[0][0]
    planned = [(a, min(b, first)) for a, b in known.planned_us if a < first]
    if planned and planned[-1][1] == first:
        planned[-1] = (planned[-1][0], newer.planned_us[0][1])
        planned += newer.planned_us[1:]
    else:
        planned += newer.planned_us
    begins = min((each[1] for each in newer.shifts), default=first)
    shifts = tuple(each for each in known.shifts if each[1] < begins) + newer.shifts
    return replace(newer, planned_us=tuple(planned), shifts=shifts)


def earliest_us(readings: Readings, meta: Meta) -> int:
    """Return the time of the first reading [µs since the run's start]."""
    times = [samples.first_tick * samples.period_us for samples in readings.samples]
    if len(readings.rows):
        times.append(int(clock.us_from_ns(readings.rows.t_ns.min(), meta.epoch_ns)))
    return min(times)
