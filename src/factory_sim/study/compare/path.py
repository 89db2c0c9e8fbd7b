"""Shares of the critical path over the replications of an arm."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from factory_sim.results.resource import Resource
from factory_sim.study.compare.pairing import pairs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from factory_sim.records import F8
    from factory_sim.study_records import Arm, Study, Trial


def operation_shares(study: Study, arm: str) -> F8:
    """Return each operation's share of the path's time in operations, shape (n_replications, n_operations)."""
    return np.array([study.trials[arm, r].operation["critical_path_share"] for r in pairs(study, arm)])


def first_operation(study: Study, arm: str) -> str:
    """Return the operation with the largest mean share of the critical path; "" when no part was produced."""
    shares = np.nan_to_num(operation_shares(study, arm)).mean(axis=0)
    return study.arms[arm].operations[int(shares.argmax())] if len(shares) and shares.max() > 0 else ""


def resource_shares(study: Study, arm: str) -> dict[Resource, F8]:
    """Return each resource's shares of the whole path by replication and part, the largest mean share first.

    The arrays have the shape (n_replications, 4) for an operation, else (n_replications, 1).
    """
    found = [_of_trial(study.arms[arm], study.trials[arm, r]) for r in pairs(study, arm)]
    width = {name: len(shares) for trial in found for name, shares in trial.items()}
    shares = {
        Resource.of(name): np.array([trial.get(name, (0.0,) * n) for trial in found]) for name, n in width.items()
    }
    return dict(sorted(shares.items(), key=lambda item: (-float(item[1].sum()), item[0])))


def first_resource(study: Study, arm: str) -> Resource | None:
    """Return the resource with the largest mean share of the critical path; None when no part was produced."""
    return next(iter(resource_shares(study, arm)), None)


def _of_trial(arm: Arm, trial: Trial) -> Mapping[str, tuple[float, ...]]:
    """Return the shares of a trial; studies before version 0.3 recorded those of operations only."""
    if trial.path:
        return trial.path
    shares = zip(arm.operations, trial.operation["critical_path_share"].tolist(), strict=True)
    return {f"operation {name}": (share, 0.0, 0.0, 0.0) for name, share in shares if share > 0}
