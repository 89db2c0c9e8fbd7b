"""The product tests itself: `selftest engines`, `selftest coverage`, `selftest why`, `selftest feed`."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from factory_sim.cli import options
from factory_sim.cli.validate_feed import feed

if TYPE_CHECKING:
    from factory_sim.study.pool import Pool
    from factory_sim.validation.engine_comparison import Findings

app = typer.Typer(no_args_is_help=True, help="Let the product test itself at length on this machine.")

Plants = Annotated[int, typer.Option(help="How many random plants.", min=1)]
Seed = Annotated[int, typer.Option(help="Which random plants; the same seed gives the same.")]
Workers = Annotated[
    int, typer.Option(help="Processes; the result is the same for every number.", min=0, show_default="one a processor")
]


app.command()(feed)


@app.callback()
def selftest() -> None:
    """Let the product test itself at length on this machine."""


@app.command()
def engines(plants: Plants = 500, seed: Seed = 1) -> None:
    """Compare the compiled engine with the SimPy model on random plants with all features mixed, bit for bit.

    Exits with 1 at the first difference, and prints the smallest plant that shows it.

    Example: factory-sim selftest engines --plants 2000
    """
    from rich.console import Console
    from rich.progress import Progress

    try:
        from factory_sim.validation.engine_comparison import compare_on
    except ModuleNotFoundError as missing:
        typer.echo(f"selftest needs {missing.name}: pip install 'smart-factory-sim[test]'", err=True)
        raise typer.Exit(2) from None
    from factory_sim.sim.engines import compile_now

    console = Console(stderr=True)
    with console.status("compiling the engine; about a minute the first time"):
        compile_now()
    with Progress(console=console) as progress:
        task = progress.add_task("plants", total=plants)
        findings = compare_on(plants, seed=seed, progress=lambda: progress.advance(task))
    if findings.difference:
        typer.echo(
            f"the engines differ: {findings.difference}\n  reproduce: factory-sim selftest engines "
            f"--plants {plants} --seed {seed}"
        )
        raise typer.Exit(1)
    typer.echo(_told(findings))


@app.command()
def coverage(
    studies: Annotated[int, typer.Option(help="How many small studies.", min=1)] = 1000,
    workers: Workers = 0,
    out: options.JsonFile = None,
) -> None:
    """Count how often 95 % intervals of small studies cover a true change that is known exactly: tandem theory.

    Every study has four scenarios: also counted is how often their four line rates, whose intervals hold together, all
    do. Exit code 1 unless 93 to 97 % cover, and 93 % together; with few studies chance alone can leave that range.

    Example: factory-sim selftest coverage --studies 1000 --json coverage.json
    """
    from factory_sim.validation.coverage import HIGH, LOW, SCENARIOS
    from factory_sim.validation.coverage import coverage as measure

    with _at_work(workers, "studies", studies) as (pool, told):
        covered, together, half_width = measure(studies, pool, told)
    share, all_share = covered / studies, together / studies
    inside = LOW <= share <= HIGH and all_share >= LOW
    found = {"studies": studies, "covered": covered, "coverage": share, "coverage_together": all_share}
    options.written(out, found | {"half_width_pct": half_width, "ok": inside})
    typer.echo(f"{100 * share:.1f} % of {studies:,} intervals cover the truth (promised: 95 %; accepted: 93 to 97 %)")
    joint = f"in {100 * all_share:.1f} % of the studies all intervals cover (95 % or more)"
    typer.echo(f"  {SCENARIOS} scenarios at once: {joint}")
    typer.echo(f"  mean half-width {half_width:.2f} points of the line rate")
    if not inside:
        raise typer.Exit(1)


@app.command()
def why(
    lines: Annotated[int, typer.Option(help="How many random lines.", min=1)] = 150,
    seed: Seed = 1,
    workers: Workers = 0,
    resume: Annotated[Path | None, options.output(help="Where finished lines are kept, and found again.")] = None,
    out: options.JsonFile = None,
) -> None:
    """Count on random lines how often the station that `why` names first is worth speeding up, other detectors beside.

    Twelve stations with failures and small buffers. A hit: 5 % more speed there earns at least 80 % of what it earns at
    the best station, measured in paired runs with other seeds. Exit code 1 below 95 % of hits.

    Example: factory-sim selftest why --lines 150 --json why.json
    """
    from factory_sim.validation import detectors
    from factory_sim.validation.ledger import Ledger

    kept = resume or Path(f"selftest-why-{seed}.jsonl")
    try:
        with Ledger(kept, detectors.head(seed)) as ledger, _at_work(workers, "lines", lines) as (pool, told):
            found = detectors.summary(detectors.measure(lines, seed, pool, ledger, told))
    except KeyboardInterrupt:
        typer.echo(f"Stopped. Finished lines are in {kept}; the same command goes on from there.", err=True)
        raise typer.Exit(130) from None
    typer.echo(_hits_told(found))
    options.written(out, found)
    if resume is None:
        kept.unlink()
    if not found["ok"]:
        raise typer.Exit(1)


@contextlib.contextmanager
def _at_work(workers: int, what: str, total: int) -> Iterator[tuple[Pool, Callable[[int], None]]]:
    """Processes with the fast engine, and who hears how many of `total` are done."""
    from rich.progress import Progress

    from factory_sim.sim.engines import compile_now
    from factory_sim.study.pool import Pool

    console = options.console()
    with console.status("compiling the engine; about a minute the first time"):
        compile_now()
    with Pool(workers or os.cpu_count() or 1) as pool, Progress(console=console, transient=True) as progress:
        task = progress.add_task(what, total=total)
        yield pool, lambda done: progress.update(task, completed=done)


def _hits_told(found: dict[str, Any]) -> str:
    share, verdict = 100 * found["hit"]["critical_path_share"], "as promised" if found["ok"] else "TOO FEW"
    least, enough, quicker = 100 * found["least"], 100 * found["enough"], found["speed_up_pct"]
    return "\n".join(
        [
            f"critical path: {share:.1f} % hits on {found['lines']} lines ({least:.0f} % or more: {verdict})",
            f"  a hit: {quicker:g} % more speed at the station named first earns at least {enough:.0f} % of the best gain",  # noqa: E501
            f"  {'method':<26} hit",
            *(f"  {name:<26} {each:.3f}" for name, each in found["hit"].items()),
            f"  one station is the best beyond doubt in {found['separated']} lines; in the others two or more are as good",  # noqa: E501
        ]
    )


def _told(findings: Findings) -> str:
    from itertools import combinations

    from factory_sim.validation.random_plants import FEATURES

    names = sorted(FEATURES)
    counts = {pair: findings.pairs[pair] for pair in combinations(names, 2)}
    rarest = min(counts, key=lambda pair: counts[pair])
    return "\n".join(
        [
            f"engines equal on {findings.plants} plants: {findings.rows} rows, bit for bit",
            f"  {findings.circles} of them blocked in a circle, alike in both",
            f"  {findings.counted} visits counted alike with and without a log",
            "  plants that exercised each feature, alone and with each of the others:",
            " " * 21 + "".join(f"{name[:4]:>5}" for name in names[:-1]),
            *(
                f"    {name:<12}{findings.features[name]:>5}"
                + "".join(f"{counts[other, name]:>5}" for other in names[:n])
                for n, name in enumerate(names)
            ),
            f"  pairs of features: {sum(map(bool, counts.values()))} of {len(counts)}",
            f"  the rarest pair: {' with '.join(rarest)}, {counts[rarest]} plants",
        ]
    )
