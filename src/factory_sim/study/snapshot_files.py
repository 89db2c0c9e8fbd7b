"""Saved moments as files: `run --save` writes them, `run --resume` goes on from them, `whatif` branches from them."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from factory_sim.errors import FactoryError, ModelError
from factory_sim.plant.yaml.tables import is_table
from factory_sim.sim.run import continued
from factory_sim.sim.snapshot import Saved, unpacked
from factory_sim.study.append_log import is_begun

if TYPE_CHECKING:
    from factory_sim.plant.spec import Plant
    from factory_sim.sim.run import Run


_ARCHIVE = b"PK\x03\x04"


class MomentError(FactoryError):
    """A file that is no saved moment, or one that does not fit."""

    exit_code = 2


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """A run at a moment, and how its plant was loaded: a file, and changes as typed."""

    saved: Saved
    file: str
    overrides: tuple[str, ...] = ()
    sha: str = ""  # of the file that it was read from

    def save(self, path: str | Path) -> None:
        """Keep it in a file, which is whole at any time. Raises MomentError when it cannot be written."""
        write(Path(path), self)

    def begins(self, seed: int, replication: int, warm_up_s: float) -> tuple[int, int, float]:
        """Seed, replication and beginning [s] of what goes on from here. Raises MomentError where others are given."""
        if (seed, replication, warm_up_s) != (1, 0, 0.0):
            msg = "a saved moment has its own seed, replication and past: leave --seed, --replication, --warm-up away"
            raise MomentError(msg)
        return self.saved.seed, self.saved.replication, self.saved.t_us / 1e6

    def check(self, plant: Plant, path: str) -> None:
        """Raises MomentError when `plant`, loaded as it was then, is another one now."""
        if plant.digest != self.saved.digest:
            msg = (
                f"{path}: {self.file} has changed since the moment was saved: it is another plant now.\n"
                f"  Its digest was {self.saved.digest[:16]} and is {plant.digest[:16]}. Save the moment again."
            )
            raise MomentError(msg)


def write(path: Path, moment: Moment) -> None:
    """Keep a moment in a file, which is whole at any time. Raises MomentError when it cannot be written."""
    _write(path, moment.saved.packed({"file": moment.file, "overrides": moment.overrides}))


def beside(study: Path) -> Path:
    """Where the moment is kept that a study began with."""
    return study.with_name(study.name.removesuffix(".jsonl").removesuffix(".study") + ".study.npz")


def copied(path: str, study: Path) -> Moment:
    """The moment in a file, as it is now; a study that begins keeps a copy of it. Raises MomentError."""
    content, kept = _content(path), beside(study)
    moment = _moment(path, content)
    if not (is_begun(study) and kept.exists()):  # a copy without a study is of one that is gone
        _write(kept, content)
    return moment


def _write(path: Path, content: bytes) -> None:
    part = path.with_name(path.name + ".part")
    try:
        part.write_bytes(content)
        part.replace(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        msg = f"{path}: cannot be written: {error.strerror or error}"
        raise MomentError(msg) from None


def read(path: str | Path) -> Moment:
    """The moment in a file. Raises MomentError."""
    return _moment(path, _content(path))


def _content(path: str | Path) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        msg = f"{path}: cannot be read: {error.strerror or error}"
        raise MomentError(msg) from None


def _moment(path: str | Path, content: bytes) -> Moment:
    try:
        saved, words = unpacked(content)
    except ModelError as error:
        msg = f"{path}: {error}"
        raise MomentError(msg) from None
    return Moment(saved, words["file"], tuple(words["overrides"]), sha256(content).hexdigest())


def is_moment(path: str) -> bool:
    """Whether a file holds a saved moment, whole or not: of the archives only tables are plants."""
    try:
        with Path(path).open("rb") as file:
            return file.read(len(_ARCHIVE)) == _ARCHIVE and not is_table(Path(path))
    except OSError:
        return False


def future(path: str, sha: str, plant: Plant, until_us: int, number: int) -> Run:
    """What `plant` does from the moment in a file on, in one of many futures; number 0 is the run's own.

    The file must be the one with that digest. Raises MomentError, ModelError.
    """
    moment = _known(path, sha)
    replication = moment.saved.replication + number
    return continued(plant, moment.saved, until_us=until_us, replication=replication)


@lru_cache(maxsize=2)
def _known(path: str, sha: str) -> Moment:
    moment = read(path)
    if moment.sha != sha:
        msg = f"{path} is another moment than when the study began. Name another file with --study."
        raise MomentError(msg)
    return moment
