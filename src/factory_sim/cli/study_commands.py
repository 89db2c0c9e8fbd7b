"""`compare`, `whatif`, `why`, `replay`: studies, the answer first."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from factory_sim.cli import options, snapshot_options
from factory_sim.cli.report_command import write_page

if TYPE_CHECKING:
    from rich.console import RenderableType

    from factory_sim.results.compare import ComparisonResult
    from factory_sim.results.whatif import InterimResult
    from factory_sim.study.runner import FinishedStudy, Progress, Request

PLANT = "gearbox_line"
UNTIL_PCT = 0.5  # of `whatif`


def _percent(text: str) -> float:
    """Return a half-width such as 0.5% in percentage points."""
    from factory_sim import units

    try:
        value = 100 * units.parse(text, "share") if text.strip().endswith("%") else float(text)
    except ValueError:
        value = 0.0
    if not value > 0:
        options.refuse(f"expected a half-width above 0 such as 0.5%, got {text!r}")
    return value


def _warm_up(text: str) -> float | None:
    return None if text == "auto" else options.seconds(text)


def _cpus(workers: int) -> int:
    return workers or os.cpu_count() or 1


Replications = Annotated[int, typer.Option(help="Pairs of runs; with --until the largest number.", min=2)]
_UNTIL = "Add pairs until the line rate's interval is ± this many percentage points."
Until = Annotated[str, typer.Option(metavar="PERCENT", help=_UNTIL, show_default="never")]
WarmUp = Annotated[
    str, typer.Option(metavar="TIME", help="Dropped from the start of every run; auto: found by pilot runs.")
]
Workers = Annotated[
    int, typer.Option(help="Processes; the results do not depend on it.", min=0, show_default="one per CPU")
]
Dask = Annotated[
    str, typer.Option(metavar="ADDRESS", help="Run on a Dask cluster: local, or tcp://host:port.", show_default="no")
]
_STUDY = "The file that trials are written to and resumed from."
StudyFile = Annotated[Path | None, options.output("--study", help=_STUDY, show_default="named after what is compared")]
Report = Annotated[
    Path | None, options.output(help="Write the answer there as one HTML file, with the evidence of `why`.")
]
Attribution = Annotated[bool, typer.Option(help="Show the contribution of each of a scenario's changes.")]
Budget = Annotated[
    float, options.time_option("5 min", "CPU time that an exact attribution may take; above, it is sampled.")
]
BUDGET_S = 300.0


def compare(
    base: Annotated[str, typer.Argument(help="The plant before: a file or a built-in name.")],
    scenarios: Annotated[
        list[str], typer.Argument(metavar="SCENARIO...", help="Scenarios or plants, each compared with BASE.")
    ],
    *,
    replications: Replications = 30,
    until: Until = "",
    duration: options.Duration = 8 * 3600.0,
    warm_up: WarmUp = "auto",
    seed: options.Seed = 1,
    workers: Workers = 0,
    engine: options.Engine = "auto",
    dask: Dask = "",
    study: StudyFile = None,
    out: options.JsonFile = None,
    report: Report = None,
    attribution: Attribution = True,
    budget: Budget = BUDGET_S,
) -> None:
    """Compare scenarios with a plant in paired runs: changes with 95 % intervals and the contribution of each change.

    Every finished trial is written at once; after Ctrl-C the same command resumes.

    Example: factory-sim compare gearbox_line retrofit --replications 30 --json answer.json
    """
    from factory_sim.study.arms import Variant
    from factory_sim.study.runner import Request

    request = Request(
        base=Variant(base),
        scenarios=tuple(Variant(each) for each in scenarios),
        replications=replications,
        until_pct=_percent(until) if until else None,
        duration_s=duration,
        warm_up_s=_warm_up(warm_up),
        seed=seed,
        workers=_cpus(workers),
        engine=engine,
        dask=dask,
        file=study,
    )
    found = _compare(request, out, budget, attribution=attribution, with_why=report is not None)
    if report is not None:
        write_page(found.file, report)
        typer.echo(f"Report      {report}")


def whatif(
    plant: options.PlantFile,
    changes: Annotated[
        list[str], typer.Argument(metavar="CHANGE...", help="Such as OP410.cycle_time=34s or agv.count+2.")
    ],
    *,
    replications: Replications = 64,
    until: Until = f"{UNTIL_PCT}%",
    duration: options.Duration = 8 * 3600.0,
    warm_up: WarmUp = "auto",
    seed: options.Seed = 1,
    workers: Workers = 0,
    engine: options.Engine = "auto",
    dask: Dask = "",
    study: StudyFile = None,
    out: options.JsonFile = None,
    attribution: Attribution = False,
    budget: Budget = BUDGET_S,
) -> None:
    """Show what a change would bring: a first interval after two pairs, refined while you watch.

    Trials are kept only with --study. From a snapshot of `run --save`, both branches start at its state and see the
    same futures.

    Example: factory-sim whatif gearbox_line 'OP410.cycle_time=34s' 'agv.count+2'
    """
    from factory_sim.study.arms import Variant
    from factory_sim.study.runner import FIRST_TYPED, Request
    from factory_sim.study.snapshot_files import is_snapshot

    with TemporaryDirectory() as folder:
        request = Request(
            base=Variant(plant),
            scenarios=(Variant(plant, None, tuple(changes)),),
            replications=replications,
            until_pct=_percent(until),
            first=FIRST_TYPED,
            duration_s=duration,
            warm_up_s=_warm_up(warm_up),
            seed=seed,
            workers=_cpus(workers),
            engine=engine,
            dask=dask,
            file=study or Path(folder) / "whatif.study.jsonl",
        )
        if is_snapshot(plant):
            if (seed, warm_up) != (1, "auto") or engine == "simpy":
                options.refuse(
                    "A snapshot has its own seed, past and engine. Leave out --seed, --warm-up and --engine."
                )
            request = snapshot_options.from_snapshot(request, plant, changes)
        _compare(request, out, budget, attribution=attribution, kept=study is not None)


def why(
    what: Annotated[str, typer.Argument(metavar="[PLANT|STUDY]", help="A plant, a scenario or a study file.")] = PLANT,
    *,
    arm: Annotated[str, typer.Option(help="Of a study: the plant to explain.", show_default="the base")] = "",
    top: Annotated[int, typer.Option(help="Number of operations to try.", min=1)] = 10,
    replications: Replications = 10,
    duration: options.Duration = 8 * 3600.0,
    warm_up: WarmUp = "auto",
    seed: options.Seed = 1,
    workers: Workers = 0,
    engine: options.Engine = "auto",
    dask: Dask = "",
    study: StudyFile = None,
    out: options.JsonFile = None,
) -> None:
    """Show which operation limits the line: critical path, what one second less is worth, and the next constraint.

    Example: factory-sim why retrofit
    """
    from factory_sim.study.arms import Variant
    from factory_sim.study.compare.compare_study import run_why, why_in
    from factory_sim.study.dask_pool import open_pool
    from factory_sim.study.runner import Request
    from factory_sim.study.store import is_study
    from factory_sim.views.text.study_text import why_lines

    exists = what.endswith(".jsonl") or is_study(Path(what))
    file = Path(what) if exists else study
    with TemporaryDirectory() as folder, study_progress(file, kept=file is not None) as progress:
        if exists:
            with open_pool(_cpus(workers), engine, dask) as pool:
                found = why_in(Path(what), pool, progress, arm, top)
        else:
            request = Request(
                base=Variant(what),
                replications=replications,
                duration_s=duration,
                warm_up_s=_warm_up(warm_up),
                seed=seed,
                workers=_cpus(workers),
                engine=engine,
                dask=dask,
                file=file or Path(folder) / "why.study.jsonl",
            )
            found = run_why(request, progress, arm, top)
    options.written(out, found.to_dict())
    show(why_lines(found))


def replay(
    study: Annotated[Path, typer.Argument(help="A study file.", dir_okay=False)],
    *,
    workers: Workers = 0,
    engine: options.Engine = "auto",
    dask: Dask = "",
    out: options.JsonFile = None,
) -> None:
    """Simulate every trial of a study again from its plants and seed, and compare: the results must be bit-identical.

    Exit code 1 when they are not.

    Example: factory-sim replay retrofit-vs-gearbox_line-1a2b3c4d.study.jsonl
    """
    from factory_sim.study.compare.compare_study import replay_study
    from factory_sim.study.dask_pool import open_pool

    with study_progress(kept=False) as progress, open_pool(_cpus(workers), engine, dask) as pool:
        found = replay_study(study, pool, progress)
    lines = [f"same: {'yes' if found.same else 'no'}", f"{found.trials} trials, digest {found.digest[:16]}"]
    lines += [f"  differs: {arm}, replication {replication}" for arm, replication in found.differing[:10]]
    options.answered(out, found, "\n".join(lines), ok=found.same)


def _compare(
    request: Request, out: Path | None, budget_s: float, *, attribution: bool, kept: bool = True, with_why: bool = False
) -> FinishedStudy[ComparisonResult]:
    from factory_sim.study.compare.compare_study import run_study
    from factory_sim.views.text.study_text import attribution_lines

    with study_progress(request.file, kept=kept) as progress:
        found = run_study(request, progress, budget_s, attribution=attribution, with_why=with_why)
    result = found.result
    options.written(out, result.to_dict())
    show(attribution_lines(result))
    if kept:
        typer.echo(f"Study       {found.file}: input of `factory-sim report`, `why` and `replay`.")
    return found


def show(lines: Sequence[RenderableType]) -> None:
    """Print texts and tables."""
    from rich.console import Console

    console = Console(highlight=False, markup=False, soft_wrap=True)
    for line in lines:
        console.print(line)


@contextlib.contextmanager
def study_progress(file: Path | None = None, *, kept: bool = True) -> Iterator[Progress]:
    """Show progress with the remaining time on standard error; after Ctrl-C print what is kept."""
    from rich import progress as rich_progress

    from factory_sim.study.runner import Progress
    from factory_sim.views.text.study_text import comparison_lines, interim_line

    console = options.console()
    bars = rich_progress.Progress(
        rich_progress.TextColumn("{task.description}"),
        rich_progress.BarColumn(),
        rich_progress.MofNCompleteColumn(),
        rich_progress.TimeRemainingColumn(),
        console=console,
        transient=True,
        redirect_stdout=sys.stdout.isatty(),
    )

    class TerminalProgress(Progress):
        """Stages as bars, messages as lines."""

        def stage(self, name: str, total: int) -> None:
            for task in bars.task_ids:
                bars.remove_task(task)
            bars.add_task(name, total=total)

        def advance(self, done: int) -> None:
            bars.update(bars.task_ids[-1], completed=done)

        def message(self, text: str) -> None:
            console.print(text, markup=False, highlight=False, soft_wrap=True)

        def compared(self, result: ComparisonResult) -> None:
            show(comparison_lines(result))

        def interim(self, results: Sequence[InterimResult]) -> None:
            for each in results:
                self.message(interim_line(each))

    try:
        with bars:
            yield TerminalProgress()
    except KeyboardInterrupt:
        where = f" in {file}" if file else ""
        resume = f"Finished trials are kept{where}; the same command resumes."
        console.print(f"Stopped. {resume if kept else 'Nothing is kept.'}", soft_wrap=True)
        raise typer.Exit(130) from None


COMMANDS = (compare, whatif, why, replay)
