"""The command line: arguments in, exit code out. Commands import what they need late: help is quick."""

from __future__ import annotations

import importlib
import os
import shlex
import subprocess
import sys
from typing import Annotated

import typer

from factory_sim.cli import (
    bench,
    demo_command,
    history_commands,
    listen_command,
    options,
    plant_commands,
    run_command,
    study_commands,
    validate_commands,
)
from factory_sim.errors import FactoryError, MissingExtraError
from factory_sim.version import VERSION

app = typer.Typer(
    no_args_is_help=False,
    add_completion=False,
    pretty_exceptions_enable=False,  # our own bugs keep their plain traceback
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
for module in (demo_command, study_commands, plant_commands, run_command, listen_command, history_commands, bench):
    for command in module.COMMANDS:
        app.command()(options.flattened(command))
app.command(name="list")(options.flattened(plant_commands.list_))
app.add_typer(validate_commands.app, name="validate")


_ANYTHING = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}


@app.command(name="exact", hidden=True, context_settings=_ANYTHING)
def exact(context: typer.Context) -> None:
    """Name the command that replaces `exact`."""
    options.moved("exact", shlex.join(["validate", "exact", *context.args]))


@app.command(name="selftest", hidden=True, context_settings=_ANYTHING)
def selftest(context: typer.Context) -> None:
    """Name the command that replaces `selftest`."""
    words = ["detectors" if word == "why" else word for word in context.args]
    options.moved("selftest", shlex.join(["validate", *words]))


@app.callback(invoke_without_command=True)
def start(
    context: typer.Context,
    *,
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
) -> None:
    """Simulate a factory line, stream its telemetry over MQTT, and analyse it from the telemetry alone.

    Without a command: the demo.

    Example: factory-sim demo --quick
    """
    if version:
        typer.echo(f"factory-sim {VERSION}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        demo_command.demo()


def main(words: list[str] | None = None) -> int:
    """Run one command and return its exit code (docs/commands.md lists them)."""
    try:
        return _run(words)
    except MissingExtraError as missing:
        start = os.environ.pop("FACTORY_SIM_START", None)  # set by run.py
        if start is None or subprocess.call([sys.executable, start, "--install-extra", missing.extra]):  # noqa: S603
            sys.stderr.write(f"{missing}\n")
            return missing.exit_code
        importlib.invalidate_caches()
        return main(words)


def _run(words: list[str] | None) -> int:
    try:
        app(args=words, prog_name="factory-sim")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    except MissingExtraError:
        raise
    except FactoryError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0
