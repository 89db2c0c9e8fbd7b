"""The study file: JSON lines, a header, then arms and trials as they come. docs/studies.md is its description."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np

from factory_sim.errors import FactoryError
from factory_sim.records import Arm, Study, Trial
from factory_sim.study import trial_details
from factory_sim.study.append_log import Appended
from factory_sim.study.trial import Setting
from factory_sim.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Self

FORMAT = 1
_SETTING = ("seed", "warm_up_s", "duration_s", "bin_s")
_MADE_BY = ("program", "python", "numpy")
_NO_DIGITS = {*_MADE_BY, "engine"}


class StudyError(FactoryError):
    """A study that cannot be made, or a file that cannot be used as one."""

    exit_code = 2


def versions() -> dict[str, str]:
    """What makes the digits of a study."""
    return {"program": VERSION, "python": platform.python_version(), "numpy": np.__version__}


def header(setting: Setting, warm_up: Mapping[str, Any]) -> dict[str, Any]:
    """The first line of a new study."""
    return {"study": FORMAT, **versions(), **asdict(setting), "warm_up": dict(warm_up)}


def setting_of(study: Study) -> Setting:
    """What all its trials have in common."""
    return Setting(**{name: study.header[name] for name in Setting.__slots__ if name in study.header})


def load(path: Path) -> Study:
    """The study in a file, a torn last line left out. Raises StudyError."""
    _refuse_what_is_no_file(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from None
    return _parsed(path, content)[0]


def is_study(path: Path) -> bool:
    """Whether a file looks like a study; a plant's does not."""
    try:
        with path.open("rb") as file:
            return file.read(8) == b'{"study"'
    except OSError:
        return False


def digest(study: Study) -> str:
    """sha256 of what was simulated and what came out, whoever simulated it, in whatever order."""
    head = {key: value for key, value in study.header.items() if key not in _NO_DIGITS}
    arms = [_plain(study.arms[name]) for name in sorted(study.arms)]
    trials = [trial_digest(study.trials[key]) for key in sorted(study.trials)]
    return sha256(json.dumps([head, arms, trials], sort_keys=True).encode()).hexdigest()


def trial_digest(trial: Trial) -> str:
    """sha256 of what one trial found."""
    return sha256(json.dumps(_plain(replace(trial, seconds=0.0)), sort_keys=True).encode()).hexdigest()


class Store:
    """A study file that grows: what is appended is on disk before the call returns; one process at a time writes it."""

    def __init__(self, path: Path, head: Mapping[str, Any] | None = None) -> None:
        """Opens the study in `path`; with `head`, begins one where no file is yet. Raises StudyError, HeldError."""
        self.path = path
        _refuse_what_is_no_file(path)
        if head is None and not path.exists():
            raise _unreadable(path, "No such file or directory")
        try:
            self._file = Appended(path, None if head is None else _dumped(head))
        except OSError as error:
            raise self._unwritable(error) from None
        try:
            study, size = _parsed(path, self._file.content())
            self._file.cut(size)  # without a line that a killed program left unfinished
        except (OSError, StudyError) as error:
            self._file.close()
            raise self._unwritable(error) if isinstance(error, OSError) else error from None
        self._head, self._arms, self._trials = dict(study.header), dict(study.arms), dict(study.trials)
        self.study = Study(self._head, self._arms, self._trials)

    def __enter__(self) -> Self:
        """The open store."""
        return self

    def __exit__(self, *_: object) -> None:
        """Closes the file."""
        self._file.close()

    def add_words(self, words: Mapping[str, Any]) -> None:
        """Keep words of the header where they say something else than so far: the latest win. Raises StudyError."""
        news = {key: value for key, value in json.loads(_dumped(words)).items() if self._head.get(key) != value}
        if news:
            self._write({"words": news})
            self._head |= news

    def add_arm(self, arm: Arm) -> None:
        """Keep an arm; one that is there already must be the same plant. Raises StudyError."""
        known = self._arms.get(arm.name)
        if known is None:
            self._write({"arm": _plain(arm)})
            self._arms[arm.name] = arm
        elif known.digest != arm.digest:
            msg = (
                f"{self.path} holds trials of another plant under the name {arm.name}: its file has changed since, or "
                "this is another study.\n  Name another file with --study, or delete this one."
            )
            raise StudyError(msg)

    def add_trial(self, arm: str, replication: int, content: Mapping[str, Any]) -> None:
        """Keep a finished trial. Raises StudyError when the disk is full."""
        line = {"arm": arm, "replication": replication, **content}
        self._write({"trial": line})
        self._trials[arm, replication] = _trial(json.loads(json.dumps(line)))

    def _write(self, line: Mapping[str, Any]) -> None:
        made_by, here = self.study.header["program"], versions()["program"]
        if made_by != here:
            msg = (
                f"{self.path} was made by version {made_by}; this is version {here}, which reads it but does not add "
                "to it.\n  It is left as it is. Use its own version, or make the study again in another file: --study."
            )
            raise StudyError(msg)
        try:
            self._file.add(_dumped(line))
        except OSError as error:
            raise self._unwritable(error) from None

    def _unwritable(self, error: OSError) -> StudyError:
        return StudyError(
            f"{self.path}: cannot be written: {error.strerror or error}. Finished trials are kept.\n"
            "  Make room, or name another place with --study; the same command goes on where this one stopped."
        )


