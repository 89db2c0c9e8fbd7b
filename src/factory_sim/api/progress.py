"""Progress of studies: a bar on standard error, a callback, or silence."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

from factory_sim.api.arguments import refuse
from factory_sim.study.runner import Progress
from factory_sim.views.text.progress_bar import ProgressBar

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressEvent:
    """Progress of a study, as a callback `progress=` receives it.

    Examples
    --------
    >>> import factory_sim as fs
    >>> events = []
    >>> study = fs.whatif("line.yaml", "WASH.buffer+2", replications=5, duration="30 min", warm_up="10 min", workers=1,
    ...                   progress=events.append)
    >>> max(event.done for event in events if event.stage == "trials")
    10
    """

    stage: str  # such as "warm-up", "trials" or "attribution"
    done: int  # trials of the stage
    total: int
    message: str = ""  # a remark, such as the engine in use; "": none


class Report(Protocol):
    """A function that reports one event."""

    def __call__(self, stage: str, done: int, total: int, message: str = "") -> None:
        """Report it."""


ProgressOption: TypeAlias = bool | Callable[[ProgressEvent], object]


class _Reporter(Progress):
    """Turns the reports of a study into events."""

    def __init__(self, report: Report) -> None:
        self._report, self._stage, self._total, self._done = report, "", 0, 0

    def stage(self, name: str, total: int) -> None:
        """Report that a stage begins."""
        self._stage, self._total, self._done = name, total, 0
        self._report(name, 0, total)

    def advance(self, done: int) -> None:
        """Report how many trials of the stage are done."""
        self._done = done
        self._report(self._stage, done, self._total)

    def message(self, text: str) -> None:
        """Report a remark."""
        self._report(self._stage, self._done, self._total, text)


@contextmanager
def reported(progress: ProgressOption) -> Iterator[Progress]:
    """Yield what a study reports its progress to. Raise ConfigError unless `progress` is a bool or callable."""
    with events_of(progress) as report:
        try:
            yield _Reporter(report)
        except KeyboardInterrupt:
            report("stopped", 0, 0, "Stopped. Finished trials are kept; the same call resumes the study.")
            raise


@contextmanager
def events_of(progress: ProgressOption) -> Iterator[Report]:
    """Yield a function that reports one event. Raise ConfigError unless `progress` is a bool or callable."""
    if not isinstance(progress, bool) and not callable(progress):
        refuse("progress", f"expected True, False or a function of one event, got {progress!r}")
    with ProgressBar() if progress is True else nullcontext() as bar:

        def report(stage: str, done: int, total: int, message: str = "") -> None:
            if bar is not None:
                bar.update(stage, done, total, message)
            elif callable(progress):
                progress(ProgressEvent(stage=stage, done=done, total=total, message=message))

        yield report
