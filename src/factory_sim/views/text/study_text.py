"""Results of `compare`, `whatif` and `why` for the terminal: the answer first, then its evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from factory_sim.results.compare import GAIN, PATH_SHARE
from factory_sim.views.labels import CONTRIBUTION, DETECTORS, QUANTITIES, warm_up_source
from factory_sim.views.text.figures import FEWEST, signed, signed_interval
from factory_sim.views.text.output_text import SHIFTS, quantiles

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import RenderableType

    from factory_sim.results.compare import ComparisonResult, Contribution, ScenarioResult
    from factory_sim.results.estimate import Estimate
    from factory_sim.results.study_summary import StudySummary
    from factory_sim.results.whatif import InterimResult
    from factory_sim.results.why import ReliefGain, ResourceLimit, WhyResult


RESOURCES_SHOWN = 12


def comparison_lines(result: ComparisonResult) -> list[RenderableType]:
    """Return the answers of all scenarios, one below the other."""
    lines: list[RenderableType] = []
    for each in result.scenarios:
        lines += [*([""] if lines else []), *_scenario(each, result.base)]
    together = "the line rate's by itself" if len(result.scenarios) == 1 else "the line rates' jointly"
    percent = 100 * result.scenarios[0].confidence
    if any(each.replications >= FEWEST for each in result.scenarios):
        lines.append(
            f"Intervals   {percent:g} %: {together}, those of the other rows jointly (Bonferroni); n.s.: contains 0; "
            "pp: percentage points"
        )
    lines.append(_runs(result.study))
    return lines


def _runs(about: StudySummary) -> str:
    dropped = f"{about.warm_up_s / 3600:.3g} h of warm-up ({warm_up_source(about.warm_up)})"
    return f"Runs        seed {about.seed}, windows of {about.duration_s / 3600:g} h after {dropped}"


def _scenario(each: ScenarioResult, base: str) -> list[RenderableType]:
    rate = each.change["line_rate_pct"]
    undefined = "line rate not defined: the base produces no good parts; simulate longer (--duration)"
    head = f"line rate {signed_interval(rate, unit_text=' %')}" if rate.is_defined else undefined
    of = f"{each.scenario} against {base}, {each.replications} pairs"
    lines: list[RenderableType] = [f"{head}   {of}", _table(each)]
    if each.replications >= FEWEST and each.constraint.by == PATH_SHARE:  # measured ones come last
        lines.append(_constraint(each))
    if each.shifts:
        sides = [quantiles(one) for one in each.shifts.values()]
        n = each.shifts["after"].n
        lines.append(f"{SHIFTS} {sides[0]} before, {sides[1]} after ({n} shifts)")
    if each.payback_years:
        lines.append(f"Payback     {_years(each.payback_years)}")
    return [*lines, *(f"Note        {label}: {text}" for label, text in noted_quantities(each.notes))]


def _constraint(each: ScenarioResult) -> str:
    where = each.constraint
    moved = f" moves to {where.after or 'none'}" if where.before != where.after else ", before and after"
    return f"Constraint  {where.before or 'none'}{moved} (by {where.by})"


def noted_quantities(notes: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return label and text of each shown quantity that is not defined, or has a cause that must be stated."""
    return [(QUANTITIES[name].label, text) for name, text in notes.items() if name in QUANTITIES]


def attribution_lines(result: ComparisonResult) -> list[RenderableType]:
    """Return what follows the comparison: measured constraints, and the contribution of each change."""
    lines: list[RenderableType] = []
    for each in result.scenarios:
        if each.constraint.by == GAIN:
            lines.append(_constraint(each))
        if each.attribution is not None:
            of = f"{each.scenario}: " if len(result.scenarios) > 1 else ""
            how = f"{each.attribution.method} Shapley values; percentage points of the line rate"
            lines += [
                f"{CONTRIBUTION} ({of}{how}; the intervals hold jointly)",
                _shares(each.attribution.contributions),
            ]
    return lines


def interim_line(found: InterimResult) -> str:
    """Return the precision reached so far."""
    rate = found.line_rate
    return f"{rate.n:4} pairs  {found.scenario}: line rate {signed_interval(rate, unit_text=' %')}"


def _table(each: ScenarioResult) -> Table:
    table = Table("", "before", "after", "change, %", "", box=None, pad_edge=False)
    for column in table.columns[1:4]:
        column.justify = "right"
    for name, shown in QUANTITIES.items():
        change = each.change.get(name)
        if change is None or not change.is_defined:
            continue
        label = (f"{shown.label}, {shown.unit}" if shown.unit else shown.label).format(
            station=each.station, currency=each.currency
        )
        points = each.change_points.get(name)
        sides = [format(shown.factor * side[name].mean, shown.form) for side in (each.before, each.after)]
        marks = ["pp"] * (points is not None) + [not_significant(points or change)]
        table.add_row(label, *sides, signed_interval(points or change), " ".join(marks).rstrip())
    return table


