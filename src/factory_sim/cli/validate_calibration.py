"""`bench --calibration`: the published gain against the reference line's own, over many pairs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from factory_sim.cli import options

if TYPE_CHECKING:
    from factory_sim.results.estimate import Estimate
    from factory_sim.validation.calibration import Result

BASELINE, RETROFIT = "gearbox_line", "retrofit"
KEPT = Path("calibration-pairs.jsonl")  # in the working folder, while it runs


def calibrate(*, replications: int = 200, seed: int = 1, json: Path | None = None, resume: Path | None = None) -> None:
    """Simulate `replications` pairs, print and write what they say; exit code 1 when the gain is not the published one.

    resume: where finished pairs are kept; the same command goes on there. Without it they are kept in the working
    folder until the last pair is in.
    """
    from rich.console import Console
    from rich.progress import Progress

    from factory_sim import registry
    from factory_sim.validation.calibration import Setting
    from factory_sim.validation.calibration import calibrate as run

    if replications < 2:
        message = f"an interval needs at least 2 replications, got {replications}"
        raise typer.BadParameter(message)
    kept = resume or KEPT
    setting = Setting(replications=replications, seed=seed)
    console = Console(stderr=True)
    try:
        with Progress(console=console) as progress:
            bar = progress.add_task("pairs", total=replications)
            found = run(
                registry.load(BASELINE),
                registry.load(RETROFIT),
                setting,
                kept,
                lambda done: progress.update(bar, completed=done),
            )
    except KeyboardInterrupt:
        console.print(f"Stopped. Finished pairs are in {kept}; the same command goes on from there.")
        raise typer.Exit(130) from None
    typer.echo(text(found))
    options.written(json, found.to_json())
    if resume is None:
        kept.unlink()
    if not found.inside:
        raise typer.Exit(1)


def text(found: Result) -> str:
    """The result for people; docs/calibration.md keeps one."""
    before, after = found.station_cycle_time_s
    rate_before, rate_after = found.good_parts_per_h
    verdict = "inside" if found.inside else "OUTSIDE"
    length, warm_up = found.duration_s / 3600, found.warm_up_s / 3600
    return "\n".join(
        [
            f"{found.replications} pairs of {length:g} h after {warm_up:g} h of warm-up, seed {found.seed}",
            f"station cycle time    {_shown(before)} s  ->  {_shown(after)} s   (published 56 s -> 37 s)",
            f"line rate             {_shown(rate_before)}  ->  {_shown(rate_after)} good parts/h",
            f"line rate gain        {_shown(found.line_rate_pct, '+.2f')} %, half-width {found.half_width_pct:.2f} points",  # noqa: E501
            f"published gain        +{found.published_pct} %: {verdict}",
        ]
    )


def _shown(interval: Estimate, form: str = ".2f") -> str:
    return f"{interval.mean:{form}} [{interval.low:{form}}, {interval.high:{form}}]"
