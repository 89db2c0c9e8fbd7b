"""The content of a report, from a saved study; nothing is simulated."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from factory_sim.analysis.paired import mean_estimate
from factory_sim.results.estimate import Estimate
from factory_sim.results.resource import Resource
from factory_sim.study.compare import comparison, pairing, why
from factory_sim.study.store import StudyError
from factory_sim.study.study_json import STRIP_STEP_S
from factory_sim.views.html import palette, plant_drawing
from factory_sim.views.html import report_data as page
from factory_sim.views.labels import DETECTORS, QUANTITIES, warm_up_source
from factory_sim.views.text.study_text import best_relief, noted_quantities

if TYPE_CHECKING:
    from collections.abc import Sequence

    from factory_sim.records import F8
    from factory_sim.results.compare import ScenarioResult
    from factory_sim.results.why import OperationLimit, ResourceLimit, WhyResult
    from factory_sim.study_records import Arm, Study, Trial

VERSIONS = {"program": "factory-sim", "python": "Python", "numpy": "NumPy"}
COSTS = ("material", "machines", "labour", "energy", "repairs", "scrap")
REST = "vehicles, robots, building"
GROUPED = 6  # bins of a study in one point of a course: half an hour of eight
SMOOTH = 6  # bins on either side, in Welch's moving average
SHOWN = 12  # resources
NO_CHANGE = Estimate(mean=0.0, low=0.0, high=0.0, n=0)


def report_data(study: Study, file: str) -> page.ReportData:
    """Return everything that the page shows. Raise StudyError for too few finished trials, or a base without parts.

    file : name of the study file; "": it is not kept.
    """
    arms = [pairing.base_of(study), *pairing.scenarios_of(study)]
    found = {arm.name: pairing.finished(study, arm.name) for arm in arms}
    result = comparison.comparison(study)
    base, head = arms[0], study.header
    if not all(each.change[comparison.RESPONSE].is_defined for each in result.scenarios):
        msg = f"{base.name} produces no good parts in its window: no change can be reported. Set a longer --duration."
        raise StudyError(msg)
    operations = zip(base.operations, base.operation_titles, base.operation_sections, strict=True)
    return page.ReportData(
        plant=base.title,
        study=file,
        digest=result.study.digest,
        replications=min(map(len, found.values())),
        seed=head.seed,
        confidence=pairing.CONFIDENCE,
        warm_up_s=head.warm_up_s,
        duration_s=head.duration_s,
        currency=base.currency,
        sides=tuple(_side(study, arm, answer) for arm, answer in zip(arms, (None, *result.scenarios), strict=True)),
        rows=tuple(_rows(study, base, result.scenarios)),
        versions={word: getattr(head, key) for key, word in VERSIONS.items()},
        warm_up_how=warm_up_source(head.warm_up),
        series_step_s=GROUPED * head.bin_s,
        welch_step_s=head.bin_s,
        strip_step_s=STRIP_STEP_S,
        begins=_begins(base.start, head.warm_up_s),
        operations={name: ("" if title == name else title, section) for name, title, section in operations},
        pacing=titled(base, comparison.pacing_station(study)),
        drawing=drawing(arms[-1]),
        assumptions=tuple(dict.fromkeys(each for arm in arms for each in arm.assumptions)),
    )


def drawing(arm: Arm) -> str:
    """Return the picture of an arm's plant as SVG; "" where the study does not contain its flow."""
    if not arm.feeds:
        return ""
    machines = tuple(arm.machine_operations.count(i) for i in range(len(arm.operations)))
    plan = plant_drawing.Outline(
        title=arm.title,
        operations=arm.operations,
        titles=arm.operation_titles,
        sections=arm.operation_sections,
        machines=machines,
        feeds=tuple(tuple(plant_drawing.Feed(*each) for each in inputs) for inputs in arm.feeds),
        pacing=arm.pacing,
    )
    return plant_drawing.svg(plan)


def _begins(start: str, warm_up_s: float) -> str:
    """Return when the window starts by the plant's clock."""
    if not start:
        return ""
    run = datetime.fromisoformat(start).replace(tzinfo=None)
    return (run + timedelta(seconds=warm_up_s)).isoformat(timespec="seconds")


