"""Plants as files: check one, begin one, describe the format to an editor, list what a file may name."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from factory_sim.api.arguments import one_of, writing
from factory_sim.cli import options
from factory_sim.views.text.terminal import say
from factory_sim.views.wording import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from factory_sim.plant.spec import Plant

_NAME = "Name: letters, digits, _ and -; a plant may end in .yaml, .csv or .xlsx (extra [excel])."
_OF = "The plant of a scenario, sweep or optimisation: a file or a built-in name."
_RECORDING = "With a feed file: files to check it against."


def check(
    plant: options.PlantFile,
    recording: Annotated[list[Path] | None, typer.Argument(metavar="FILE", help=_RECORDING)] = None,
    *,
    engines: Annotated[bool, typer.Option("--engines", help="Print which engine runs it, and why.")] = False,
    draw: Annotated[Path | None, options.output("--draw", help="Write a drawing of the plant there, as SVG.")] = None,
) -> None:
    """Read a plant, scenario, sweep, optimisation or feed file and report everything that is wrong, with its line.

    A feed file (feed.yaml) may be checked against files: lines that match nothing are reported.

    Example: factory-sim check my_line.yaml --engines
    """
    from factory_sim.plant.yaml import files

    kind = files.kind(plant)
    if kind == "feed":
        unmatched = _check_feed(plant, recording or [])
        raise typer.Exit(1 if unmatched else 0)
    if recording:
        options.refuse("only a feed file can be checked against recorded files, and this is not one")
    if kind != "plant":
        if engines or draw:
            options.refuse(f"--engines and --draw are for plants and scenarios; this is a file for {kind}")
        say(_sweep(plant) if kind == "sweep" else _optimisation(plant))
        return
    _check_plant(plant, draw, engines=engines)


def _check_plant(plant: str, draw: Path | None, *, engines: bool) -> None:
    from factory_sim import registry
    from factory_sim.plant.describe import seldom_intended

    loaded = registry.load(plant)
    say("\n".join([_summary(loaded), *(f"  hint: {text}" for text in seldom_intended(loaded))]))
    if draw is not None:
        from factory_sim.views.html import plant_drawing

        with writing(draw):
            draw.write_text(plant_drawing.svg(plant_drawing.outline(loaded)), encoding="utf-8")
    if engines:
        from factory_sim.sim.engines import choose, obstacle

        choice, why_not = choose(loaded), obstacle(loaded)
        say(f"  engine auto: {choice.engine} ({choice.reason})")
        say(f"  engine calendar: {f'no: {why_not}' if why_not else 'exact for everything in this plant'}")
        say("  engine simpy: the reference, exact for every plant")


def _sweep(file: str) -> str:
    """Return what a checked sweep will simulate."""
    from factory_sim.study.arms import PlantCache
    from factory_sim.study.sweep.plans import read_plan

    plan = read_plan(file, PlantCache())
    shape, n = plan.file.shape, len(plan.points)
    return (
        f"{plan.file.words()['title']}\n  sweep of {plan.file.plant}, design {shape.design}: {counted(n, 'point')} of "
        f"{counted(len(plan.factors), 'factor')}, {shape.replications} replications each"
    )


def _optimisation(file: str) -> str:
    """Return among what a checked optimisation will select."""
    from factory_sim.study.arms import PlantCache
    from factory_sim.study.optimise.goals import read_goal

    read, goal = read_goal(file, PlantCache())
    every = goal.space.every(goal.candidates)
    tried = f"at most {counted(goal.candidates, 'choice')} tried"
    variables = counted(len(goal.space.variables), "variable")
    how = tried if every is None else counted(len(every), "allowed choice")
    return (
        f"{read.words()['title']}\n  optimisation of {read.plant}: {variables}, {how}, "
        f"at least {goal.decision.first} replications each"
    )


def _check_feed(file: str, recording: list[Path]) -> list[str]:
    """Print what a feed file maps; return its lines that match nothing of the recording."""
    from factory_sim.api.foreign import reading
    from factory_sim.views.text import reading_text

    mapping, found, unmatched = reading.checked(file, recording)
    kinds = ", ".join(f"{each.kind} {each.pattern}" for each in mapping.sources)
    sources, words = counted(len(mapping.sources), "source"), counted(len(mapping.states), "state word")
    say(f"{mapping.name}: {sources} ({kinds}), {words}")
    if found is not None:
        say(f"  {counted(found.observations, 'observation')} of {counted(len(found.units), 'unit')}")
        for line in reading_text.skipped_lines(found):
            say(line)
    for line in unmatched:
        say(line, err=True)
    return unmatched


def _summary(plant: Plant) -> str:
    counts = {
        "section": len(plant.sections),
        "operation": len(plant.operations),
        "machine": len(plant.machines),
        "sensor": len(plant.sensors),
        "failure mode": sum(len(machine.failures) for machine in plant.machines),
    }
    from factory_sim.plant.describe import slowest
    from factory_sim.plant.visits import has_losses

    worst, slowest_s = slowest(plant)
    pace = f"{worst.name}, {slowest_s:.4g} s per finished product"
    if has_losses(plant):
        worst, slowest_s = slowest(plant, with_losses=True)
        with_losses = f"{worst.name}, {slowest_s:.4g} s" if slowest_s < math.inf else "no product is finished"
        pace += f"; with scrap and rework {with_losses}"
    lines = [
        f"{plant.name}: {plant.title}",
        "  " + ", ".join(counted(n, thing) for thing, n in counts.items()),
        f"  slowest operation as planned: {pace}",
        f"  {len(plant.assumptions)} values are marked as assumed or calibrated",
        f"  digest {plant.digest[:16]}",
    ]
    return "\n".join(lines)


def schema(
    of: Annotated[str, typer.Argument(help="plant (scenarios too), sweep, optimise or feed.")] = "plant",
    *,
    out: options.OutFile = None,
) -> None:
    """Print the JSON Schema of a kind of file, from which editors complete and check while you type.

    Example: factory-sim schema --out plant.schema.json
    """
    from factory_sim import registry
    from factory_sim.intake.feed_shapes import FeedFile
    from factory_sim.plant.yaml.json_schema import feed_schema, json_schema, study_schema

    one_of("kind of file", of, ("plant", "sweep", "optimise", "feed"))
    if of == "feed":
        found = feed_schema(FeedFile)
    else:
        found = json_schema(registry.catalogue()) if of == "plant" else study_schema(of)
    options.print_json(out, found)
    if out is not None:
        say(f"Wrote {out}. In an editor with YAML support, begin a {of} file with:")
        say(f"  # yaml-language-server: $schema={out}")


def new(
    name: Annotated[str, typer.Argument(help=_NAME)],
    *,
    kind: Annotated[str, typer.Option(metavar="plant|scenario|sweep|optimisation", help="What to begin.")] = "plant",
    of: Annotated[str, typer.Option(metavar="PLANT", help=_OF)] = "gearbox_line",
    folder: Annotated[Path, typer.Option(help="Where the files go.", file_okay=False)] = Path(),
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that exist.")] = False,
) -> None:
    """Begin a plant of your own, or a scenario, a sweep or an optimisation of a plant: a commented file to change.

    Of NAME: the same plant of three machines as NAME.yaml and as NAME_table.csv. A suffix chooses one format.

    Example: factory-sim new my_line && factory-sim new faster --kind scenario --of my_line.yaml
    """
    from factory_sim.plant.new import PLANT, STUDIES, new_study
    from factory_sim.plant.new import new as new_plant

    if one_of("kind", kind, (PLANT, *STUDIES)) == PLANT:
        _write_new(new_plant(name), folder, force=force)
        return
    from factory_sim import registry

    named = Path(os.path.relpath(of, folder)).as_posix() if Path(of).is_file() else of
    _write_new(new_study(name, kind, registry.load(of), named), folder, force=force)


def _write_new(contents: Mapping[str, str | bytes], folder: Path, *, force: bool) -> None:
    """Write new files; refuse to overwrite one without `force`."""
    files = {folder / file: content for file, content in contents.items()}
    there = [str(path) for path in files if path.exists()]
    if there and not force:
        options.refuse(f"{' and '.join(there)} already exist{'s' * (len(there) == 1)}; choose another name, or --force")
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for path, content in files.items():
        with writing(path):
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        say(f"Wrote {path}")


def list_(
    what: Annotated[str, typer.Argument(help="sensors, behaviours, policies, formats, links, kpis, plants.")] = "",
) -> None:
    """List what plant files and commands may name: sensor kinds, behaviours, policies, formats, links, KPIs, plants.

    Example: factory-sim list sensors
    """
    from factory_sim import registry

    tables = registry.listed()
    if what:
        one_of("list", what, tables)
    for title, entries in tables.items():
        if what in {"", title}:
            say(title)
            width = max(map(len, entries), default=0)
            for name, said in entries.items():
                say(f"  {name:<{width}}  {said}")
