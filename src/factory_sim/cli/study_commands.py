"""`compare`, `whatif`, `why`, `replay`: studies, the answer first."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from factory_sim.cli import options, snapshot_options
from factory_sim.cli.report_command import drawn

if TYPE_CHECKING:
    from factory_sim.study.compare.compare_study import Comparison
    from factory_sim.study.runner import Request, Watcher

PLANT = "gearbox_line"
TYPED_UNTIL_PCT = 0.5


def _percent(text: str) -> float:
    """Half-width such as 0.5% [points]."""
    from factory_sim import units

    try:
        value = 100 * units.parse(text, "share") if text.strip().endswith("%") else float(text)
    except ValueError:
        value = 0.0
    if value > 0:
        return value
    message = f"expected a half-width above 0 such as 0.5%, got {text!r}"
    raise typer.BadParameter(message)


def _warm_up(text: str) -> float | None:
    return None if text == "auto" else options.seconds(text)


Replications = Annotated[int, typer.Option(help="Pairs of runs; with --until the most there may be.", min=2)]
Until = Annotated[
    str,
    typer.Option(
        metavar="PERCENT", help="Go on until the line rate's interval is ± this many points.", show_default="never"
    ),
]
WarmUp = Annotated[
    str, typer.Option(metavar="TIME", help="Dropped from the start of every run; auto: found by pilot runs.")
]
Workers = Annotated[
    int,
    typer.Option(help="Processes; the digits are the same for every number.", min=0, show_default="one a processor"),
]
Dask = Annotated[
    str, typer.Option(metavar="ADDRESS", help="Run on a Dask cluster: local, or tcp://host:port.", show_default="no")
]
StudyFile = Annotated[
    Path | None,
    options.output(
        "--study", help="Where trials are kept, and found again.", show_default="named after what is compared"
    ),
]
Report = Annotated[Path | None, options.output(help="Draw the answer there as one HTML file, with the proof of `why`.")]
Attribution = Annotated[bool, typer.Option(help="Say which of a scenario's changes earned how much.")]
Budget = Annotated[
    float,
    typer.Option(
        parser=options.seconds,
        metavar="TIME",
        show_default="5 min",
        help="Processor time that an exact attribution may take; above, it is sampled.",
    ),
]
BUDGET_S = 300.0


def compare(
    base: Annotated[str, typer.Argument(help="The plant before: a file or a built-in name.")],
    scenarios: Annotated[
        list[str], typer.Argument(metavar="SCENARIO...", help="Scenarios or plants, each against BASE.")
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
    """Say what a scenario buys: paired runs on common random numbers, changes with 95 % intervals, who earned them.

    Every finished trial is kept at once: after Ctrl-C the same command goes on where it was.

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
        workers=workers or os.cpu_count() or 1,
        engine=engine,
        dask=dask,
        file=study,
    )
    found = _compare(request, out, budget, attribution=attribution, proof=report is not None)
    if report is not None:
        drawn(found.file, report)
        typer.echo(f"Report      {report}")


