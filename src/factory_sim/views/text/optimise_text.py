"""The answer of an optimisation for the terminal: the selected choice and its guarantee first, then the front."""

from __future__ import annotations

from typing import TYPE_CHECKING

from factory_sim.views.text import figures
from factory_sim.views.text.kpi_text import number, unit

if TYPE_CHECKING:
    from rich.console import RenderableType

    from factory_sim.results.optimise import OptimisationResult

FRONT_SHOWN = 20
SELECTED = "*"  # mark of the selected choice in the table


def optimise_lines(result: OptimisationResult) -> list[RenderableType]:
    """Return the lines and the table of an answer."""
    how = "all allowed choices" if result.complete else f"{result.tried:,} choices found by the search"
    hidden = len(result.front) - FRONT_SHOWN
    return [
        headline(result),
        f"Guarantee   {guarantee(result)}",
        *([f"Cost        {cost(result)}"] if result.is_priced else []),
        *(f"  ! {text}" for text in doubts(result)),
        "",
        front(result),
        figures.terminal_table(front_figures(result, FRONT_SHOWN)),
        sample(result),
        *([f"... and {hidden} more: --csv and --json write all of them."] if hidden > 0 else []),
        "",
        f"Runs        {how}, {result.study.trials:,} trials, {figures.windows(result.study)}",
    ]


def headline(result: OptimisationResult) -> str:
    """Return the selected choice, its first objective, and the change against the plant as it is."""
    kpi, about = next(iter(result.objectives.items()))
    chosen, change = result.selected, result.selected.change_pct[kpi]
    verb = "selected" if result.guarantee.decided else "leading, not decided"
    against = f", {figures.signed_interval(change, unit_text=' %')} against {result.base} as it is"
    value = f"{figures.label(kpi)} {figures.interval(chosen.responses[kpi], about.unit)}"
    return f"{verb}: {figures.values_text(chosen.values)}: {value}{against if change.is_defined else ''}"


def front(result: OptimisationResult) -> str:
    """Return what the table of choices contains."""
    *others, last = [
        f"{'more' if about.better > 0 else 'less'} {figures.label(kpi)}" for kpi, about in result.objectives.items()
    ]
    better = f"{', '.join(others)} and {last} at once" if others else last
    return f"Pareto front: the selected choice, and each choice for which no other has {better}."


def guarantee(result: OptimisationResult) -> str:
    """Return how reliable the selection is, and under which condition."""
    sure = result.guarantee
    kpi, about = next(iter(result.objectives.items()))
    if sure.finalists == 1:
        return "not needed: only one choice was compared"
    runs = f"{sure.replications} replications each"
    if not sure.decided:
        others = "; ".join(figures.values_text(each) for each in sure.left[1:4])
        left = f"{len(sure.left)} choices are left after {runs}, also {others}"
        return f"none yet: {left}. Raise most or indifference."
    among = f"all {sure.finalists:,} allowed choices" if result.complete else f"{sure.finalists} finalists"
    zone = f"{number(sure.indifference, about.unit)} {unit(about.unit)}"
    return (
        f"with at least {100 * sure.confidence:g} % probability the best of {among} in {figures.label(kpi)}, "
        f"if it leads by {zone} or more ({sure.procedure}, {runs})"
    )


def doubts(result: OptimisationResult) -> list[str]:
    """Return a warning where the selected choice may not be better than the plant as it is."""
    change = next(iter(result.selected.change_pct.values()))
    text = f"It may not be better than {result.base} as it is: the interval of the change includes 0."
    return [text] * (change.is_defined and change.includes_zero)


def cost(result: OptimisationResult) -> str:
    """Return the cost of the selected choice, and the prices behind it."""
    prices = ", ".join(
        f"{number(each.price)} per {each.address}" + (f" above {each.owned}" if each.owned else "")
        for each in result.variables
        if each.price
    )
    budget = "" if result.budget is None else f" of {number(result.budget)}"
    paid = f"{number(result.selected.cost)}{budget} {result.currency}"
    return f"{paid}, by the file's prices (assumed by you): {prices}"


def sample(result: OptimisationResult) -> str:
    """Return which replications the table of the front uses."""
    few, all_of_them = result.front_replications, result.guarantee.replications
    more = f"; the first line uses all {all_of_them}" if all_of_them > few else ""
    return f"{SELECTED} marks the selected choice. All rows use the same {few} replications{more}."


def front_figures(result: OptimisationResult, most: int) -> figures.Figures:
    """Return the table of the Pareto front."""
    priced, shown = result.is_priced, result.front[:most]
    empty = [""] * (len(result.variables) - 1 + priced)
    return figures.Figures(
        heads=[
            *(each.title for each in result.variables),
            *[f"cost, {result.currency}"] * priced,
            *figures.heads(result.objectives),
            "on front, %",
            "",
        ],
        rows=[
            [
                *map(str, each.values.values()),
                *[number(each.cost)] * priced,
                *figures.cells(each.responses, result.objectives),
                f"{100 * (each.share_on_front or 0.0):.0f}",
                SELECTED if each.selected else "",
            ]
            for each in shown
        ],
        foot=["as it is", *empty, *figures.cells(result.before, result.objectives), "", ""],
        marked=next((n for n, each in enumerate(shown) if each.selected), None),
    )
