"""Is the reference line calibrated? Many paired replications of baseline and retrofit, and what the line gained.

Every finished pair is appended to a file at once, so a run that was stopped goes on where it was.
"""

from __future__ import annotations

import json
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from threading import Thread
from typing import TYPE_CHECKING

import numpy as np

from factory_sim.analysis.paired import Interval, interval, percent
from factory_sim.clock import us_from_s
from factory_sim.errors import FactoryError, TrialError
from factory_sim.plant.describe import planned
from factory_sim.records import Window
from factory_sim.sim.run import simulate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from multiprocessing.process import BaseProcess
    from pathlib import Path

    from factory_sim.plant.spec import Plant

PUBLISHED_GAIN_PCT = 30.19
WIDEST_PCT = 0.4  # half-width of the gain's interval that calibration asks for


class ResumeError(FactoryError):
    """A file of finished pairs that belongs to something else, or cannot be read."""

    exit_code = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What is simulated. The warm-up is the time in which the empty line fills (docs/reference_line.md)."""

    replications: int = 200
    seed: int = 1
    warm_up_s: float = 4 * 3600.0
    duration_s: float = 8 * 3600.0
    workers: int = 2

    @property
    def window(self) -> Window:
        """What is counted of each run."""
        t0 = us_from_s(self.warm_up_s)
        return Window(t0, t0 + us_from_s(self.duration_s))


@dataclass(frozen=True, slots=True)
class Pair:
    """One replication of both plants, on common random numbers."""

    replication: int
    good_parts: tuple[int, int]  # baseline, retrofit
    station_cycle_time_s: tuple[float, float]  # of the pacing station


@dataclass(frozen=True, slots=True)
class Result:
    """What the pairs say."""

    replications: int
    seed: int
    warm_up_s: float
    duration_s: float
    station_cycle_time_s: tuple[Interval, Interval]
    good_parts_per_h: tuple[Interval, Interval]
    line_rate_pct: Interval
    published_pct: float
    half_width_pct: float
    inside: bool  # the published gain lies in the interval, and the interval is narrow enough

    def to_json(self) -> str:
        """As `--json` writes it."""
        return json.dumps(asdict(self), indent=2) + "\n"


def calibrate(
    baseline: Plant, retrofit: Plant, setting: Setting, kept: Path, told: Callable[[int], None] = lambda _: None
) -> Result:
    """Simulate the pairs that `kept` does not hold yet, appending each; `told` hears how many are finished.

    Raises ResumeError when `kept` is of other plants or another setting, TrialError when a replication fails.
    """
    pairs = {pair.replication: pair for pair in _opened(kept, baseline, retrofit, setting)}
    missing = [r for r in range(setting.replications) if r not in pairs]
    told(setting.replications - len(missing))
    context = multiprocessing.get_context("spawn")
    with (
        ProcessPoolExecutor(setting.workers, context, _begin, (baseline, retrofit, setting)) as pool,
        kept.open("a", encoding="utf-8") as file,
    ):
        try:
            for pair in _finished(pool, missing, (baseline, retrofit), setting.seed):
                pairs[pair.replication] = pair
                file.write(json.dumps(asdict(pair)) + "\n")
                file.flush()
                told(len(pairs))
        except BaseException:  # a trial failed, or Ctrl-C: what is finished is kept
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    planned_us = sum(end - begin for begin, end in planned(baseline, setting.window))
    return summary([pairs[r] for r in range(setting.replications)], setting, planned_us / 3.6e9)


def _finished(pool: ProcessPoolExecutor, missing: list[int], plants: tuple[Plant, Plant], seed: int) -> Iterator[Pair]:
    """Pairs in the order in which they are complete."""
    running = {pool.submit(_run, which, r): (which, r) for r in missing for which in (0, 1)}
    halves: dict[tuple[int, int], tuple[int, float]] = {}
    for done in as_completed(running):
        which, replication = running[done]
        try:
            halves[which, replication] = done.result()
        except FactoryError as error:
            plant = plants[which]
            name = plant.scenario.name if plant.scenario else plant.name
            raise TrialError(name, replication, seed, str(error)) from error
        if (1 - which, replication) in halves:
            before, after = halves[0, replication], halves[1, replication]
            yield Pair(replication, (before[0], after[0]), (before[1], after[1]))


def summary(pairs: Sequence[Pair], setting: Setting, planned_h: float) -> Result:
    """Means and intervals over `pairs`, at least two, of windows with `planned_h` hours of planned production."""
    parts = np.array([pair.good_parts for pair in pairs], np.float64)
    times = np.array([pair.station_cycle_time_s for pair in pairs], np.float64)
    gain = percent(parts[:, 0], parts[:, 1])
    return Result(
        replications=len(pairs), seed=setting.seed, warm_up_s=setting.warm_up_s, duration_s=setting.duration_s,
        station_cycle_time_s=(interval(times[:, 0]), interval(times[:, 1])),
        good_parts_per_h=(interval(parts[:, 0] / planned_h), interval(parts[:, 1] / planned_h)),
        line_rate_pct=gain,
        published_pct=PUBLISHED_GAIN_PCT,
        half_width_pct=gain.half_width,
        inside=bool(gain.low <= PUBLISHED_GAIN_PCT <= gain.high and gain.half_width <= WIDEST_PCT),
    )  # fmt: skip


def _opened(kept: Path, baseline: Plant, retrofit: Plant, setting: Setting) -> list[Pair]:
    """The pairs in `kept`; a file that does not exist gets its first line, which says what it belongs to."""
    head = {
        "baseline": baseline.digest, "retrofit": retrofit.digest, "seed": setting.seed,
        "warm_up_s": setting.warm_up_s, "duration_s": setting.duration_s,
    }  # fmt: skip
    if not kept.exists():
        kept.write_text(json.dumps(head) + "\n", encoding="utf-8")
        return []
    *lines, torn = kept.read_text(encoding="utf-8").split("\n")
    if torn:  # the program was killed while it wrote
        kept.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    try:
        if json.loads(lines[0]) != head:
            msg = f"{kept} holds pairs of other plants, another seed or another window. Delete it, or name another."
            raise ResumeError(msg)
        return [_read(line) for line in lines[1:]]
    except (ValueError, KeyError, IndexError, TypeError) as error:
        msg = f"{kept} is not a file of finished pairs ({error}). Name another file, or delete it."
        raise ResumeError(msg) from None


def _read(line: str) -> Pair:
    content = json.loads(line)
    return Pair(content["replication"], tuple(content["good_parts"]), tuple(content["station_cycle_time_s"]))


# ---- in the workers

_work: tuple[tuple[Plant, Plant], Setting]


def _begin(baseline: Plant, retrofit: Plant, setting: Setting) -> None:
    """What a worker needs for all of its runs; it dies with its parent."""
    global _work  # noqa: PLW0603 - a worker is told once, not with every run
    _work = ((baseline, retrofit), setting)
    parent = multiprocessing.parent_process()
    if parent is not None:
        Thread(target=_follow, args=(parent,), daemon=True).start()


def _follow(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)


def _run(which: int, replication: int) -> tuple[int, float]:
    """Good parts in the window, and mean busy seconds per part at the pacing station."""
    plant, setting = _work[0][which], _work[1]
    t0, t1 = setting.window.t0_us, setting.window.t1_us
    truth = simulate(plant, seed=setting.seed, replication=replication, warm_up_us=t0, until_us=t1).truth
    units = list(plant.operations[plant.pacing].machines)
    parts, busy_us = int(truth.parts[units].sum()), int(truth.busy_us[units].sum())
    return truth.good_parts, busy_us / 1e6 / parts / len(units) if parts else float("nan")
