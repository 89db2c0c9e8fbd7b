"""Local times of a plant's calendar that a change of the clock skips or repeats (CAL-5)."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from factory_sim.clock import is_repeated, is_skipped, ns_from_datetime
from factory_sim.plant.wall_clock import DAY_S, Dates, hours_on

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from factory_sim.plant.spec import Plant

NOTED_US = 400 * 86_400_000_000  # of a run: its first changes of the local clock are reported


def notes(plant: Plant, t0_us: int, t1_us: int) -> list[str]:
    """Return a line for each local time within a stretch of a run that does not exist, or occurs twice."""
    found = []
    start = datetime.fromisoformat(plant.start)
    if is_repeated(start, plant.timezone):
        found.append(f"start: {start:%Y-%m-%d %H:%M} occurs twice in {plant.timezone}; the first counts.")
    days = list(Dates(plant.start, plant.timezone).between(t0_us, t1_us))
    for day, tomorrow in pairwise(days):
        midnights = [ns_from_datetime(datetime.combine(each, time()), plant.timezone) for each in (day, tomorrow)]
        if midnights[1] - midnights[0] != DAY_S * 1e9:
            times = {(owner, local) for owner, local in _local_times(plant, day) if local.date() == day}
            found += [line for owner, local in sorted(times) if (line := _note(owner, local, plant.timezone))]
    return found


def _note(owner: str, local: datetime, timezone: str) -> str:
    if is_skipped(local, timezone):
        return f"{owner}: {local:%Y-%m-%d %H:%M} does not exist in {timezone}; it takes effect after the change."
    twice = is_repeated(local, timezone)
    return f"{owner}: {local:%Y-%m-%d %H:%M} occurs twice in {timezone}; the first counts." if twice else ""


def _local_times(plant: Plant, day: date) -> Iterator[tuple[str, datetime]]:
    """Yield what changes at which local time on a date, and in hours that begin on the day before."""
    for begins in (day - timedelta(days=1), day):
        midnight = datetime.combine(begins, time())
        for shift in plant.shifts:
            breaks = [each for each in shift.breaks if begins.weekday() in each.days]
            for hours in (*hours_on(shift, begins), *breaks):
                yield f"shift {shift.name}", midnight + timedelta(seconds=hours.begin_s)
                yield f"shift {shift.name}", midnight + timedelta(seconds=hours.end_s)
        for machine in plant.machines:
            for plan in machine.maintenance:
                for each in plan.at:
                    if begins.weekday() in each.days:
                        yield f"maintenance {plan.name}", midnight + timedelta(seconds=each.at_s)
        for from_s in plant.cost.tariff.from_s[1:]:
            yield "tariff", midnight + timedelta(seconds=from_s)
