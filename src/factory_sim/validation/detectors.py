"""Accuracy of constraint detectors on random lines whose true gains are simulated.

A detector reads runs of the line as it is. The truth is the gain of a 5 % speed-up of each station, one at a time, in
paired runs with other seeds. A detector hits when the station that it ranks first earns at least 80 % of the largest
gain.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from factory_sim.analysis.paired import paired_difference
from factory_sim.results.record import Result
from factory_sim.sim.run import count
from factory_sim.study.arms import Variant
from factory_sim.study.compare.why import DETECTORS
from factory_sim.study.trial import Detail, Setting, run_trial

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from factory_sim.plant.spec import Plant
    from factory_sim.study.pool import Pool
    from factory_sim.validation.constraint_lines import ConstraintAccuracy
    from factory_sim.validation.ledger import Ledger

STATIONS = 12
SPEED_UP = 1.05
ENOUGH = 0.8  # of the best gain
LEAST = 0.95  # of the lines
BASELINE_RUNS = 40
WARM_UP_S, DURATION_S = 4 * 3600.0, 24 * 3600.0
ROUND, MOST_PAIRS = 20, 640  # pairs of the truth: so many at a time, until the first two differ
SURE = 0.99  # confidence of that
_OTHER_SEED = 1_000_000_007  # of the truth


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """The picks of the detectors on one line, and the true gains."""

    number: int
    gains_pct: Sequence[float]  # of a 5 % speed-up, by station
    best: int  # the station that gains most
    picks: Mapping[str, int]  # detector -> the station ranked first, -1: none
    pairs: int  # behind the best station's gain
    separated: bool  # the best is significantly better than every other one

    def hit(self, detector: str) -> bool:
        """Return whether the station that a detector ranks first earns nearly as much as the best."""
        pick = self.picks[detector]
        return pick >= 0 and self.gains_pct[pick] >= ENOUGH * self.gains_pct[self.best]


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorAccuracy(Result):
    """Share of the lines that each detector hits, the critical path first."""

    lines: int
    stations: int
    speed_up_pct: float
    enough: float  # share of the largest gain that makes a hit
    least: float  # share of hits that the critical path promises
    hit: Mapping[str, float]
    ok: bool
    missed: tuple[int, ...]  # numbers of the lines that the critical path misses
    separated: int  # lines on which one station is significantly the best
    constraints: ConstraintAccuracy  # of lines whose constraint is no station's speed


def measure(
    lines: int, seed: int, pool: Pool, ledger: Ledger, on_progress: Callable[[int], None] = lambda _: None
) -> list[Line]:
    """Return lines 0 ... `lines` - 1 of a seed; those in the ledger are not simulated again."""
    jobs = [(seed, number, pool.engine) for number in range(lines)]
    return ledger.results(Line, assess, jobs, pool, on_progress)


def summarize(lines: Sequence[Line], constraints: ConstraintAccuracy) -> DetectorAccuracy:
    """Return the share of hits of each detector, and of the answers of `why` on lines with other constraints."""
    hit = {detector: sum(line.hit(detector) for line in lines) / len(lines) for detector in DETECTORS}
    return DetectorAccuracy(
        lines=len(lines),
        stations=STATIONS,
        speed_up_pct=round(100 * (SPEED_UP - 1), 6),
        enough=ENOUGH,
        least=LEAST,
        hit=hit,
        ok=hit[DETECTORS[0]] >= LEAST and constraints.ok,
        missed=tuple(line.number for line in lines if not line.hit(DETECTORS[0])),
        separated=sum(line.separated for line in lines),
        constraints=constraints,
    )


def header(seed: int) -> Mapping[str, object]:
    """Return what identifies the finished lines of a ledger."""
    rules = (STATIONS, SPEED_UP, BASELINE_RUNS, WARM_UP_S, DURATION_S, ROUND, MOST_PAIRS, SURE)
    return {"validate": "detectors", "seed": seed, "rules": list(rules)}


def assess(seed: int, number: int, engine: str) -> Line:
    """Draw one line, run its detectors and measure the true gain of each station."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "line.yaml"
        file.write_text(draw_line(np.random.default_rng([seed, number])), encoding="utf-8")
        plant = Variant(str(file)).load()
        quicker = [
            Variant(str(file), None, (f"operations.{each.name}.cycle_time*{1 / SPEED_UP!r}",)).load()
            for each in plant.operations
        ]
    setting = Setting(seed + number, WARM_UP_S, DURATION_S, DURATION_S)
    return Line(number=number, picks=_picks(plant, setting, engine), **_truth(plant, quicker, setting, engine))


def draw_line(rng: np.random.Generator) -> str:
    """Return a plant file: twelve stations of similar speed, most with failures, buffers of 1 to 10."""
    rows = []
    for station in range(STATIONS):
        mean_s, cv = rng.uniform(40, 60), rng.choice([0.05, 0.2, 0.5, 1.0])
        time = f"exponential({mean_s:.2f} s)" if cv == 1 else f"lognormal({mean_s:.2f} s, cv {cv})"
        row = {"kind": "machine", "cycle_time": f'"{time}"', "buffer": int(rng.integers(1, 11))}
        if station == 0:
            row["from"] = "parts"
        efficiency, repair_s = rng.uniform(0.8, 0.98), rng.uniform(60, 900)
        life_s = repair_s * efficiency / (1 - efficiency)
        if rng.random() < 0.6:
            row["failures"] = f"{{stop: {{after: exponential({life_s:.0f} s), repair: exponential({repair_s:.0f} s)}}}}"
        rows.append(f"OP{station + 1}: {{{', '.join(f'{key}: {value}' for key, value in row.items())}}}")
    return (
        "plant: random\nkinds: {machine: {}}\nsources: {parts: {interarrival: saturated}}\n"
        "sections:\n  line:\n    operations:\n      " + "\n      ".join(rows) + "\n"
    )


def _picks(plant: Plant, setting: Setting, engine: str) -> dict[str, int]:
    """Return the station that each detector ranks first, by its mean over the runs of the baseline."""
    runs = [run_trial(plant, setting, r, Detail.FULL, engine).operation for r in range(BASELINE_RUNS)]
    picks = {}
    for detector in DETECTORS:
        score = np.nan_to_num(np.array([run[detector] for run in runs], np.float64)).mean(axis=0)
        picks[detector] = int(score.argmax()) if score.max() > 0 else -1
    return picks


def _truth(plant: Plant, quicker: Sequence[Plant], setting: Setting, engine: str) -> dict[str, Any]:
    """Return the gains of all stations; pairs are added for those that may still be the best."""

    def parts(of: Plant, replications: Iterable[int]) -> list[int]:
        seed = setting.seed + _OTHER_SEED
        return [count(of, setting.window, seed=seed, replication=r, engine=engine).good_parts for r in replications]

    before: list[int] = []
    after: list[list[int]] = [[] for _ in quicker]
    racing, best, done = set(range(len(quicker))), 0, 0
    while len(racing) > 1 and done < MOST_PAIRS:
        more = range(done, done + ROUND)
        before += parts(plant, more)
        for i in racing:
            after[i] += parts(quicker[i], more)
        done += ROUND
        best = max(racing, key=lambda i: sum(after[i]))
        racing = {i for i in racing if i == best or paired_difference(after[i], after[best], SURE).low <= 0}
    gains = [100 * (sum(each) / sum(before[: len(each)]) - 1) for each in after]
    return {"gains_pct": tuple(gains), "best": best, "pairs": done, "separated": len(racing) == 1}
