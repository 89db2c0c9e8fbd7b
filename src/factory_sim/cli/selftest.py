"""The product tests itself: `selftest engines`, `selftest coverage`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from factory_sim.selftest.engines import Findings

app = typer.Typer(no_args_is_help=True, help="Let the product test itself at length on this machine.")

Plants = Annotated[int, typer.Option(help="How many random plants.", min=1)]
Seed = Annotated[int, typer.Option(help="Which random plants; the same seed gives the same.")]


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
        from factory_sim.selftest.engines import compare_on
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
        typer.echo(f"the engines differ: {findings.difference}\n  reproduce: factory-sim selftest engines "
                   f"--plants {plants} --seed {seed}")  # fmt: skip
        raise typer.Exit(1)
    typer.echo(_told(findings))


@app.command()
def coverage(
    studies: Annotated[int, typer.Option(help="How many small studies.", min=1)] = 1000,
    workers: Annotated[int, typer.Option(help="Processes.", min=1)] = 2,
    out: Annotated[Path | None, typer.Option("--json", help="Write the result there as JSON.", dir_okay=False)] = None,
) -> None:
    """Count how often 95 % intervals of small studies cover a true change that is known exactly: tandem theory.

    Exit code 1 unless 93 to 97 % do; with few studies chance alone can leave that range.

    Example: factory-sim selftest coverage --studies 1000 --json coverage.json
    """
    import json

    from rich.console import Console
    from rich.progress import Progress

    from factory_sim.study.coverage import HIGH, LOW
    from factory_sim.study.coverage import coverage as measure
    from factory_sim.study.pool import Pool

    with Pool(workers) as pool, Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("studies", total=studies)
        covered, half_width = measure(studies, pool, lambda done: progress.update(task, completed=done))
    share = covered / studies
    inside = LOW <= share <= HIGH
    if out is not None:
        found = {"studies": studies, "covered": covered, "coverage": share, "half_width_pct": half_width, "ok": inside}
        out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    typer.echo(f"{100 * share:.1f} % of {studies} intervals cover the truth (promised: 95 %; accepted: 93 to 97 %)")
    typer.echo(f"  mean half-width {half_width:.2f} points of the line rate")
    if not inside:
        raise typer.Exit(1)


def _told(findings: Findings) -> str:
    n_names = len(findings.features)
    fewest = min(findings.pairs.items(), key=lambda pair: pair[1], default=(("", ""), 0))
    lines = [
        f"engines equal on {findings.plants} plants: {findings.rows} rows, bit for bit",
        f"  {findings.circles} of them blocked in a circle, alike in both",
        "  plants that exercised each feature:",
        *(f"    {name:<12} {count:>6}" for name, count in sorted(findings.features.items())),
        f"  pairs of features: {len(findings.pairs)} of {n_names * (n_names - 1) // 2}",
        f"  the rarest pair: {' with '.join(fewest[0])}, {fewest[1]} plants",
    ]
    return "\n".join(lines)
