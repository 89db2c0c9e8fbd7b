"""A run of the compiled engine at one moment, as plain arrays: what a file keeps and what a fork starts from."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass, fields, replace
from hashlib import sha256
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from factory_sim.errors import ModelError
from factory_sim.records import EventLog
from factory_sim.sim.calendar.tables import SAVED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from factory_sim.records import I8

FORMAT = 4
_SEAL_BYTES = sha256().digest_size
_NAMED = ("units", "n_rows", "t_us", "seed", "replication", "digest", "skeleton", "numbers", "layout")
_TABLES = (*SAVED, "wanted", "due")


@dataclass(frozen=True, slots=True, eq=False)
class Saved:
    """All that a run needs to go on, and the rows of its past that still matter."""

    units: tuple[str, ...]  # names by id
    n_rows: int  # rows written so far
    t_us: int  # everything before this moment has happened
    seed: int
    replication: int
    digest: str  # of the plant
    skeleton: str  # digest of how the plant is built, its numbers left out
    numbers: str  # digest of the tables that the run read
    layout: str  # digest of what the columns of the arrays mean, which a version may change
    tables: dict[str, NDArray[Any]]  # state columns of the engine's tables, and when events are due [µs]
    opening: EventLog  # sim.run.opening_rows at the moment
    rows: I8  # their numbers in the log of the whole run, shape (len(opening),)

    @property
    def memory(self) -> Memory:
        """What is remembered of the run's log, to be gone on with."""
        return Memory(self.opening, self.rows, self.n_rows)

    def packed(self, words: Mapping[str, Any]) -> bytes:
        """As a compressed file of arrays (.npz), with `words` beside it, its sha256 behind; nothing in it is code."""
        head = {"moment": FORMAT, "words": dict(words)} | {name: getattr(self, name) for name in _NAMED}
        arrays: dict[str, Any] = {f"table_{name}": table for name, table in self.tables.items()} | {"rows": self.rows}
        arrays |= {f"opening_{column.name}": getattr(self.opening, column.name) for column in fields(EventLog)}
        file = BytesIO()
        arrays["head"] = np.frombuffer(json.dumps(head).encode(), np.uint8)
        np.savez_compressed(file, allow_pickle=False, **arrays)
        content = file.getvalue()
        return content + sha256(content).digest()


def unpacked(content: bytes) -> tuple[Saved, dict[str, Any]]:
    """What `packed` made, and its words. Raises ModelError for anything else."""
    content, seal = content[:-_SEAL_BYTES], content[-_SEAL_BYTES:]
    if sha256(content).digest() != seal:  # first: readers of archives meet damage with a dozen kinds of errors
        msg = "it is no saved moment, or damaged"
        raise ModelError(msg)
    try:
        with np.load(BytesIO(content), allow_pickle=False) as file:
            head = json.loads(file["head"].tobytes())
            if head["moment"] != FORMAT:
                msg = f"it is of format {head['moment']}, and this version reads format {FORMAT}"
                raise ModelError(msg)
            opening = EventLog(*(file[f"opening_{column.name}"] for column in fields(EventLog)))
            named = {key: head[key] for key in _NAMED} | {"units": tuple(head["units"])}
            tables = {name: file[f"table_{name}"] for name in _TABLES}
            return Saved(**named, tables=tables, opening=opening, rows=file["rows"]), head["words"]
    except (ValueError, KeyError, TypeError, OSError, EOFError, zipfile.BadZipFile) as error:
        msg = f"it is no saved moment, or damaged ({type(error).__name__})"
        raise ModelError(msg) from None


class Memory:
    """Remembers of a growing log the rows that still matter, with their numbers."""

    def __init__(self, opening: EventLog, rows: I8, n_rows: int) -> None:
        self.log, self.rows, self.n_rows = opening, rows, n_rows

    def add(self, log: EventLog) -> None:
        """The next rows."""
        self.log = EventLog.join([self.log, log])
        self.rows = np.concatenate([self.rows, np.arange(self.n_rows, self.n_rows + len(log))])
        self.n_rows += len(log)

    def forget(self, keep: I8) -> None:
        """Only the rows with these positions still matter."""
        self.log, self.rows = self.log.take(keep), self.rows[keep]

    def alone(self) -> EventLog:
        """The rows as a log of their own: a cause that is forgotten is none."""
        at = np.searchsorted(self.rows, self.log.cause)
        known = (at < len(self.rows)) & (self.rows[np.minimum(at, len(self.rows) - 1)] == self.log.cause)
        return replace(self.log, cause=np.where(known, at, -1).astype(np.int32))
