"""The command line: arguments in, exit code out. Only the module of the command that runs is imported."""

from __future__ import annotations

import importlib
import io
import os
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING, Any, NoReturn

from factory_sim.errors import FactoryError, MissingExtraError, did_you_mean
from factory_sim.version import VERSION
from factory_sim.views.text.terminal import say

if TYPE_CHECKING:
    from collections.abc import Iterable

    import typer

COMMANDS = {  # name -> its module, and what it does
    "demo": ("demo_command", "Stream a shift before and after a retrofit; compare what arrives."),
    "compare": ("study_commands", "Compare scenarios with a plant in paired runs."),
    "whatif": ("study_commands", "Show what a change would bring, refined while you watch."),
    "why": ("study_commands", "Show what limits the line, and what would limit it next."),
    "sweep": ("study_commands", "Run a plant at every point of a design; rank the factors."),
    "optimise": ("study_commands", "Select buffers, vehicles and crews within a budget."),
    "report": ("study_commands", "Write a saved study as one HTML file."),
    "check": ("plant_commands", "Report everything that is wrong with a plant file."),
    "new": ("plant_commands", "Begin a plant of your own."),
    "schema": ("plant_commands", "Print the JSON Schema of the input files, for editors."),
    "list": ("plant_commands", "List what plant files and commands may name."),
    "run": ("run_command", "Simulate a plant and publish its telemetry."),
    "asyncapi": ("run_command", "Print the AsyncAPI document of a plant's topics."),
    "listen": ("listen_command", "Analyse a feed until its run ends, and print its KPIs."),
    "map": ("read_command", "Observe any plant's feed and write a first feed.yaml."),
    "read": ("read_command", "Read files of any plant's feed, and print their KPIs."),
    "record": ("history_commands", "Record a feed in a folder."),
    "signal": ("history_commands", "Read one sensor from a recording."),
    "kpis": ("history_commands", "Compute the KPIs of a recording."),
    "play": ("history_commands", "Publish a recording again."),
    "forget": ("history_commands", "Delete the oldest days of a recording."),
    "dashboard": ("history_commands", "Print the Grafana dashboard of a database."),
    "compile": ("compile_command", "Compile all kernels now, once on this machine."),
    "validate": ("validate_commands", "Prove on this machine that the results can be trusted."),
    "bench": ("bench", "Measure the speed of this machine."),
}
MOVED = {
    "exact": "validate exact",
    "selftest": "validate",
    "selftest why": "validate detectors",
    "replay": "validate study",
}  # since 0.2
HELP = """\
Usage: factory-sim COMMAND [OPTIONS]

Simulate a factory line, stream its telemetry over MQTT, and analyse it from the
telemetry alone. Without a command: the demo.

Example: factory-sim demo --quick

Commands (factory-sim COMMAND --help describes one):
{commands}

Options:
  --version             Print the version and stop.
  --install-completion  Complete commands and options in this shell.
  --show-completion     Print the completion, to copy or adapt it.
  -h, --help            Print this text and stop.

Exit codes: 0 an answer; 1 the model or the data do not allow one; 2 invalid
input; 3 a server is missing; 130 interrupted before an answer.
"""


def application(names: Iterable[str] = COMMANDS) -> typer.Typer:
    """Return the commands of these names as Typer runs them."""
    import typer

    from factory_sim.cli import options

    app = typer.Typer(
        pretty_exceptions_enable=False,  # our own bugs keep their plain traceback
        rich_markup_mode=None,  # square brackets and line breaks of help texts are kept
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(lambda: None)
    for name in names:
        module = importlib.import_module(f"{__name__}.{COMMANDS[name][0]}")
        if hasattr(module, "app"):
            app.add_typer(module.app, name=name)
        else:
            function = getattr(module, f"{name}_" if name in ("list", "map") else name)
            app.command(name)(options.flattened(function))
    return app


def main(words: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    words = sys.argv[1:] if words is None else words
    try:
        return _run(words)
    except MissingExtraError as missing:
        start = os.environ.pop("FACTORY_SIM_START", None)  # set by run.py
        if start is None or subprocess.call([sys.executable, start, "--install-extra", missing.extra]):  # noqa: S603
            say(str(missing), err=True)
            return missing.exit_code
        importlib.invalidate_caches()
        return main(words)


def _run(words: list[str]) -> int:
    name = words[0] if words else "demo"
    try:
        if "_FACTORY_SIM_COMPLETE" in os.environ:
            application()(args=words, prog_name="factory-sim")
        elif name == "--version":
            sys.stdout.write(f"factory-sim {VERSION}\n")
        elif name in {"-h", "--help"}:
            sys.stdout.write(
                HELP.format(commands="\n".join(f"  {name:<9} {about}" for name, (_, about) in COMMANDS.items()))
            )
        elif name in MOVED:
            _moved(words)
        elif name in COMMANDS:
            return _typed([name], words or [name])
        elif name.startswith("-"):  # installs the completion, or is wrong
            return _typed(COMMANDS, words)
        else:
            say(f"There is no command {name!r}. {did_you_mean(name, COMMANDS)}", err=True)
            return 2
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    except MissingExtraError:
        raise
    except FactoryError as error:
        say(str(error), err=True)
        return error.exit_code
    return 0


def _typed(names: Iterable[str], words: list[str]) -> int:
    """Run commands by Typer, which reports wrong arguments; only the lines of the report are wrapped here."""
    import typer

    usage_error: Any = typer.BadParameter.__mro__[1]  # Typer exports no name of it
    try:
        code = application(names)(args=words, prog_name="factory-sim", standalone_mode=False)
    except usage_error as error:
        text = io.StringIO()
        error.show(file=text)
        say(text.getvalue().rstrip(), err=True)
        return int(error.exit_code)
    return code if isinstance(code, int) else 0


def _moved(words: list[str]) -> NoReturn:
    """Refuse a command that has another name now. Raises SystemExit with code 2."""
    taken = 2 if " ".join(words[:2]) in MOVED else 1
    old, rest = " ".join(words[:taken]), words[taken:]
    say(f"`factory-sim {old}` is now `factory-sim {' '.join([MOVED[old], *map(shlex.quote, rest)])}`.", err=True)
    raise SystemExit(2)
