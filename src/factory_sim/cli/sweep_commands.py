"""`sweep` and `optimise`: studies that a file describes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from factory_sim.cli import options
from factory_sim.cli.study_commands import Dask, StudyFile, Workers, show, watched

if TYPE_CHECKING:
    from rich.console import RenderableType

    from factory_sim.study.sweep.sweep_study import Answered

CsvFile = Annotated[Path | None, options.output("--csv", help="Write one line a point there, for spreadsheets.")]


def sweep(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What to change: docs/sweeps.md.", dir_okay=False)],
    *,
    workers: Workers = 0,
    engine: options.Engine = "auto",
    dask: Dask = "",
    study: StudyFile = None,
    out: options.JsonFile = None,
    csv: CsvFile = None,
) -> None:
    """Run a plant at every point of a design (grid, Latin hypercube or Sobol'), and say which factor matters how much.

    All points share their random numbers. Every finished trial is kept at once: after Ctrl-C the same command goes on.

    Example: factory-sim sweep vehicles.yaml --csv points.csv
    """
    from factory_sim.study.sweep.sweep_study import Running, made
    from factory_sim.views.text.sweep_text import sweep_lines

    running = Running(workers or os.cpu_count() or 1, engine, dask, study)
    with watched(study) as watcher:
        found = made(file, running, watcher)
    _told(found, sweep_lines(found.answer), out, csv)


def optimise(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What may be chosen: docs/sweeps.md.", dir_okay=False)],
    *,
    workers: Workers = 0,
    engine: options.Engine = "auto",
    dask: Dask = "",
    study: StudyFile = None,
    out: options.JsonFile = None,
    csv: CsvFile = None,
) -> None:
    """Select the best buffers, vehicles and crews within limits and a budget, with a guarantee; show the Pareto front.

    Tries all allowed choices or those that Optuna finds (extra [optimise]), then decides by ranking and selection.
    Every finished trial is kept at once: after Ctrl-C the same command goes on.

    Example: factory-sim optimise buffers.yaml --json answer.json
    """
    from factory_sim.study.optimise.optimise_study import made
    from factory_sim.study.sweep.sweep_study import Running
    from factory_sim.views.text.optimise_text import optimise_lines

    running = Running(workers or os.cpu_count() or 1, engine, dask, study)
    with watched(study) as watcher:
        found = made(file, running, watcher)
    _told(found, optimise_lines(found.answer), out, csv)


def _told(found: Answered, lines: list[RenderableType], out: Path | None, csv: Path | None) -> None:
    """Write the answer where it is wanted, and show it."""
    options.written(out, found.answer)
    if csv is not None:
        with options.writing(csv):
            found.to_pandas().to_csv(csv, index=False)
    show(lines)
    typer.echo(f"Study       {found.file}: `factory-sim report` draws it, `why` and `replay` read it.")


COMMANDS = (sweep, optimise)
