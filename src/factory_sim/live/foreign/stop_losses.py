"""Stop rules of a feed file: the time of each unit by loss category."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from factory_sim.analysis import stops
from factory_sim.errors import ConfigError
from factory_sim.intake import time_stamps
from factory_sim.intake.mapping import MAPPED_STATES, Item
from factory_sim.intake.tally import Tally
from factory_sim.plant.states import State

if TYPE_CHECKING:
    from factory_sim.intake.mapping import Mapping
    from factory_sim.intake.series import Store
    from factory_sim.intake.unit_events import UnitEvents

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


def table_of(mapping: Mapping) -> dict[str, tuple[int, ...]]:
    """Return the loss categories: those of the feed file, or of docs/kpis.md."""
    given = mapping.shape.losses
    if given is None:
        return dict(stops.LOSSES)
    found = {"availability": given.availability, "performance": given.performance, "not planned": given.planned}
    return {name: tuple(CODES[word] for word in words if word in CODES) for name, words in found.items() if words}


def words_of(table: dict[str, tuple[int, ...]]) -> dict[str, tuple[str, ...]]:
    """Return a table of loss categories in words."""
    return {name: tuple(_WORDS[code] for code in codes) for name, codes in table.items()}


def losses_s(
    events: dict[int, UnitEvents], store: Store, mapping: Mapping, until_ns: int
) -> dict[int, dict[str, float]]:
    """Return the seconds of each unit by category, after the stop rules; empty without `stops` and `losses`."""
    shape = mapping.shape.stops
    if shape is None and mapping.shape.losses is None:
        return {}
    rules, shifts = stops.StopRules(), []
    if shape is not None:
        rules = stops.StopRules(
            minimum_run_s=shape.minimum_run or 0.0,
            ignore_below_s=shape.ignore_below or 0.0,
            micro_s=shape.micro or 0.0,
            low_speed_per_h=(shape.low_speed or 0.0) * _PER_H,
            break_s=shape.break_ or 0.0,
            specify=shape.unspecified == "following",
            changeovers=shape.changeovers,
        )
        shifts = _shifts(mapping) if shape.shifts else []
    table = table_of(mapping)
    found = {}
    for unit, each in events.items():
        changes = [stops.Change(int(t), int(code)) for t, code in zip(each.t_ns, each.state, strict=True)]
        counts = (each.given_ns, np.ones(len(each.given_ns), np.int64)) if rules.low_speed_per_h else None
        orders = _orders(store, unit, until_ns) if rules.changeovers else []
        changed = stops.apply(changes, rules, shifts=shifts, orders=orders, counts=counts, until_ns=until_ns)
        found[unit] = stops.losses_s(changed, until_ns, table)
    return found


def _orders(store: Store, unit: int, until_ns: int) -> list[stops.Span]:
    series = store.series.get((unit, Item.ORDER))
    if series is None:
        return []
    times = series.arrays()[0].tolist()
    return [stops.Span(begin, end) for begin, end in zip(times, [*times[1:], until_ns], strict=True)]


def _shifts(mapping: Mapping) -> list[stops.Span]:
    """Return the shifts of the CSV file that the feed file names: columns begin, end."""
    shape = mapping.shape.stops
    name = (shape.shifts if shape else None) or ""
    file, tally, clock = Path(mapping.file).parent / name, Tally(), mapping.sources[0].clock
    try:
        with file.open(encoding="utf-8-sig") as stream:
            rows = list(csv.DictReader(stream))
        ends = [[time_stamps.one(row[key], clock, tally) for key in ("begin", "end")] for row in rows]
    except (OSError, KeyError, UnicodeDecodeError) as error:
        raise ConfigError.of(str(file), f"is not a table of shifts with columns begin, end: {error}") from None
    if tally.entries():
        first = tally.entries()[0]
        raise ConfigError.of(str(file), f"{first.reason}: {first.example}")
    return [stops.Span(begin, end) for begin, end in ends]
