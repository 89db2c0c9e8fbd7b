"""`sweep` and `optimise`: studies that a file describes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from factory_sim.cli import options
from factory_sim.cli.study_commands import Dask, StudyFile, Workers, show, study_progress

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import RenderableType

    from factory_sim.results.optimise import OptimisationResult
    from factory_sim.results.sweep import SweepResult
    from factory_sim.study.file_study import Execution
    from factory_sim.study.runner import FinishedStudy, Progress

    ResultT = TypeVar("ResultT", SweepResult, OptimisationResult)

CsvFile = Annotated[Path | None, options.output("--csv", help="Write a CSV file with one line per point or choice.")]


def sweep(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The sweep: docs/sweeps.md.", dir_okay=False)],
    *,
    workers: Workers = 0,
    engine: options.Engine = "auto",
    dask: Dask = "",
    study: StudyFile = None,
    out: options.JsonFile = None,
    csv: CsvFile = None,
) -> None:
    """Run a plant at every point of a design (grid, Latin hypercube or Sobol') and rank the factors by influence.

    All points use common random numbers. Finished trials are stored: after Ctrl-C the same command resumes the sweep.

    Example: factory-sim sweep vehicles.yaml --csv points.csv
    """
    from factory_sim.study.file_study import Execution
    from factory_sim.study.sweep.sweep_study import run_sweep
    from factory_sim.views.text.sweep_text import sweep_lines

    _run(run_sweep, sweep_lines, file, Execution(workers=workers, engine=engine, dask=dask, file=study), out, csv)


def optimise(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The optimisation: docs/sweeps.md.", dir_okay=False)],
    *,
    workers: Workers = 0,
    engine: options.Engine = "auto",
    dask: Dask = "",
    study: StudyFile = None,
    out: options.JsonFile = None,
    csv: CsvFile = None,
) -> None:
    """Select the best buffers, vehicles and crews within limits and a budget, with a guarantee; show the Pareto front.

    Tries all allowed choices, or those that Optuna finds (extra [optimise]), then decides by ranking and selection.
    Finished trials are stored: after Ctrl-C the same command resumes the optimisation.

    Example: factory-sim optimise buffers.yaml --json answer.json
    """
    from factory_sim.study.file_study import Execution
    from factory_sim.study.optimise.optimise_study import run_optimisation
    from factory_sim.views.text.optimise_text import optimise_lines

    execution = Execution(workers=workers, engine=engine, dask=dask, file=study)
    _run(run_optimisation, optimise_lines, file, execution, out, csv)


def _run(
    study_of: Callable[[Path, Execution, Progress], FinishedStudy[ResultT]],
    lines_of: Callable[[ResultT], list[RenderableType]],
    file: Path,
    execution: Execution,
    out: Path | None,
    csv: Path | None,
) -> None:
    """Run a study, write the requested files and print the answer."""
    from factory_sim.views.frames import variant_frame

    with study_progress(execution.file) as progress:
        found = study_of(file, execution, progress)
    options.written(out, found.result.to_dict())
    if csv is not None:
        with options.writing(csv):
            variant_frame(found.result).to_csv(csv, index=False)
    show(lines_of(found.result))
    typer.echo(f"Study       {found.file}: read by `factory-sim report`, `why` and `replay`.")


COMMANDS = (sweep, optimise)