def whatif(
    plant: options.PlantFile,
    changes: Annotated[
        list[str], typer.Argument(metavar="CHANGE...", help="As typed: OP410.cycle_time=34s, agv.count+2.")
    ],
    *,
    replications: Replications = 64,
    until: Until = f"{TYPED_UNTIL_PCT}%",
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
    """Say what a change typed here would buy: a first interval after two pairs, refined while you watch.

    Trials are kept only with --study. From a moment that `run --save` keeps, both branches go on from there with the
    same futures, many of them: what if from now.

    Example: factory-sim whatif gearbox_line 'OP410.cycle_time=34s' 'agv.count+2'
    """
    from factory_sim.study.arms import Variant
    from factory_sim.study.runner import FIRST_TYPED, Request
    from factory_sim.study.snapshot_files import is_moment

    base, changed = Variant(plant), Variant(plant, None, tuple(changes))
    about: dict[str, Any] = {"warm_up_s": _warm_up(warm_up), "seed": seed}
    with TemporaryDirectory() as folder:
        file = study or Path(folder) / "whatif.study.jsonl"
        if is_moment(plant):
            if (seed, warm_up) != (1, "auto") or engine == "simpy":
                message = "a saved moment has its own seed, past and engine: leave --seed, --warm-up and --engine away"
                raise typer.BadParameter(message)
            base, changed, about = snapshot_options.branches(plant, changes, file)
        request = Request(
            base=base,
            scenarios=(changed,),
            replications=replications,
            until_pct=_percent(until),
            first=FIRST_TYPED,
            duration_s=duration,
            workers=workers or os.cpu_count() or 1,
            engine=engine,
            dask=dask,
            file=file,
            **about,
        )
        _compare(request, out, budget, attribution=attribution, kept=study is not None)


def why(
    what: Annotated[
        str, typer.Argument(metavar="[PLANT|STUDY]", help="A plant, a scenario or a study's file.")
    ] = PLANT,
    *,
    arm: Annotated[str, typer.Option(help="Of a study: which plant.", show_default="the base")] = "",
    top: Annotated[int, typer.Option(help="Operations to try.", min=1)] = 10,
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
    """Say which operation limits the line, and prove it: critical path, worth of one second less, next constraint.

    Example: factory-sim why retrofit
    """
    from factory_sim.study.arms import BASE, SCENARIO, Variant
    from factory_sim.study.compare import why as answers
    from factory_sim.study.compare.pairing import base_of, finished
    from factory_sim.study.dask_pool import hired
    from factory_sim.study.runner import Request, begin, opened, run
    from factory_sim.study.store import StudyError, is_study

    processes = workers or os.cpu_count() or 1
    is_made = what.endswith(".jsonl") or is_study(Path(what))
    file = Path(what) if is_made else study
    progress = watched(file, kept=file is not None)
    with TemporaryDirectory() as folder, progress as watcher, hired(processes, engine, dask) as pool:
        request = None
        if is_made:
            session = opened(Path(what), pool, watcher)
        else:
            request = Request(
                base=Variant(what),
                replications=replications,
                duration_s=duration,
                warm_up_s=_warm_up(warm_up),
                seed=seed,
                workers=processes,
                engine=engine,
                dask=dask,
                file=file or Path(folder) / "why.study.jsonl",
            )
            session = begin(request, pool, watcher)
        with session.kept:
            if request is not None:
                run(session, request)
            name = arm or base_of(session.study).name
            if name not in session.study.arms:
                known = ", ".join(session.names(BASE, SCENARIO))
                message = f"{session.kept.path} has no arm {name!r}. It has: {known}."
                raise StudyError(message)
            answers.prepare(session, name, len(finished(session.study, name)), top)
            found = answers.why(session.study, name, top)
    options.written(out, found)
    from factory_sim.views.text.study_text import why_lines

    show(why_lines(found))


def replay(
    study: Annotated[Path, typer.Argument(help="A study's file.", dir_okay=False)],
    *,
    workers: Workers = 0,
    engine: options.Engine = "auto",
    dask: Dask = "",
    out: options.JsonFile = None,
) -> None:
    """Make every trial of a study again, from its plants and seed, and say whether the digits are the same.

    Exit code 1 when they are not.

    Example: factory-sim replay retrofit-vs-gearbox_line-1a2b3c4d.study.jsonl
    """
    from factory_sim.study.compare.compare_study import differing, replayed
    from factory_sim.study.store import digest

    with watched(kept=False) as watcher:
        was, now = replayed(study, workers or os.cpu_count() or 1, watcher, engine, dask)
    differ = differing(was, now)
    digests = {"digest": digest(was), "replayed": digest(now)}
    options.written(out, {"same": not differ, "trials": len(was.trials), **digests})
    typer.echo(f"same: {'no' if differ else 'yes'}")
    typer.echo(f"{len(was.trials)} trials, digest {digest(was)[:16]}")
    for arm, replication in differ[:10]:
        typer.echo(f"  differs: {arm}, replication {replication}")
    if differ:
        raise typer.Exit(1)


def _compare(
    request: Request, out: Path | None, budget_s: float, *, attribution: bool, kept: bool = True, proof: bool = False
) -> Comparison:
    from factory_sim.study.compare.compare_study import made
    from factory_sim.views.text.study_text import attribution_lines

    with watched(request.file, kept=kept) as watcher:
        found = made(request, watcher, budget_s, attribution=attribution, proof=proof)
    answer = found.answer
    options.written(out, answer)
    show(attribution_lines(answer))
    if kept:
        typer.echo(f"Study       {found.file}: `factory-sim report`, `why` and `replay` read it.")
    return found


def show(lines: list[Any]) -> None:
    """Print texts and tables."""
    from rich.console import Console

    console = Console(highlight=False, markup=False, soft_wrap=True)
    for line in lines:
        console.print(line)


@contextlib.contextmanager
def watched(file: Path | None = None, *, kept: bool = True) -> Iterator[Watcher]:
    """Progress with the time left, on standard error; Ctrl-C ends with what is kept, if anything is."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from factory_sim.study.compare.comparison import answer
    from factory_sim.study.compare.pairing import line_rate, scenarios_of
    from factory_sim.study.runner import Watcher
    from factory_sim.views.text.study_text import answer_lines

    console = options.console()
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    progress = Progress(*columns, console=console, transient=True, redirect_stdout=sys.stdout.isatty())

    class Lines(Watcher):
        """Shows stages as bars, and sentences as they are."""

        def stage(self, name: str, total: int) -> None:
            for task in progress.task_ids:
                progress.remove_task(task)
            progress.add_task(name, total=total)

        def reached(self, done: int) -> None:
            progress.update(progress.task_ids[-1], completed=done)

        def say(self, text: str) -> None:
            console.print(text, markup=False, highlight=False, soft_wrap=True)

        def compared(self, study: Any) -> None:
            show(answer_lines(answer(study)))

        def interim(self, study: Any) -> None:
            for arm in scenarios_of(study):
                found = line_rate(study, arm.name)
                interval = f"[{found.low:+.2f}, {found.high:+.2f}]"
                self.say(f"{found.n:4} pairs  {arm.name}: line rate {found.mean:+.2f} % {interval}")

    try:
        with progress:
            yield Lines()
    except KeyboardInterrupt:
        where = f" in {file}" if file else ""
        goes_on = f"Finished trials are kept{where}; the same command goes on from there."
        console.print(f"Stopped. {goes_on if kept else 'Nothing is kept.'}", soft_wrap=True)
        raise typer.Exit(130) from None


COMMANDS = (compare, whatif, why, replay)
