"""Every error that a user can cause, each finishing its sentence."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class FactoryError(Exception):
    """Base of all errors with a cause outside this program. `exit_code` is what the command line returns."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in an input file: where it stands, what it is, what would be right."""

    file: str
    line: int  # from 1; 0 when the file has no lines (a spreadsheet, the command line)
    column: int  # from 1
    key: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        text = f"{place}: {self.key}: {self.message}" if self.key else f"{place}: {self.message}"
        return f"{text}\n  {self.hint}" if self.hint else text


class ConfigError(FactoryError):
    """An input file or option that cannot be used; carries all of its problems at once."""

    exit_code = 2

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class PayloadError(FactoryError):
    """A message that cannot be decoded. Live: counted and skipped; offline: raised."""

    def __init__(self, topic: str, payload_format: str, reason: str) -> None:
        self.topic, self.payload_format, self.reason = topic, payload_format, reason
        super().__init__(f"{topic[:200]}: not a {payload_format} message: {reason}")


class BrokerError(FactoryError):
    """A broker that cannot be started, reached or used."""

    exit_code = 3

    def __init__(self, endpoint: str, reason: str) -> None:
        self.endpoint, self.reason = endpoint, reason
        super().__init__(f"{endpoint}: {reason}")


class StoppedError(BrokerError):
    """A broker that said nothing when the program was asked to end (Ctrl-C): what waited for it is not delivered."""

    exit_code = 130


class ModelError(FactoryError):
    """A run that cannot go on: parts blocked in a circle, a clock that overflows."""


class TrialError(FactoryError):
    """A replication that failed; says how to run it again."""

    def __init__(
        self, scenario: str, replication: int, seed: int, reason: str, window_s: tuple[float, float] | None = None
    ) -> None:
        """window_s: warm-up and length of the run, where `scenario` is what `factory-sim run` takes; else None."""
        self.scenario, self.replication, self.seed, self.reason = scenario, replication, seed, reason
        self.window_s = window_s
        again = "the same command, which goes on at this trial"
        if window_s is not None:
            again = (
                f"factory-sim run {shlex.quote(scenario)} --seed {seed} --replication {replication} "
                f"--warm-up {window_s[0]!r}s --duration {window_s[1]!r}s --log trial.parquet"
            )
        super().__init__(f"{scenario}, replication {replication}, seed {seed}: {reason}\n  Reproduce: {again}")

    def __reduce__(self) -> tuple[Any, ...]:
        """A worker's error arrives whole."""
        return type(self), (self.scenario, self.replication, self.seed, self.reason, self.window_s)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """'Did you mean x?' for the nearest known word, else the list of what is known (at most twelve)."""
    names = sorted(set(known))
    near = get_close_matches(word, names, n=1, cutoff=0.6)
    if near:
        return f"Did you mean {near[0]}?"
    shown = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
    return f"Known: {shown}." if names else ""
