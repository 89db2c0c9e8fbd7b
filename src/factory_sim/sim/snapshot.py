"""A run of the compiled engine at one time, as plain arrays: the content of a snapshot file, the start of a fork."""

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
from factory_sim.version import VERSION

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from factory_sim.records import I8

FORMAT, _FORMAT_OF_0_1_0 = 5, 3
_SEAL_BYTES = sha256().digest_size
_NAMED = ("units", "start", "n_rows", "t_us", "seed", "replication", "digest", "skeleton", "numbers", "layout")
_TABLES = (*SAVED, "wanted", "due")


@dataclass(frozen=True, slots=True, eq=False)
class SavedRun:
    """All that is required to resume a run, and the rows of its past that still matter (SNAP-1)."""

    units: tuple[str, ...]  # names by id
    start: str  # of the run, as the plant has it
    n_rows: int  # rows written so far
    t_us: int  # every instant before it has been run
    seed: int
    replication: int
    digest: str  # of the plant
    skeleton: str  # digest of how the plant is built, without its parameters
    numbers: str  # digest of the tables that the run read
    layout: str  # digest of what the columns of the arrays mean, which a version may change
    tables: dict[str, NDArray[Any]]  # state columns of the engine's tables, and when events are due [µs]
    opening: EventLog  # plant.opening_rows at t_us
    rows: I8  # their indices in the log of the whole run, shape (len(opening),)

    @property
    def memory(self) -> Memory:
        """The kept rows of the run's log, to be continued."""
        return Memory(self.opening, self.rows, self.n_rows)

    def packed(self, file: str, overrides: tuple[str, ...] = (), run_id: str = "") -> bytes:
        """Return a compressed file of arrays (.npz), followed by its sha256; it contains no code.

        `file`, `overrides`: how the plant was loaded. `run_id`: under which the run is published; "": it is not.
        """
        words = {"file": file, "overrides": overrides, "run_id": run_id}
        head = {"moment": FORMAT, "version": VERSION, "words": words} | {name: getattr(self, name) for name in _NAMED}
        arrays: dict[str, Any] = {f"table_{name}": table for name, table in self.tables.items()} | {"rows": self.rows}
        arrays |= {f"opening_{column.name}": getattr(self.opening, column.name) for column in fields(EventLog)}
        archive = BytesIO()
        arrays["head"] = np.frombuffer(json.dumps(head).encode(), np.uint8)
        np.savez_compressed(archive, allow_pickle=False, **arrays)
        content = archive.getvalue()
        return content + sha256(content).digest()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Unpacked:
    """The content of a snapshot file: a run, and how its plant was loaded."""

    saved: SavedRun
    file: str
    overrides: tuple[str, ...]
    run_id: str


def unpacked(content: bytes) -> Unpacked:
    """Return the content of a file made by `packed`. Raise ModelError for anything else."""
    content, seal = content[:-_SEAL_BYTES], content[-_SEAL_BYTES:]
    if sha256(content).digest() != seal:  # first: damaged archives raise a dozen kinds of errors
        msg = "it is not a snapshot, or it is damaged"
        raise ModelError(msg)
    try:
        with np.load(BytesIO(content), allow_pickle=False) as file:
            head = json.loads(file["head"].tobytes())
            if head["moment"] != FORMAT:
                raise ModelError(_other_format(head["moment"], head.get("version", "")))
            opening = EventLog(*(file[f"opening_{column.name}"] for column in fields(EventLog)))
            named = {key: head[key] for key in _NAMED} | {"units": tuple(head["units"])}
            tables = {name: file[f"table_{name}"] for name in _TABLES}
            saved = SavedRun(**named, tables=tables, opening=opening, rows=file["rows"])
            words = head["words"]
            overrides, run_id = tuple(words["overrides"]), words["run_id"]
            return Unpacked(saved=saved, file=words["file"], overrides=overrides, run_id=run_id)
    except (ValueError, KeyError, TypeError, OSError, EOFError, zipfile.BadZipFile) as error:
        msg = f"it is not a snapshot, or it is damaged ({type(error).__name__})"
        raise ModelError(msg) from None


def _other_format(number: object, version: str) -> str:
    """Return why a file of another format is refused; formats up to 4 do not name the version that wrote them."""
    version = version or ("0.1.0" if number == _FORMAT_OF_0_1_0 else "")
    writer = f"factory_sim {version}" if version else "a development version of factory_sim, not by a release"
    advice = f"Resume it with factory_sim {version}, or save the run again" if version else "Save the run again"
    return f"it has format {number}, written by {writer}; factory_sim {VERSION} reads format {FORMAT}. {advice}"


class Memory:
    """The rows of a growing log that still matter, with their indices."""

    def __init__(self, opening: EventLog, rows: I8, n_rows: int) -> None:
        self.log, self.rows, self.n_rows = opening, rows, n_rows

    def add(self, log: EventLog) -> None:
        """Append rows."""
        self.log = EventLog.join([self.log, log])
        self.rows = np.concatenate([self.rows, np.arange(self.n_rows, self.n_rows + len(log))])
        self.n_rows += len(log)

    def forget(self, keep: I8) -> None:
        """Keep only the rows at these positions."""
        self.log, self.rows = self.log.take(keep), self.rows[keep]

    def alone(self) -> EventLog:
        """Return the rows as a log of their own; a cause that is not kept becomes -1."""
        at = np.searchsorted(self.rows, self.log.cause)
        known = (at < len(self.rows)) & (self.rows[np.minimum(at, len(self.rows) - 1)] == self.log.cause)
        return replace(self.log, cause=np.where(known, at, -1).astype(np.int32))
