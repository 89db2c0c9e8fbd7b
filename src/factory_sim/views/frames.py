"""Records as pandas tables: for CSV, Parquet, Excel and notebooks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from factory_sim.plant.states import Outcome, State
from factory_sim.views.kpi_dict import things

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from factory_sim.records import EventLog, KpiTable, Study


def log_frame(log: EventLog, units: Sequence[str]) -> pd.DataFrame:
    """One line a row of the log; units, states and outcomes by name. `cause` counts lines from 0, -1: none."""
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
    """One line a KPI and thing: columns kpi, per, name, value, unit. The line's own have the name `line`."""
    rows = [
        (name, kpi.per, thing, value, kpi.unit)
        for name, kpi in table.kpis.items()
        for thing, value in zip(things(table, kpi.per), kpi.values.reshape(-1).tolist(), strict=True)
    ]
    return pd.DataFrame(rows, columns=["kpi", "per", "name", "value", "unit"])


def trial_frame(study: Study) -> pd.DataFrame:
    """One line a trial of a study: columns arm, role, replication, then the line's KPIs; probes last."""
    names = list(study.arms)
    trials = sorted(study.trials.values(), key=lambda trial: (names.index(trial.arm), trial.replication))
    return pd.DataFrame(
        [
            {"arm": trial.arm, "role": study.arms[trial.arm].role, "replication": trial.replication, **trial.line}
            for trial in trials
        ]
    )


def point_frame(answer: Mapping[str, Any]) -> pd.DataFrame:
    """One line a point of a sweep's answer: the factors' values as typed, then each response with low and high."""
    return pd.DataFrame([{**point["values"], **_spread(point["responses"])} for point in answer["points"]])


def choice_frame(answer: Mapping[str, Any]) -> pd.DataFrame:
    """One line a choice of an optimisation's Pareto front: variables, cost, then each objective with low and high."""
    return pd.DataFrame(
        [
            {**each["values"], "cost": each["cost"], **_spread(each["responses"]), "selected": each["selected"]}
            for each in answer["front"]
        ]
    )


def _spread(responses: Mapping[str, Mapping[str, float | None]]) -> dict[str, float | None]:
    ends = ("mean", "low", "high")
    return {name if end == "mean" else f"{name}_{end}": found[end] for name, found in responses.items() for end in ends}


def _named(codes: Any, names: Sequence[str]) -> Any:
    return pd.Categorical.from_codes(codes, categories=pd.Index(names))
