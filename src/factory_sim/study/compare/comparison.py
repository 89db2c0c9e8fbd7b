"""The result of a comparison: changes over pairs of trials on common random numbers, with intervals."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from factory_sim.analysis.paired import mean_estimate, paired_difference, paired_percent_change
from factory_sim.results.compare import GAIN, PATH_SHARE, ComparisonResult, Constraint, ScenarioResult, ShiftOutput
from factory_sim.results.estimate import Estimate
from factory_sim.results.study_summary import StudySummary
from factory_sim.study.compare import attribution, why
from factory_sim.study.compare.pairing import CONFIDENCE, RATE, base_of, finished, joint_confidence, scenarios_of
from factory_sim.study.compare.path import first_operation, first_resource
from factory_sim.study.output import PER_WEEK, shift_output
from factory_sim.study.study_json import study_digest
from factory_sim.views import labels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from factory_sim.records import F8
    from factory_sim.study_records import Arm, Study, Trial

# quantity -> KPI of the line; the quantities of all other KPIs have the KPI's name and "_pct"
_RENAMED = {"line_rate_pct": RATE, "lead_time_pct": "lead_time_s", "output_interval_pct": "output_interval_s"}
_NOT_COMPARED = {"constraint", "constraint_by_active_period"}  # numbers of operations
RESPONSE = "line_rate_pct"  # the primary response: its interval is not widened by the others
CALENDAR = {f"{name}_pct": number for name, number in PER_WEEK.items()}
STATION = ("station_time_pct", "station_rate_pct", "station_oee_pct")
SHARES = {name for name, shown in labels.QUANTITIES.items() if shown.unit == "%"}
# The other quantities that tables show: their intervals hold jointly.
BESIDE = tuple(name for name in labels.QUANTITIES if name != RESPONSE and name not in CALENDAR)


def comparison(study: Study) -> ComparisonResult:
    """Return every scenario of a study against its base. Raise StudyError when it is not finished."""
    scenarios = tuple(scenario_result(study, arm) for arm in scenarios_of(study))
    return ComparisonResult(base=base_of(study).name, scenarios=scenarios, study=summary(study))


def summary(study: Study) -> StudySummary:
    """Return seed, window, warm-up and digest of a study."""
    head = study.header
    return StudySummary(
        seed=head.seed,
        warm_up_s=head.warm_up_s,
        duration_s=head.duration_s,
        warm_up=head.warm_up,
        trials=len(study.trials),
        digest=study_digest(study),
    )


def scenario_result(study: Study, arm: Arm) -> ScenarioResult:
    """Return one scenario against the base. Raise StudyError when it is not finished."""
    base = base_of(study)
    found = finished(study, base.name, arm.name)
    before, after = ([study.trials[name, r] for r in found] for name in (base.name, arm.name))
    station = pacing_station(study)
    values = {n: (_series(before, base, n, station), _series(after, arm, n, station)) for n in _names(before)}
    return ScenarioResult(
        scenario=arm.name,
        title=arm.title,
        replications=len(found),
        confidence=CONFIDENCE,
        station=station,
        currency=base.currency,
        change={n: paired_percent_change(*pair, _confidence(study, n)) for n, pair in values.items()},
        change_points={n: _points(*values[n], _confidence(study, n)) for n in values if n in SHARES},
        before={n: mean_estimate(pair[0]) for n, pair in values.items()},
        after={n: mean_estimate(pair[1]) for n, pair in values.items()},
        constraint=_constraint(study, base.name, arm.name),
        attribution=attribution.attribution(study, arm),
        shifts={"before": _shifts(before), "after": _shifts(after)} if before[0].shifts else {},
        payback_years=payback(before, after, arm),
        notes=notes([*before, *after]),
    )


def notes(trials: Sequence[Trial]) -> dict[str, str]:
    """Return why quantities are not defined, or why OEE is above 100 %, in the first trial that notes it."""
    renamed = {kpi: name for name, kpi in _RENAMED.items()}
    found = {kpi: text for trial in reversed(trials) for kpi, text in trial.notes.items() if kpi not in _NOT_COMPARED}
    return {renamed.get(kpi, f"{kpi}_pct"): text for kpi, text in found.items()}


def _points(before: F8, after: F8, confidence: float) -> Estimate:
    """Return the change of a share in percentage points, by paired differences."""
    return paired_difference(before, after, confidence).scaled(100.0)


def _constraint(study: Study, before: str, after: str) -> Constraint:
    """Return the constraints by measured gains where both plants have them, else by path share."""
    found = [why.constraint(study, name) for name in (before, after)]
    if all(each.by == GAIN for each in found):
        return Constraint(before=found[0].resource, after=found[1].resource, by=GAIN)
    return Constraint(before=first_resource(study, before), after=first_resource(study, after), by=PATH_SHARE)


def _names(trials: Sequence[Trial]) -> list[str]:
    renamed = {kpi: name for name, kpi in _RENAMED.items()}
    return [
        *(renamed.get(kpi, f"{kpi}_pct") for kpi in trials[0].line if kpi not in _NOT_COMPARED),
        *STATION,
        *CALENDAR,
    ]


def _shifts(trials: Sequence[Trial]) -> ShiftOutput:
    return shift_output([parts for trial in trials for parts in trial.shifts])


def pacing_station(study: Study) -> str:
    """Return the operation of the station quantities: the one that the plant names, else the base's constraint."""
    base = base_of(study)
    return base.operations[base.pacing] if base.pacing >= 0 else first_operation(study, base.name)


def _series(trials: Sequence[Trial], arm: Arm, name: str, station: str) -> F8:
    """Return a quantity by replication, shape (n,)."""
    if name in CALENDAR:
        return np.array([trial.line[RATE] * arm.week_h / CALENDAR[name] for trial in trials], np.float64)
    if name not in STATION:
        kpi = _RENAMED.get(name, name.removesuffix("_pct"))
        return np.array([trial.line[kpi] for trial in trials], np.float64)
    place = arm.operations.index(station) if station in arm.operations else -1
    if place < 0:
        return np.full(len(trials), np.nan)
    kpi = "oee" if name == "station_oee_pct" else "cycle_time_s"
    values = np.array([trial.operation[kpi][place] for trial in trials], np.float64)
    return 3600 / values if name == "station_rate_pct" else values


def _confidence(study: Study, name: str) -> float:
    """Return the confidence of one change by itself: line rates hold jointly, and so do the quantities beside them."""
    if name == RESPONSE or name in CALENDAR:  # the line rate times a constant
        return joint_confidence(study)
    return joint_confidence(study, len(BESIDE)) if name in BESIDE else CONFIDENCE


def payback(before: Sequence[Trial], after: Sequence[Trial], arm: Arm) -> Estimate | None:
    """Return the years until the investment is earned back, infinite where the gain may be 0; None without one.

    Yearly gain = hours per year x change of (good parts per hour x (value per part - cost per part)).
    """
    money = arm.investment
    if money is None:
        return None

    def earned(trials: Sequence[Trial]) -> F8:
        return np.array([t.line[RATE] * (money.value_per_part - t.line["cost_per_part"]) for t in trials])

    def years(gain: float) -> float:
        yearly = gain * money.hours_per_year
        return money.amount / yearly if yearly > 0 else math.inf

    gain = paired_difference(earned(before), earned(after))
    return Estimate(mean=years(gain.mean), low=years(gain.high), high=years(gain.low), n=gain.n)
