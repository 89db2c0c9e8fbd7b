"""Write docs/commands.md from the commands' own help texts: python docs/make_commands.py."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from factory_sim.cli import application

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).parent / "commands.md"
HEAD = """# Commands

`factory-sim COMMAND`, or `python3 run.py COMMAND` in a checkout. This page is generated from the help texts.

| exit code | meaning |
|---|---|
| 0 | an answer; also a `listen` or a `run` that Ctrl-C or SIGTERM ended in good order |
| 1 | the model or the data do not allow an answer, a proof fails, a study is not reproduced, or two runs conflict |
| 2 | invalid input |
| 3 | a server is missing |
| 130 | interrupted by Ctrl-C or SIGTERM before an answer |
"""


def commands() -> Iterator[tuple[str, Any]]:
    """Yield the name and the object of every visible command, groups by their parts."""
    for name, command in sorted(typer.main.get_command(application()).commands.items()):  # type: ignore[attr-defined]
        parts = getattr(command, "commands", {})
        if not command.hidden:
            yield from ((f"{name} {part}", parts[part]) for part in sorted(parts)) if parts else [(name, command)]


def section(name: str, command: Any) -> str:
    """Return the section of one command: its text, its example, a row for every argument and option."""
    text, _, example = inspect.cleandoc(command.help).partition("Example: ")
    rows = [row(each) for each in command.params if not each.hidden]
    table = "\n".join(["| option | default | meaning |", "|---|---|---|", *rows])
    return f"\n## {name}\n\n{text.strip()}\n\n```\n{example.strip()}\n```\n\n{table}\n"


def row(option: Any) -> str:
    """Return the table row of an argument or option."""
    names = option.metavar if option.param_type_name == "argument" else option.opts[0]
    names = names.replace("|", "\\|")  # within a table
    shown = option.show_default if isinstance(option.show_default, str) else option.default
    default = "" if shown is None or shown == "" or callable(shown) else str(shown)
    help_text = re.sub(r"\s+", " ", option.help or "").replace("|", "/")
    return f"| `{names}` | {default} | {help_text} |"


def page() -> str:
    """Return the whole page."""
    return HEAD + "".join(section(name, command) for name, command in commands())


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
