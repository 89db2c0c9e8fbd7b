"""Coverage of the intervals that studies print: many small studies whose true change is known exactly.

The line: two saturated exponential stations with b places between and blocking after service. The parts that the first
has finished and the second has not are a birth-death chain on 0 ... b + 2 with rates 1/a and 1/s for mean times a and
s, so the output rate is (1 - p0) / s with p0 = 1 / (1 + r + ... + r^(b+2)), r = s / a [Hunt 1956, two stages].

Every study compares the line with four others. The first interval is a single one; those of all four are simultaneous
(Bonferroni), as in a comparison of several scenarios.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from factory_sim.analysis.paired import bonferroni, paired_percent_change
from factory_sim.records import Window
from factory_sim.results.record import Result
from factory_sim.sim.run import count
from factory_sim.study.arms import Variant
from factory_sim.study.compare.pairing import CONFIDENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from factory_sim.plant.spec import Plant
    from factory_sim.results.estimate import Estimate
    from factory_sim.study.pool import Pool

REPLICATIONS = 10
WINDOW = Window(3_600_000_000, 10_800_000_000)  # two hours after one: a chain of five states forgets within minutes
LOW, HIGH = 0.93, 0.97  # accepted coverage of 95 % intervals
SCENARIOS = 4
_LINE = """
plant: two
kinds: {{machine: {{}}}}
sources: {{parts: {{interarrival: saturated}}}}
sections:
  line:
    operations:
      A: {{kind: machine, from: parts, cycle_time: "exponential({a} s)", buffer: 0}}
      B: {{kind: machine, cycle_time: "exponential({s} s)", buffer: {b}}}
"""


@dataclass(frozen=True, slots=True)
class Two:
    """A two-station line: mean times [s] and the places between."""

    a_s: int
    s_s: int
    places: int

    @property
    def rate_per_h(self) -> float:
        """The exact long-run output [parts/h]."""
        ratio = self.s_s / self.a_s
        empty = 1 / sum(ratio**n for n in range(self.places + 3))
        return 3600 * (1 - empty) / self.s_s

    def plant(self, folder: Path) -> Plant:
        """Return the line as a plant, loaded from a file in `folder`."""
        file = folder / "two.yaml"
        file.write_text(_LINE.format(a=self.a_s, s=self.s_s, b=self.places), encoding="utf-8")
        return Variant(str(file)).load()


@dataclass(frozen=True, slots=True)
class Verdict:
    """One study: the first scenario's interval for the change of the line rate [%], the truth, and the coverage."""

    found: Estimate
    true_pct: float
    covers: bool  # the first scenario's interval covers its truth
    all_cover: bool  # the simultaneous intervals of all scenarios cover theirs


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage(Result):
    """How often intervals covered the truth."""

    studies: int
    covered: int
    coverage: float
    coverage_together: float
    half_width_pct: float  # mean half-width of an interval [percentage points]
    ok: bool


def drawn_lines(n: int) -> Iterator[tuple[Two, ...]]:
    """Yield the lines of n studies, the base first: fixed before the first run, and no scenario equals the base."""
    first, others = np.random.default_rng(20_260_104), np.random.default_rng(20_260_105)
    for _ in range(n):
        a, s = first.integers(20, 61, 2).tolist()
        base = Two(a, s, int(first.integers(0, 3)))
        yield base, _better(base, first), *(_better(base, others) for _ in range(SCENARIOS - 1))


def _better(base: Two, rng: np.random.Generator) -> Two:
    return Two(base.a_s, round(base.s_s * rng.uniform(0.6, 0.95)), base.places + int(rng.integers(0, 2)))


def study(seed: int, lines: Sequence[Two], engine: str) -> Verdict:
    """Simulate one study: pairs of runs on common random numbers, counters only."""
    with TemporaryDirectory() as folder:
        plants = [each.plant(Path(folder)) for each in lines]
    base, *others = np.array(
        [
            [count(plant, WINDOW, seed=seed, replication=r, engine=engine).good_parts for r in range(REPLICATIONS)]
            for plant in plants
        ]
    )
    truths = [100 * (line.rate_per_h / lines[0].rate_per_h - 1) for line in lines[1:]]
    alone, share = paired_percent_change(base, others[0]), bonferroni(CONFIDENCE, len(others))
    together = [paired_percent_change(base, parts, share) for parts in others]
    all_cover = all(_covers(found, true) for found, true in zip(together, truths, strict=True))
    return Verdict(alone, truths[0], _covers(alone, truths[0]), all_cover)


def _covers(found: Estimate, true_pct: float) -> bool:
    return found.low <= true_pct <= found.high


def studies(n: int, pool: Pool) -> Iterator[Verdict]:
    """Yield the verdict of every study as it finishes; study k has seed k."""
    jobs = [(seed, lines, pool.engine) for seed, lines in enumerate(drawn_lines(n), 1)]
    for _, verdict in pool.each(study, jobs):
        yield verdict


def measure_coverage(n: int, pool: Pool, on_progress: Callable[[int], None]) -> Coverage:
    """Simulate n studies and count the intervals that cover the truth."""
    covered, together, widths = 0, 0, 0.0
    for done, verdict in enumerate(studies(n, pool), 1):
        covered += verdict.covers
        together += verdict.all_cover
        widths += verdict.found.half_width
        on_progress(done)
    return Coverage(
        studies=n,
        covered=covered,
        coverage=covered / n,
        coverage_together=together / n,
        half_width_pct=widths / n,
        ok=LOW <= covered / n <= HIGH and together / n >= LOW,
    )
