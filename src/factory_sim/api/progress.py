"""Progress of studies and feeds: a bar on standard error, a callback, or silence."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from factory_sim.api.arguments import refuse
from factory_sim.views.text.progress_bar import ProgressBar

if TYPE_CHECKING:
    from collections.abc import Iterator

    from factory_sim.study.runner import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressEvent:
    """Progress of a study or a feed, as a callback `progress=` receives it.

    Attributes
    ----------
    stage : str
        Such as `"warm-up"`, `"trials"` or `"attribution"`.
    done, total : int
        Trials of the stage; of a feed, simulated seconds.
    message : str
        A remark, such as the engine in use; `""`: none.
    note : str
        What is done in other numbers, such as `"1,200 readings"`; `""`: none.

    Examples
    --------
    >>> import factory_sim as fs
    >>> events = []
    >>> study = fs.whatif("line.yaml", "WASH.buffer+2", replications=5, duration="30 min", warm_up="10 min", workers=1,
    ...                   progress=events.append)
    >>> max(event.done for event in events if event.stage == "trials")
    10
    """

    stage: str
    done: int = 0
    total: int = 0
    message: str = ""
    note: str = ""


Report: TypeAlias = Callable[[ProgressEvent], object]
ProgressOption: TypeAlias = "bool | Progress | Report"


@contextmanager
def events_of(progress: ProgressOption) -> Iterator[Report]:
    """Yield a function that reports one event. Raise ConfigError unless `progress` can be used."""
    if progress is True:
        with ProgressBar() as bar:
            yield lambda event: bar.update(event.stage, event.done, event.total, event.message, event.note)
    elif progress is False:
        yield lambda _: None
    elif callable(progress):
        yield progress
    else:
        refuse("progress", f"expected True, False or a function of one event, got {progress!r}")
