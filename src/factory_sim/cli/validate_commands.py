"""`validate`: proofs on this machine that the engine, the intervals, the detectors, the feed and the line are right."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from factory_sim.cli import options
from factory_sim.cli.validate_exact import exact
from factory_sim.cli.validate_feed import feed
from factory_sim.cli.validate_intake import intake
from factory_sim.errors import require_extra
from factory_sim.views.text.terminal import columns, say

if TYPE_CHECKING:
    from factory_sim.results.estimate import Estimate
    from factory_sim.study.pool import Pool
    from factory_sim.validation.calibration import Calibration
    from factory_sim.validation.constraint_lines import ConstraintAccuracy
    from factory_sim.validation.detectors import DetectorAccuracy
    from factory_sim.validation.engine_comparison import EngineComparison
    from factory_sim.validation.ledger import Ledger

app = typer.Typer(no_args_is_help=True)

Seed = Annotated[int, typer.Option(help="Which random plants; the same seed gives the same plants.")]
Workers = Annotated[
    int, typer.Option(help="Processes; the result does not depend on them.", min=0, show_default="one per CPU")
]
Resume = Annotated[Path | None, options.output(help="File that keeps finished work; the same command resumes it.")]
ENOUGH_PLANTS = 10_000  # from here on every feature and pair must have been exercised by 100 plants
BASELINE, RETROFIT = "gearbox_line", "retrofit"

app.command(short_help="Compare the engine with values known from theory.")(options.flattened(exact))
app.command(short_help="Run the endurance proofs of the feed.")(options.flattened(feed))
app.command(short_help="Run cases of real machines.")(options.flattened(intake))


@app.callback()
def validate() -> None:
    """Prove on this machine that the results can be trusted.

    Example: factory-sim validate engines --plants 2000
    """


@app.command(short_help="Compare the engines on random plants, bit for bit.")
def engines(
    plants: Annotated[int, typer.Option(help="How many random plants.", min=1)] = 500,
    seed: Seed = 1,
    out: options.JsonFile = None,
) -> None:
    """Compare the compiled engine with the SimPy model on random plants with all features mixed, bit for bit.

    Exit code 1 at the first difference; the smallest plant that shows it is printed. From 10,000 plants on it is also 1
    when fewer than 100 plants exercised a feature or a pair of features.

    Example: factory-sim validate engines --plants 2000
    """
    require_extra("validate", "validate engines")
    from factory_sim.validation.engine_comparison import compare_engines

    options.compiled()
    done = itertools.count(1)
    with options.bar("plants", plants) as progress:
        found = compare_engines(plants, seed=seed, on_progress=lambda: progress(next(done)))
    options.write_json(out, found.to_dict())
    if found.difference:
        say(
            f"The engines differ: {found.difference}\n  Reproduce: factory-sim validate engines "
            f"--plants {plants} --seed {seed}"
        )
        raise typer.Exit(1)
    say(_engines_text(found))
    if plants >= ENOUGH_PLANTS and (short := found.shortfalls()):
        say("Too few plants exercised:\n  " + "\n  ".join(short), err=True)
        raise typer.Exit(1)


@app.command(short_help="Count how often intervals cover the truth.")
def coverage(
    studies: Annotated[int, typer.Option(help="How many small studies.", min=1)] = 1000,
    workers: Workers = 0,
    out: options.JsonFile = None,
) -> None:
    """Count how often the 95 % intervals of small studies cover a true change that tandem theory gives exactly.

    Every study has four scenarios; also counted is how often all four simultaneous intervals cover. Exit code 1 unless
    93 to 97 % cover singly and at least 93 % together; with few studies chance alone can leave that range.

    Example: factory-sim validate coverage --studies 1000 --json coverage.json
    """
    from factory_sim.validation.coverage import SCENARIOS, measure_coverage

    with _open_pool(workers, "studies", studies) as (pool, on_progress):
        found = measure_coverage(studies, pool, on_progress)
    text = (
        f"{100 * found.coverage:.1f} % of {studies:,} intervals cover the truth (nominal 95 %, accepted 93 to 97 %)\n"
        f"  {SCENARIOS} scenarios at once: in {100 * found.coverage_together:.1f} % of the studies all intervals cover "
        f"(nominal 95 % or more)\n"
        f"  mean half-width {found.half_width_pct:.2f} percentage points of the line rate"
    )
    options.answered(out, found, text, ok=found.ok)


@app.command(short_help="Count how often detectors name the constraint.")
def detectors(
    lines: Annotated[int, typer.Option(help="How many random lines.", min=1)] = 150,
    seed: Seed = 1,
    workers: Workers = 0,
    resume: Resume = None,
    out: options.JsonFile = None,
) -> None:
    """Count on random lines how often detectors name what is worth relieving.

    First on lines of twelve stations with failures and small buffers: a station hits when 5 % more speed there earns at
    least 80 % of what it earns at the best station. Then on as many lines whose constraint is a vehicle, an operator, a
    crew, a source or a setup: the resource with the largest path share and the headline of `why` hit when the best
    relief there earns at least 80 % of the best of all. Gains are measured in paired runs with other seeds. Exit code 1
    when the path share on the first or `why` on the second lines hits less than 95 %.

    Example: factory-sim validate detectors --lines 150 --json detectors.json
    """
    from factory_sim.validation import constraint_lines
    from factory_sim.validation import detectors as accuracy

    kept = _resumable(resume, f"validate-detectors-{seed}.jsonl", accuracy.header(seed))
    with kept as ledger, _open_pool(workers, "lines", lines) as (pool, on_progress):
        picks = accuracy.measure(lines, seed, pool, ledger, on_progress)
    beside = resume and resume.with_name(f"{resume.stem}-constraints{resume.suffix}")
    kept = _resumable(beside, f"validate-constraints-{seed}.jsonl", constraint_lines.header(seed))
    with kept as ledger, _open_pool(workers, "lines with other constraints", lines) as (pool, on_progress):
        answers = constraint_lines.measure(lines, seed, pool, ledger, on_progress)
    found = accuracy.summarize(picks, constraint_lines.summarize(answers))
    options.answered(out, found, _detectors_text(found), ok=found.ok)


@app.command(short_help="Compare the reference line with the published gain.")
def calibration(
    replications: Annotated[int, typer.Option(help="How many pairs.", min=2)] = 200,
    seed: options.Seed = 1,
    resume: Resume = None,
    out: options.JsonFile = None,
) -> None:
    """Compare the gain of the reference line over many pairs with the published +30.19 %.

    Exit code 1 unless the published gain lies in the interval and the interval is at most ± 0.4 percentage points wide.

    Example: factory-sim validate calibration --replications 200 --json calibration.json
    """
    from factory_sim import registry
    from factory_sim.validation import calibration as pairs

    plants, setting = (registry.load(BASELINE), registry.load(RETROFIT)), pairs.setting(seed)
    kept = _resumable(resume, "validate-calibration.jsonl", pairs.header(plants, setting))
    with kept as ledger, _open_pool(0, "pairs", replications) as (pool, progress):
        found = pairs.calibrate(plants, setting, replications, pool=pool, ledger=ledger, on_progress=progress)
    options.answered(out, found, _calibration_text(found), ok=found.inside)


@app.command()
@options.flattened
def study(
    file: Annotated[Path, typer.Argument(help="A study file.", dir_okay=False)],
    *,
    execution: options.Execution = options.Execution(),  # noqa: B008 - frozen
    out: options.JsonFile = None,
) -> None:
    """Simulate every trial of a study again from its plants and seed, and compare: the results must be bit-identical.

    Exit code 1 when they are not.

    Example: factory-sim validate study retrofit-vs-gearbox_line-1a2b3c4d.study.jsonl
    """
    from factory_sim.api import studies
    from factory_sim.cli.study_commands import study_progress

    with study_progress(kept=False) as progress:
        found = studies.replay(file, progress=progress, **options.given(execution)).result
    lines = [f"same: {'yes' if found.same else 'no'}", f"{found.trials} trials, digest {found.digest[:16]}"]
    lines += [f"  differs: {arm}, replication {replication}" for arm, replication in found.differing[:10]]
    options.answered(out, found, "\n".join(lines), ok=found.same)


@contextlib.contextmanager
def _open_pool(workers: int, what: str, total: int) -> Iterator[tuple[Pool, Callable[[int], None]]]:
    """Open a pool with the compiled engine, and a progress bar for `total` jobs."""
    from factory_sim.study.pool import Pool

    options.compiled()
    with Pool(workers or os.cpu_count() or 1) as pool, options.bar(what, total) as progress:
        yield pool, progress


@contextlib.contextmanager
def _resumable(resume: Path | None, name: str, header: Mapping[str, object]) -> Iterator[Ledger]:
    """Open a file of finished work, `resume` or else `name`; only `resume` is kept after a complete run."""
    from factory_sim.validation.ledger import Ledger

    path = resume or Path(name)
    try:
        with Ledger(path, header) as ledger:
            yield ledger
    except KeyboardInterrupt:
        say(f"Interrupted. Finished work is kept in {path}; the same command resumes it.", err=True)
        raise typer.Exit(130) from None
    if resume is None:
        path.unlink()


def _engines_text(found: EngineComparison) -> str:
    rarest = min(found.pairs, key=lambda pair: found.pairs[pair])
    short = found.shortfalls()
    return "\n".join(
        [
            f"engines equal on {found.plants} plants: {found.rows} rows, bit-identical",
            f"  {found.deadlocks} of them deadlock, in both engines alike",
            f"  counters without a log: {found.counted} visits, counted as with a log",
            f"  saved halfway and resumed from the file: {found.resumed} plants, bit-identical",
            "  plants that were given commands: " + ", ".join(f"{name} {n}" for name, n in found.commands.items()),
            f"  forks with another dispatch policy: {found.commanded}, equal to SimPy with that command",
            "  plants that exercised each feature, alone and with each of the others:",
            *_pairs_of_features(found),
            f"  pairs of features: {sum(map(bool, found.pairs.values()))} of {len(found.pairs)}",
            f"  the rarest pair: {rarest}, {found.pairs[rarest]} plants",
            *([f"  fewer than 100 plants: {len(short)} features and pairs"] if short else []),
        ]
    )


def _pairs_of_features(found: EngineComparison) -> Iterator[str]:
    """Yield the lines of the triangular table of pairs, in as many blocks as the terminal requires."""
    names = list(found.features)
    at_once = max(1, (columns() - 21) // 5)
    for first in range(0, len(names) - 1, at_once):
        heads = names[first : min(first + at_once, len(names) - 1)]
        yield " " * 21 + "".join(f"{name[:4]:>5}" for name in heads)
        for n, name in enumerate(names[first:], first):
            counts = [f"{found.count_of(each, name):>5}" for each in heads[: n - first]]
            yield f"    {name:<12}{found.features[name]:>5}{''.join(counts)}"


def _detectors_text(found: DetectorAccuracy) -> str:
    share = 100 * found.hit["critical_path_share"]
    verdict = "as promised" if share >= 100 * found.least else "TOO FEW"
    return "\n".join(
        [
            f"critical path: {share:.1f} % hits on {found.lines} lines ({100 * found.least:.0f} % or more: {verdict})",
            f"  a hit: {found.speed_up_pct:g} % more speed earns at least {100 * found.enough:.0f} % of the best gain",
            f"  {'method':<26} hit",
            *(f"  {name:<26} {each:.3f}" for name, each in found.hit.items()),
            f"  one station is significantly the best in {found.separated} lines, two or more in the others",
            *_constraints_text(found.constraints),
        ]
    )


def _constraints_text(found: ConstraintAccuracy) -> list[str]:
    verdict = f"{100 * found.least:.0f} % or more: {'as promised' if found.ok else 'TOO FEW'}"
    return [
        f"why: {100 * found.why:.1f} % hits on {found.lines} lines with other constraints ({verdict})",
        f"  {'true constraint':<26} lines   why  path share alone",
        *(
            f"  {kind:<26} {each['lines']:5.0f} {each['why']:5.3f} {each['path_share']:7.3f}"
            for kind, each in found.by_kind.items()
        ),
    ]


def _calibration_text(found: Calibration) -> str:
    before, after = found.station_cycle_time_s
    rate_before, rate_after = found.good_parts_per_h
    hours = f"{found.duration_s / 3600:g} h after {found.warm_up_s / 3600:g} h of warm-up"
    return "\n".join(
        [
            f"{found.replications} pairs of {hours}, seed {found.seed}",
            f"station cycle time    {_interval(before)} s  ->  {_interval(after)} s   (published 56 s -> 37 s)",
            f"line rate             {_interval(rate_before)}  ->  {_interval(rate_after)} good parts/h",
            f"line rate gain        {_interval(found.line_rate_pct, '+.2f')} %, half-width {found.half_width_pct:.2f}",
            f"published gain        +{found.published_pct} %: {'inside' if found.inside else 'OUTSIDE'}",
        ]
    )


def _interval(found: Estimate, form: str = ".2f") -> str:
    return f"{found.mean:{form}} [{found.low:{form}}, {found.high:{form}}]"
