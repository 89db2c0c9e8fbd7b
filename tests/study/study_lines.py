"""A small line with failures, a scenario of three groups of changes, and studies made of numbers alone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from factory_sim.results.compare import ComparisonResult
from factory_sim.results.study_summary import GIVEN, WarmUp
from factory_sim.study.arms import Variant
from factory_sim.study.runner import FinishedStudy, Request
from factory_sim.study_records import Arm, Probe, Study, StudyHeader, Trial

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

Compared = FinishedStudy[ComparisonResult]

LINE = """
plant: line
pacing: WASH
base_load: 1 kW
tariff: 0.2 EUR/kWh
costs: {machine: 30 EUR/h, labour: 40 EUR/h, repair: 60 EUR/h, scrap: 3 EUR}
kinds:
  lathe:
    power: {off: 0.2 kW, starved: 2 kW, busy: 9 kW}
    failures:
      jam: {after: exponential(20 min), repair: exponential(90 s)}
sources:
  blanks: {interarrival: saturated, material_cost: 5 EUR}
sections:
  all:
    operations:
      CUT: {kind: lathe, cycle_time: "lognormal(37 s, cv 0.1)", from: blanks, buffer: 3}
      WASH: {kind: lathe, cycle_time: "lognormal(45 s, cv 0.1)", buffer: 3}
      TEST: {kind: lathe, cycle_time: "lognormal(35 s, cv 0.1)", buffer: 3}
"""
BETTER = """
extends: line.yaml
title: Quicker and calmer
investment: {amount: 500000 EUR, hours_per_year: 4000, value_per_part: 40 EUR}
changes:
  washer:
    set: {WASH.cycle_time: "lognormal(33 s, cv 0.1)"}
  repairs:
    scale: {kinds.lathe.failures.jam.repair: 0.5}
  room:
    set: {TEST.buffer: 6}
"""
N = 5


def request_of(folder: Path, **other: Any) -> Request:
    """The line against its scenario, five pairs of an hour, kept in the plants' folder."""
    usual = Request(
        base=Variant(str(folder / "line.yaml")),
        scenarios=(Variant(str(folder / "better.yaml")),),
        replications=N,
        duration_s=3600.0,
        warm_up_s=900.0,
        workers=1,
        engine="simpy",
        file=folder / "study.jsonl",
    )
    return replace(usual, **other)


def arm(name: str, role: str = "scenario", groups: Sequence[str] = (), **other: Any) -> Arm:
    """Return an arm of two operations that is never simulated."""
    usual = Arm(
        name=name,
        role=role,
        file=f"{name}.yaml",
        changes=None,
        overrides=(),
        digest=name,
        plant=name,
        title=name,
        question="",
        currency="EUR",
        operations=("A", "B"),
        operation_titles=("", ""),
        operation_sections=("s", "s"),
        machines=("M1", "M2"),
        machine_operations=(0, 1),
        pacing=0,
        planned_us=((0, 3_600_000_000),),
        groups=tuple(groups),
    )
    return replace(usual, **other)


def trial(
    name: str,
    replication: int,
    rate: float,
    shares: Sequence[float] = (0.7, 0.3),
    cost: float = 10.0,
    operation: Mapping[str, Sequence[float]] | None = None,
) -> Trial:
    """Return a trial with that line rate."""
    line = {"good_parts_per_h": rate, "good_parts": rate, "cost_per_part": cost, "oee": 0.5, "constraint": 0.0}
    by_operation = {"critical_path_share": shares, "cycle_time_s": (30.0, 20.0), "oee": (0.8, 0.6), **(operation or {})}
    return Trial(
        arm=name,
        replication=replication,
        seconds=0.1,
        line=line,
        operation={kpi: np.array(values, np.float64) for kpi, values in by_operation.items()},
        state_share={},
        out=np.empty(0, np.int64),
        wip=np.empty(0, np.int64),
    )


def study(arms: Sequence[Arm], trials: Sequence[Trial]) -> Study:
    """Return a study of given trials."""
    header = StudyHeader(
        program="0",
        python="0",
        numpy="0",
        seed=1,
        warm_up_s=0.0,
        duration_s=3600.0,
        bin_s=60.0,
        warm_up=WarmUp(by=GIVEN),
    )
    return Study(
        header=header,
        arms={each.name: each for each in arms},
        trials={(each.arm, each.replication): each for each in trials},
    )


def game(
    groups: Sequence[str], rate: Callable[[frozenset[str], int], float], n: int, subsets: Sequence[frozenset[str]]
) -> Study:
    """Return a study whose line rates are a function of the changes that apply and the replication."""
    arms, trials = [], []
    for subset in subsets:
        chosen = tuple(name for name in groups if name in subset)
        if not chosen:
            arms.append(arm("base", "base"))
        elif len(chosen) == len(groups):
            arms.append(arm("after", groups=groups))
        else:
            arms.append(arm("+".join(chosen), "probe", probe=Probe(kind="subset", of="after", groups=chosen)))
        trials += [trial(arms[-1].name, r, rate(subset, r)) for r in range(n)]
    return study(arms, trials)
