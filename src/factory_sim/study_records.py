"""The records of a study: its header, its arms and their trials."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from factory_sim.records import F8, I8
    from factory_sim.results.record import Json
    from factory_sim.results.study_summary import WarmUp


WEEK_H, WEEK_SHIFTS = 168.0, 21  # of a plant without shifts


@dataclass(frozen=True, slots=True, kw_only=True)
class Payback:
    """What a scenario costs, in the plant's currency."""

    amount: float
    hours_per_year: float  # of planned production
    value_per_part: float  # what one more good part earns, before material and energy


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """The question that a probe answers; which fields apply depends on its kind (docs/studies.md)."""

    kind: str  # "subset", "less", "relief", "relieved", "point" or "choice"
    of: str  # name of the arm that it varies
    groups: tuple[str, ...] | None = None  # of a subset: the groups of changes that apply
    operation: str | None = None  # of "less" and "relieved"
    resource: str | None = None  # of "relief": kind and name
    change: str | None = None  # of "relief"
    less_s: float | None = None  # of "less": reduction of the mean cycle time
    values: tuple[int, ...] | None = None  # of a choice: by variable


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One plant of a study: how it is loaded again, and what a report shows of it."""

    name: str
    role: str  # "base", "scenario", or "probe": a variant that answers a further question
    file: str
    changes: tuple[str, ...] | None  # groups of a scenario's changes that apply; None: all
    overrides: tuple[str, ...]
    digest: str  # of the resolved plant
    plant: str
    title: str
    question: str
    currency: str
    operations: tuple[str, ...]
    operation_titles: tuple[str, ...]
    operation_sections: tuple[str, ...]
    machines: tuple[str, ...]
    machine_operations: tuple[int, ...]
    pacing: int  # operation index; -1: none named
    planned_us: tuple[tuple[int, int], ...]  # planned production, from the run's start
    investment: Payback | None = None
    assumptions: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()  # names of its changes, for the attribution
    probe: Probe | None = None
    start: str = ""  # of a run, by the plant's clock; "": not recorded
    feeds: tuple[tuple[tuple[int, int, str], ...], ...] = ()  # inputs: from which operation, buffer, transport
    week_h: float = WEEK_H  # planned production of a week
    week_shifts: int = WEEK_SHIFTS


def _no_bins() -> I8:
    return np.empty(0, np.int64)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Trial:
    """One replication of one arm, in a few kilobytes; NaN where a number is not defined (docs/studies.md)."""

    arm: str = ""  # "": not yet assigned to one
    replication: int
    seconds: float  # wall time; CPU time of a trial that only counts
    line: Mapping[str, float] = field(default_factory=dict)  # by KPI
    operation: Mapping[str, F8] = field(default_factory=dict)  # by KPI, shape (n_operations,)
    state_share: Mapping[str, F8] = field(default_factory=dict)  # by state, shape (n_machines,)
    out: I8 = field(default_factory=_no_bins)  # good parts by bin from the start of the run
    wip: I8 = field(default_factory=_no_bins)  # parts inside at the end of each bin
    losses: tuple[tuple[str, str, str, float], ...] = ()  # section, reason, by, hours
    strip: str = ""  # a digit (a State) per machine and step
    shifts: tuple[int, ...] = ()  # good parts by shift of the window
    path: Mapping[str, tuple[float, ...]] = field(default_factory=dict)  # resource -> shares of the critical path
    notes: Mapping[str, str] = field(default_factory=dict)  # KPI of the line -> why undefined, or a cause


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyHeader:
    """What all trials of a study have in common, and the versions that simulated them."""

    program: str
    python: str
    numpy: str
    seed: int
    warm_up_s: float
    duration_s: float
    bin_s: float  # width of the bins of a trial's `out` and `wip`
    warm_up: WarmUp
    snapshot: str = ""  # file of the snapshot that every trial resumes; "": trials start empty
    snapshot_sha: str = ""
    more: Mapping[str, Json] = field(default_factory=dict)  # engines, and what a sweep or an optimisation records


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Study:
    """Trials, decided before the first one ran, and what they are trials of."""

    header: StudyHeader
    arms: Mapping[str, Arm]
    trials: Mapping[tuple[str, int], Trial]
