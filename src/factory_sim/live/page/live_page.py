"""The page's side of a listener: what arrives is handed over here, and used by the thread of the server."""

from __future__ import annotations

import json
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from factory_sim.clock import us_from_ns
from factory_sim.live.page.look_back import LookBack
from factory_sim.live.page.page_answers import PageAnswers, Refusal
from factory_sim.live.page.past_figures import PastFigures
from factory_sim.live.page.picture import Picture
from factory_sim.live.page.plan import plan
from factory_sim.records import Meta, Readings
from factory_sim.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from factory_sim.live.page.conclusions import Conclusions
    from factory_sim.live.sinks.sink import Counted
    from factory_sim.records import KpiTable, Rows

MOST_WAITING = 20_000  # messages that wait for the server; samples of further ones are not shown
NO_PICTURE: dict[str, object] = {"plan_id": "", "live": False, "ended": False}


@dataclass(frozen=True, slots=True)
class Recording:
    """The recording that a page looks back into."""

    folder: Path
    run_id: str = ""  # of a run that is played again; empty: the run that is shown


class WhatIf(Protocol):
    """The changes that a page offers for a simulated feed."""

    def offered(self, constraint: str) -> Sequence[tuple[str, str]]:
        """Return changes, each with its text. `constraint` is the operation that limits the line; empty: unknown."""

    async def evaluate(self, change: str, constraint: str) -> dict[str, object]:
        """Return the effect of a change in good parts per shift, with its interval."""


class LivePage:
    """Takes what a listener receives, in its thread; `turn` and everything after it belong to the server's thread."""

    needs_kpis = False  # `conclude` brings them

    def __init__(self, root: str, *, what_if: WhatIf | None = None, recording: Recording | None = None) -> None:
        self.root, self.what_if, self.recording = root, what_if, recording
        self.picture: Picture | None = None
        self.conclude_due_s = 0.0  # before this time (of time.monotonic) the analysis need not conclude again
        self._waiting: deque[Meta | Readings | Conclusions | tuple[Rows, Conclusions]] = deque()
        self._heard_s = time.monotonic()
        self._figures = PastFigures()

    def describe(self, meta: Meta) -> None:
        """Begin the run of a description, or use a newer description of the same run."""
        self._waiting.append(meta)

    def add(self, readings: Readings) -> None:
        """Show readings."""
        is_behind = len(self._waiting) > MOST_WAITING
        self._waiting.append(Readings(readings.rows) if is_behind else readings)

    def conclude(self, found: Conclusions) -> None:
        """Show what the analysis concludes."""
        self._waiting.append(found)

    def redraw(self, rows: Rows, found: Conclusions) -> None:
        """Show another picture of the run, of a feed whose rows are concluded anew each time."""
        self._waiting.append((rows, found))

    def kpis(self, span: str, table: KpiTable) -> None:
        """Do nothing: the page shows what `conclude` brings."""

    def close_shift(self, name: str, table: KpiTable) -> None:
        """Do nothing: a recording keeps shifts."""

    def flush(self) -> None:
        """Do nothing: a page keeps nothing."""

    def close(self, losses: Counted | None) -> None:
        """Do nothing: the page shows the last picture until its server ends."""

    def turn(self) -> None:
        """Use everything that has arrived."""
        batch: list[Readings] = []
        for _ in range(len(self._waiting)):
            each = self._waiting.popleft()
            if isinstance(each, Readings):
                batch.append(each)
                continue
            self._take(batch)
            batch = []
            if isinstance(each, tuple):
                self._redraw(*each)
            elif isinstance(each, Meta):
                self._describe(each)
            elif self.picture is not None and self.picture.meta.run_id == each.meta.run_id:
                self.picture.conclude(each)
        self._take(batch)
        if self.picture is not None:
            self.picture.silent_s = time.monotonic() - self._heard_s
        self._figures.rest()

    def plan(self) -> Mapping[str, object]:
        """Return the content of /plan.json; without a feed, that of a plant without units."""
        picture = self.picture
        if picture is None:
            return {"version": VERSION, "plant": "", "run_id": "", "root": self.root, "sections": [], "operations": []}
        return plan(
            picture.meta,
            self.root,
            picture.line.places,
            has_recording=self.recording is not None,
            is_simulated=self.what_if is not None,
        )

    def full(self) -> dict[str, object]:
        """Return the whole picture."""
        return self.picture.full() if self.picture is not None else NO_PICTURE

    def answers(self) -> PageAnswers:
        """Return the answers about the present run. Raises Refusal without one."""
        past = None
        if self.recording is not None and self.picture is not None:
            run_id = self.recording.run_id or self.picture.meta.run_id
            past = LookBack(self.recording.folder, run_id, self._figures)
        return PageAnswers(self.picture, past)

    @property
    def reached_us(self) -> int:
        """The time of the latest reading that is shown [µs since the run's start]; -1: none."""
        picture = self.picture
        return -1 if picture is None else us_from_ns(picture.t_ns, picture.meta.epoch_ns)

    def constraint(self) -> str:
        """Return the operation that limits the line; empty: not known."""
        known = self.picture.conclusions if self.picture is not None else None
        path = known.path() if known is not None else []
        return path[0][0] if path else ""

    def _describe(self, meta: Meta) -> None:
        if self.picture is not None and self.picture.meta.run_id == meta.run_id:
            self.picture.meta = meta
            return
        self.picture = self._recorded(meta.run_id) or Picture(meta)
        self.picture.meta = meta

    def _recorded(self, run_id: str) -> Picture | None:
        """Return the last picture of a run that an earlier process has recorded; None: there is none."""
        if self.recording is None or self.recording.run_id:
            return None
        with suppress(Refusal):
            return LookBack(self.recording.folder, run_id).latest()
        return None

    def _redraw(self, rows: Rows, found: Conclusions) -> None:
        before, self.picture = self.picture, Picture(found.meta)
        self.picture.take([Readings(rows)])
        self.picture.readings = found.feed.readings
        self.picture.conclude(found)
        if before is None or before.t_ns != self.picture.t_ns:
            self._heard_s = time.monotonic()

    def _take(self, batch: list[Readings]) -> None:
        if batch and self.picture is not None:
            self._heard_s = time.monotonic()
            self.picture.take(batch)


def encoded(content: object) -> bytes:
    """Return JSON without spaces."""
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
