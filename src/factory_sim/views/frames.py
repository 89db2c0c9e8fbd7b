"""Records as pandas tables, for CSV, Parquet, Excel and notebooks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from factory_sim.plant.states import Outcome, State
from factory_sim.results.sweep import SweepResult
from factory_sim.views.kpi_dict import things

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from factory_sim.records import EventLog, KpiTable
    from factory_sim.results.estimate import Estimate
    from factory_sim.results.optimise import OptimisationResult
    from factory_sim.study_records import Study


def log_frame(log: EventLog, units: Sequence[str]) -> pd.DataFrame:
    """Return one line per row of the log, with names; `cause` counts lines from 0, -1: none."""
    return pd.DataFrame(
        {
            "t_us": log.t_us,
            "unit": _named(log.unit, units),
            "state": _named(log.state, [state.name for state in State]),
            "part": log.part,
            "outcome": _named(log.outcome, [outcome.name for outcome in Outcome]),
            "detail": log.detail,
            "cause": log.cause,
        }
    )


def kpi_frame(table: KpiTable) -> pd.DataFrame:
    """Return one line per value: columns kpi, per, name, value, unit; the name of the whole line is `line`."""
    rows = [
        (name, kpi.per, thing, value, kpi.unit)
        for name, kpi in table.kpis.items()
        for thing, value in zip(things(table, kpi.per), kpi.values.reshape(-1).tolist(), strict=True)
    ]
    return pd.DataFrame(rows, columns=["kpi", "per", "name", "value", "unit"])


def trial_frame(study: Study) -> pd.DataFrame:
    """Return one line per trial: columns arm, role, replication, then the line's KPIs; probes last."""
    names = list(study.arms)
    trials = sorted(study.trials.values(), key=lambda trial: (names.index(trial.arm), trial.replication))
    return pd.DataFrame(
        [
            {"arm": trial.arm, "role": study.arms[trial.arm].role, "replication": trial.replication, **trial.line}
            for trial in trials
        ]
    )


def variant_frame(result: SweepResult | OptimisationResult) -> pd.DataFrame:
    """Return a line per point of a sweep, or per choice of a Pareto front: its values, then responses with ends."""
    if isinstance(result, SweepResult):
        return pd.DataFrame([{**point.values, **_ends(point.responses)} for point in result.points])
    return pd.DataFrame(
        [
            {**each.values, "cost": each.cost, **_ends(each.responses), "selected": each.selected}
            for each in result.front
        ]
    )


def _ends(responses: Mapping[str, Estimate]) -> dict[str, float | None]:
    return {
        name if end == "mean" else f"{name}_{end}": value
        for name, found in responses.items()
        for end, value in found.to_dict().items()
    }


def _named(codes: Any, names: Sequence[str]) -> Any:
    return pd.Categorical.from_codes(codes, categories=pd.Index(names))
