"""`read` and `map`: the feed of any plant, by a mapping file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from factory_sim.cli import login, options
from factory_sim.views.text.terminal import say, show

if TYPE_CHECKING:
    from factory_sim.api.foreign.reading import Reading
    from factory_sim.api.progress import ProgressEvent

Files = Annotated[list[Path] | None, typer.Argument(metavar="FILE", help="CSV, Parquet, SHDR, XES, captures (.jsonl).")]
_MAP = "The mapping, a file feed.yaml; `factory-sim map` writes a first one."


def read(
    files: Files = None,
    *,
    map_file: Annotated[Path, typer.Option("--map", help=_MAP)],
    json: options.JsonFile = None,
    csv: options.CsvFile = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No tables.")] = False,
) -> None:
    """Read the files of any plant's feed and print which KPIs they yield, and the KPIs.

    Without files: those that the sources of the mapping name.

    Example: factory-sim read --map feed.yaml m1.csv --json kpis.json
    """
    from factory_sim.api.foreign import reading

    found = reading.read(files or (), map=map_file, progress=False)
    conclude(found, json, csv, quiet=quiet)


def conclude(found: Reading, json: Path | None, csv: Path | None, *, quiet: bool) -> None:
    """Write and print the answer of `read` or `listen --map`."""
    options.write_json(json, found.to_dict())
    options.write_csv(csv, found.to_pandas)
    if not quiet:
        from factory_sim.views.text import reading_text

        show(reading_text.tables(found.result, found.kpis().record))
        for line in (*reading_text.clock_lines(found.kpis().record), *reading_text.skipped_lines(found.result)):
            say(line, err=True, style="yellow")


def map_(
    files: Files = None,
    *,
    broker: Annotated[str, typer.Option(help=options.BROKER_URL)] = "",
    topic: Annotated[
        list[str] | None, typer.Option(help="Topics to observe; may be repeated.", show_default="#")
    ] = None,
    duration: Annotated[str, typer.Option(metavar="TIME", help="How long to observe the broker.")] = "60 s",
    out: options.OutFile = None,
    access: login.Login = login.Login(),  # noqa: B008 - frozen
) -> None:
    """Observe a broker or files and write a first feed.yaml: topics, state words, types, rates, and the rest.

    Example: factory-sim map --broker mqtt://127.0.0.1:1883 --duration 60s --out feed.yaml
    """
    from factory_sim.api.arguments import writing
    from factory_sim.api.foreign import reading

    def report(event: ProgressEvent) -> None:
        say(event.message, err=True)

    with options.graceful() as stop:
        text = reading.first_map(
            files or (),
            broker=broker,
            topics=topic or ["#"],
            duration=duration,
            progress=report,
            stop=stop,
            **login.arguments(access, broker),
        )
    if out is None:
        sys.stdout.write(text)
        return
    with writing(out):
        out.write_text(text, encoding="utf-8")
    say(f"Wrote {out}. Check it, then: factory-sim check {out}")
