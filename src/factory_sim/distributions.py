"""Distributions of durations and their text form, such as "lognormal(37 s, cv 0.1)"."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from factory_sim import units
from factory_sim.errors import did_you_mean


@dataclass(frozen=True, slots=True)
class Distribution:
    """A distribution of a duration [s], with the meaning of its parameters by kind.

    constant(a) · exponential(a = mean) · lognormal(a = mean, b = cv) · gamma(a = mean, b = cv) ·
    weibull(a = mean, b = shape) · triangular(a = low, b = mode, c = high) · uniform(a = low, b = high) ·
    empirical(values, ascending, each equally likely).
    """

    kind: str
    a: float = 0.0
    b: float = 0.0
    c: float = 0.0
    values: tuple[float, ...] = ()

    @property
    def mean_s(self) -> float:
        """Return the expected value [s]."""
        if self.kind == "triangular":
            return (self.a + self.b + self.c) / 3
        if self.kind == "uniform":
            return (self.a + self.b) / 2
        if self.kind == "empirical":
            return math.fsum(self.values) / len(self.values)
        return self.a

    def scaled(self, factor: float) -> Distribution:
        """Return the distribution of the duration times `factor`."""
        if self.kind == "triangular":
            return Distribution(self.kind, self.a * factor, self.b * factor, self.c * factor)
        if self.kind == "uniform":
            return Distribution(self.kind, self.a * factor, self.b * factor)
        return Distribution(self.kind, self.a * factor, self.b, self.c, tuple(v * factor for v in self.values))

    def __str__(self) -> str:
        arguments = [
            f"{getattr(self, name):.12g} s" if not label else f"{label} {getattr(self, name):.12g}"
            for name, label in zip("abc", FORMS.get(self.kind, ()), strict=False)
        ]
        if self.kind == "empirical":
            arguments = [f"{v:.12g} s" for v in self.values]
        return arguments[0] if self.kind == "constant" else f"{self.kind}({', '.join(arguments)})"


# kind -> label of each argument: "" for a duration, "cv" and "shape" for a positive number
FORMS: dict[str, tuple[str, ...]] = {
    "constant": ("",),
    "exponential": ("",),
    "lognormal": ("", "cv"),
    "gamma": ("", "cv"),
    "weibull": ("", "shape"),
    "triangular": ("", "", ""),
    "uniform": ("", ""),
}
EXAMPLES = (
    "37 s, exponential(37 s), lognormal(37 s, cv 0.1), gamma(37 s, cv 0.3), erlang(37 s, k 4), "
    "weibull(15 min, shape 1.4), triangular(30 s, 37 s, 50 s), uniform(30 s, 40 s), empirical(30 s, 35 s, 41 s), "
    "empirical(times.csv)"
)
_DECIMAL_COMMA = re.compile(r"(?<=\d),(?=\d)")
_CALL = re.compile(r"\s*([A-Za-z_]+)\s*\((.*)\)\s*", re.DOTALL)


def parse(text: str) -> Distribution:
    """Return the distribution that `text` describes; raise ValueError with what was expected.

    The plant loader replaces a file named in empirical(...) by its values before.
    """
    try:
        return _parsed(text)
    except ValueError as error:
        with_points = _DECIMAL_COMMA.sub(".", str(text))
        if "(" not in with_points or not _is_valid(with_points):
            raise
        msg = f"{error}. If a comma is a decimal mark, write {with_points}"
        raise ValueError(msg) from None


def _is_valid(text: str) -> bool:
    try:
        _parsed(text)
    except ValueError:
        return False
    return True


def _parsed(text: str) -> Distribution:
    call = _CALL.fullmatch(text) if isinstance(text, str) else None
    if call is None:
        return constant(units.parse(text, "time"))
    kind, arguments = call[1].lower(), [part.strip() for part in call[2].split(",")]
    if kind == "empirical":
        return empirical([units.parse(part, "time") for part in arguments])
    if kind == "erlang":
        return _erlang(arguments)
    if kind not in FORMS:
        msg = f"{kind!r} is not a distribution. {did_you_mean(kind, [*FORMS, 'erlang', 'empirical'])}"
        raise ValueError(msg)
    labels = FORMS[kind]
    if len(arguments) != len(labels):
        msg = f"{kind} takes {len(labels)} values, got {len(arguments)}; for example: {EXAMPLES}"
        raise ValueError(msg)
    values = [_argument(part, label) for part, label in zip(arguments, labels, strict=True)]
    a, b, c = (*values, 0.0, 0.0)[:3]
    return checked(Distribution(kind, a, b, c))


def _argument(part: str, label: str) -> float:
    if not label:
        return units.parse(part, "time")
    if not part.startswith(label):
        msg = f"expected {label} and a number, such as '{label} 0.1', got {part!r}"
        raise ValueError(msg)
    return units.parse(part.removeprefix(label).strip(" ="), "number")


def _erlang(arguments: list[str]) -> Distribution:
    if len(arguments) != 2:
        msg = "erlang takes a mean and a number of phases, such as erlang(37 s, k 4)"
        raise ValueError(msg)
    phases = _argument(arguments[1], "k")
    if phases < 1 or phases != int(phases):
        msg = f"erlang needs a whole number of phases k, at least 1, got {arguments[1]!r}"
        raise ValueError(msg)
    return checked(Distribution("gamma", units.parse(arguments[0], "time"), 1 / math.sqrt(phases)))


def constant(seconds: float) -> Distribution:
    """Return the distribution of a fixed duration [s]."""
    return checked(Distribution("constant", seconds))


def empirical(seconds: list[float]) -> Distribution:
    """Return the distribution of measured durations [s], each equally likely."""
    return checked(Distribution("empirical", values=tuple(sorted(seconds))))


def checked(d: Distribution) -> Distribution:
    """Return `d` unchanged; raise ValueError if one of its parameters is out of range."""
    msg = ""
    if min((d.a, *d.values)) < 0:
        msg = "a duration cannot be negative"
    elif d.kind in {"exponential", "lognormal", "gamma", "weibull"} and d.a <= 0:
        msg = f"the mean of {d.kind} must be above 0"
    elif d.kind in {"lognormal", "gamma"} and not 0.01 <= d.b <= 10:
        msg = f"cv must be between 0.01 and 10, got {d.b:g}; for a fixed duration write the duration alone"
    elif d.kind == "weibull" and not 0.2 <= d.b <= 50:
        msg = f"shape must be between 0.2 and 50, got {d.b:g}"
    elif d.kind == "triangular" and not d.a <= d.b <= d.c:
        msg = "triangular needs low <= mode <= high"
    elif d.kind == "uniform" and not d.a <= d.b:
        msg = "uniform needs low <= high"
    elif d.kind == "empirical" and not d.values:
        msg = "empirical needs at least one duration"
    if msg:
        raise ValueError(msg)
    return d
