"""Stop rules of a file, applied to any log: the time of each machine by loss category."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from factory_sim.analysis import stops
from factory_sim.analysis.stops import Span, StopRules
from factory_sim.clock import us_from_ns
from factory_sim.errors import ConfigError
from factory_sim.intake import feed_file, time_stamps
from factory_sim.intake.mapping import MAPPED_STATES, ClockRule, Item
from factory_sim.intake.tally import Tally
from factory_sim.live.rolling.shift_spans import SHIFT_US
from factory_sim.plant.states import State
from factory_sim.results.stop_losses import StopLosses

if TYPE_CHECKING:
    import os

    from factory_sim.intake.feed_shapes import FeedFile, Losses
    from factory_sim.intake.mapping import Mapping
    from factory_sim.intake.series import Store
    from factory_sim.records import EventLog, Meta, Window

CODES = {  # word of `losses` -> code
    **MAPPED_STATES,
    "micro_stop": stops.MICRO_STOP,
    "low_speed": stops.LOW_SPEED,
    "break": stops.BREAK,
    "changeover": stops.CHANGEOVER,
    "unspecified": int(State.DOWN),
    "no_shift": int(State.OFF),
}
_WORDS = {code: word for word, code in reversed(CODES.items())}
_PER_H = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Convention:
    """The keys `stops` and `losses` of a file: rules, shifts, and the table of states and stops by loss category."""

    rules: StopRules
    shifts: tuple[Span, ...]
    table: dict[str, tuple[int, ...]]

    def shifts_us(self, meta: Meta) -> tuple[tuple[str, int, int], ...]:
        """Return the shifts as a description has them: those of the table, and pieces of eight hours after its end."""
        if not self.shifts:
            return ()
        found = [
            (us_from_ns(each.begin_ns, meta.epoch_ns), us_from_ns(each.end_ns, meta.epoch_ns)) for each in self.shifts
        ]
        ends = range(max(end for _, end in found), meta.window.t1_us, SHIFT_US)
        return tuple(("", int(a), int(b)) for a, b in [*sorted(found), *((at, at + SHIFT_US) for at in ends)])

    def losses(
        self, log: EventLog, meta: Meta, *, window: Window | None = None, orders: dict[int, list[Span]] | None = None
    ) -> StopLosses:
        """Return the time of each machine of a log by loss category."""
        found = stops.losses_of_log_s(
            log, meta, self.rules, self.table, window=window, shifts=self.shifts, orders=orders
        )
        return StopLosses(
            losses_s={meta.units[unit].name: seconds for unit, seconds in found.items()},
            loss_table={name: tuple(_WORDS[code] for code in codes) for name, codes in self.table.items()},
        )


def of_file(path: str | os.PathLike[str]) -> Convention:
    """Return the stop rules of a file with the keys `stops` and `losses`, such as a feed file."""
    file, shape = feed_file.read_stops(path)
    return _convention(file, shape, ClockRule(zone=shape.clock.zone or ""))


def of_mapping(mapping: Mapping) -> Convention:
    """Return the stop rules and loss categories of a feed file; without any, those of docs/kpis.md."""
    top = mapping.shape.clock  # a source may have a zone of its own
    clock = ClockRule(zone=top.zone or mapping.sources[0].clock.zone, format=top.format or "")
    return _convention(mapping.file, mapping.shape, clock)


def _convention(file: str, shape: FeedFile, clock: ClockRule) -> Convention:
    given, rules = shape.stops, StopRules(specify=False)
    shifts: tuple[Span, ...] = ()
    if given is not None:
        rules = StopRules(
            minimum_run_s=given.minimum_run or 0.0,
            ignore_below_s=given.ignore_below or 0.0,
            micro_s=given.micro or 0.0,
            low_speed_per_h=(given.low_speed or 0.0) * _PER_H,
            break_s=given.break_ or 0.0,
            specify=given.unspecified == "following",
            changeovers=given.changeovers,
        )
        shifts = _shifts(Path(file).parent / given.shifts, clock) if given.shifts else ()
    return Convention(rules=rules, shifts=shifts, table=_table(shape.losses))


def _table(given: Losses | None) -> dict[str, tuple[int, ...]]:
    """Return the loss categories: those given, or those of docs/kpis.md."""
    if given is None:
        return dict(stops.LOSSES)
    words = {"availability": given.availability, "performance": given.performance, "not planned": given.planned}
    found = {name: tuple(CODES[word] for word in each) for name, each in words.items() if each}
    placed = {code for codes in found.values() for code in codes}
    for name in ("not planned", "unknown"):  # never running
        rest = tuple(code for code in stops.LOSSES[name] if code not in placed)
        found |= {name: rest} if name not in found and rest else {}
    return found


def orders_of(store: Store, until_ns: int) -> dict[int, list[Span]]:
    """Return the orders of each unit, from one change of the item `order` to the next."""
    found = {}
    for (unit, item), series in store.series.items():
        if item == Item.ORDER:
            times = series.arrays()[0].tolist()
            found[unit] = [Span(begin, end) for begin, end in zip(times, [*times[1:], until_ns], strict=True)]
    return found


def _shifts(file: Path, clock: ClockRule) -> tuple[Span, ...]:
    """Return the shifts of a CSV file with columns begin, end."""
    tally = Tally()
    try:
        with file.open(encoding="utf-8-sig") as stream:
            rows = list(csv.DictReader(stream))
        ends = [[_stamp(row[key], clock, tally) for key in ("begin", "end")] for row in rows]
    except (OSError, KeyError, UnicodeDecodeError) as error:
        raise ConfigError.of(str(file), f"is not a table of shifts with columns begin, end: {error}") from None
    if tally.entries():
        first = tally.entries()[0]
        raise ConfigError.of(str(file), f"{first.reason}: {first.example}")
    for number, (begin, end) in enumerate(ends, 2):
        if end <= begin:
            raise ConfigError.of(
                str(file), f"row {number}: the shift ends before it begins", "A night shift ends on the next day."
            )
    return tuple(Span(begin, end) for begin, end in ends)


def _stamp(text: str, clock: ClockRule, tally: Tally) -> int:
    """Return a time stamp [ns], which is ISO 8601 or has the form of those in the feed."""
    found = time_stamps.one(text, ClockRule(zone=clock.zone), Tally())
    return time_stamps.one(text, clock, tally) if found == time_stamps.MISSING else found
