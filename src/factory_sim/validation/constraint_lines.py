"""Accuracy of `why` on random lines whose true constraint is a vehicle, an operator, a crew, a source or a setup.

The truth is the largest gain of all reliefs of all resources, in paired runs with other seeds. Two answers are scored:
the resource with the largest share of the critical path, from logs alone, and the headline of `why`. A resource hits
when its best relief earns at least 80 % of the largest gain.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from factory_sim.analysis.paired import paired_difference
from factory_sim.errors import ConfigError
from factory_sim.results.record import Record
from factory_sim.results.resource import Resource
from factory_sim.sim.run import count
from factory_sim.study.arms import Variant
from factory_sim.study.compare.compare_study import run_why
from factory_sim.study.compare.reliefs import RELIEFS
from factory_sim.study.runner import Progress, Request
from factory_sim.study.trial import Setting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from factory_sim.plant.spec import Plant
    from factory_sim.study.pool import Pool
    from factory_sim.validation.ledger import Ledger

DRAWN = ("vehicle", "operator", "crew", "source", "setup")
STATIONS = 5
ENOUGH = 0.8  # of the largest gain
LEAST = 0.95  # of the lines, for the headline of `why`
WHY_RUNS = 20
WARM_UP_S, DURATION_S = 2 * 3600.0, 8 * 3600.0
ROUND, MOST_PAIRS = 20, 160  # pairs of the truth: so many at a time, until all but one resource are dismissed
SURE = 0.99  # confidence of a dismissal
_OTHER_SEED = 1_000_000_007  # of the truth


@dataclass(frozen=True, slots=True, kw_only=True)
class ConstraintLine:
    """The two answers on one line, and the true gains."""

    number: int
    drawn: str  # one of DRAWN
    gains: Mapping[str, float]  # resource -> true gain of its best relief [good parts per run]
    by_share: str  # the resource with the largest path share
    by_gain: str  # the headline of `why`; "": none
    pairs: int

    @property
    def best(self) -> str:
        """The resource whose relief earns most."""
        return max(self.gains, key=lambda name: self.gains[name])

    def hit(self, resource: str) -> bool:
        """Return whether a resource earns nearly as much as the best."""
        return self.gains.get(resource, 0.0) >= ENOUGH * self.gains[self.best] > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ConstraintAccuracy(Record):
    """Shares of the lines on which each answer hits."""

    lines: int
    why: float
    path_share: float
    ok: bool  # `why` hits often enough
    least: float
    by_kind: Mapping[str, Mapping[str, float]]  # true constraint -> lines, why, path_share
    missed: tuple[int, ...]  # numbers of the lines that `why` misses


def measure(
    lines: int, seed: int, pool: Pool, ledger: Ledger, on_progress: Callable[[int], None] = lambda _: None
) -> list[ConstraintLine]:
    """Return lines 0 ... `lines` - 1 of a seed; those in the ledger are not simulated again."""
    jobs = [(seed, number, pool.engine) for number in range(lines)]
    return ledger.results(ConstraintLine, assess, jobs, pool, on_progress)


def header(seed: int) -> Mapping[str, object]:
    """Return what identifies the finished lines of a ledger."""
    rules = (STATIONS, WHY_RUNS, WARM_UP_S, DURATION_S, ROUND, MOST_PAIRS, SURE)
    return {"validate": "constraints", "seed": seed, "rules": list(rules)}


def summarize(lines: Sequence[ConstraintLine]) -> ConstraintAccuracy:
    """Return the shares of hits, together and by the kind of the true constraint."""
    by_kind = {}
    for kind in sorted({true_kind(line) for line in lines}):
        some = [line for line in lines if true_kind(line) == kind]
        by_kind[kind] = {"lines": float(len(some)), **_hits(some)}
    hits = _hits(lines)
    return ConstraintAccuracy(
        lines=len(lines),
        **hits,
        ok=hits["why"] >= LEAST,
        least=LEAST,
        by_kind=by_kind,
        missed=tuple(line.number for line in lines if not line.hit(line.by_gain)),
    )


def true_kind(line: ConstraintLine) -> str:
    """Return the kind of the true constraint; of a line whose station is limited by its setup, `setup`."""
    kind = Resource.of(line.best).kind
    return "setup" if kind == "operation" and line.drawn == "setup" else kind


def _hits(lines: Sequence[ConstraintLine]) -> dict[str, float]:
    return {
        "why": sum(line.hit(line.by_gain) for line in lines) / len(lines),
        "path_share": sum(line.hit(line.by_share) for line in lines) / len(lines),
    }


def assess(seed: int, number: int, engine: str) -> ConstraintLine:
    """Draw one line, let `why` answer, and measure the true gains."""
    drawn = DRAWN[number % len(DRAWN)]
    with TemporaryDirectory() as folder:
        file = Path(folder) / "line.yaml"
        file.write_text(draw_line(np.random.default_rng([seed, number, 1]), drawn), encoding="utf-8")
        plant, variants = Variant(str(file)).load(), _relieved(str(file))
        found = run_why(
            Request(
                base=Variant(str(file)),
                replications=WHY_RUNS,
                duration_s=DURATION_S,
                warm_up_s=WARM_UP_S,
                seed=seed + number,
                workers=1,
                engine=engine,
                file=Path(folder) / "why.jsonl",
            ),
            Progress(),
        )
    gains, pairs = _truth(plant, variants, Setting(seed + number + _OTHER_SEED, WARM_UP_S, DURATION_S, 300.0), engine)
    first = found.resources[0]
    return ConstraintLine(
        number=number,
        drawn=drawn,
        gains=gains,
        by_share=f"{first.kind} {first.name}",
        by_gain=str(found.constraint or ""),
        pairs=pairs,
    )


def draw_line(rng: np.random.Generator, drawn: str) -> str:
    """Return a plant file of five stations in which one resource is drawn to be the scarce one."""
    times = rng.uniform(30, 50, STATIONS)
    busy = drawn == "operator"
    manned = set(rng.choice(STATIONS, 3, replace=False).tolist()) if busy else {int(rng.integers(STATIONS))}
    slow, interval_s = int(rng.integers(STATIONS)), float(times.max()) * rng.uniform(1.3, 1.6)
    repair_s = rng.uniform(400, 900)
    rows = []
    for n, mean_s in enumerate(times.tolist()):
        row = {"cycle_time": f'"lognormal({mean_s:.2f} s, cv 0.2)"', "buffer": int(rng.integers(2, 9))}
        row |= {"from": "parts"} if n == 0 else {}
        row |= {"operator": "operators"} if n in manned else {}
        row |= {"by": "agv"} if n in {1, 3} else {}
        if drawn == "setup" and n == slow:
            row["setup"] = f"{2 * mean_s:.0f} s"
        life_s = repair_s * (1.5 if drawn == "crew" else 25)
        row["failures"] = (
            f"{{stop: {{after: exponential({life_s:.0f} s), repair: exponential({repair_s:.0f} s), crew: fitters}}}}"
        )
        rows.append(f"OP{n + 1}: {{{', '.join(f'{key}: {value}' for key, value in row.items())}}}")
    arrivals = f'"exponential({interval_s:.1f} s)"' if drawn == "source" else "saturated"
    crews = 1 if drawn == "crew" else 3
    vehicles = 1 if drawn == "vehicle" else 2
    trip_s = float(times.max()) * (rng.uniform(0.8, 1.1) if drawn == "vehicle" else 0.2)
    return (
        "plant: random\nvariants: [x, y]\n"
        f"sources: {{parts: {{interarrival: {arrivals}, mix: {{x: 0.5, y: 0.5}}}}}}\n"
        f"crews: {{operators: {{count: {1 if busy else 2}}}, fitters: {{count: {crews}}}}}\n"
        f'fleets: {{agv: {{count: {vehicles}, load: 5 s, trip: "exponential({trip_s:.1f} s)"}}}}\n'
        "sections:\n  line:\n    operations:\n      " + "\n      ".join(rows) + "\n"
    )


def _relieved(file: str) -> dict[str, list[Plant]]:
    """Return the plants with each relief of each resource, by resource."""
    plant = Variant(file).load()
    names = {
        "operation": [each.name for each in plant.operations],
        "fleet": [each.name for each in plant.fleets],
        "operator": [each.name for each in plant.crews if each.name == "operators"],
        "crew": [each.name for each in plant.crews if each.name == "fitters"],
        "source": [each.name for each in plant.sources],
    }
    found: dict[str, list[Plant]] = {}
    for kind, members in names.items():
        for name in members:
            for relief in RELIEFS[kind]:
                if overrides := relief.overrides(plant, name):
                    try:
                        relieved = Variant(file, None, overrides).load()
                    except ConfigError:
                        continue
                    found.setdefault(f"{kind} {name}", []).append(relieved)
    return found


def _truth(
    plant: Plant, variants: Mapping[str, Sequence[Plant]], setting: Setting, engine: str
) -> tuple[dict[str, float], int]:
    """Return the largest gain of each resource; pairs are added for reliefs that may still be the best."""

    def parts(of: Plant, replications: Iterable[int]) -> list[int]:
        window, seed = setting.window, setting.seed
        return [count(of, window, seed=seed, replication=r, engine=engine).good_parts for r in replications]

    owners, plants = [name for name, each in variants.items() for _ in each], [p for e in variants.values() for p in e]
    before: list[int] = []
    after: list[list[int]] = [[] for _ in plants]
    racing, done = set(range(len(plants))), 0
    while done < MOST_PAIRS and len({owners[i] for i in racing}) > 1:
        more = range(done, done + ROUND)
        before += parts(plant, more)
        for i in racing:
            after[i] += parts(plants[i], more)
        done += ROUND
        best = max(racing, key=lambda i: sum(after[i]))
        racing = {i for i in racing if i == best or paired_difference(after[i], after[best], SURE).low <= 0}
    gains: dict[str, float] = {}
    for owner, each in zip(owners, after, strict=True):
        gain = (sum(each) - sum(before[: len(each)])) / len(each)
        gains[owner] = max(gain, gains.get(owner, gain))
    return gains, done
