"""One trial: a plant simulated once, and the few kilobytes that a study records of it."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from factory_sim.analysis import critical_path, facts, kpis
from factory_sim.clock import us_from_s
from factory_sim.plant.describe import describe, planned
from factory_sim.plant.states import Outcome
from factory_sim.plant.wall_clock import epoch_ns
from factory_sim.records import EMPTY_WINDOW, Window
from factory_sim.sim.run import count, simulate
from factory_sim.study import snapshot_files, trial_details
from factory_sim.study_records import Trial
from factory_sim.views import labels

if TYPE_CHECKING:
    from factory_sim.analysis.facts import Facts
    from factory_sim.plant.spec import Plant
    from factory_sim.records import F8, I8, EventLog, KpiTable, Meta
    from factory_sim.sim.run import Run
    from factory_sim.study_records import StudyHeader

BINS = 96  # of a window: five minutes of eight hours
OPERATION_KPIS = (
    "cycle_time_s",
    "oee",
    "availability",
    "effectiveness",
    "quality",
    "throughput_per_h",
    "good_parts",
    "critical_path_share",
    *labels.DETECTORS,
    "kwh_per_good_part",
)
_GONE = (Outcome.LEFT, Outcome.SCRAPPED, Outcome.MERGED)
_SHARE = "machine.share_"
_described: list[tuple[Plant, Window, Meta]] = []  # of the trial that ran last


class Detail(StrEnum):
    """How much of a trial is recorded."""

    FULL = "full"
    PROBE = "probe"  # the line's KPIs and the critical path
    PILOT = "pilot"  # output and work in progress over time, to find the warm-up
    COUNT = "count"  # good parts of the line, and nothing else


@dataclass(frozen=True, slots=True)
class Setting:
    """What all trials of a study have in common."""

    seed: int
    warm_up_s: float
    duration_s: float
    bin_s: float
    snapshot: str = ""  # file of the snapshot that every trial resumes; "": trials start empty
    snapshot_sha: str = ""

    @property
    def window(self) -> Window:
        """The part of each run that is analysed."""
        t0 = us_from_s(self.warm_up_s)
        return Window(t0, t0 + us_from_s(self.duration_s))


def setting_of(header: StudyHeader) -> Setting:
    """Return what all trials of a study have in common."""
    return Setting(**{name: getattr(header, name) for name in Setting.__slots__})


def run_trial(plant: Plant, setting: Setting, replication: int, detail: Detail, engine: str = "auto") -> Trial:
    """Simulate one replication, not yet assigned to an arm; every engine gives the same trial. Raise ModelError."""
    began, cpu_began = time.perf_counter(), time.process_time()
    if detail is Detail.COUNT:
        line = _count_line(plant, setting, replication, engine)
        seconds = round(time.process_time() - cpu_began, 4)  # independent of what else the computer runs
        return Trial(replication=replication, seconds=seconds, line=line)
    run, window = _run(plant, setting, replication, engine), setting.window
    trial = Trial(replication=replication, seconds=0.0)
    if detail is not Detail.PILOT:
        found = facts.collect(run.log, _description(plant, window))
        trial = replace(_with_kpis(trial, kpis.of_facts(found), detail), path=_path(found, plant))
        if detail is Detail.FULL:
            trial = trial_details.with_details(trial, found, run.log, plant)
    if detail is not Detail.PROBE:
        out, wip = output_and_wip(run.log, us_from_s(setting.bin_s), window.t1_us)
        trial = replace(trial, out=out, wip=wip)
    return replace(trial, seconds=round(time.perf_counter() - began, 4))


def _description(plant: Plant, window: Window) -> Meta:
    """Return the description of a plant, the same object for successive trials."""
    for known, its_window, found in _described:
        if known is plant and its_window == window:
            return found
    found = describe(plant, "", epoch_ns(plant), window)
    _described[:] = [(plant, window, found)]
    return found


def of_arm(trial: Trial, arm: str) -> Trial:
    """Return the trial as one of an arm."""
    return replace(trial, arm=arm)


def _count_line(plant: Plant, setting: Setting, replication: int, engine: str) -> dict[str, float]:
    """Return the output of the line, equal to its KPIs of the same names."""
    if setting.snapshot:
        good = _run(plant, setting, replication, engine).truth.good_parts
    else:
        good = count(plant, setting.window, seed=setting.seed, replication=replication, engine=engine).good_parts
    hours = sum(end - start for start, end in planned(plant, setting.window)) / 3.6e9
    return {"good_parts": float(good), "good_parts_per_h": good / hours if hours else np.nan}


def _run(plant: Plant, setting: Setting, replication: int, engine: str) -> Run:
    t0, t1 = setting.window.t0_us, setting.window.t1_us
    if setting.snapshot:
        return snapshot_files.run_future(setting.snapshot, setting.snapshot_sha, plant, t1, replication)
    return simulate(plant, seed=setting.seed, replication=replication, warm_up_us=t0, until_us=t1, engine=engine)


def _with_kpis(trial: Trial, table: KpiTable, detail: Detail) -> Trial:
    full, by_name = detail is Detail.FULL, table.kpis.items()
    shares = [(name, kpi) for name, kpi in by_name if full and name.startswith(_SHARE)]
    operation = OPERATION_KPIS if full else ("critical_path_share",)
    return replace(
        trial,
        line={n.removeprefix("line."): float(_defined(kpi.values)) for n, kpi in by_name if kpi.per == "line"},
        operation={name: _defined(table.kpis[f"operation.{name}"].values) for name in operation},
        state_share={name.removeprefix(_SHARE): _defined(kpi.values) for name, kpi in shares},
        notes=_notes(table),
    )


def _notes(table: KpiTable) -> dict[str, str]:
    """Return why KPIs of the line are not defined for want of data, and why OEE is above 100 %."""
    line = {name.removeprefix("line."): kpi for name, kpi in table.kpis.items() if kpi.per == "line"}
    found = {name: kpi.reasons[0] for name, kpi in line.items() if kpi.reasons and kpi.reasons[0] != EMPTY_WINDOW}
    return found | ({"oee": line["oee"].marks[0]} if line["oee"].marks else {})


def _path(found: Facts, plant: Plant) -> dict[str, tuple[float, ...]]:
    shifts = {each.unit: plant.shifts[each.shift].name for each in plant.machines if each.shift >= 0}
    shifts |= {unit: plant.shifts[each.shift].name for each in plant.crews if each.shift >= 0 for unit in each.units}
    divided = critical_path.divided_us(found.log, found.meta, found.window)
    return {str(name): shares for name, shares in critical_path.shares(divided, found.meta, shifts).items()}


def _defined(values: F8) -> F8:
    return np.where(np.isfinite(values), values, np.nan).astype(np.float64)


def output_and_wip(log: EventLog, bin_us: int, until_us: int) -> tuple[I8, I8]:
    """Return good parts out, and parts inside at the end, by bins from the run's start, shapes (n_bins,)."""
    n = -(-until_us // bin_us)
    out = _binned(log.t_us[log.outcome == Outcome.LEFT], bin_us, n)
    entered = _binned(log.t_us[log.outcome == Outcome.ENTERED], bin_us, n)
    gone = sum(_binned(log.t_us[log.outcome == outcome], bin_us, n) for outcome in _GONE)
    return out, np.cumsum(entered - gone)


def _binned(t_us: I8, bin_us: int, n: int) -> I8:
    counts: I8 = np.bincount(t_us // bin_us, minlength=n).astype(np.int64)
    return counts
