"""The shifts of a run by name, and the windows that end now."""

from __future__ import annotations

from datetime import datetime, time
from typing import TYPE_CHECKING, NamedTuple

from factory_sim.clock import NS_PER_US, datetime_from_ns, ns_from_datetime, us_from_ns
from factory_sim.records import Window
from factory_sim.wire.kpi_messages import WINDOWS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from factory_sim.records import Meta

MINUTE_US, HOUR_US = 60_000_000, 3_600_000_000
DAY_US, SHIFT_US = 24 * HOUR_US, 8 * HOUR_US
NAMES = WINDOWS


class ShiftSpan(NamedTuple):
    """A shift, or the part of it that lies in a run's window."""

    name: str  # "2026-01-05/early"; an unnamed one by its opening time, "2026-01-05/0600"
    window: Window


def hours_of(meta: Meta, from_us: int, to_us: int) -> list[tuple[str, int, int]]:
    """Return name, begin and end of the shifts that overlap [from_us, to_us), also outside of the run's window [µs].

    The name of an unnamed shift is empty. The end is the one that it will have.
    """
    found = [(name, a, b if meta.shifts else a + SHIFT_US) for name, a, b in _named(meta, from_us, to_us)]
    return [each for each in found if each[1] < to_us and each[2] > from_us]


def shifts_of(meta: Meta, from_us: int = 0, to_us: int = 2**62) -> list[ShiftSpan]:
    """Return the shifts of a run's window that overlap [from_us, to_us), in order of time.

    A plant without shifts has one for each stretch of planned time, which is divided into pieces of eight hours.
    """
    found = []
    for name, t0_us, t1_us in _named(meta, from_us, to_us):
        opens = local_time(meta, t0_us)
        label = f"{opens.date().isoformat()}/{name or opens.strftime('%H%M')}"
        window = Window(max(t0_us, meta.window.t0_us), min(t1_us, meta.window.t1_us))
        if window.t0_us < window.t1_us and window.t0_us < to_us and window.t1_us > from_us:
            found.append(ShiftSpan(label, window))
    return found


def _named(meta: Meta, from_us: int, to_us: int) -> Iterator[tuple[str, int, int]]:
    """Yield (name, from, to) of the shifts."""
    if meta.shifts:
        yield from meta.shifts
        return
    for begin, end in meta.planned_us:
        first = begin + max(from_us - begin, 0) // SHIFT_US * SHIFT_US
        for at in range(first, min(end, to_us), SHIFT_US):
            yield "", at, min(end, at + SHIFT_US)


def windows_at(meta: Meta, begin_us: int, end_us: int) -> dict[str, Window]:
    """Return the windows by name that end at `end_us`, or with their shift, of a feed that begins at `begin_us`.

    `shift` is the latest that has begun; it stays until the next one begins. A window that has no time is left out.
    """
    found = {
        "15 min": Window(max(begin_us, end_us - 15 * MINUTE_US), end_us),
        "1 h": Window(max(begin_us, end_us - HOUR_US), end_us),
        "today": Window(max(begin_us, midnight_us(meta, max(end_us - 1, 0))), end_us),
    }
    begun = begun_shifts(meta, begin_us, end_us)
    for name, span in zip(("shift", "last shift"), reversed(begun), strict=False):
        found[name] = Window(max(begin_us, span.window.t0_us), min(end_us, span.window.t1_us))
    return {name: found[name] for name in NAMES if name in found and found[name].t0_us < found[name].t1_us}


def begun_shifts(meta: Meta, begin_us: int, end_us: int) -> list[ShiftSpan]:
    """Return the shifts of a feed that begins at `begin_us` which have begun before `end_us`, in order of time."""
    return [each for each in shifts_of(meta, begin_us, end_us) if each.window.t0_us < end_us]


def open_before(meta: Meta, t_us: int, open_us: int) -> int:
    """Return the instant from which on the plant is open for `open_us` until `t_us`: nights and weekends do not count.

    Where too little planned time is known, the rest is counted by the clock.
    """
    for begin_us, end_us in reversed(meta.planned_us):
        stretch_us = min(end_us, t_us) - begin_us
        if stretch_us <= 0:
            continue
        if stretch_us >= open_us:
            return min(end_us, t_us) - open_us
        t_us, open_us = begin_us, open_us - stretch_us
    return t_us - open_us


def midnight_us(meta: Meta, t_us: int) -> int:
    """Return the beginning of the day of an instant, by the plant's clock [µs since the run's start]."""
    midnight = datetime.combine(local_time(meta, t_us).date(), time())
    return int(us_from_ns(ns_from_datetime(midnight, meta.timezone), meta.epoch_ns))


def local_time(meta: Meta, t_us: int) -> datetime:
    """Return an instant of a run by the plant's clock."""
    return datetime_from_ns(t_us * NS_PER_US + meta.epoch_ns, meta.timezone)
