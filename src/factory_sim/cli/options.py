"""Options that several commands share: values with units, choices, Ctrl-C, and where messages go."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Collection, Iterator
from datetime import datetime
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, Protocol

import typer

from factory_sim import clock, units
from factory_sim.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from rich.console import Console

    from factory_sim.plant.spec import Plant


def seconds(text: str | float) -> float:
    """Return a duration such as '8 h' or '30 min' in seconds; a default is a number already."""
    if isinstance(text, float):
        return text
    try:
        value = units.parse(text, "time")
    except ValueError as error:
        refuse(str(error))
    if value < 0:
        refuse(f"a duration cannot be negative, got {text!r}")
    return value


def one_level(text: str) -> str:
    """Return the name of a Sparkplug host or of a consumer, which must be one level of a topic."""
    from factory_sim.wire import topics

    if text and topics.level(text) != text:
        refuse(f"expected a name without spaces and / + # * > $, got {text!r}. Did you mean {topics.level(text)}?")
    return text


def in_a_folder(path: Path | None) -> Path | None:
    """Return a file to be written at the end; refuse it at the start if its folder is missing or not writable."""
    if path is None:
        return None
    if not path.parent.is_dir():
        refuse(f"the folder {path.parent} does not exist")
    if not path.exists() and not os.access(path.parent, os.W_OK):
        refuse(f"the folder {path.parent} is not writable")
    return path


def time_option(default: str, about: str) -> Any:
    """Return an option with a duration, whose default is shown as `default`."""
    return typer.Option(parser=seconds, metavar="TIME", show_default=default, help=about)


def output(*names: str, **more: Any) -> Any:
    """Return an option that names a file to be written."""
    return typer.Option(*names, dir_okay=False, writable=True, callback=in_a_folder, **more)


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Raise ConfigError if the block cannot write `path`, such as on a full disk."""
    try:
        yield
    except OSError as error:
        raise ConfigError.of(str(path), f"cannot be written: {error.strerror or error}") from None


def written(path: Path | None, content: Any) -> None:
    """Write a text as it is, anything else as JSON. Raises ConfigError when the disk is full."""
    if path is None:
        return
    text = content if isinstance(content, str) else json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    with writing(path):
        path.write_text(text, encoding="utf-8")


def speed(text: str | float) -> float:
    """Return the simulated seconds per real second, a positive number; `max` (as fast as possible) is infinity."""
    if text == "max":
        return float("inf")
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not value > 0:
        refuse(f"expected a number above 0, such as 1 or 60, or max; got {text!r}")
    return value


def start_ns(text: str, plant: Plant, speed: float) -> int | None:
    """Return the start of a window [ns since 1970 UTC], None for the plant file's; the default at speed 1 is now."""
    if is_now(text, speed):
        return time.time_ns()
    if text in {"", "plant"}:
        return None
    try:
        return clock.ns_from_datetime(datetime.fromisoformat(text), plant.timezone)
    except ValueError:
        refuse(f"expected now, plant or a date and time such as 2026-05-04T06:00; got {text!r}")


def is_now(text: str, speed: float) -> bool:
    """Return whether a window starts now."""
    return text == "now" or (not text and speed == 1)


def one_of(what: str, word: str, known: Collection[str]) -> None:
    """Refuse a word that is not known, naming the nearest."""
    if word not in known:
        refuse(f"{word!r} is not a valid {what}. {did_you_mean(word, known)}")


def console() -> Console:
    """Return the console of progress: standard error, so that results can be piped."""
    from rich.console import Console

    return Console(stderr=True)


def compiled() -> None:
    """Compile the fast engine, once per machine, for what only it can do."""
    from factory_sim.sim import engines

    if not engines.is_compiled():
        with console().status("compiling the fast engine, once on this machine: about a minute"):
            engines.compile_now()


@contextlib.contextmanager
def graceful() -> Iterator[Event]:
    """Yield an event that the first Ctrl-C (or SIGTERM) sets, so that results are kept; the second ends at once."""
    stop = Event()

    def ask(number: int, frame: Any) -> None:
        if stop.is_set():
            signal.default_int_handler(number, frame)
        stop.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def refuse(message: str) -> NoReturn:
    """Refuse an argument or an option: exit code 2."""
    raise typer.BadParameter(message)


def refuse_input(where: str, message: str, hint: str = "", key: str = "") -> NoReturn:
    """Raise ConfigError for a file or an option."""
    raise ConfigError.of(where, message, hint, key)


@contextlib.contextmanager
def bar(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show a progress bar on standard error; yield the function that sets the number done."""
    from rich import progress

    columns = (
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeElapsedColumn(),
    )
    shown = progress.Progress(*columns, console=console(), transient=True, redirect_stdout=sys.stdout.isatty())
    with shown:
        task = shown.add_task(what, total=total)
        yield lambda done: shown.update(task, completed=done)


def answered(out: Path | None, found: Answer, text: str = "", *, ok: bool) -> None:
    """Write the answer of a proof to `out` and print its text; raise typer.Exit with code 1 unless it holds."""
    written(out, found.to_dict())
    if text:
        typer.echo(text)
    if not ok:
        raise typer.Exit(1)


class Answer(Protocol):
    """A record of `results`."""

    def to_dict(self) -> dict[str, Any]:
        """Return the content of --json."""


def moved(old: str, new: str) -> NoReturn:
    """Refuse a command that has another name now. Raises typer.Exit with code 2."""
    typer.echo(f"`factory-sim {old}` is now `factory-sim {new}`.", err=True)
    raise typer.Exit(2)


PORT = 1883  # MQTT's own
BROKER_URL = "The MQTT broker: mqtt://[user@]host:port, or mqtts://."
PLANT_HELP = "A plant or scenario file, or the name of a built-in one (`factory-sim list plants`)."
PlantFile = Annotated[str, typer.Argument(help=PLANT_HELP)]
Engine = Annotated[str, typer.Option(help="auto, simpy or calendar (compiled); the results are bit-identical.")]
Seed = Annotated[int, typer.Option(help="Names all random streams; the same seed gives the same run.", min=0)]
Replication = Annotated[int, typer.Option(help="Another independent run under the same seed.", min=0)]
JsonFile = Annotated[Path | None, output("--json", help="Write the result there as JSON.")]
OutFile = Annotated[Path | None, output("--out", help="Write it there instead of to the terminal.")]
Duration = Annotated[float, time_option("8 h", "Length of the published window.")]
WarmUp = Annotated[float, time_option("0 s", "Simulated before the window, unseen.")]
Start = Annotated[
    str,
    typer.Option(
        help="When the window starts: now, plant (as its file says) or a time such as 2026-05-04T06:00.",
        show_default="now at --speed 1, else plant",
    ),
]
Root = Annotated[str, typer.Option(help="First levels of every topic.", show_default="the plant file's")]
