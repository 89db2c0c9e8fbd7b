"""A study's answers for the terminal: the answer first, then what it rests on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import RenderableType

# What a comparison shows: change -> (label, unit, form, factor)
ROWS: dict[str, tuple[str, str, str, float]] = {
    "line_rate_pct": ("line: good parts per planned hour", "", ".2f", 1),
    "station_time_pct": ("station {station}: cycle time, s", "", ".2f", 1),
    "station_rate_pct": ("station {station}: rate, parts/h", "", ".2f", 1),
    "station_oee_pct": ("station {station}: OEE, %", "", ".1f", 100),
    "oee_pct": ("all machines: OEE, %", "", ".1f", 100),
    "wip_pct": ("work in progress, parts", "", ",.0f", 1),
    "lead_time_pct": ("lead time, min", "", ",.1f", 1 / 60),
    "kwh_per_part_pct": ("energy per part, kWh", "", ".2f", 1),
    "cost_per_part_pct": ("cost per part, {currency}", "", ",.2f", 1),
}
# Detector -> (its name, head of its column of ranks)
DETECTORS = {
    "average_active_period_s": ("average active period", "avg"),
    "momentary_active_share": ("momentary active period", "mom"),
    "active_share": ("utilisation", "util"),
    "turning_point": ("turning point", "turn"),
    "arrow": ("arrow", "arrow"),
}


def answer_lines(answer: Mapping[str, Any]) -> list[RenderableType]:
    """Every scenario's answer, one below the other."""
    lines: list[RenderableType] = []
    for each in answer["scenarios"].values():
        lines += [*([""] if lines else []), *_scenario(each, answer["base"])]
    about = answer["study"]
    hours, warm_up = about["duration_s"] / 3600, about["warm_up_s"] / 3600
    dropped = f"{warm_up:.3g} h of warm-up ({_found(about['warm_up'])})"
    lines.append(_promise(len(answer["scenarios"]), 100 * next(iter(answer["scenarios"].values()))["confidence"]))
    lines.append(f"Runs        seed {about['seed']}, windows of {hours:g} h after {dropped}")
    return lines


def _scenario(each: Mapping[str, Any], base: str) -> list[RenderableType]:
    rate, where = each["change"]["line_rate_pct"], each["constraint"]
    head = f"line rate {moved(rate, unit=' %')}" if rate else "line rate not defined: the base makes no good parts"
    of = f"{each['scenario']} against {base}, {each['replications']} pairs"
    lines: list[RenderableType] = [f"{head}   {of}", _table(each)]
    same = "stays" if where["before"] == where["after"] else "moves to"
    lines.append(f"Constraint  {where['before'] or 'none'} {same} {where['after'] or 'none'} (critical path)")
    if each["payback_years"]:
        lines.append(f"Payback     {_years(each['payback_years'])}")
    return lines


def attribution_lines(answer: Mapping[str, Any]) -> list[RenderableType]:
    """Who earned the change of every scenario that was taken apart."""
    told = [each for each in answer["scenarios"].values() if each["attribution"]]
    lines: list[RenderableType] = []
    for each in told:
        of = f"{each['scenario']}: " if len(answer["scenarios"]) > 1 else ""
        how = f"{each['attribution_method']} Shapley values; points of the line rate"
        lines += [f"Who earned it ({of}{how}, intervals hold together)", _shares(each["attribution"])]
    return lines


def _table(each: Mapping[str, Any]) -> Table:
    table = Table("", "before", "after", "change, %", "", box=None, pad_edge=False)
    for column in table.columns[1:4]:
        column.justify = "right"
    for name, (label, _, form, factor) in ROWS.items():
        change = each["change"].get(name)
        if change is None:
            continue
        sides = [format(factor * each[side][name]["mean"], form) for side in ("before", "after")]
        table.add_row(label.format(**each), *sides, moved(change), _mark(change))
    return table


def _promise(scenarios: int, percent: float) -> str:
    rates = "the line rate's by itself" if scenarios == 1 else "the line rates' together"
    return f"Intervals   {percent:g} %: {rates}, those of the other rows all together (Bonferroni); n.s.: holds 0"


