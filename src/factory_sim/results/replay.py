"""The answer of `validate study`: whether the trials of a study are reproduced."""

from __future__ import annotations

from dataclasses import dataclass

from factory_sim.results.record import Result


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayResult(Result):
    """The trials of a study, simulated again."""

    same: bool  # all trials are bit-identical
    trials: int
    digest: str  # of the study file
    replayed: str  # of the new trials
    differing: tuple[tuple[str, int], ...]  # arm and replication of the trials that differ
