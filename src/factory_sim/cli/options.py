"""Options that several commands share, files that they write, Ctrl-C, and where messages go."""

from __future__ import annotations

import contextlib
import functools
import inspect
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, is_dataclass, replace
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, Protocol, get_type_hints

import typer

from factory_sim.api.arguments import writing
from factory_sim.errors import ConfigError
from factory_sim.live import interrupts
from factory_sim.views.text.terminal import say

if TYPE_CHECKING:
    from rich.console import Console

    from factory_sim.views.frames import DataFrame


def flattened(function: Callable[..., None]) -> Callable[..., None]:
    """Return a command as Typer reads it: each field of an option group (a dataclass) is an option of its own.

    An error about an argument of the Python call is shown with the name of the option.
    """
    parameters: list[inspect.Parameter] = []
    groups: dict[str, tuple[type, list[str]]] = {}
    for parameter in _parameters(function):
        group = parameter.annotation
        if isinstance(group, type) and is_dataclass(group):
            fields = _parameters(group)
            groups[parameter.name] = group, [each.name for each in fields]
            parameters += fields
        else:
            parameters.append(parameter)
            _name_argument(parameter)
    shown = {each.name: _shown(each) for each in parameters}

    @functools.wraps(function)
    def command(**given: Any) -> None:
        for name, (group, fields) in groups.items():
            given[name] = group(**{field: given.pop(field) for field in fields})
        try:
            function(**given)
        except ConfigError as error:
            problems = [replace(each, file=shown.get(each.file, each.file)) for each in error.problems]
            raise ConfigError(problems) from None

    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {each.name: each.annotation for each in parameters}
    return command


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    hints = get_type_hints(function, include_extras=True)
    return [each.replace(annotation=hints[name]) for name, each in inspect.signature(function).parameters.items()]


def _name_argument(parameter: inspect.Parameter) -> None:
    """Let usage lines and errors name an argument in capitals."""
    [about] = parameter.annotation.__metadata__
    if isinstance(about, typer.models.ArgumentInfo) and about.metavar is None:
        about.metavar = parameter.name.upper()


def _shown(parameter: inspect.Parameter) -> str:
    """Return how a user names a parameter: its long option, or the metavar of an argument."""
    [about] = parameter.annotation.__metadata__
    declared = (about.default, *(about.param_decls or ()))  # in Annotated, the first declaration is Typer's default
    names = [name for name in declared if isinstance(name, str) and name.startswith("--")]
    if isinstance(about, typer.models.ArgumentInfo):
        return str(about.metavar)
    return names[0] if names else "--" + parameter.name.replace("_", "-")


def in_a_folder(path: Path | None) -> Path | None:
    """Return a file to be written at the end; refuse it at the start if its folder is missing or not writable."""
    if path is None:
        return None
    if not path.parent.is_dir():
        refuse(f"the folder {path.parent} does not exist")
    if not path.exists() and not os.access(path.parent, os.W_OK):
        refuse(f"the folder {path.parent} is not writable")
    return path


def output(*names: str, **more: Any) -> Any:
    """Return an option that names a file to be written."""
    return typer.Option(*names, dir_okay=False, writable=True, callback=in_a_folder, **more)


def write_json(path: Path | None, content: Any) -> None:
    """Write `content` as JSON. Raises ConfigError when the disk is full."""
    if path is not None:
        with writing(path):
            path.write_text(_json(content), encoding="utf-8")


def write_csv(path: Path | None, frame: Callable[[], DataFrame]) -> None:
    """Write a table as CSV. Raises ConfigError when the disk is full."""
    if path is not None:
        with writing(path):
            frame().to_csv(path, index=False)


def print_json(path: Path | None, content: Any) -> None:
    """Write `content` as JSON to a file, or print it."""
    write_json(path, content)
    if path is None:
        sys.stdout.write(_json(content))


def _json(content: Any) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


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
    with interrupts.graceful(stop, signal.SIGINT, signal.SIGTERM):
        yield stop


