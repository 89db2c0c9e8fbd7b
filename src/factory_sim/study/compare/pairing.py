"""Trials in pairs on common random numbers: which there are, what they say of the line, and with how much confidence.

Intervals that are shown together hold together: with 95 % probability none of them misses [Bonferroni].
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from factory_sim.analysis.paired import bonferroni, paired_percent_change
from factory_sim.study.arms import BASE, SCENARIO
from factory_sim.study.store import StudyError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from factory_sim.records import F8, Arm, Study
    from factory_sim.results.estimate import Estimate

CONFIDENCE = 0.95
RATE = "good_parts_per_h"
UNFINISHED = "The study is not finished: the command that made it goes on with it."


def base_of(study: Study) -> Arm:
    """The arm that the others are compared with. Raises StudyError when the study stopped before it had one."""
    for arm in study.arms.values():
        if arm.role == BASE:
            return arm
    msg = f"{UNFINISHED} Not even its plants are there."
    raise StudyError(msg)


def scenarios_of(study: Study) -> list[Arm]:
    """The compared arms."""
    return [arm for arm in study.arms.values() if arm.role == SCENARIO]


def together(study: Study, n: int = 1) -> float:
    """Confidence of one of n intervals a scenario, so that those of all scenarios hold with `CONFIDENCE`."""
    return bonferroni(CONFIDENCE, n * len(scenarios_of(study)))


def pairs(study: Study, *arms: str) -> list[int]:
    """Replications that all these arms have finished."""
    return sorted(
        r for name, r in study.trials if name == arms[0] and all((other, r) in study.trials for other in arms[1:])
    )


def finished(study: Study, *arms: str) -> list[int]:
    """`pairs`, of which an interval needs two. Raises StudyError when there are fewer."""
    found = pairs(study, *arms)
    if len(found) < 2:
        of = ", ".join(arms[:3]) + (", …" if len(arms) > 3 else "")
        msg = f"{UNFINISHED} {len(found)} of at least 2 replications of {of} are there."
        raise StudyError(msg)
    return found


def line_rate(study: Study, scenario: str) -> Estimate:
    """Change of good parts per planned hour against the base [%]; of several scenarios they hold together."""
    base = base_of(study).name
    found = pairs(study, base, scenario)
    before, after = (line_values(study, name, RATE, found) for name in (base, scenario))
    return paired_percent_change(before, after, together(study))


def line_values(study: Study, arm: str, kpi: str, replications: Sequence[int]) -> F8:
    """A KPI of the line by replication, shape (n,)."""
    return np.array([study.trials[arm, r].line[kpi] for r in replications], np.float64)


def as_dict(found: Estimate) -> dict[str, float | None]:
    """An interval as JSON has it: None for what is infinite or not defined."""
    return {name: finite(getattr(found, name)) for name in ("mean", "low", "high")}


def finite(value: float) -> float | None:
    """The value, None when it is infinite or not a number."""
    return value if math.isfinite(value) else None
