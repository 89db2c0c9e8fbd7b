"""What a study says: changes over pairs of trials on common random numbers, with intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from factory_sim.analysis.paired import mean_estimate, paired_difference, paired_percent_change
from factory_sim.study import store
from factory_sim.study.compare import attribution
from factory_sim.study.compare.pairing import (
    CONFIDENCE,
    RATE,
    as_dict,
    base_of,
    finished,
    finite,
    pairs,
    scenarios_of,
    together,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from factory_sim.records import F8, Arm, Study, Trial

# name in the answer -> KPI of the line; every other KPI of the line has its own name
_RENAMED = {"line_rate_pct": RATE, "lead_time_pct": "lead_time_s", "output_interval_pct": "output_interval_s"}
_NO_QUANTITY = {"constraint", "constraint_by_active_period"}  # numbers of operations
RESPONSE = "line_rate_pct"  # the primary one: its interval is not widened by what stands beside it
# What tables show beside it: their intervals hold together
BESIDE = (
    "station_time_pct",
    "station_rate_pct",
    "station_oee_pct",
    "oee_pct",
    "wip_pct",
    "lead_time_pct",
    "kwh_per_part_pct",
    "cost_per_part_pct",
)


def path_shares(study: Study, arm: str) -> F8:
    """Critical-path shares by replication and operation, shape (n, n_operations)."""
    return np.array([study.trials[arm, r].operation["critical_path_share"] for r in pairs(study, arm)])


def constraint(study: Study, arm: str) -> str:
    """The operation with the largest mean share of the critical path; "" when no part came out."""
    shares = np.nan_to_num(path_shares(study, arm)).mean(axis=0)
    return study.arms[arm].operations[int(shares.argmax())] if len(shares) and shares.max() > 0 else ""


def answer(study: Study) -> dict[str, Any]:
    """Everything that `--json` writes (docs/studies.md): the first scenario at the top, all of them in `scenarios`."""
    each = {arm.name: scenario_answer(study, arm) for arm in scenarios_of(study)}
    setting = store.setting_of(study)
    about = {
        "seed": setting.seed,
        "warm_up_s": setting.warm_up_s,
        "duration_s": setting.duration_s,
        "warm_up": study.header["warm_up"],
        "digest": store.digest(study),
    }
    first: dict[str, Any] = next(iter(each.values()), {})
    return {"base": base_of(study).name, **first, "scenarios": each, "study": about}


def scenario_answer(study: Study, arm: Arm) -> dict[str, Any]:
    """One scenario against the base."""
    base = base_of(study)
    found = finished(study, base.name, arm.name)
    before, after = ([study.trials[name, r] for r in found] for name in (base.name, arm.name))
    station = pacing_station(study)
    quantities = {
        name: (_series(before, base, name, station), _series(after, arm, name, station)) for name in _names(before)
    }
    shapley = attribution.attribution(study, arm)
    return {
        "scenario": arm.name,
        "title": arm.title,
        "replications": len(found),
        "confidence": CONFIDENCE,
        "station": station,
        "currency": base.currency,
        "change": {name: _change(*values, _confidence(study, name)) for name, values in quantities.items()},
        "before": {name: as_dict(mean_estimate(values[0])) for name, values in quantities.items()},
        "after": {name: as_dict(mean_estimate(values[1])) for name, values in quantities.items()},
        "constraint": {"before": constraint(study, base.name), "after": constraint(study, arm.name)},
        "attribution": shapley.parts if shapley else None,
        "attribution_method": shapley.method if shapley else "not made",
        "payback_years": payback(before, after, arm),
    }


def _names(trials: Sequence[Trial]) -> list[str]:
    renamed = {kpi: name for name, kpi in _RENAMED.items()}
    line = [renamed.get(kpi, f"{kpi}_pct") for kpi in trials[0].line if kpi not in _NO_QUANTITY] if trials else []
    return [*line, "station_time_pct", "station_rate_pct", "station_oee_pct"]


def pacing_station(study: Study) -> str:
    """The operation that station numbers are read at: the one the plant names, else the base's constraint."""
    base = base_of(study)
    return base.operations[base.pacing] if base.pacing >= 0 else constraint(study, base.name)


def _series(trials: Sequence[Trial], arm: Arm, name: str, station: str) -> F8:
    """A quantity by replication, shape (n,)."""
    if not name.startswith("station_"):
        kpi = _RENAMED.get(name, name.removesuffix("_pct"))
        return np.array([trial.line[kpi] for trial in trials], np.float64)
    place = arm.operations.index(station) if station in arm.operations else -1
    if place < 0:
        return np.full(len(trials), np.nan)
    kpi = "oee" if name == "station_oee_pct" else "cycle_time_s"
    values = np.array([trial.operation[kpi][place] for trial in trials], np.float64)
    return 3600 / values if name == "station_rate_pct" else values


def _confidence(study: Study, name: str) -> float:
    """Of the interval of a change by itself: the line rates hold together, and so does what is shown beside them."""
    if name == RESPONSE:
        return together(study)
    return together(study, len(BESIDE)) if name in BESIDE else CONFIDENCE


def _change(before: F8, after: F8, confidence: float) -> dict[str, float | None] | None:
    """Mean and interval of a change [%]; None where one side is not defined or nothing to begin with."""
    if not len(before) or not (np.isfinite(before).all() and np.isfinite(after).all()) or before.sum() == 0:
        return None
    return as_dict(paired_percent_change(before, after, confidence)) | {"confidence": confidence}


def payback(before: Sequence[Trial], after: Sequence[Trial], arm: Arm) -> dict[str, float | None] | None:
    """Years until the investment is earned back; None without one.

    Yearly gain = hours per year x change of (good parts per hour x (value per part - cost per part)). `high` is None
    when the gain may be nothing, `mean` when it is.
    """
    money = arm.investment
    if money is None:
        return None

    def earned(trials: Sequence[Trial]) -> F8:
        return np.array([t.line[RATE] * (money["value_per_part"] - t.line["cost_per_part"]) for t in trials])

    gain = paired_difference(earned(before), earned(after))
    yearly = {name: getattr(gain, name) * money["hours_per_year"] for name in ("mean", "low", "high")}
    years = {name: finite(money["amount"] / value) if value > 0 else None for name, value in yearly.items()}
    return {"mean": years["mean"], "low": years["high"], "high": years["low"]}
