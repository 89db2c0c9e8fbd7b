"""Folders and files of a recording (docs/recordings.md).

recording.json                                  format and program
runs/0001/meta.json, source.json                description of the run; the root of its topics
runs/0001/samples/<period>/<day>/<first>-<stop>.parquet   ticks [first, stop) x sensors, raw counts
runs/0001/rows/<day>/<number>.parquet           event rows
runs/0001/tail/<number>-<what>.arrows           what is not in Parquet yet
runs/0001/losses.json, shifts/<name>.json       readings lost; closed shifts
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, unquote

from factory_sim.clock import NS_PER_US, datetime_from_ns
from factory_sim.errors import FactoryError
from factory_sim.file_lock import LockedError, lock
from factory_sim.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import BinaryIO

FORMAT = 1
MARK = "recording.json"
DAMAGED = ".damaged"  # ends the name of a tail file of which a continued recording contains only what could be read
_PART = re.compile(r"(\d+)-(\d+)\.(day|[0-9a-f]{8})\.parquet")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
# From an older format to the next: functions that rewrite a folder in place. Format 1 is the first.
MIGRATIONS: dict[int, Callable[[Path], None]] = {}


class RecordingError(FactoryError):
    """A recording that cannot be read or written."""


class NotARecordingError(RecordingError):
    """A folder that is not a recording, or a missing one: invalid input."""

    exit_code = 2


class Part(NamedTuple):
    """A Parquet file of samples: ticks [first, stop)."""

    path: Path
    first: int
    stop: int


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The files of one run."""

    path: Path

    @property
    def meta(self) -> Path:
        """The description."""
        return self.path / "meta.json"

    @property
    def source(self) -> Path:
        """Where the readings came from."""
        return self.path / "source.json"

    @property
    def root(self) -> str:
        """The first levels of the topics of the recorded feed. Raises RecordingError."""
        try:
            return str(json.loads(self.source.read_bytes())["root"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            msg = f'{self.source}: cannot be read: {error}. Write the root of the topics there: {{"root": "line/feed"}}'
            raise RecordingError(msg) from None

    @property
    def tail(self) -> Path:
        """The folder of readings that are not in Parquet yet."""
        return self.path / "tail"

    @property
    def losses(self) -> Path:
        """The readings received and lost."""
        return self.path / "losses.json"

    @property
    def closed_shifts(self) -> list[str]:
        """The names of the closed shifts, such as "2026-01-05/early"."""
        return sorted(unquote(path.stem) for path in (self.path / "shifts").glob("*.json"))

    def closed_shift(self, name: str) -> Path:
        """Return the file of a closed shift."""
        return self.path / "shifts" / f"{quote(name, safe='')}.json"

    def samples(self, period_us: int) -> Path:
        """Return the folder of the samples of one period."""
        return self.path / "samples" / str(period_us)

    def sample_parts(self, period_us: int, first: int, stop: int) -> list[Part]:
        """Return the files with ticks in [first, stop), by first tick."""
        found = []
        for path in self.samples(period_us).glob("*/*.parquet"):
            if (name := _PART.fullmatch(path.name)) is None:  # not a file of ours
                continue
            part = Part(path, int(name[1]), int(name[2]))
            if part.first < stop and part.stop > first:
                found.append(part)
        return sorted(found, key=lambda part: (part.first, part.path.name))

    def row_parts(self) -> list[Path]:
        """Return the files of event rows in the order in which they were written."""
        found = (self.path / "rows").glob("*/*.parquet")
        return sorted((path for path in found if path.stem.isdigit()), key=lambda path: path.name)

    @property
    def days(self) -> list[Path]:
        """The folders of samples and of rows, each of one day."""
        found = (*self.path.glob("samples/*/*"), *self.path.glob("rows/*"))
        return [path for path in found if _DAY.fullmatch(path.name)]


def day_of(us: int, epoch_ns: int, timezone: str) -> str:
    """Return the date of an instant of a run in the plant's time zone."""
    return datetime_from_ns(us * NS_PER_US + epoch_ns, timezone).date().isoformat()


def create(folder: Path) -> None:
    """Make `folder` a recording, or check that it is one. Raises RecordingError."""
    mark = folder / MARK
    if not mark.exists():
        begun = {f".{MARK}.new"}  # left by a kill
        if folder.exists() and any(path.name not in begun for path in folder.iterdir()):
            msg = f"{folder}: is not a recording, and not empty. Name a new folder."
            raise NotARecordingError(msg)
        folder.mkdir(parents=True, exist_ok=True)
        replace(mark, json.dumps({"format": FORMAT, "program": f"factory_sim {VERSION}"}).encode())
    check(folder)


def check(folder: Path) -> None:
    """Raise RecordingError unless `folder` is a recording of this format; migrate an older one."""
    mark = folder / MARK
    try:
        found = json.loads(mark.read_text(encoding="utf-8"))
        version, program = int(found["format"]), str(found.get("program", "another program"))
    except (FileNotFoundError, NotADirectoryError):
        nearest = next(iter(sorted(folder.parent.glob(f"*/{MARK}"))), None)
        hint = f" Did you mean {nearest.parent}?" if nearest else ""
        msg = f"{folder}: is not a recording: it contains no {MARK}.{hint}"
        raise NotARecordingError(msg) from None
    except (ValueError, KeyError, TypeError, OSError) as error:
        msg = f"{mark}: cannot be read: {error}"
        raise RecordingError(msg) from None
    while version in MIGRATIONS:
        MIGRATIONS[version](folder)
        version += 1
    if version != FORMAT:
        msg = f"{folder}: has format {version}, written by {program}; factory_sim {VERSION} reads format {FORMAT}."
        raise RecordingError(msg)


def locked(folder: Path) -> BinaryIO:
    """Make `folder` a recording and lock it until the file returned is closed. Raises LockedError."""
    create(folder)
    file = (folder / MARK).open("r+b")
    try:
        lock(file, folder)
    except LockedError:
        file.close()
        raise
    return file


def runs(folder: Path) -> list[RunFolder]:
    """Return the runs of a recording, the oldest first. Raises RecordingError for a link to another place."""
    found = [RunFolder(path) for path in sorted((folder / "runs").glob("*")) if path.name.isdigit()]
    found = [run for run in found if run.meta.exists()]
    inside = folder.resolve()
    for run in found:
        for path in (run.path, run.tail, *run.path.glob("samples/*"), *run.days):
            if not path.resolve().is_relative_to(inside):
                msg = f"{path}: lies outside the recording: {path.resolve()}. Remove the link, or name that folder."
                raise RecordingError(msg)
    return found


def replace(path: Path, content: bytes) -> None:
    """Write a file so that a kill leaves the old or the new content."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as fresh:
        fresh.write_bytes(content)


class replacing:  # noqa: N801 - a context manager, named as a verb
    """Yield a temporary path that becomes `path` once its content is on the disk."""

    def __init__(self, path: Path) -> None:
        self._path, self._fresh = path, path.with_name(f".{path.name}.new")

    def __enter__(self) -> Path:
        return self._fresh

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            self._fresh.unlink(missing_ok=True)
            return
        sync(self._fresh)
        self._fresh.replace(self._path)
        sync_folder(self._path.parent)


def sync(path: Path) -> None:
    """Wait until the content of a file is on the disk."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    """Wait until the names in a folder are on the disk, where the system can."""
    if os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def left_behind(folder: Path) -> Iterator[Path]:
    """Yield files that a killed writer has not finished."""
    yield from folder.rglob(".*.new")
