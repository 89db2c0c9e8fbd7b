"""Progress of studies as events."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from factory_sim.api.progress import ProgressEvent, ProgressOption, Report, events_of
from factory_sim.study.runner import Progress

if TYPE_CHECKING:
    from collections.abc import Iterator


class Reporter(Progress):
    """Turns the reports of a study into events."""

    def __init__(self, report: Report) -> None:
        self._report, self._now = report, ProgressEvent(stage="")

    def stage(self, name: str, total: int) -> None:
        """Report that a stage begins."""
        self._now = ProgressEvent(stage=name, total=total)
        self._report(self._now)

    def advance(self, done: int) -> None:
        """Report how many trials of the stage are done."""
        self._now = replace(self._now, done=done)
        self._report(self._now)

    def message(self, text: str) -> None:
        """Report a remark."""
        self._report(replace(self._now, message=text))


@contextmanager
def reported(progress: ProgressOption) -> Iterator[Progress]:
    """Yield what a study reports its progress to. Raise ConfigError unless `progress` can be used."""
    if isinstance(progress, Progress):
        yield progress
        return
    with events_of(progress) as report:
        try:
            yield Reporter(report)
        except KeyboardInterrupt:
            text = "Stopped. Finished trials are kept; the same call resumes the study."
            report(ProgressEvent(stage="stopped", message=text))
            raise
