"""Shifts from their shapes: named hours, breaks, and dates with other hours (CAL-1 to CAL-5)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING

from factory_sim.clock import is_skipped
from factory_sim.plant import spec
from factory_sim.plant.wall_clock import always_closed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from factory_sim.plant.resolve.context import Context
    from factory_sim.plant.yaml import shapes
    from factory_sim.plant.yaml.tree import Path


def resolve(name: str, shape: shapes.Shift, holidays: Sequence[date], context: Context) -> spec.Shift:
    """Return a shift; on holidays it does not open, unless it has hours of its own for that date."""
    path, report = ("shifts", name), context.report
    days: dict[date, tuple[spec.Hours, ...]] = dict.fromkeys(holidays, ())
    dated: set[date] = set()
    for dates, given in shape.exceptions.items():
        hours = _named(given)
        if twice := sorted(dated.intersection(dates)):
            report.add((*path, "exceptions"), f"{twice[0]} appears twice", "Give each date once; divide a range.")
        dated.update(dates)
        for day in dates:
            days[day] = hours
            _check_date(day, hours, (*path, "exceptions"), context)
    shift = spec.Shift(name, _named(shape.open), tuple(shape.breaks), tuple(sorted(days.items())), shape.at_end)
    if report.clean((*path, "open")) and report.clean((*path, "breaks")) and always_closed(shift):
        report.add(path, "never opens", "Write open: '06:00-14:00', and breaks shorter than that.", at_key=True)
    return shift


def _named(given: Mapping[str, Sequence[spec.Hours]]) -> tuple[spec.Hours, ...]:
    return tuple(replace(hours, name=name) for name, of_name in given.items() for hours in of_name)


def _check_date(day: date, hours: Sequence[spec.Hours], path: Path, context: Context) -> None:
    """Refuse hours of one date that name days of the week, or that the local clock skips on that date."""
    for each in hours:
        if each.days != spec.EVERY_DAY:
            context.report.add(path, f"the hours of {day} name days of the week", "Write '06:00-10:00', without days.")
        for seconds in (each.begin_s, each.end_s):
            local = datetime.combine(day, time()) + timedelta(seconds=seconds)
            if context.has_timezone and is_skipped(local, context.plant.timezone):
                what = f"{local:%Y-%m-%d %H:%M} does not exist in {context.plant.timezone}: the clock is set forward"
                context.report.add(path, what, "Give a time before or after the change.")
