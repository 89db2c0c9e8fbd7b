"""Pairs of trials on common random numbers, and the confidence of intervals that are shown together (Bonferroni)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from factory_sim.analysis.paired import bonferroni, paired_percent_change
from factory_sim.study.arms import BASE, SCENARIO
from factory_sim.study.store import StudyError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from factory_sim.records import F8
    from factory_sim.results.estimate import Estimate
    from factory_sim.study_records import Arm, Study

CONFIDENCE = 0.95
RATE = "good_parts_per_h"
UNFINISHED = "The study is not finished. Repeat the command that started it: it resumes."


def base_of(study: Study) -> Arm:
    """Return the arm that the others are compared with. Raise StudyError when the study stopped before it had one."""
    for arm in study.arms.values():
        if arm.role == BASE:
            return arm
    msg = f"{UNFINISHED} It has no plants yet."
    raise StudyError(msg)


def scenarios_of(study: Study) -> list[Arm]:
    """Return the arms that are compared with the base."""
    return [arm for arm in study.arms.values() if arm.role == SCENARIO]


def joint_confidence(study: Study, n: int = 1) -> float:
    """Return the confidence of one of n intervals per scenario, so that all of them hold with `CONFIDENCE`."""
    return bonferroni(CONFIDENCE, n * len(scenarios_of(study)))


def pairs(study: Study, *arms: str) -> list[int]:
    """Return the replications that all these arms have finished."""
    return sorted(
        r for name, r in study.trials if name == arms[0] and all((other, r) in study.trials for other in arms[1:])
    )


def finished(study: Study, *arms: str) -> list[int]:
    """Return the `pairs`. Raise StudyError when there are fewer than the two that an interval requires."""
    found = pairs(study, *arms)
    if len(found) < 2:
        of = ", ".join(arms[:3]) + (", …" if len(arms) > 3 else "")
        msg = f"{UNFINISHED} It has {len(found)} of at least 2 replications of {of}."
        raise StudyError(msg)
    return found


def line_rate(study: Study, scenario: str) -> Estimate:
    """Return the change of the line rate against the base [%]; the intervals of several scenarios hold jointly."""
    base = base_of(study).name
    found = pairs(study, base, scenario)
    before, after = (line_values(study, name, RATE, found) for name in (base, scenario))
    return paired_percent_change(before, after, joint_confidence(study))


def line_values(study: Study, arm: str, kpi: str, replications: Sequence[int]) -> F8:
    """Return a KPI of the line by replication, shape (n,)."""
    return np.array([study.trials[arm, r].line[kpi] for r in replications], np.float64)
