"""The study file: JSON lines, a header, then arms and trials as they finish (docs/studies.md)."""

from __future__ import annotations

import json
import platform
from typing import TYPE_CHECKING

import numpy as np

from factory_sim.errors import FactoryError
from factory_sim.study import study_json
from factory_sim.study.append_log import AppendLog
from factory_sim.study_records import Arm, Study, StudyHeader, Trial
from factory_sim.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Self

    from factory_sim.results.record import Json


class StudyError(FactoryError):
    """A study that cannot be run, or a file that cannot be used as a study."""

    exit_code = 2


def versions() -> dict[str, str]:
    """Return the versions that a study's numbers depend on, as fields of its header."""
    return {"program": VERSION, "python": platform.python_version(), "numpy": np.__version__}


def load(path: Path) -> Study:
    """Return the study in a file, without an incomplete last line. Raise StudyError."""
    _require_regular_file(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from None
    return _parsed(path, content)[0]


def is_study(path: Path) -> bool:
    """Whether a file begins like a study."""
    try:
        with path.open("rb") as file:
            return file.read(8) == b'{"study"'
    except OSError:
        return False


class Store:
    """A study file that grows; each line is on disk before the call returns. One process at a time writes it."""

    def __init__(self, path: Path, header: StudyHeader | None = None) -> None:
        """Open the study in `path`; with `header`, create one where no file is yet. Raise StudyError, LockedError."""
        self.path = path
        _require_regular_file(path)
        if header is None and not path.exists():
            raise _unreadable(path, "No such file or directory")
        first = None if header is None else study_json.dumped(study_json.header_to_json(header))
        try:
            self._file = AppendLog(path, first)
        except OSError as error:
            raise self._unwritable(error) from None
        try:
            study, size = _parsed(path, self._file.content())
            self._file.cut(size)
        except (OSError, StudyError) as error:
            self._file.close()
            raise self._unwritable(error) if isinstance(error, OSError) else error from None
        self._header = study.header
        self._arms, self._trials = dict(study.arms), dict(study.trials)

    @property
    def study(self) -> Study:
        """Everything that is in the file; arms and trials are views that grow."""
        return Study(header=self._header, arms=self._arms, trials=self._trials)

    def __enter__(self) -> Self:
        """Return the open store."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self._file.close()

    def add_words(self, words: Mapping[str, Json]) -> None:
        """Write the keys of the header whose values have changed; the latest are valid. Raise StudyError."""
        head = study_json.header_to_json(self._header)
        news = {key: value for key, value in json.loads(study_json.dumped(words)).items() if head.get(key) != value}
        if news:
            self._write({"words": news})
            self._header = study_json.header_from_json(head | news)

    def add_arm(self, arm: Arm) -> None:
        """Write an arm; one that is there already must be the same plant. Raise StudyError."""
        known = self._arms.get(arm.name)
        if known is None:
            self._write({"arm": study_json.arm_to_json(arm)})
            self._arms[arm.name] = arm
        elif known.digest != arm.digest:
            msg = (
                f"{self.path} contains trials of another plant under the name {arm.name}: its file has changed since, "
                "or this is another study.\n  Name another file with --study, or delete this one."
            )
            raise StudyError(msg)

    def add_trial(self, trial: Trial) -> None:
        """Write a finished trial. Raise StudyError when the disk is full."""
        self._write({"trial": study_json.trial_to_json(trial)})
        self._trials[trial.arm, trial.replication] = trial

    def _write(self, line: Mapping[str, Json]) -> None:
        if self._header.program != VERSION:
            msg = (
                f"{self.path} was written by version {self._header.program}; this is version {VERSION}, which can read "
                "it but not add to it.\n  The file is unchanged. Use that version, or repeat the study in another file "
                "with --study."
            )
            raise StudyError(msg)
        try:
            self._file.add(study_json.dumped(line))
        except OSError as error:
            raise self._unwritable(error) from None

    def _unwritable(self, error: OSError) -> StudyError:
        return StudyError(
            f"{self.path}: cannot be written: {error.strerror or error}. Finished trials are kept.\n"
            "  Free some space, or name another place with --study; the same command resumes the study."
        )


def _require_regular_file(path: Path) -> None:
    if path.exists() and not path.is_file():
        msg = f"{path} is not a regular file. Name another file with --study."
        raise StudyError(msg)


def _unreadable(path: Path, reason: str) -> StudyError:
    return StudyError(f"{path}: cannot be read: {reason}")


def _parsed(path: Path, content: bytes) -> tuple[Study, int]:
    """Return the study in the content of a file, and the length in bytes of its complete lines. Raise StudyError."""
    size = content.rfind(b"\n") + 1
    first, *lines = content[:size].split(b"\n") if size else [content]
    head = _head(path, first)
    arms: dict[str, Arm] = {}
    trials: dict[tuple[str, int], Trial] = {}
    for number, line in enumerate(lines[:-1], 2):
        try:
            entry = json.loads(line)
            if "arm" in entry:
                arm = study_json.arm_from_json(entry["arm"])
                arms[arm.name] = arm
            elif "words" in entry:
                head |= entry["words"]
            else:
                trial = study_json.trial_from_json(entry["trial"])
                trials[arms[trial.arm].name, trial.replication] = trial
        except (ValueError, KeyError, TypeError) as error:
            msg = f"{path}:{number}: not a line of a study ({type(error).__name__}: {error}); the file is damaged"
            raise StudyError(msg) from None
    try:
        return Study(header=study_json.header_from_json(head), arms=arms, trials=trials), size
    except (KeyError, TypeError) as error:
        msg = f"{path}:1: not a header of a study ({type(error).__name__}: {error}); the file is damaged"
        raise StudyError(msg) from None


def _head(path: Path, line: bytes) -> dict[str, Json]:
    try:
        head: dict[str, Json] = json.loads(line)
        number = head["study"]
    except (ValueError, KeyError, TypeError):
        msg = f"{path} is not a study file; it is unchanged. Name another file with --study."
        raise StudyError(msg) from None
    if number != study_json.FORMAT:
        writer = head.get("program")
        advice = f"Read it with version {writer}, or repeat" if writer else "Repeat"
        msg = (
            f"{path} is a study of format {number}, written by {f'version {writer}' if writer else 'another version'}; "
            f"this is version {VERSION}, which reads format {study_json.FORMAT}.\n  {advice} the study."
        )
        raise StudyError(msg)
    if missing := study_json.REQUIRED - head.keys():
        msg = f"{path}:1: the header lacks {', '.join(sorted(missing))}; the file is damaged"
        raise StudyError(msg)
    return head
