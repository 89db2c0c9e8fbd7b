"""The end of the warm-up: pilot runs from empty, MSER-5 over replications, and the time in which the buffers fill."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from factory_sim.analysis.mser import mser5
from factory_sim.clock import NS_PER_US, datetime_from_ns, ns_from_us, us_from_s
from factory_sim.plant.describe import planned
from factory_sim.plant.wall_clock import DAY_S, epoch_ns
from factory_sim.records import Window
from factory_sim.results.study_summary import PILOT, WarmUp
from factory_sim.study.pool import Pool, Task
from factory_sim.study.trial import Detail, Setting

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from factory_sim.plant.spec import Plant
    from factory_sim.records import B1, F8

PILOTS = 4  # replications of each plant
LENGTH = 1.5  # windows
LOOK_S = 30 * DAY_S  # in which planned time is looked for
FULL = 0.98  # of the mean work in progress over the second half


def find_warm_up(
    plants: Sequence[Plant], setting: Setting, pool: Pool, on_progress: Callable[[int], None]
) -> tuple[float, WarmUp]:
    """Return the longest warm-up that one of the plants needs [s], and how it was decided."""
    pilot = replace(setting, duration_s=LENGTH * setting.duration_s)
    tasks = [Task(f"pilot of {p.title}", "", p, r, Detail.PILOT) for p in plants for r in range(PILOTS)]
    found = {}
    for done, (task, trial) in enumerate(pool.run(tasks, pilot), 1):
        found[task.plant.digest, task.replication] = trial
        on_progress(done)
    cuts, fills = [], []
    for plant in plants:
        trials = [found[plant.digest, r] for r in range(PILOTS)]
        cuts.append(settling_bin(np.array([each.out for each in trials], np.float64), _open_bins(plant, pilot)))
        fills.append(filling_bin(np.mean([each.wip for each in trials], axis=0)))
    half = round(LENGTH * setting.duration_s / setting.bin_s / 2)
    mser = max(half if cut < 0 else cut for cut in cuts)
    most = max(mser, *fills) if fills else mser
    mser5_s, fill_s = mser * setting.bin_s, max(fills) * setting.bin_s
    return most * setting.bin_s, WarmUp(by=PILOT, mser5_s=mser5_s, fill_s=fill_s, settled=min(cuts) >= 0)


def _open_bins(plant: Plant, pilot: Setting) -> B1:
    """Return the bins that are mostly planned production, so that breaks do not count."""
    bin_us, end = us_from_s(pilot.bin_s), pilot.window.t1_us
    stretches = planned(plant, Window(0, end))
    edges = np.arange(0, end + 1, bin_us)
    inside = [sum(max(0, min(b, t0 + bin_us) - max(a, t0)) for a, b in stretches) for t0 in edges[:-1].tolist()]
    return np.array(inside) > bin_us / 2


def settling_bin(out: F8, open_: B1) -> int:
    """Return the bin at which the output has settled, by MSER-5 over the open bins; -1: not within the first half.

    out : shape (n_replications, n_bins) [parts]; open_ : shape (n_bins,).
    """
    n = min(out.shape[1], len(open_))
    used = np.flatnonzero(open_[:n])
    cut = mser5(out[:, used]) if len(used) else -1
    return cut if cut <= 0 else int(used[cut])


def filling_bin(wip: F8) -> int:
    """Return the number of bins until the work in progress, shape (n_bins,), reaches 98 % of its later mean."""
    full = FULL * wip[len(wip) // 2 :].mean()
    return int(np.argmax(wip >= full)) + 1


def from_first_opening(plant: Plant) -> Plant:
    """Return the plant with a run that starts when production is first planned; the plant itself if that is never."""
    first = planned(plant, Window(0, us_from_s(LOOK_S)))
    start = datetime_from_ns(int(ns_from_us(first[0][0], epoch_ns(plant))), plant.timezone).isoformat() if first else ""
    return replace(plant, start=start) if first and first[0][0] else plant


def planned_us(plant: Plant, until_us: int) -> int:
    """Return the planned production time of the first `until_us` of a run [µs]."""
    return sum(t1 - t0 for t0, t1 in planned(plant, Window(0, until_us)))


def before_window(plant: Plant, window_ns: int, open_us: int) -> int | None:
    """Return how long before a window a run has to start for `open_us` of planned time [µs]; None without any.

    Of less planned time than that it is all that lies before the window.
    """
    look_us, left_us = us_from_s(LOOK_S), open_us
    begin = datetime_from_ns(window_ns - look_us * NS_PER_US, plant.timezone).isoformat()
    stretches = planned(replace(plant, start=begin), Window(0, look_us))
    for t0_us, t1_us in reversed(stretches):
        left_us -= t1_us - t0_us
        if left_us <= 0:
            return look_us - t0_us + left_us
    return look_us - stretches[0][0] if stretches else None
