"""Options that several commands share: values with units, choices, Ctrl-C, and where messages go."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Collection, Iterator
from datetime import datetime
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from factory_sim import clock, units
from factory_sim.errors import ConfigError, Problem, did_you_mean

if TYPE_CHECKING:
    from rich.console import Console

    from factory_sim.plant.spec import Plant


def seconds(text: str | float) -> float:
    """A duration such as '8 h' or '30 min' [s]; a default is a number already."""
    if isinstance(text, float):
        return text
    try:
        value = units.parse(text, "time")
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    if value < 0:
        message = f"a duration cannot be negative, got {text!r}"
        raise typer.BadParameter(message)
    return value


def one_level(text: str) -> str:
    """The name of a Sparkplug host or of a consumer: one level of a topic, as it is."""
    from factory_sim.wire import topics

    if text and topics.level(text) != text:
        message = f"expected a name without spaces and / + # * > $, got {text!r}. Did you mean {topics.level(text)}?"
        raise typer.BadParameter(message)
    return text


def in_a_folder(path: Path | None) -> Path | None:
    """A file to be written at the end: that its folder is missing, or closed, is said at the start."""
    if path is None:
        return None
    if not path.parent.is_dir():
        message = f"the folder {path.parent} does not exist"
        raise typer.BadParameter(message)
    if not path.exists() and not os.access(path.parent, os.W_OK):
        message = f"the folder {path.parent} is not writable"
        raise typer.BadParameter(message)
    return path


def output(*names: str, **more: Any) -> Any:
    """An option that names a file to be written."""
    return typer.Option(*names, dir_okay=False, writable=True, callback=in_a_folder, **more)


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Raises ConfigError where the block cannot write `path`: a full disk, a file that may not be changed."""
    try:
        yield
    except OSError as error:
        raise ConfigError([Problem(str(path), 0, 0, "", f"cannot be written: {error.strerror or error}")]) from None


def written(path: Path | None, content: Any) -> None:
    """Write a text as it is, anything else as JSON. Raises ConfigError when the disk is full."""
    if path is None:
        return
    text = content if isinstance(content, str) else json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    with writing(path):
        path.write_text(text, encoding="utf-8")


def speed(text: str | float) -> float:
    """Simulated seconds per real second: a positive number, or `max` (infinity): as fast as it goes."""
    if text == "max":
        return float("inf")
    with contextlib.suppress(ValueError):
        value = float(text)
        if value > 0:
            return value
    message = f"expected a number above 0, such as 1 or 60, or max; got {text!r}"
    raise typer.BadParameter(message)


def start_ns(text: str, plant: Plant, speed: float) -> int | None:
    """When a window starts [ns since 1970 UTC]; None: when the plant file says. Nothing given: now, at speed 1."""
    if is_now(text, speed):
        return time.time_ns()
    if text in {"", "plant"}:
        return None
    try:
        return clock.ns_from_datetime(datetime.fromisoformat(text), plant.timezone)
    except ValueError:
        message = f"expected now, plant or a date and time such as 2026-05-04T06:00; got {text!r}"
        raise typer.BadParameter(message) from None


def is_now(text: str, speed: float) -> bool:
    """Whether a window starts at the present moment."""
    return text == "now" or (not text and speed == 1)


def one_of(what: str, word: str, known: Collection[str]) -> None:
    """Refuse a word that is not known, naming the nearest."""
    if word not in known:
        message = f"{word!r} is no {what}. {did_you_mean(word, known)}"
        raise typer.BadParameter(message)


def console() -> Console:
    """Where progress goes: standard error, so that results can be piped."""
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
    """An event that the first Ctrl-C (or SIGTERM) sets, so that what is done is kept; the second ends at once."""
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
Duration = Annotated[
    float, typer.Option(parser=seconds, metavar="TIME", show_default="8 h", help="Length of the published window.")
]
WarmUp = Annotated[
    float, typer.Option(parser=seconds, metavar="TIME", show_default="0 s", help="Simulated before the window, unseen.")
]
Start = Annotated[
    str,
    typer.Option(
        help="When the window starts: now, plant (as its file says) or a time such as 2026-05-04T06:00.",
        show_default="now at --speed 1, else plant",
    ),
]
Root = Annotated[str, typer.Option(help="First levels of every topic.", show_default="the plant file's")]