def _dumped(line: Mapping[str, Any]) -> str:
    return json.dumps(dict(line), ensure_ascii=False, allow_nan=False)


def _refuse_what_is_no_file(path: Path) -> None:
    if path.exists() and not path.is_file():
        msg = f"{path} is no file that can be read again. Name another with --study."
        raise StudyError(msg)


def _unreadable(path: Path, reason: str) -> StudyError:
    return StudyError(f"{path}: cannot be read: {reason}")


def _parsed(path: Path, content: bytes) -> tuple[Study, int]:
    """The study in the content of a file, and the length in bytes of its whole lines. Raises StudyError."""
    size = content.rfind(b"\n") + 1
    first, *lines = content[:size].split(b"\n") if size else [content]
    head = _head(path, first)
    arms: dict[str, Arm] = {}
    trials: dict[tuple[str, int], Trial] = {}
    for number, line in enumerate(lines[:-1], 2):
        try:
            entry = json.loads(line)
            if "arm" in entry:
                arm = Arm(**{key: _frozen(value) for key, value in entry["arm"].items()})
                arms[arm.name] = arm
            elif "words" in entry:
                head |= entry["words"]
            else:
                trial = _trial(entry["trial"])
                trials[arms[trial.arm].name, trial.replication] = trial
        except (ValueError, KeyError, TypeError) as error:
            msg = f"{path}:{number}: not a line of a study ({type(error).__name__}: {error}); the file is damaged"
            raise StudyError(msg) from None
    return Study(head, arms, trials), size


def _head(path: Path, line: bytes) -> dict[str, Any]:
    try:
        head = json.loads(line)
        number = head["study"]
    except (ValueError, KeyError, TypeError):
        msg = f"{path} is not a study file, and is left as it is. Name another file with --study."
        raise StudyError(msg) from None
    if number != FORMAT:
        made = head.get("program", "?")
        msg = (
            f"{path} is a study of format {number}, made by version {made}; this is version "
            f"{VERSION}, which reads format {FORMAT}.\n  Read it with its own version, or make it again."
        )
        raise StudyError(msg)
    if missing := {*_SETTING, *_MADE_BY, "warm_up"} - head.keys():
        msg = f"{path}:1: the header lacks {', '.join(sorted(missing))}; the file is damaged"
        raise StudyError(msg)
    return dict(head)


def _trial(entry: Mapping[str, Any]) -> Trial:
    return Trial(
        entry["arm"],
        entry["replication"],
        entry["seconds"],
        {name: np.nan if value is None else float(value) for name, value in entry["line"].items()},
        {name: np.array(values, np.float64) for name, values in entry["operation"].items()},
        {name: np.array(values, np.float64) for name, values in entry["state_share"].items()},
        np.array(entry["out"], np.int64),
        np.array(entry["wip"], np.int64),
        tuple((section, reason, by, float(hours)) for section, reason, by, hours in entry.get("losses", ())),
        trial_details.codes(entry["strip"]) if "strip" in entry else "",
    )


def _plain(record: Arm | Trial) -> dict[str, Any]:
    return {name: _jsonable(value) for name, value in asdict(record).items()}


def _jsonable(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _jsonable(child) for key, child in value.items()}
    if isinstance(value, np.ndarray):
        return [_jsonable(child) for child in value.tolist()]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _frozen(value: Any) -> Any:
    return tuple(_frozen(child) for child in value) if isinstance(value, list) else value