def _mark(change: Mapping[str, Any]) -> str:
    """Whether an interval leaves it open that there is no change at all."""
    low, high = change["low"], change["high"]
    return "n.s." if low is None or high is None or low <= 0 <= high else ""


def _shares(parts: Mapping[str, Mapping[str, float]]) -> Table:
    table = Table("", "earned", "", "over orders", box=None, pad_edge=False)
    for name, part in sorted(parts.items(), key=lambda item: -item[1]["mean"]):
        interval = f"[{part['low']:+.2f}, {part['high']:+.2f}]"
        table.add_row(f"  {name}", f"{part['mean']:+.2f}", interval, f"{part['least']:+.2f} ... {part['most']:+.2f}")
    table.add_row("  together", f"{sum(part['mean'] for part in parts.values()):+.2f}")
    return table


def moved(change: Mapping[str, Any], form: str = "+.2f", unit: str = "") -> str:
    """A mean with its interval."""
    if change["mean"] is None:
        return "-"
    if change["low"] is None or change["high"] is None:
        return f"{change['mean']:{form}}{unit}"
    return f"{change['mean']:{form}}{unit} [{change['low']:{form}}, {change['high']:{form}}]"


def _years(years: Mapping[str, float | None]) -> str:
    if years["mean"] is None:
        return "never: the scenario earns nothing"
    low, high = years["low"], years["high"]
    return f"{years['mean']:.2f} years [{low:.2f}, {'no upper end' if high is None else f'{high:.2f}'}]"


def _found(warm_up: Mapping[str, Any]) -> str:
    if warm_up["by"] == "given":
        return "as given"
    if warm_up["by"] == "moment":
        return f"the past of {warm_up['file']}"
    settled = "" if warm_up["settled"] else "; the pilots did not settle"
    return f"MSER-5 {warm_up['mser5_s'] / 3600:.2g} h, filling {warm_up['fill_s'] / 3600:.2g} h{settled}"


def why_lines(found: Mapping[str, Any]) -> list[RenderableType]:
    """What limits a plant, and the proof."""
    if found["constraint"] is None:
        return [f"{found['of']}: no good part came out, so nothing can be said of what limits it"]
    first, after = found["operations"][0], found["next"]
    share = f"{100 * first['critical_path_share']['mean']:.0f} % of the critical path"
    worth = first["one_second_less"]
    gain = f"; {_less(worth)} there is worth {moved(worth, '+.1f')} parts per shift" if worth else ""
    lines: list[RenderableType] = [
        f"{found['constraint']} limits {found['of']}: {share}{gain}",
        "",
        _ranking(found),
        "Intervals hold together with 95 % (Bonferroni); n.s.: holds 0." if worth else "",
    ]
    named = found["first_by"]
    others = ", ".join(f"{label} {named.get(detector, 'nobody')}" for detector, (label, _) in DETECTORS.items())
    lines.append(f"Classic detectors name: {others}.")
    if after:
        stays = after["operation"] == found["constraint"]
        what = "It stays the constraint" if stays else f"Next is {after['operation']}"
        share = f"{100 * after['critical_path_share']['mean']:.0f} % of the critical path"
        gain = f"{moved(after['parts_per_shift'], '+.1f')} parts per shift"
        lines.append(f"{what} once {found['constraint']} takes half the time: {share}, {gain}.")
    return lines


def _less(worth: Mapping[str, Any]) -> str:
    return "one second less" if worth["less_s"] == 1 else f"{worth['less_s']:g} s less"


def _ranking(found: Mapping[str, Any]) -> Table:
    heads = [head for _, head in DETECTORS.values()]
    table = Table("operation", "path, %", "1 s less, parts/shift", "", *heads, box=None, pad_edge=False)
    for column in (table.columns[1], *table.columns[4:]):
        column.justify = "right"
    for row in found["operations"]:
        worth, path = row["one_second_less"], 100 * row["critical_path_share"]["mean"]
        ranks = [str(row["ranks"][detector] or "-") for detector in DETECTORS]
        value = moved(worth, "+.1f") + ("" if worth["less_s"] == 1 else f" ({_less(worth)})") if worth else "-"
        table.add_row(row["operation"], f"{path:.1f}", value, _mark(worth) if worth else "", *ranks)
    return table
