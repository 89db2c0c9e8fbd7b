"""Plants as files: check one, begin one, describe the format to an editor, list what a file may name."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from factory_sim.api.arguments import one_of, writing
from factory_sim.cli import options

if TYPE_CHECKING:
    from collections.abc import Mapping

    from factory_sim.plant.spec import Plant

_NAME = "Name: letters, digits, _ and -; a plant may end in .yaml, .csv or .xlsx (extra [excel])."
_OF = "The plant of a scenario, sweep or optimisation: a file or a built-in name."
_RECORDING = "With a feed file: files to check it against."


def check(
    plant: options.PlantFile,
    recording: Annotated[list[Path] | None, typer.Argument(metavar="[FILE...]", help=_RECORDING)] = None,
    *,
    engines: Annotated[bool, typer.Option("--engines", help="Say which engine runs it, and why.")] = False,
    draw: Annotated[Path | None, options.output("--draw", help="Draw the plant there, as SVG.")] = None,
) -> None:
    """Read a plant, scenario or feed file and report everything that is wrong with it, each with its line.

    A feed file (feed.yaml) may be checked against files: lines that match nothing are reported.

    Example: factory-sim check my_line.yaml --engines
    """
    from factory_sim.api.foreign import reading

    if reading.is_feed_file(plant):
        unmatched = _check_feed(plant, recording or [])
        raise typer.Exit(1 if unmatched else 0)
    if recording:
        options.refuse("files are checked against a feed file only; this one is a plant or scenario")
    from factory_sim import registry
    from factory_sim.plant.describe import seldom_intended

    loaded = registry.load(plant)
    typer.echo("\n".join([_summary(loaded), *(f"  hint: {text}" for text in seldom_intended(loaded))]))
    if draw is not None:
        from factory_sim.views.html import plant_drawing

        with writing(draw):
            draw.write_text(plant_drawing.svg(plant_drawing.outline(loaded)), encoding="utf-8")
    if engines:
        from factory_sim.sim.engines import choose, obstacle

        choice, why_not = choose(loaded), obstacle(loaded)
        typer.echo(f"  engine auto: {choice.engine} ({choice.reason})")
        typer.echo(f"  engine calendar: {f'no: {why_not}' if why_not else 'exact for everything in this plant'}")
        typer.echo("  engine simpy: the reference, exact for every plant")


def _check_feed(file: str, recording: list[Path]) -> list[str]:
    """Print what a feed file maps; return its lines that match nothing of the recording."""
    from factory_sim.api.foreign import reading

    mapping, found, unmatched = reading.checked(file, recording)
    kinds = ", ".join(f"{each.kind} {each.pattern}" for each in mapping.sources)
    typer.echo(f"{mapping.name}: {len(mapping.sources)} sources ({kinds}), {len(mapping.states)} state words")
    if found is not None:
        typer.echo(f"  {found.observations:,} observations of {len(found.units)} units")
        for each in found.skipped:
            typer.echo(f"  skipped {each.count:,}: {each.reason}; first: {each.example}")
    for line in unmatched:
        typer.echo(line, err=True)
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

    worst, slowest_s = slowest(plant)
    lines = [
        f"{plant.name}: {plant.title}",
        "  " + ", ".join(f"{n} {thing}{'s' * (n != 1)}" for thing, n in counts.items()),
        f"  slowest operation as planned: {worst.name}, {slowest_s:.4g} s per finished product",
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

    one_of("of", of, ("plant", "sweep", "optimise", "feed"))
    if of == "feed":
        found = feed_schema(FeedFile)
    else:
        found = json_schema(registry.catalogue()) if of == "plant" else study_schema(of)
    options.print_json(out, found)
    if out is not None:
        typer.echo(f"Wrote {out}. In an editor with YAML support, begin a {of} file with:")
        typer.echo(f"  # yaml-language-server: $schema={out}")


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
        options.refuse(f"{', '.join(there)} exists already; choose another name, or --force")
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for path, content in files.items():
        with writing(path):
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        typer.echo(f"Wrote {path}")


def list_(
    what: Annotated[str, typer.Argument(help="sensors, behaviours, policies, formats, links, kpis, plants.")] = "",
) -> None:
    """List what plant files and commands may name: sensor kinds, behaviours, policies, formats, links, KPIs, plants.

    Example: factory-sim list sensors
    """
    from factory_sim import registry

    tables = registry.listed()
    if what:
        one_of("what", what, tables)
    for title, entries in tables.items():
        if what in {"", title}:
            typer.echo(title)
            width = max(map(len, entries), default=0)
            for name, said in entries.items():
                typer.echo(f"  {name:<{width}}  {said}")
