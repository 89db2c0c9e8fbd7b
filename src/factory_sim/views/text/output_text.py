"""Output by shift, per calendar day and week, as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from factory_sim.results.compare import ShiftOutput
    from factory_sim.results.feed import RunOutput

SHIFTS = "Shifts      good parts, P10 / median / P90:"


def quantiles(found: ShiftOutput) -> str:
    """Return the quantiles of good parts over shifts: 590 / 603 / 615."""
    return f"{found.p10:,.0f} / {found.median:,.0f} / {found.p90:,.0f}"


def output_lines(found: RunOutput) -> list[str]:
    """Return the rate per planned hour, the output per calendar day and week, and the distribution over shifts."""
    calendar = f"{found.good_parts_per_day:,.0f} per calendar day, {found.good_parts_per_week:,.0f} per week"
    shifts = found.shifts
    return [
        f"Output      {found.good_parts_per_h:,.2f} good parts per planned hour; {calendar}",
        f"{SHIFTS} {quantiles(shifts)} ({shifts.n} shift{'s' * (shifts.n != 1)})"
        if shifts.n
        else "Shifts      the window contains no whole shift",
    ]
