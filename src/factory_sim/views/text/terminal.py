"""Lines for a terminal: wrapped at its width, between words. Pipes and files get every line whole."""

from __future__ import annotations

import os
import re
import sys
import textwrap
from shutil import get_terminal_size
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import RenderableType

_WHOLE = re.compile(r"`[^`\n]+`|(?<=: )factory-sim .+")  # commands to be copied are not broken
_HANGING = re.compile(r" *(?:\S(?:\S| (?! ))* {2,}(?=\S)|[!*•] )?")  # indentation and label of a line
_LONGEST_LABEL = 34
_SPACE = "\0"  # stands for a space that is not broken


def wrapped(text: str, width: int) -> str:
    """Return lines of at most `width` columns, if no word is longer; those that continue one stand below its text."""
    return "\n".join(_wrapped(line, width) if len(line) > width else line for line in text.split("\n"))


def _wrapped(line: str, width: int) -> str:
    hanging = _HANGING.match(line)
    indent = len(hanging[0]) if hanging and len(hanging[0]) <= _LONGEST_LABEL else len(line) - len(line.lstrip())
    whole = _WHOLE.sub(lambda found: found[0].replace(" ", _SPACE), line)
    pieces = textwrap.wrap(
        whole, width, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False, tabsize=2
    )
    return "\n".join(pieces).replace(_SPACE, " ")


def columns() -> int:
    """Return the width that tables may take: of the terminal, or as COLUMNS says; unlimited in a pipe or a file."""
    if sys.stdout.isatty() or "COLUMNS" in os.environ:
        return get_terminal_size().columns
    return 10_000


def show(lines: Iterable[RenderableType]) -> None:
    """Print texts and tables to standard output, above a progress bar if there is one."""
    from rich.console import Console  # noqa: PLC0415 - an error needs no Rich

    console = Console(highlight=False, markup=False, width=columns())
    for line in lines:
        if isinstance(line, str):
            say(line)
            continue
        with console.capture() as captured:  # Rich itself would write past the bar's proxy of standard output
            console.print(line)
        sys.stdout.write(captured.get())


def say(text: str, *, err: bool = False, style: str = "") -> None:
    """Print text to standard output or standard error, in a terminal wrapped at its width and in a style of Rich."""
    stream = sys.stderr if err else sys.stdout
    shown = wrapped(text, get_terminal_size().columns) if stream.isatty() else text
    if style:
        from rich.console import Console  # noqa: PLC0415 - an error needs no Rich

        Console(file=stream).print(shown, style=style, markup=False, highlight=False, soft_wrap=True)
    else:
        stream.write(f"{shown}\n")
        stream.flush()