def refuse(message: str) -> NoReturn:
    """Refuse an argument or an option: exit code 2."""
    raise typer.BadParameter(message)


def refuse_input(where: str, message: str, hint: str = "") -> NoReturn:
    """Raise ConfigError for a file or an option."""
    raise ConfigError.of(where, message, hint)


@contextlib.contextmanager
def bar(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show a progress bar on standard error; yield the function that sets the number done."""
    from factory_sim.views.text.progress_bar import ProgressBar

    with ProgressBar() as shown:
        yield lambda done: shown.update(what, done, total)


def answered(out: Path | None, found: Answer, text: str = "", *, ok: bool) -> None:
    """Write the answer of a proof to `out` and print its text; raise typer.Exit with code 1 unless it holds."""
    write_json(out, found.to_dict())
    if text:
        say(text)
    if not ok:
        raise typer.Exit(1)


class Answer(Protocol):
    """A record of `results`."""

    def to_dict(self) -> dict[str, Any]:
        """Return the content of --json."""


PORT = 1883  # MQTT's own
BROKER_URL = "The MQTT broker: mqtt://[user@]host:port, or mqtts://."
STOPS = "Apply the stop rules and loss categories of this file: keys `stops` and `losses`."
PLANT_HELP = "A plant or scenario file, or the name of a built-in one (`factory-sim list plants`)."
PlantFile = Annotated[str, typer.Argument(help=PLANT_HELP)]
Engine = Annotated[str, typer.Option(help="auto, simpy or calendar (compiled); the results are bit-identical.")]
Seed = Annotated[int, typer.Option(help="Seed of all random streams; the same seed gives the same run.", min=0)]
Replication = Annotated[int, typer.Option(help="Another independent run under the same seed.", min=0)]
JsonFile = Annotated[Path | None, output("--json", help="Write the result there as JSON.")]
CsvFile = Annotated[Path | None, output("--csv", help="Write a CSV file with one line per row of the answer.")]
OutFile = Annotated[Path | None, output("--out", help="Write it there instead of to the terminal.")]
Duration = Annotated[str, typer.Option(metavar="TIME", help="Length of the window that is analysed.")]
WarmUp = Annotated[
    str, typer.Option(metavar="TIME", help="Simulated before the window, unseen; auto: until the plant is full.")
]
Start = Annotated[
    str,
    typer.Option(
        help="When the window starts: now, plant (as its file says) or a time such as 2026-05-04T06:00.",
        show_default="now at --speed 1, else plant; with --log alone plant",
    ),
]
PAGE_ADDRESS = "127.0.0.1:8800"
Page = Annotated[bool, typer.Option("--page", help="Serve a live page of the feed for browsers.")]
PageAddress = Annotated[
    str, typer.Option(metavar="HOST:PORT", help="Address of the page; any but 127.0.0.1 needs a password.")
]
PagePasswordFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="The first line is the password of the page.")
]
Root = Annotated[str, typer.Option(help="First levels of every topic.", show_default="the plant file's")]


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyWindow:
    """What all trials of a study have in common."""

    duration: Duration = "8 h"
    warm_up: Annotated[
        str, typer.Option(metavar="TIME", help="Dropped from the start of every run; auto: found by pilot runs.")
    ] = "auto"
    seed: Seed = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """Where the trials of a study run."""

    workers: Annotated[
        int | None, typer.Option(help="Processes; the results do not depend on it.", min=0, show_default="one per CPU")
    ] = None
    engine: Engine = "auto"
    dask: Annotated[
        str,
        typer.Option(metavar="ADDRESS", help="Run on a Dask cluster: local, or tcp://host:port.", show_default="no"),
    ] = ""


def given(*groups: StudyWindow | Execution) -> dict[str, Any]:
    """Return the options of groups as arguments of the Python call."""
    return {name: value for group in groups for name, value in asdict(group).items()}