def _rows(study: Study, base: Arm, scenarios: Sequence[ScenarioResult]) -> list[page.Row]:
    """Return the compared quantities; of a study without scenarios, the base's line rate."""
    if not scenarios:
        rate = mean_estimate(pairing.line_values(study, base.name, pairing.RATE, pairing.pairs(study, base.name)))
        shown = QUANTITIES[comparison.RESPONSE]
        return [page.Row(shown.key, shown.label, shown.unit, shown.better, (rate,), (NO_CHANGE,))]
    words = {"station": scenarios[0].station, "currency": base.currency}
    rows = []
    for name, shown in QUANTITIES.items():
        changes = [each.change[name] for each in scenarios if name in each.change]
        if len(changes) < len(scenarios) or not all(change.is_defined for change in changes):
            continue
        if shown.unit == "%":
            changes = [each.change_points[name] for each in scenarios]
        values = (scenarios[0].before[name], *(each.after[name] for each in scenarios))
        scaled = tuple(each.scaled(shown.factor) for each in values)
        label, unit = shown.label.format(**words), shown.unit.format(**words)
        better = 0 if name == "station_oee_pct" and _moved(scenarios) else shown.better
        rows.append(page.Row(shown.key, label, unit, better, scaled, (NO_CHANGE, *changes)))
    return rows


def _moved(scenarios: Sequence[ScenarioResult]) -> bool:
    """Return whether the station ceased to be the constraint: that it waits more then is no loss."""
    return any(
        each.constraint.before == Resource(kind="operation", name=each.station) != each.constraint.after
        for each in scenarios
    )


def _side(study: Study, arm: Arm, answer: ScenarioResult | None) -> page.Side:
    trials = [study.trials[arm.name, r] for r in pairing.pairs(study, arm.name)]
    limits = why.why(study, arm.name)
    output, wip = _courses(study, arm, trials)
    payback = answer.payback_years if answer else None
    return page.Side(
        name=arm.name,
        title=arm.title if arm.title and not arm.overrides else arm.name,
        digest=arm.digest,
        constraint=_constraint(arm, limits.constraint),
        question=arm.question,
        changes=arm.groups,
        limits=tuple(_limit(arm, row, limits.operations) for row in limits.resources[:SHOWN]),
        next_limit=_next(arm, limits),
        attribution=_attribution(answer),
        machines=tuple(
            page.Machine(name, titled(arm, arm.operations[i]), arm.operation_sections[i])
            for name, i in zip(arm.machines, arm.machine_operations, strict=True)
        ),
        states=_states(trials),
        losses=_losses(trials),
        energy=_energy(trials),
        cost={item: mean_estimate([t.line[f"cost_{item}_per_part"] for t in trials]) for item in COSTS},
        output=output,
        wip=wip,
        welch=welch(study, arm, trials),
        strip=next((t.strip for t in trials if t.strip), ""),
        payback_years=payback if payback and payback.is_defined else None,
        investment=arm.investment.amount if arm.investment else 0.0,
        notes=tuple(noted_quantities(answer.notes if answer else comparison.notes(trials))),
    )


def titled(arm: Arm, operation: str) -> str:
    """Return the name of an operation with its title."""
    if operation not in arm.operations:
        return operation or "No operation"
    title = arm.operation_titles[arm.operations.index(operation)]
    return operation if title in {"", operation} else f"{operation} {title}"


def _constraint(arm: Arm, found: Resource | None) -> str:
    if found is None:
        return "No resource"
    return titled(arm, found.name) if found.kind == "operation" else f"The {found.kind} {found.name}"


def _limit(arm: Arm, row: ResourceLimit, operations: Sequence[OperationLimit]) -> page.Limit:
    about = next((each for each in operations if row.kind == "operation" and each.operation == row.name), None)
    relief, ranks = best_relief(row), about.ranks if about else {}
    return page.Limit(
        resource=titled(arm, row.name) if row.kind == "operation" else f"{row.kind} {row.name}",
        path_share=row.share,
        change=relief.change if relief else "",
        worth=relief.parts_per_shift if relief else None,
        ranks={label: rank for name, (label, _) in DETECTORS.items() if (rank := ranks.get(name)) is not None},
    )


def _next(arm: Arm, limits: WhyResult) -> str:
    found = limits.next
    if not found:
        return ""
    following = f"{titled(arm, found.operation)} would limit the line next"
    limiting = limits.constraint.name if limits.constraint else ""
    what = "it would still limit the line" if found.operation == limiting else following
    return f"With half the cycle time at {limiting}, {what}."


def _attribution(answer: ScenarioResult | None) -> page.Attribution | None:
    if not answer or not answer.attribution:
        return None
    parts = answer.attribution.contributions.items()
    shares = sorted((page.Share(name, each) for name, each in parts), key=lambda share: -share.earned.mean)
    return page.Attribution(answer.change[comparison.RESPONSE], tuple(shares), answer.attribution.method)


