"""Write docs/commands.md from the help texts of the commands: python docs/make_commands.py."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parent / "commands.md"
HEAD = """# Commands

`factory-sim COMMAND`, or `python3 run.py COMMAND` in a checkout. This page is generated from the help texts.

Exit codes: 0 done; 1 the result is negative or a run failed; 2 wrong input; 3 the broker is missing; 130 interrupted.
"""


def commands() -> list[list[str]]:
    """Return the words of every visible command, groups with their parts."""
    import typer  # noqa: PLC0415 - this script only

    from factory_sim.cli import app  # noqa: PLC0415

    found = []
    for name, command in sorted(typer.main.get_command(app).commands.items()):  # type: ignore[attr-defined]
        if not command.hidden:
            parts = sorted(getattr(command, "commands", {}))
            found += [[name, part] for part in parts] or [[name]]
    return found


def help_of(words: list[str]) -> str:
    """Return the help text of a command, 100 columns wide, without colours."""
    environment = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"}
    command = [sys.executable, "-m", "factory_sim", *words, "--help"]
    text = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    return "\n".join(line.rstrip() for line in text.strip("\n").splitlines())


def page() -> str:
    """Return the whole page."""
    return HEAD + "".join(f"\n## {' '.join(words)}\n\n```text\n{help_of(words)}\n```\n" for words in commands())


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
