"""Exceptions with a cause outside the program, and the problems of input files that they list."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class FactoryError(Exception):
    """Base class of all errors with a cause outside the program; `exit_code` is the exit code of a command."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in an input file: its place, what is wrong and what would be right.

    Attributes
    ----------
    file : str
        The file, or the name of an argument.
    line, column : int
        Counted from 1; 0 if there are no lines, as in a spreadsheet or an argument.
    key, message, hint : str
        The key, what is wrong with it, and what to write instead; `""`: none.
    """

    file: str
    line: int
    column: int
    key: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        text = f"{place}: {self.key}: {self.message}" if self.key else f"{place}: {self.message}"
        return f"{text}\n  {self.hint}" if self.hint else text


class ConfigError(FactoryError):
    """Invalid input files or options; `problems` lists every mistake with file, line, key and expectation."""

    exit_code = 2

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))

    @classmethod
    def of(cls, file: str, message: str, hint: str = "", key: str = "") -> Self:
        """Return the error of one problem that has no line: of a whole file or of the command line."""
        return cls([Problem(file, 0, 0, key, message, hint)])


class PayloadError(FactoryError):
    """A message that cannot be decoded: counted and skipped in a live feed, raised for a file."""

    def __init__(self, topic: str, payload_format: str, reason: str) -> None:
        self.topic, self.payload_format, self.reason = topic, payload_format, reason
        super().__init__(f"{topic[:200]}: not a {payload_format} message: {reason}")


class BrokerError(FactoryError):
    """A broker that cannot be started, reached or used."""

    exit_code = 3

    def __init__(self, endpoint: str, reason: str) -> None:
        self.endpoint, self.reason = endpoint, reason
        self.feed: object = None  # of `listen`: the result so far
        super().__init__(f"{endpoint}: {reason}")


class StoppedError(BrokerError):
    """An interrupt (Ctrl-C) while a broker did not answer: messages that waited for it are not delivered."""

    exit_code = 130


class DatabaseError(FactoryError):
    """A database that cannot be reached (`is_lost`), or one that refuses: another schema, a missing right, a login."""

    exit_code = 3

    def __init__(self, shown: str, reason: str, *, is_lost: bool = False) -> None:
        self.is_lost = is_lost
        super().__init__(f"{shown}: {reason}")


class BufferFullError(FactoryError):
    """A full buffer on disk while the database is away and a publisher waits for acknowledgements."""


class ConflictError(FactoryError):
    """A second run below a root on which one is live already."""


class PageError(FactoryError):
    """A live page that cannot be served."""


class ModelError(FactoryError):
    """A simulation that cannot continue, because of a deadlock or because its clock overflows."""


class TrialError(FactoryError):
    """A failed replication, with the command that reproduces it."""

    def __init__(
        self, scenario: str, replication: int, seed: int, reason: str, window_s: tuple[float, float] | None = None
    ) -> None:
        """Set the parts of the message; `window_s`, warm-up and duration, if `factory-sim run` accepts `scenario`."""
        self.scenario, self.replication, self.seed, self.reason = scenario, replication, seed, reason
        self.window_s = window_s
        again = "the same command, which resumes at this trial"
        if window_s is not None:
            again = (
                f"factory-sim run {shlex.quote(scenario)} --seed {seed} --replication {replication} "
                f"--warm-up {window_s[0]!r}s --duration {window_s[1]!r}s --log trial.parquet"
            )
        super().__init__(f"{scenario}, replication {replication}, seed {seed}: {reason}\n  Reproduce: {again}")

    def __reduce__(self) -> tuple[Any, ...]:
        """Return what pickle needs to restore the error from a worker process."""
        return type(self), (self.scenario, self.replication, self.seed, self.reason, self.window_s)


class MissingExtraError(FactoryError):
    """A library that is not installed because it belongs to an extra."""

    exit_code = 2

    def __init__(self, what: str, extra: str) -> None:
        self.extra = extra
        super().__init__(f"{what} requires an extra: pip install 'smart-factory-sim[{extra}]'")


_LIBRARIES = {
    "cluster": "distributed",
    "excel": "openpyxl",
    "history": "duckdb",
    "optimise": "optuna",
    "page": "uvicorn",
    "plots": "matplotlib",
    "postgresql": "psycopg",
    "report": "jinja2",
    "validate": "hypothesis",
}


def require_extra(extra: str, what: str) -> None:
    """Raise MissingExtraError unless the library of an extra is installed; `what` begins the message."""
    if find_spec(_LIBRARIES[extra]) is None:
        raise MissingExtraError(what, extra)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return 'Did you mean x?' for the nearest known word, else a list of at most twelve known words."""
    names = sorted(set(known))
    near = get_close_matches(word, names, n=1, cutoff=0.6)
    if near:
        return f"Did you mean {near[0]}?"
    shown = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
    return f"Known: {shown}." if names else ""