def _states(trials: Sequence[Trial]) -> tuple[tuple[float, ...], ...]:
    """Return the shares of states by machine, in the order of the palette."""
    n = len(next(iter(trials[0].state_share.values()), ()))
    columns = [
        np.nan_to_num([t.state_share.get(state.name.lower(), np.zeros(n)) for t in trials]).mean(axis=0)
        for state in palette.MACHINE_STATES
    ]
    return tuple(map(tuple, np.array(columns).T.tolist()))


def _losses(trials: Sequence[Trial]) -> tuple[page.Lost, ...]:
    kept = [t.losses for t in trials if t.losses]
    total: dict[tuple[str, str, str], float] = {}
    for losses in kept:
        for section, reason, by, hours in losses:
            total[section, reason, by] = total.get((section, reason, by), 0.0) + hours / len(kept)
    return tuple(page.Lost(*key, hours) for key, hours in sorted(total.items(), key=lambda item: (-item[1], item[0])))


def _energy(trials: Sequence[Trial]) -> dict[str, Estimate]:
    """Return kWh per good part by cause; the rest of the line is vehicles, robots and the building."""
    good = np.array([t.line["good_parts"] for t in trials])
    good[good == 0] = math.nan
    by = {cause: np.array([t.line[f"kwh_{cause}"] for t in trials]) / good for cause in palette.ENERGY_CAUSES}
    rest = np.array([t.line["kwh_per_part"] for t in trials]) - sum(by.values())
    return {cause: mean_estimate(values) for cause, values in by.items()} | {REST: mean_estimate(rest)}


def _courses(study: Study, arm: Arm, trials: Sequence[Trial]) -> tuple[page.Band, page.Band]:
    """Return the output interval of planned time and the parts inside, over the window, in groups of bins."""
    setting = study.header
    first = round(setting.warm_up_s / setting.bin_s)
    out = np.array([t.out[first:] for t in trials], np.float64)
    wip = np.array([t.wip[first:] for t in trials], np.float64)
    n = out.shape[1] // GROUPED * GROUPED
    parts = out[:, :n].reshape(len(trials), -1, GROUPED).sum(axis=2)
    inside = wip[:, :n].reshape(len(trials), -1, GROUPED).mean(axis=2)
    length_s = GROUPED * setting.bin_s
    open_s = _open_s(arm, setting.warm_up_s, length_s, parts.shape[1])
    interval_s = np.divide(open_s, parts, out=np.full(parts.shape, np.nan), where=(parts > 0) & (open_s > length_s / 3))
    return _band(interval_s), _band(inside)


def _open_s(arm: Arm, begin_s: float, length_s: float, n: int) -> F8:
    """Return planned production in each of n intervals of that length [s], shape (n,)."""
    edges = begin_s + np.arange(n + 1) * length_s
    open_s: F8 = np.zeros(n)
    for t0, t1 in arm.planned_us:
        open_s += np.diff(np.clip(edges, t0 / 1e6, t1 / 1e6))
    return open_s


def welch(study: Study, arm: Arm, trials: Sequence[Trial]) -> tuple[page.Band, page.Band]:
    """Return good parts per planned hour from the empty line on, and its moving average (Welch 1983).

    Neither has a value where production is not planned, and the average has none at the end.
    """
    out, bin_s = np.mean([t.out for t in trials], axis=0), study.header.bin_s
    open_s = _open_s(arm, 0.0, bin_s, len(out))
    out[open_s == 0] = 0.0
    reach = [min(i, SMOOTH) for i in range(max(len(out) - SMOOTH, 0))]
    spans = [slice(i - r, i + r + 1) for i, r in enumerate(reach)]
    per_h = [_rate(made, s) if s > bin_s / 2 else None for made, s in zip(out.tolist(), open_s.tolist(), strict=True)]
    smooth = [_rate(float(out[span].sum()), float(open_s[span].sum())) for span in spans]
    return page.Band(tuple(per_h)), page.Band(tuple(smooth))


def _rate(parts: float, open_s: float) -> float | None:
    return 3600 * parts / open_s if open_s else None


def _band(values: F8) -> page.Band:
    """Return the mean of each point, values of shape (n_replications, n_points); NaN is not defined."""
    found_ = [mean_estimate(column) for column in values.T]
    found = [each.to_dict() for each in found_]
    return page.Band(*(tuple(each[end] for each in found) for end in ("mean", "low", "high")))