def not_significant(change: Estimate) -> str:
    """Return "n.s." for an interval that contains 0 and is printed."""
    return "n.s." if change.includes_zero and change.n >= FEWEST else ""


def _shares(parts: Mapping[str, Contribution]) -> Table:
    table = Table("", "contribution", "", "over orders", box=None, pad_edge=False)
    for name, part in sorted(parts.items(), key=lambda item: -item[1].mean):
        ends = f"[{signed(part.low)}, {signed(part.high)}]" if part.n >= FEWEST else ""
        table.add_row(f"  {name}", signed(part.mean), ends, f"{signed(part.least)} ... {signed(part.most)}")
    table.add_row("  together", signed(sum(part.mean for part in parts.values())))
    return table


def _years(years: Estimate) -> str:
    if not years.is_defined:
        return "never: the scenario does not increase earnings"
    if years.n < FEWEST:
        return f"{years.mean:.2f} years"
    upper = "no upper end" if years.to_dict()["high"] is None else f"{years.high:.2f}"
    return f"{years.mean:.2f} years [{years.low:.2f}, {upper}]"


def why_lines(found: WhyResult) -> list[RenderableType]:
    """Return what limits a plant, and the evidence."""
    first = found.limit
    if first is None:
        table = [_resources(found)] if found.resources else []
        return [f"{found.of}: no constraint was found. {found.reason}", *table]
    relief, after = best_relief(first), found.next
    worth = f"; {relief.change}: {_parts(relief)} good parts per shift" if relief else ""
    lines: list[RenderableType] = [
        f"{first.kind} {first.name} limits {found.of}: {_path(first.share)}{worth}",
        "",
        _resources(found),
        "The intervals of all changes hold jointly with 95 % (Bonferroni); n.s.: contains 0." if relief else "",
        "",
        _operations(found),
    ]
    named = ", ".join(f"{label} {found.first_by.get(name, 'none')}" for name, (label, _) in DETECTORS.items())
    lines.append(f"Classic detectors, which see operations only, name: {named}.")
    if after:
        stays = after.operation == first.name
        what = "It stays the first operation" if stays else f"The next operation is {after.operation}"
        share = f"{100 * after.critical_path_share.mean:.0f} % of the path's time in operations"
        more = f"{signed_interval(after.parts_per_shift, '+.1f')} parts per shift"
        lines.append(f"{what} once {first.name} takes half the time: {share}, {more}.")
    return lines


def best_relief(resource: ResourceLimit) -> ReliefGain | None:
    """Return the change of a resource with the largest significant gain, else with the largest gain."""
    return max(
        resource.relief, key=lambda each: (each.parts_per_shift.low > 0, each.parts_per_shift.mean), default=None
    )


def _parts(relief: ReliefGain) -> str:
    return signed_interval(relief.parts_per_shift, "+.1f")


def _path(share: Estimate) -> str:
    return f"{100 * share.mean:.0f} % of the critical path"


def _resources(found: WhyResult) -> Table:
    table = Table("resource", "path, %", "largest gain", "parts/shift", "", box=None, pad_edge=False)
    table.columns[0].overflow, table.columns[1].justify = "fold", "right"
    for each in found.resources[:RESOURCES_SHOWN]:
        relief = best_relief(each)
        gain = (relief.change, _parts(relief), not_significant(relief.parts_per_shift)) if relief else ("-", "", "")
        table.add_row(f"{each.kind} {each.name}", f"{100 * each.share.mean:.1f}", *gain)
    for column in (
        table.columns[1],
        *table.columns[3:],
    ):  # where the terminal is narrow, words are wrapped, not figures
        column.no_wrap = True
    return table


def _operations(found: WhyResult) -> Table:
    """Return how the shares of operations divide, and their ranks by the classic detectors."""
    heads = [head for _, head in DETECTORS.values()]
    shown = [each for each in found.resources[:RESOURCES_SHOWN] if each.kind == "operation"]
    ranks = {each.operation: each.ranks for each in found.operations}
    names = ("operation,\n% of path", *(shown[0].parts if shown else ()), *heads)
    table = Table(*names, box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.columns[0].overflow = "fold"
    for column in table.columns[1:]:
        column.justify, column.no_wrap = "right", True
    for each in shown:
        parts = [f"{100 * share:.1f}" for share in each.parts.values()]
        places = [str(ranks.get(each.name, {}).get(detector) or "-") for detector in DETECTORS]
        table.add_row(each.name, *parts, *places)
    return table
