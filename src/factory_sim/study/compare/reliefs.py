"""What `why` tries at each resource of a plant: the one table of reliefs."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import islice, pairwise
from typing import TYPE_CHECKING

from factory_sim.plant.spec import EVERY_DAY, UNLIMITED
from factory_sim.plant.wall_clock import DAY_S, hours_on
from factory_sim.plant.yaml import clock_texts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from factory_sim.plant.spec import Hours, Operation, Plant, Shift, Source

SECOND_LESS = "one second less"
LESS_S = 1.0
MORE_ARRIVALS = 1.1
MORE_S = 1800.0  # open time per day


@dataclass(frozen=True, slots=True)
class Relief:
    """A change of one resource; `overrides` returns it as typed, nothing where the resource cannot be changed so."""

    change: str
    overrides: Callable[[Plant, str], tuple[str, ...]]


def second_less_s(plant: Plant, name: str) -> float:
    """Return by how much the relief shortens the mean cycle time [s]: one second, at most half of it."""
    return min(LESS_S, _operation(plant, name).cycle_time.mean_s / 2)


def _operation(plant: Plant, name: str) -> Operation:
    return next(each for each in plant.operations if each.name == name)


def _source(plant: Plant, name: str) -> Source:
    return next(each for each in plant.sources if each.name == name)


def _second_less(plant: Plant, name: str) -> tuple[str, ...]:
    mean_s = _operation(plant, name).cycle_time.mean_s
    return (f"operations.{name}.cycle_time*{1 - second_less_s(plant, name) / mean_s!r}",) if mean_s else ()


def _one_more_machine(_plant: Plant, name: str) -> tuple[str, ...]:
    return (f"operations.{name}.machines+1",)


def _half_setup(plant: Plant, name: str) -> tuple[str, ...]:
    return (f"operations.{name}.setup*0.5",) if any(map(any, _operation(plant, name).setup_s)) else ()


def _half_repair(plant: Plant, name: str) -> tuple[str, ...]:
    """Return a change of each machine: its failures may be its own, besides those of the operation."""
    units = _operation(plant, name).machines
    failing = [plant.units[each.unit] for each in plant.machines if each.unit in units and each.failures]
    return tuple(f"machines.{machine}.failures.*.repair*0.5" for machine in failing)


def _one_more_place(plant: Plant, name: str) -> tuple[str, ...]:
    inputs = _operation(plant, name).inputs
    if any(each.capacity >= UNLIMITED for each in inputs):
        return ()
    return (f"operations.{name}.buffer+1" if len(inputs) == 1 else f"operations.{name}.inputs.0.buffer+1",)


def _more_arrivals(plant: Plant, name: str) -> tuple[str, ...]:
    """Return shorter times between arrivals; of a schedule, an arrival more in the middle of every tenth gap."""
    source = _source(plant, name)
    if source.interarrival:
        return (f"sources.{name}.interarrival*{1 / MORE_ARRIVALS!r}",)
    times = source.arrivals_s
    more = [(a + b) / 2 for a, b in islice(pairwise(times), min(max(len(times) - 1, 0) // 2, 5), None, 10)]
    return (f"sources.{name}.schedule:={json.dumps([f'{t!r} s' for t in sorted((*times, *more))])}",) if more else ()


def _more_cards(plant: Plant, name: str) -> tuple[str, ...]:
    cards = _source(plant, name).cards
    return (f"sources.{name}.cards:={cards + max(1, math.floor(0.1 * cards + 0.5))}",) if cards else ()


def _longer_shift(plant: Plant, name: str) -> tuple[str, ...]:
    """Return later closing times, also on dates with hours of their own; where no day has room, shorter breaks."""
    shift = next(each for each in plant.shifts if each.name == name)
    dated = _later_on_dates(shift)
    found = [f"shifts.{name}.exceptions:={json.dumps(dated)}"] if dated else []
    for key, hours in (("open", _later(shift.hours)), ("breaks", _shorter(shift.breaks))):
        if hours:
            return (f"shifts.{name}.{key}:={json.dumps(_texts(hours))}", *found)
    return tuple(found)


def _texts(hours: Iterable[Hours]) -> list[str]:
    return [clock_texts.text_of(each) for each in hours]


def _later_on_dates(shift: Shift) -> dict[str, str | list[str]]:
    """Return the exceptions of a shift with a later end of the last hours of each date; none where nothing changes."""
    changed = False
    found: dict[str, str | list[str]] = {}
    for day, hours in shift.exceptions:
        own = sorted(hours, key=lambda each: each.end_s)
        if own:
            later = _with_later_end(own[-1], hours_on(shift, day + timedelta(days=1)))
            changed = changed or later != own[-1]
            own[-1] = later
        found[day.isoformat()] = _texts(own) or "closed"
    return found if changed else {}


def _with_later_end(last: Hours, next_day: Iterable[Hours]) -> Hours:
    """Return the last hours of a day with a later end, at most until those of the next day begin."""
    after = min((each.begin_s + DAY_S for each in next_day), default=math.inf)
    end_s = min(last.end_s + MORE_S, after, last.begin_s + DAY_S - 1)
    return replace(last, end_s=max(end_s, last.end_s))


def _by_day(hours: Sequence[Hours]) -> list[list[Hours]]:
    """Return the hours that begin on each day of the week, in the order of their ends."""
    return [
        sorted((replace(each, days=(day,)) for each in hours if day in each.days), key=lambda each: each.end_s)
        for day in EVERY_DAY
    ]


def _later(hours: Sequence[Hours]) -> list[Hours]:
    """Return the hours with a later end of the last ones of each day; none where no day has room for that."""
    week = _by_day(hours)
    changed = False
    for day, own in enumerate(week):
        if own:
            later = _with_later_end(own[-1], week[(day + 1) % 7])
            changed = changed or later != own[-1]
            own[-1] = later
    return [each for own in week for each in own] if changed else []


def _shorter(breaks: Sequence[Hours]) -> list[Hours]:
    """Return the breaks, 30 minutes a day shorter, the last ones first."""
    kept = []
    for own in _by_day(breaks):
        left_s = MORE_S
        for each in reversed(own):
            cut_s = min(left_s, each.end_s - each.begin_s)
            left_s -= cut_s
            if each.end_s - cut_s > each.begin_s:
                kept.append(replace(each, end_s=each.end_s - cut_s))
    return kept


def _one_more(collection: str) -> tuple[Relief, ...]:
    return (Relief("one more", lambda _plant, name: (f"{collection}.{name}.count+1",)),)


# Kind of a resource -> its reliefs, each applied to one named resource only.
RELIEFS: dict[str, tuple[Relief, ...]] = {
    "operation": (
        Relief(SECOND_LESS, _second_less),
        Relief("one more machine", _one_more_machine),
        Relief("half its setup", _half_setup),
        Relief("half its repair time", _half_repair),
        Relief("one more place in its buffer", _one_more_place),
    ),
    "fleet": _one_more("fleets"),
    "operator": _one_more("crews"),
    "crew": _one_more("crews"),
    "robot": _one_more("robots"),
    "source": (Relief("10 % more arrivals", _more_arrivals),),
    "cards": (Relief("10 % more cards, at least one", _more_cards),),
    "shift": (Relief("30 minutes more per open day", _longer_shift),),
}
