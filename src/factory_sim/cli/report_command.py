"""`report`: a saved study as one HTML file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from factory_sim.cli import options


def report(
    study: Annotated[
        Path, typer.Argument(metavar="STUDY", help="A study file, as written by `compare`, `sweep` and `optimise`.")
    ],
    *,
    out: Annotated[
        Path | None, options.output("--out", help="The HTML file.", show_default="next to the study file")
    ] = None,
) -> None:
    """Write a saved study as one HTML file that works offline, on a phone and on paper.

    Nothing is simulated: everything, including the replay of a shift, comes from the study file.

    Example: factory-sim report retrofit-vs-gearbox_line.study.jsonl --out retrofit.html
    """
    path = out or study.with_name(study.name.removesuffix(".jsonl").removesuffix(".study") + ".html")
    if path.resolve() == study.resolve():
        options.refuse(f"{path} is the study file itself. Name another file with --out.")
    size = write_page(study, path) / 1e6
    typer.echo(f"Wrote {path} ({f'{size:.1f} MB' if size > 0.1 else f'{1000 * size:.0f} kB'})")


def write_page(study: Path, path: Path) -> int:
    """Write a study's page to `path` and return its size [bytes]. Raise ConfigError, StudyError."""
    from factory_sim.study import store
    from factory_sim.study.pages import page_of

    page = page_of(store.load(study), study).encode()
    with options.writing(path):
        path.write_bytes(page)
    return len(page)


COMMANDS = (report,)
