"""`compare`, `whatif`, `why`, `sweep`, `optimise`, `report`: studies, the answer first."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from factory_sim.cli import options
from factory_sim.errors import require_extra
from factory_sim.views.text.terminal import say, show

if TYPE_CHECKING:
    from rich.console import RenderableType

    from factory_sim.api.study_results import Comparison, Optimisation, Sweep, Why
    from factory_sim.results.compare import ComparisonResult
    from factory_sim.results.whatif import InterimResult
    from factory_sim.study.runner import Progress

_REPLICATIONS = typer.Option(help="Pairs of runs; with --until the largest number.", min=2)
_UNTIL = "Add pairs until the line rate's interval is ± this many percentage points."
_WITH_WHY = "Find the constraints by measured gains, as `why` does, instead of by path share alone."
_STUDY = "The file that trials are written to and resumed from."
StudyFile = Annotated[Path | None, options.output("--study", help=_STUDY, show_default="named after the question")]
KeptFile = Annotated[Path | None, options.output("--study", help=_STUDY, show_default="trials are not kept")]
Report = Annotated[
    Path | None, options.output("--report", help="Write the study there as one HTML file; nothing more is simulated.")
]
Attribution = Annotated[bool, typer.Option(help="Show the contribution of each of a scenario's changes.")]
_BUDGET = "CPU time that an exact attribution may take; beyond it, orders are sampled."
Budget = Annotated[str, typer.Option(metavar="TIME", help=_BUDGET)]
Window, Execution = options.StudyWindow(), options.Execution()


def compare(
    base: Annotated[str, typer.Argument(help="The plant before: a file or a built-in name.")],
    scenarios: Annotated[
        list[str], typer.Argument(metavar="SCENARIO", help="Scenarios or plants, each compared with BASE.")
    ],
    *,
    replications: Annotated[int, _REPLICATIONS] = 30,
    until_pct: Annotated[str, typer.Option("--until", metavar="PERCENT", help=_UNTIL, show_default="never")] = "",
    window: options.StudyWindow = Window,
    execution: options.Execution = Execution,
    study: StudyFile = None,
    out: options.JsonFile = None,
    report: Report = None,
    with_why: Annotated[bool, typer.Option("--with-why", help=_WITH_WHY)] = False,
    attribution: Attribution = True,
    budget: Budget = "5 min",
) -> None:
    """Compare scenarios with a plant in paired runs: changes with 95 % intervals and the contribution of each change.

    Every finished trial is written at once; after Ctrl-C the same command resumes.

    Example: factory-sim compare gearbox_line retrofit --replications 30 --json answer.json
    """
    from factory_sim.api import studies

    _check(report)
    with study_progress(study) as progress:
        found = studies.compare(
            base,
            *scenarios,
            replications=replications,
            until_pct=until_pct or None,
            attribution=attribution,
            budget=budget,
            with_why=with_why,
            study=study,
            progress=progress,
            **options.given(window, execution),
        )
    _show_comparison(found, out, kept=True)
    _write(found, report)


def whatif(
    plant: options.PlantFile,
    changes: Annotated[
        list[str], typer.Argument(metavar="CHANGE", help="Such as OP410.cycle_time=34s or agv.count+2.")
    ],
    *,
    replications: Annotated[int, _REPLICATIONS] = 64,
    until_pct: Annotated[str, typer.Option("--until", metavar="PERCENT", help=_UNTIL)] = "0.5%",
    window: options.StudyWindow = Window,
    execution: options.Execution = Execution,
    study: KeptFile = None,
    out: options.JsonFile = None,
    report: Report = None,
    attribution: Attribution = False,
    budget: Budget = "5 min",
) -> None:
    """Show what a change would bring: an estimate after two pairs, an interval from three on, refined while you watch.

    Trials are kept only with --study. From a snapshot of `run --save`, both branches start at its state and see the
    same futures.

    Example: factory-sim whatif gearbox_line 'OP410.cycle_time=34s' 'agv.count+2'
    """
    from factory_sim.api import studies

    _check(report)
    with _study_file(study) as file, study_progress(file, kept=study is not None) as progress:
        found = studies.whatif(
            plant,
            changes,
            replications=replications,
            until_pct=until_pct,
            attribution=attribution,
            budget=budget,
            study=file,
            progress=progress,
            **options.given(window, execution),
        )
        _write(found, report, kept=study is not None)
    _show_comparison(found, out, kept=study is not None)


def why(
    what: Annotated[
        str, typer.Argument(metavar="PLANT|STUDY", help="A plant, a scenario or a study file.")
    ] = "gearbox_line",
    *,
    arm: Annotated[str, typer.Option(help="Of a study: the plant to explain.", show_default="the base")] = "",
    top: Annotated[int, typer.Option(help="Number of resources to try.", min=1)] = 10,
    replications: Annotated[int, _REPLICATIONS] = 10,
    window: options.StudyWindow = Window,
    execution: options.Execution = Execution,
    study: KeptFile = None,
    out: options.JsonFile = None,
    report: Report = None,
) -> None:
    """Show what limits the line: the resources on the critical path, the gain of relieving each, and what is next.

    Resources are operations, fleets, operators, crews, robots, sources, cards and shifts. The constraint is the
    one with the largest gain whose interval excludes 0.

    Example: factory-sim why retrofit
    """
    from factory_sim.api import studies
    from factory_sim.study.store import is_study
    from factory_sim.views.text.study_text import why_lines

    _check(report)
    kept = Path(what) if is_study(Path(what)) else study
    with _study_file(study) as file, study_progress(kept, kept=kept is not None) as progress:
        found = studies.why(
            what,
            arm=arm,
            top=top,
            replications=replications,
            study=file,
            progress=progress,
            **options.given(window, execution),
        )
        _write(found, report, kept=kept is not None)
    options.write_json(out, found.to_dict())
    show(why_lines(found.result))


def sweep(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The sweep: docs/sweeps.md.", dir_okay=False)],
    *,
    execution: options.Execution = Execution,
    study: StudyFile = None,
    out: options.JsonFile = None,
    csv: options.CsvFile = None,
    report: Report = None,
) -> None:
    """Run a plant at every point of a design (grid, Latin hypercube or Sobol') and rank the factors by influence.

    All points use common random numbers. Finished trials are stored: after Ctrl-C the same command resumes the sweep.

    Example: factory-sim sweep vehicles.yaml --csv points.csv
    """
    from factory_sim.api import variants
    from factory_sim.views.text.sweep_text import sweep_lines

    _check(report)
    with study_progress(study) as progress:
        found = variants.sweep(file, study=study, progress=progress, **options.given(execution))
    _show_variants(found, sweep_lines(found.result), out, csv)
    _write(found, report)


def optimise(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The optimisation: docs/sweeps.md.", dir_okay=False)],
    *,
    execution: options.Execution = Execution,
    study: StudyFile = None,
    out: options.JsonFile = None,
    csv: options.CsvFile = None,
    report: Report = None,
) -> None:
    """Select the best buffers, vehicles and crews within limits and a budget, with a guarantee; show the Pareto front.

    Tries all allowed choices, or those that Optuna finds (extra [optimise]), then decides by ranking and selection.
    Finished trials are stored: after Ctrl-C the same command resumes the optimisation.

    Example: factory-sim optimise buffers.yaml --json answer.json
    """
    from factory_sim.api import variants
    from factory_sim.views.text.optimise_text import optimise_lines

    _check(report)
    with study_progress(study) as progress:
        found = variants.optimise(file, study=study, progress=progress, **options.given(execution))
    _show_variants(found, optimise_lines(found.result), out, csv)
    _write(found, report)


def report(
    study: Annotated[
        Path, typer.Argument(metavar="STUDY", help="A study file, as written by `compare`, `sweep` and `optimise`.")
    ],
    *,
    path: Annotated[
        Path | None, options.output("--out", help="The HTML file.", show_default="next to the study file")
    ] = None,
) -> None:
    """Write a saved study as one HTML file that works offline, on a phone and on paper.

    Nothing is simulated: everything, including the replay of a shift, comes from the study file.

    Example: factory-sim report retrofit-vs-gearbox_line.study.jsonl --out retrofit.html
    """
    from factory_sim.api.study_results import write_report

    page = path or study.with_name(study.name.removesuffix(".jsonl").removesuffix(".study") + ".html")
    size = write_report(study, page).stat().st_size / 1e6
    say(f"Wrote {page} ({f'{size:.1f} MB' if size > 0.1 else f'{1000 * size:.0f} kB'})")


def _check(report: Path | None) -> None:
    """Raise MissingExtraError before a study whose report could not be written."""
    if report is not None:
        require_extra("report", "--report")


def _write(found: Comparison | Why | Sweep | Optimisation, report: Path | None, *, kept: bool = True) -> None:
    """Write the page of a study."""
    if report is not None:
        from factory_sim.api.study_results import write_report

        write_report(found.file, report, kept=kept)
        say(f"Report      {report}")


def _show_comparison(found: Comparison, out: Path | None, *, kept: bool) -> None:
    from factory_sim.views.text.study_text import attribution_lines

    options.write_json(out, found.to_dict())
    show(attribution_lines(found.result))
    if kept:
        say(f"Study       {found.file}: input of `factory-sim report`, `why` and `validate study`.")


def _show_variants(
    found: Sweep | Optimisation, lines: Sequence[RenderableType], out: Path | None, csv: Path | None
) -> None:
    options.write_json(out, found.to_dict())
    options.write_csv(csv, found.to_pandas)
    show(lines)
    say(f"Study       {found.file}: read by `factory-sim report`, `why` and `validate study`.")


@contextlib.contextmanager
def _study_file(given: Path | None) -> Iterator[Path]:
    """Yield the file for the trials: the one given, or a temporary one."""
    with TemporaryDirectory() as folder:
        yield given or Path(folder) / "temporary.study.jsonl"


@contextlib.contextmanager
def study_progress(file: Path | None = None, *, kept: bool = True) -> Iterator[Progress]:
    """Show progress with the remaining time on standard error; after Ctrl-C print what is kept."""
    from factory_sim.api.progress import events_of
    from factory_sim.api.study_progress import Reporter
    from factory_sim.views.text.study_text import comparison_lines, interim_line

    shown: set[str] = set()

    class TerminalProgress(Reporter):
        """Shows as well what is known before the end; a remark of several parts of a study only once."""

        def message(self, text: str) -> None:
            if text not in shown:
                shown.add(text)
                super().message(text)

        def compared(self, result: ComparisonResult) -> None:
            show(comparison_lines(result))

        def interim(self, results: Sequence[InterimResult]) -> None:
            for each in results:
                self.message(interim_line(each))

    try:
        with events_of(progress=True) as report:
            yield TerminalProgress(report)
    except KeyboardInterrupt:
        where = f" in {file}" if file else ""
        resume = f"Finished trials are kept{where}; the same command resumes."
        say(f"Stopped. {resume if kept else 'Nothing is kept.'}", err=True)
        raise typer.Exit(130) from None
