"""Tables of exact values: a JSON file whose top-level lists contain one row per value."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from factory_sim.errors import ConfigError, Problem, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

# What a key may also be called.
ALIASES = {
    "lam": ("lambda", "arrival_rate"),
    "mu": ("service_rate",),
    "c": ("servers", "machines"),
    "b": ("buffers",),
    "N": ("stations", "n"),
    "W": ("cards", "population"),
    "K": ("system_capacity",),
    "value": ("exact",),
}
DEFAULT_MODEL = "saturated tandem line"  # of rows that name none but have mu and b


@dataclass(frozen=True, slots=True)
class Row:
    """One exact value: what it is a value of, and the parameters it belongs to."""

    file: str
    key: str  # where it stands: "ctmc[3]"
    name: str
    model: str
    metric: str
    value: float
    fields: Mapping[str, Any]

    def refuse(self, key: str, message: str, hint: str = "") -> NoReturn:
        """Raise ConfigError about `key` of this row."""
        raise ConfigError([Problem(self.file, 0, 0, f"{self.key} {self.name!r}: {key}", message, hint)])

    def refuse_overload(self, what: str, load: float) -> None:
        """Raise ConfigError when more parts arrive than `what` can serve."""
        if load >= 1.0:
            self.refuse("lam", f"{what} would be loaded to {load:.3g}; below 1 a long-run value exists")

    def has(self, key: str) -> bool:
        """Return whether the row contains `key`."""
        return any(name in self.fields for name in (key, *ALIASES.get(key, ())))

    def raw(self, key: str) -> Any:
        """Return the value of `key` as the file has it."""
        names = [name for name in (key, *ALIASES.get(key, ())) if name in self.fields]
        if not names:
            self.refuse(key, f"is missing; {self.model!r} needs it", did_you_mean(key, self.fields))
        return self.fields[names[0]]

    def number(self, key: str, default: float | None = None, *, low: float = 0.0, open_low: bool = True) -> float:
        """Return a number above `low`, or at least `low` without `open_low`."""
        if default is not None and not self.has(key):
            return default
        return self._checked(key, self.raw(key), low, open_low)

    def whole(self, key: str, default: int | None = None, *, low: int = 1) -> int:
        """Return a whole number, at least `low`."""
        value = self.number(key, default, low=low, open_low=False)
        if value != int(value):
            self.refuse(key, f"expected a whole number, at least {low}, got {value:g}")
        return int(value)

    def numbers(
        self, key: str, n: int, default: float | None = None, *, low: float = 0.0, open_low: bool = True
    ) -> list[float]:
        """Return `n` numbers: a list of that length, or one number for all."""
        if default is not None and not self.has(key):
            return [default] * n
        value = self.raw(key)
        if not isinstance(value, list):
            value = [value] * n
        if len(value) != n:
            self.refuse(key, f"expected {n} values, one a station, or a single number; got {len(value)}")
        return [self._checked(f"{key}[{i}]", each, low, open_low) for i, each in enumerate(value)]

    def wholes(self, key: str, n: int, default: int | None = None, *, low: int = 1) -> list[int]:
        """Return `n` whole numbers, at least `low`."""
        values = self.numbers(key, n, default, low=low, open_low=False)
        if any(value != int(value) for value in values):
            self.refuse(key, f"expected whole numbers, at least {low}, got {values}")
        return [int(value) for value in values]

    def choice(self, key: str, known: tuple[str, ...], default: str) -> str:
        """Return one of the `known` words."""
        word = str(self.raw(key)).lower() if self.has(key) else default
        if word not in known:
            self.refuse(key, f"{word!r} is not known here; known: {', '.join(known)}", did_you_mean(word, known))
        return word

    def _checked(self, key: str, value: Any, low: float, open_low: bool) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            self.refuse(key, f"expected a number, got {value!r}")
        if value < low or (open_low and value == low):
            least = "above" if open_low else "of at least"
            self.refuse(key, f"expected a number {least} {low:g}, got {value:g}")
        return float(value)


def read(path: str | Path) -> list[Row]:
    """Return every row of every top-level list. Raises ConfigError with all problems of the file."""
    file = str(path)
    content = _content(file)
    tables = {"rows": content} if isinstance(content, list) else content
    if not isinstance(tables, dict):
        raise _unusable(file, "expected an object with lists of rows, such as {'ctmc': [...]}")
    rows: list[Row] = []
    problems: list[Problem] = []
    for name, table in tables.items():
        for i, fields in enumerate(table if isinstance(table, list) else ()):
            try:
                rows.append(_row(file, f"{name}[{i}]", fields))
            except ConfigError as error:
                problems += error.problems
    if problems:
        raise ConfigError(problems)
    if not rows:
        raise _unusable(file, "holds no rows; expected top-level lists of objects with model, metric and value")
    return rows


def _content(file: str) -> Any:
    try:
        return json.loads(Path(file).read_text(encoding="utf-8"))
    except OSError as error:
        raise _unusable(file, f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise _unusable(file, "is not text in UTF-8; expected a JSON table of exact values") from None
    except json.JSONDecodeError as error:
        raise ConfigError([Problem(file, error.lineno, error.colno, "", f"is not JSON: {error.msg}")]) from None
    except RecursionError:
        raise _unusable(file, "is nested too deeply for a table of exact values") from None


def _unusable(file: str, message: str) -> ConfigError:
    return ConfigError([Problem(file, 0, 0, "", message)])


def _row(file: str, key: str, fields: Any) -> Row:
    if not isinstance(fields, dict):
        message = f"expected an object with model, metric and value, got {fields!r:.60}"
        raise ConfigError([Problem(file, 0, 0, key, message)])
    name = str(fields.get("name", key))
    row = Row(file, key, name, "", "", math.nan, fields)
    model = fields.get("model", DEFAULT_MODEL if {"mu", "b"} <= fields.keys() else None)
    if not isinstance(model, str):
        row.refuse("model", "is missing; it names the model that the value belongs to")
    metric = fields.get("metric", "throughput" if "throughput" in fields else None)
    if not isinstance(metric, str):
        row.refuse("metric", "is missing; it names what the value measures")
    row = replace(row, model=model, metric=metric)
    return replace(row, value=row.number(metric if metric in fields else "value", low=-math.inf))
