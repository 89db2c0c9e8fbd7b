"""Time stamps of any form to nanoseconds since 1970 UTC."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from factory_sim.clock import is_skipped, ns_from_datetime

if TYPE_CHECKING:
    from collections.abc import Callable

    from factory_sim.intake.mapping import ClockRule
    from factory_sim.intake.tally import Tally
    from factory_sim.records import I8

MISSING = -(2**63)  # no time stamp, or one that cannot be read
NO_ZONE, NO_TIME = "time stamp without zone", "time stamp that cannot be read"
NO_LOCAL = "local time that does not exist, because the clock is set forward"
OUTSIDE = "time stamp outside the years 2000 to 2099"
_EARLIEST_NS, _LATEST_NS = 946_684_800_000_000_000, 4_102_444_800_000_000_000
_NOT_SET = "; expected a clock that is set, or clock.format of stamps such as 20260504080000: '%Y%m%d%H%M%S'"
_WITH_FORMAT = "; expected ISO 8601 or seconds since 1970, or clock.format such as '%d.%m.%Y %H:%M:%S'"
_WITH_ZONE = "; expected 2026-05-04T06:00:00Z, or clock.zone in the feed file"
_WITH_OFFSET = " in {}; a clock that keeps winter time has an offset as clock.zone: Etc/GMT-1 is UTC+1"
_SCALES = ((1e17, 1), (1e14, 1_000), (1e11, 1_000_000), (0.0, 1_000_000_000))  # by size: ns, µs, ms, s since 1970
_NS = pa.timestamp("ns", "UTC")
_NS_PER_S = 1_000_000_000
_STRAGGLER_NS = 60 * _NS_PER_S  # a row that falls back by less came late
_CHANGE_NS, _SEASON_NS = 3 * 3600 * _NS_PER_S, 60 * 86_400 * _NS_PER_S  # around a change; the clock has one per season


def one(value: Any, clock: ClockRule, tally: Tally) -> int:
    """Return a single time stamp [ns]; MISSING, counted with its reason, if it cannot be used."""
    found = _parsed(value, clock, tally)
    if found == MISSING or _EARLIEST_NS <= found < _LATEST_NS:
        return found
    tally.add(OUTSIDE, f"{value}{_NOT_SET}")
    return MISSING


def _parsed(value: Any, clock: ClockRule, tally: Tally) -> int:
    if isinstance(value, bool) or value is None:
        tally.add(NO_TIME, repr(value))
        return MISSING
    if clock.format:
        return _formatted(str(value), clock, tally)
    if isinstance(value, str) and value.isdecimal():  # 13 digits may pass for a date and a time of day
        value = int(value)
    if isinstance(value, int | float):
        return _of_number(value, tally)
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return _of_text(str(value), tally)
    return _of_moment(moment, str(value), clock, tally)


def _formatted(text: str, clock: ClockRule, tally: Tally) -> int:
    try:
        moment = datetime.strptime(text.strip(), clock.format)  # noqa: DTZ007 - the zone follows
    except ValueError:
        tally.add(NO_TIME, f"{text}; expected clock.format {clock.format}")
        return MISSING
    return _of_moment(moment, text, clock, tally)


def _of_moment(moment: datetime, text: str, clock: ClockRule, tally: Tally) -> int:
    if moment.tzinfo is None and not clock.zone:
        tally.add(NO_ZONE, f"{text}{_WITH_ZONE}")
        return MISSING
    if is_skipped(moment, clock.zone):
        tally.add(NO_LOCAL, f"{text}{_WITH_OFFSET.format(clock.zone)}")
        return MISSING
    return ns_from_datetime(moment, clock.zone)


def _of_number(value: float, tally: Tally) -> int:
    scale = next((scale for least, scale in _SCALES if value >= least), 0)
    if not scale or not value < 2**63 / scale:
        tally.add(NO_TIME, str(value))
        return MISSING
    return value * scale if isinstance(value, int) else round(value * scale)


def _of_text(text: str, tally: Tally) -> int:
    try:
        return _of_number(float(text), tally)
    except ValueError:
        tally.add(NO_TIME, f"{text}{_WITH_FORMAT}")
        return MISSING


def column(values: pa.Array, clock: ClockRule, tally: Tally, place: Callable[[int], str] | None = None) -> I8:
    """Return the time stamps of a column [ns], MISSING where there is none that can be used; shape (n,).

    place : of a row, for messages; None: that of the tally
    """
    found = _column(values, clock, tally, place)
    outside = (found < _EARLIEST_NS) | (found >= _LATEST_NS)
    if outside.any():
        outside &= found != MISSING
        for row in np.flatnonzero(outside)[:1].tolist():
            tally.where = tally.where if place is None else place(row)
            tally.add(OUTSIDE, f"{values[row]}{_NOT_SET}", int(outside.sum()))
        found = np.where(outside, MISSING, found)
    return found


def _column(values: pa.Array, clock: ClockRule, tally: Tally, place: Callable[[int], str] | None) -> I8:
    kind = values.type
    if pa.types.is_dictionary(kind):
        values, kind = values.cast(kind.value_type), kind.value_type
    if place is not None and len(values):
        tally.where = place(0)
    if pa.types.is_timestamp(kind) and not clock.format:
        return _of_timestamps(values, clock, tally, place)
    if (pa.types.is_integer(kind) or pa.types.is_floating(kind)) and not clock.format:
        return _of_numbers(values)
    fast = (_of_formatted if clock.format else _of_texts)(values, clock, tally, place)
    if fast is not None:
        if values.null_count:
            first = int(np.argmax(values.is_null().to_numpy(zero_copy_only=False)))
            tally.where = tally.where if place is None else place(first)
            tally.add(NO_TIME, "None", values.null_count)
        return fast
    found = np.full(len(values), MISSING)
    for row, each in enumerate(values.to_pylist()):
        if place is not None:
            tally.where = place(row)
        found[row] = one(each, clock, tally)
    return found


def _of_timestamps(values: pa.Array, clock: ClockRule, tally: Tally, place: Callable[[int], str] | None) -> I8:
    if values.type.tz is None:
        if not clock.zone:
            tally.add(NO_ZONE, f"{values[0]}{_WITH_ZONE}" if len(values) else "", len(values))
            return np.full(len(values), MISSING)
        return _of_local(values, clock, tally, place)
    return _filled(values.cast(_NS).view(pa.int64()))


def _without_skipped(values: pa.Array, clock: ClockRule, tally: Tally, place: Callable[[int], str] | None) -> pa.Array:
    """Return local times, null where there is no such local time."""
    before, after = (
        pc.assume_timezone(values, clock.zone, ambiguous="earliest", nonexistent=each)
        for each in ("earliest", "latest")
    )
    skipped = pc.fill_null(pc.not_equal(before, after), fill_value=False)
    first = pc.index(skipped, value=True).as_py()
    tally.where = tally.where if place is None else place(first)
    tally.add(NO_LOCAL, f"{values[first]}{_WITH_OFFSET.format(clock.zone)}", pc.sum(skipped).as_py())
    return pc.if_else(skipped, pa.scalar(None, values.type), values)


def _of_local(values: pa.Array, clock: ClockRule, tally: Tally, place: Callable[[int], str] | None) -> I8:
    """Return local time stamps [ns]. Of the hour that is passed twice, the second begins where they fall back."""
    try:
        first = _in_zone(values, clock.zone, "earliest")
    except pa.ArrowInvalid:
        values = _without_skipped(values, clock, tally, place)
        first = _in_zone(values, clock.zone, "earliest")
    second = first if _has_one_offset(first, clock.zone) else _in_zone(values, clock.zone, "latest")
    twice = second != first
    if not twice.any():
        return first
    steps = np.diff(_filled(values.cast(pa.timestamp("ns")).view(pa.int64())))
    falls = twice[1:] & twice[:-1] & (steps < -(clock.late_ns + _STRAGGLER_NS))
    fallen = np.append(0, np.cumsum(falls))
    outside = np.maximum.accumulate(np.where(twice, 0, np.arange(len(twice))))  # the latest row outside of that hour
    return np.where(twice & (fallen > fallen[outside]), second, first)


def _in_zone(values: pa.Array, zone: str, ambiguous: str) -> I8:
    found = pc.assume_timezone(values, zone, ambiguous=ambiguous, nonexistent="raise")
    return _filled(found.cast(_NS).view(pa.int64()))


def _has_one_offset(t_ns: I8, zone: str) -> bool:
    """Return whether no change of the clock lies between times; of a long span it is not asked."""
    there = t_ns[t_ns != MISSING]
    if not len(there) or there.max() - there.min() > _SEASON_NS:
        return not len(there)
    ends = (int(there.min() - _CHANGE_NS) // _NS_PER_S, int(there.max() + _CHANGE_NS) // _NS_PER_S)
    return len({datetime.fromtimestamp(each, ZoneInfo(zone)).utcoffset() for each in ends}) == 1


def _of_numbers(values: pa.Array) -> I8:
    known = _filled(values) if pa.types.is_integer(values.type) else values.to_numpy(zero_copy_only=False)
    top = float(np.nanmax(np.where(known == MISSING, 0, known), initial=0))
    scale = next(scale for least, scale in _SCALES if top >= least)
    most = (2**63 - 1) // scale  # a larger number is outside of any year
    if scale == 1 or known.dtype.kind == "i":
        return np.where(known == MISSING, MISSING, np.clip(known.astype(np.int64), 0, most) * scale)
    finite = np.clip(np.nan_to_num(known), 0, most)
    return np.where(np.isnan(known), MISSING, np.round(finite * scale).astype(np.int64))


def _of_texts(values: pa.Array, clock: ClockRule, tally: Tally, place: Callable[[int], str] | None) -> I8 | None:
    """Return texts parsed at once: ISO with Z or an offset, ISO without zone, or numbers; None if they are mixed."""
    sample = values.drop_null()[:1]
    for kind, found in ((_NS, None), (pa.timestamp("ns"), _of_timestamps), (pa.int64(), None), (pa.float64(), None)):
        try:
            sample.cast(kind)  # a column of another form takes Arrow a second: it writes a message for each row
            plain = values.cast(kind)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            continue
        if pa.types.is_floating(kind) and not pc.all(pc.is_finite(plain)).as_py():
            return None
        if pa.types.is_integer(kind) or pa.types.is_floating(kind):
            return _of_numbers(plain)
        return _filled(plain.view(pa.int64())) if found is None else found(plain, clock, tally, place)
    return None


def _of_formatted(values: pa.Array, clock: ClockRule, tally: Tally, place: Callable[[int], str] | None) -> I8 | None:
    """Return texts of the format parsed at once; None if one of them has another form."""
    if any(part in clock.format for part in ("%f", "%z", "%Z")) or not pa.types.is_string(values.type):
        return None
    try:
        found = pc.strptime(pc.utf8_trim_whitespace(values), format=clock.format, unit="ns")
    except pa.ArrowInvalid:
        return None
    return _of_timestamps(found, clock, tally, place)


def _filled(values: pa.Array) -> I8:
    found: I8 = (values.fill_null(MISSING) if values.null_count else values).to_numpy(zero_copy_only=False)
    return found.astype(np.int64, copy=False)
