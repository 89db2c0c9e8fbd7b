"""A progress bar on standard error."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from factory_sim.views.text.terminal import wrapped

if TYPE_CHECKING:
    from rich.progress import TaskID


class ProgressBar:
    """One bar per stage, which disappears at the end; messages remain."""

    def __init__(self) -> None:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[note]}"),
            TimeRemainingColumn(),
        )
        console = Console(stderr=True)
        self._bar = Progress(*columns, console=console, transient=True, redirect_stdout=sys.stdout.isatty())
        self._task: TaskID | None = None
        self._stage = ""
        self._begun: set[str] = set()  # where output is a file: a study returns to a stage many times

    def __enter__(self) -> Self:
        """Show the bar."""
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the bar."""
        self._bar.stop()

    def update(self, stage: str, done: float, total: float, message: str = "", note: str = "") -> None:
        """Show how much of a stage is done, with `note` or the numbers beside the bar; or a message above the bar."""
        if message:
            console = self._bar.console
            shown = wrapped(message, console.width) if console.is_terminal else message
            console.print(shown, markup=False, highlight=False, soft_wrap=True)
        elif total:
            if self._task is None or stage != self._stage:
                if self._task is not None:
                    self._bar.remove_task(self._task)
                if not self._bar.console.is_terminal and stage not in self._begun:
                    self._begun.add(stage)
                    self._bar.console.print(f"{stage} ...", markup=False, highlight=False, soft_wrap=True)
                self._task, self._stage = self._bar.add_task(stage, total=total, note=""), stage
            self._bar.update(self._task, completed=done, note=note or f"{done:g}/{total:g}")
