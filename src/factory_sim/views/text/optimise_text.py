"""An optimisation's answer for the terminal: the selected choice and its guarantee first, then the Pareto front."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from factory_sim.views.text.kpi_text import number, unit
from factory_sim.views.text.study_text import moved
from factory_sim.views.text.sweep_text import estimate, figures, give_or_take, head, label, named

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import RenderableType
    from rich.table import Table

FRONT_SHOWN = 20


def optimise_lines(answer: Mapping[str, Any]) -> list[RenderableType]:
    """What an optimisation says."""
    lines: list[RenderableType] = [*headline(answer)]
    lines.append(f"Guarantee   {guarantee(answer)}")
    if any(each["price"] for each in answer["variables"]):
        lines.append(f"Cost        {cost(answer)}")
    lines += doubt(answer)
    lines += ["", f"Pareto front: {_front_words(answer)}", _front(answer), sample(answer)]
    hidden = len(answer["front"]) - FRONT_SHOWN
    if hidden > 0:
        lines.append(f"... and {hidden} more: --csv and --json write all of them.")
    return [*lines, "", _runs(answer)]


def headline(answer: Mapping[str, Any]) -> list[str]:
    """The selected choice, what comes of it, and by how much that differs from the plant as it is."""
    first, about = next(iter(answer["objectives"].items()))
    chosen = answer["selected"]
    value = f"{estimate(chosen['responses'][first], about['unit'])} {unit(about['unit'])}"
    verb = "selected" if answer["guarantee"]["decided"] else "leading, not decided"
    change = chosen["change_pct"][first]
    against = f"   {moved(change, unit=' %')} against {answer['base']} as it is" if change else ""
    return [f"{verb}: {named(chosen['values'])}: {label(first)} {value}{against}"]


def guarantee(answer: Mapping[str, Any]) -> str:
    """What may be relied on, and under which condition."""
    sure = answer["guarantee"]
    first, about = next(iter(answer["objectives"].items()))
    zone = f"{number(sure['indifference'], about['unit'])} {unit(about['unit'])}"
    among = f"all {sure['finalists']:,} allowed choices" if answer["complete"] else f"{sure['finalists']} finalists"
    if sure["finalists"] == 1:
        return "nothing to choose from: it is the only one"
    runs = f"{sure['replications']} replications each"
    if not sure["decided"]:
        others = "; ".join(named(each) for each in sure["left"][1:4])
        left = f"{len(sure['left'])} choices are left after {runs}, also {others}"
        return f"none yet: {left}. Raise most or indifference."
    share = f"{100 * sure['confidence']:g} %"
    return (
        f"with at least {share} probability the best of {among} in {label(first)}, if it leads by {zone} or more "
        f"({sure['procedure']}, {runs})"
    )


def doubt(answer: Mapping[str, Any]) -> list[str]:
    """A warning where the selected choice may be no better than the plant as it is."""
    change = next(iter(answer["selected"]["change_pct"].values()))
    if not change or change["low"] is None or change["high"] is None or not change["low"] <= 0 <= change["high"]:
        return []
    return [f"  ! It may be no better than {answer['base']} as it is: the interval of the change holds 0."]


def cost(answer: Mapping[str, Any]) -> str:
    """What the selected choice costs, and by whose prices."""
    currency = answer["currency"]
    prices = ", ".join(
        f"{number(v['price'])} per {v['address']}" + (f" above {v['owned']}" if v["owned"] else "")
        for v in answer["variables"]
        if v["price"]
    )
    budget = "" if answer["budget"] is None else f" of {number(answer['budget'])}"
    return f"{number(answer['selected']['cost'])}{budget} {currency}, by the file's prices (assumed by you): {prices}"


def sample(answer: Mapping[str, Any]) -> str:
    """Which replications the table is of, all rows alike, where the headline has seen more."""
    few, all_of_them = answer["front_replications"], answer["guarantee"]["replications"]
    more = f"; the first line is over all {all_of_them}" if all_of_them > few else ""
    return f"Every row is over the same {few} replications{more}."


def _front_words(answer: Mapping[str, Any]) -> str:
    words = [f"{'more' if about['better'] > 0 else 'less'} {label(kpi)}" for kpi, about in answer["objectives"].items()]
    return f"no other choice has {', '.join(words)} all at once; and the selected one"


def _front(answer: Mapping[str, Any]) -> Table:
    priced = any(each["price"] for each in answer["variables"])
    heads = [each["title"] for each in answer["variables"]] + [f"cost, {answer['currency']}"] * priced
    heads += [head(kpi, about["unit"]) for kpi, about in answer["objectives"].items()]
    rows = []
    for each in answer["front"][:FRONT_SHOWN]:
        values = [str(value) for value in each["values"].values()] + [number(each["cost"])] * priced
        shown = [give_or_take(each["responses"][kpi], about["unit"]) for kpi, about in answer["objectives"].items()]
        often = f"{100 * each['share_on_front']:.0f}"
        rows.append([*values, *shown, often, "selected" if each["selected"] else ""])
    before = [give_or_take(answer["before"][kpi], about["unit"]) for kpi, about in answer["objectives"].items()]
    rows.append(["as it is", *[""] * (len(answer["variables"]) - 1 + priced), *before, "", ""])
    return figures([*heads, "on front, %", ""], rows)


def _runs(answer: Mapping[str, Any]) -> str:
    about = answer["study"]
    how = "all allowed choices" if answer["complete"] else f"{answer['tried']:,} choices that the search met"
    window = f"{about['duration_s'] / 3600:g} h after {about['warm_up_s'] / 3600:.3g} h of warm-up"
    return f"Runs        {how}, {about['trials']:,} trials, seed {about['seed']}, windows of {window}"
