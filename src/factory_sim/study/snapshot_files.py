"""Snapshot files: `run --save` writes them, `run --resume` resumes them, `whatif` forks them."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from factory_sim.errors import FactoryError, ModelError
from factory_sim.plant.yaml.plant_tables import is_table
from factory_sim.sim.run import resume_to_end
from factory_sim.sim.snapshot import SavedRun, unpacked
from factory_sim.study.append_log import has_content

if TYPE_CHECKING:
    from factory_sim.plant.spec import Plant
    from factory_sim.sim.run import Run

_ARCHIVE = b"PK\x03\x04"


class SnapshotError(FactoryError):
    """A file that is not a snapshot, or one that does not fit."""

    exit_code = 2


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """A saved state of a run, and how its plant was loaded: a file, and changes as typed."""

    saved: SavedRun
    file: str
    overrides: tuple[str, ...] = ()
    run_id: str = ""  # of the published run that it was taken of; "": that run was not published
    sha: str = ""  # of the file that it was read from

    def save(self, path: str | Path) -> None:
        """Write it to a file, which is complete at any time. Raise SnapshotError."""
        _write(Path(path), self.saved.packed(self.file, self.overrides, self.run_id))

    def dated(self, plant: Plant) -> Plant:
        """Return the plant with the start of the saved run, from which its calendar follows."""
        return replace(plant, start=self.saved.start)

    def begin(self, seed: int, replication: int, warm_up_s: float) -> tuple[int, int, float]:
        """Return seed, replication and time [s] of the resumed run. Raise SnapshotError where others are given."""
        if (seed, replication, warm_up_s) != (1, 0, 0.0):
            msg = "A snapshot has its own seed, replication and warm-up. Leave out --seed, --replication and --warm-up."
            raise SnapshotError(msg)
        return self.saved.seed, self.saved.replication, self.saved.t_us / 1e6

    def check(self, plant: Plant, path: str) -> None:
        """Raise SnapshotError when `plant`, loaded as it was then, has changed."""
        if plant.digest != self.saved.digest:
            msg = (
                f"{path}: {self.file} has changed since the snapshot was saved: it is a different plant now.\n"
                f"  Its digest was {self.saved.digest[:16]} and is {plant.digest[:16]}. Save the snapshot again."
            )
            raise SnapshotError(msg)


def snapshot_beside(study: Path) -> Path:
    """Return the file in which a study keeps the snapshot that it starts from."""
    return study.with_name(study.name.removesuffix(".jsonl").removesuffix(".study") + ".study.npz")


def copy_beside(path: str, study: Path) -> Snapshot:
    """Return the snapshot in a file; a new study keeps a copy of it. Raise SnapshotError."""
    content, copy = _content(path), snapshot_beside(study)
    snapshot = _parsed(path, content)
    if not (has_content(study) and copy.exists()):  # a copy without its study is outdated
        _write(copy, content)
    return snapshot


def read(path: str | Path) -> Snapshot:
    """Return the snapshot in a file. Raise SnapshotError."""
    return _parsed(path, _content(path))


def is_snapshot(path: str) -> bool:
    """Whether a file is a snapshot, complete or not; of the other archives only tables are plants."""
    try:
        with Path(path).open("rb") as file:
            return file.read(len(_ARCHIVE)) == _ARCHIVE and not is_table(Path(path))
    except OSError:
        return False


def run_future(path: str, sha: str, plant: Plant, until_us: int, number: int) -> Run:
    """Resume the snapshot in a file with `plant`, in one of many futures; number 0 is the run's own.

    Raise SnapshotError when the file has another sha256, and ModelError.
    """
    saved = _verified(path, sha).saved
    return resume_to_end(plant, saved, until_us=until_us, replication=saved.replication + number)


def _write(path: Path, content: bytes) -> None:
    part = path.with_name(path.name + ".part")
    try:
        part.write_bytes(content)
        part.replace(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        msg = f"{path}: cannot be written: {error.strerror or error}"
        raise SnapshotError(msg) from None


def _content(path: str | Path) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        msg = f"{path}: cannot be read: {error.strerror or error}"
        raise SnapshotError(msg) from None


def _parsed(path: str | Path, content: bytes) -> Snapshot:
    try:
        found = unpacked(content)
    except ModelError as error:
        msg = f"{path}: {error}"
        raise SnapshotError(msg) from None
    return Snapshot(found.saved, found.file, found.overrides, found.run_id, sha256(content).hexdigest())


@lru_cache(maxsize=2)
def _verified(path: str, sha: str) -> Snapshot:
    snapshot = read(path)
    if snapshot.sha != sha:
        msg = f"{path} has changed since the study was started from it. Name another file with --study."
        raise SnapshotError(msg)
    return snapshot
