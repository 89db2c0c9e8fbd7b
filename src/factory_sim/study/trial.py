"""One trial: a plant simulated once, and the few kilobytes that a study keeps of it."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np

from factory_sim.analysis import facts, kpis
from factory_sim.clock import us_from_s
from factory_sim.plant.describe import describe, epoch_ns, planned
from factory_sim.plant.states import Outcome
from factory_sim.records import Window
from factory_sim.sim.run import count, simulate
from factory_sim.study import snapshot_files, trial_details

if TYPE_CHECKING:
    from factory_sim.plant.spec import Plant
    from factory_sim.records import I8, EventLog, KpiTable
    from factory_sim.sim.run import Run

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
    "average_active_period_s",
    "momentary_active_share",
    "active_share",
    "turning_point",
    "arrow",
    "kwh_per_good_part",
)
_GONE = (Outcome.LEFT, Outcome.SCRAPPED, Outcome.MERGED)
_SHARE = "machine.share_"


class Detail(StrEnum):
    """How much of a trial is kept."""

    FULL = "full"
    PROBE = "probe"  # the line's KPIs and the critical path
    PILOT = "pilot"  # the course over time, to find the warm-up
    COUNT = "count"  # good parts of the line, and nothing else


@dataclass(frozen=True, slots=True)
class Setting:
    """What every trial of a study has in common."""

    seed: int
    warm_up_s: float
    duration_s: float
    bin_s: float
    moment: str = ""  # a file: every trial goes on from the moment saved there, which is the end of its warm-up
    moment_sha: str = ""  # of the file

    @property
    def window(self) -> Window:
        """What is analysed of each run."""
        t0 = us_from_s(self.warm_up_s)
        return Window(t0, t0 + us_from_s(self.duration_s))


def trial(plant: Plant, setting: Setting, replication: int, detail: Detail, engine: str = "auto") -> dict[str, Any]:
    """One replication as plain data, None where a number is not defined; the same digits by every engine.

    Raises ModelError when it cannot run.
    """
    begun, window = time.perf_counter(), setting.window
    spent = time.process_time()
    kept: dict[str, Any] = {"line": {}, "operation": {}, "state_share": {}, "out": [], "wip": []}
    if detail is Detail.COUNT:
        kept["line"] = _counted_line(plant, setting, replication, engine)
        return kept | {"seconds": round(time.process_time() - spent, 4)}  # what else the machine does is no cost of it
    run = _run(plant, setting, replication, engine)
    if detail is not Detail.PILOT:
        found = facts.collect(run.log, describe(plant, "", epoch_ns(plant), window))
        kept |= _figures(kpis.of_facts(found), detail)
        if detail is Detail.FULL:
            kept |= trial_details.of(found, run.log, plant, replication)
    if detail is not Detail.PROBE:
        out, wip = course(run.log, us_from_s(setting.bin_s), window.t1_us)
        kept |= {"out": out.tolist(), "wip": wip.tolist()}
    return kept | {"seconds": round(time.perf_counter() - begun, 4)}


def _counted_line(plant: Plant, setting: Setting, replication: int, engine: str) -> dict[str, float | None]:
    """The digits that the KPIs of these names have."""
    if setting.moment:
        good = _run(plant, setting, replication, engine).truth.good_parts
    else:
        good = count(plant, setting.window, seed=setting.seed, replication=replication, engine=engine).good_parts
    hours = sum(end - begin for begin, end in planned(plant, setting.window)) / 3.6e9
    return {"good_parts": float(good), "good_parts_per_h": good / hours if hours else None}


def _run(plant: Plant, setting: Setting, replication: int, engine: str) -> Run:
    t0, t1 = setting.window.t0_us, setting.window.t1_us
    if setting.moment:
        return snapshot_files.future(setting.moment, setting.moment_sha, plant, t1, replication)
    return simulate(plant, seed=setting.seed, replication=replication, warm_up_us=t0, until_us=t1, engine=engine)


def _figures(table: KpiTable, detail: Detail) -> dict[str, Any]:
    level = {name.removeprefix("line."): kpi for name, kpi in table.kpis.items() if kpi.per == "line"}
    full = detail is Detail.FULL
    return {
        "line": {name: _number(float(kpi.values)) for name, kpi in level.items()},
        "operation": {
            name: _numbers(table.kpis[f"operation.{name}"].values)
            for name in (OPERATION_KPIS if full else ("critical_path_share",))
        },
        "state_share": {
            name.removeprefix(_SHARE): _numbers(kpi.values)
            for name, kpi in table.kpis.items()
            if full and name.startswith(_SHARE)
        },
    }


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _numbers(values: Any) -> list[float | None]:
    return [_number(value) for value in values.tolist()]


def course(log: EventLog, bin_us: int, until_us: int) -> tuple[I8, I8]:
    """Good parts out, and parts inside at the end, by bins from the run's start, shapes (n_bins,)."""
    n = -(-until_us // bin_us)
    out = _counted(log.t_us[log.outcome == Outcome.LEFT], bin_us, n)
    entered = _counted(log.t_us[log.outcome == Outcome.ENTERED], bin_us, n)
    gone = _counted(log.t_us[np.isin(log.outcome, _GONE)], bin_us, n)
    return out, np.cumsum(entered - gone)


def _counted(t_us: I8, bin_us: int, n: int) -> I8:
    counts: I8 = np.bincount(t_us // bin_us, minlength=n).astype(np.int64)
    return counts
