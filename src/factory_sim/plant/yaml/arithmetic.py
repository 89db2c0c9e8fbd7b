"""Arithmetic with values in the form of plant files: "37 s" times 0.9 is "33.3 s"."""

from __future__ import annotations

from typing import Any

from factory_sim import distributions, units
from factory_sim.units import AMOUNT


def scaled(value: Any, factor: float) -> Any:
    """Return `value`, or each value in a list or mapping, times `factor`; raise ValueError for other texts."""
    if isinstance(value, dict):
        return {key: scaled(child, factor) for key, child in value.items()}
    if isinstance(value, list):
        return [scaled(child, factor) for child in value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _tidy(value * factor)
    amount = AMOUNT.fullmatch(value) if isinstance(value, str) else None
    if amount is not None:
        return f"{float(amount[1]) * factor:.15g} {amount[2]}".strip()
    if isinstance(value, str) and "(" in value:
        return str(distributions.parse(value).scaled(factor))
    msg = f"{value!r} cannot be scaled: it is not a quantity"
    raise ValueError(msg)


def added(value: Any, text: str, sign: int) -> Any:
    """Return `value` plus `sign` times the amount `text`, both in units of one dimension; raise ValueError."""
    old, new = AMOUNT.fullmatch(str(value)), AMOUNT.fullmatch(text)
    if isinstance(value, bool) or old is None or new is None:
        msg = f"{text!r} cannot be added to {value!r}: use = or *"
        raise ValueError(msg)
    if value == 0 and new[2]:  # the default of a quantity, which has no unit
        return f"{sign * float(new[1]):.15g} {new[2]}"
    if isinstance(value, int | float):
        return _tidy(value + sign * units.parse(text, "number"))
    if old[2] == new[2]:
        return f"{float(old[1]) + sign * float(new[1]):.15g} {old[2]}".strip()
    for dimension, known in units.UNITS.items():
        if old[2] in known and new[2] in known and (old[2] and new[2]):
            total = units.parse(str(value), dimension) + sign * units.parse(text, dimension)
            return f"{total / known[old[2]]:.15g} {old[2]}"
    msg = f"{text!r} cannot be added to {value!r}: the units differ"
    raise ValueError(msg)


def renumbered(names: list[str], text: str, sign: int, operation: str) -> list[str]:
    """Return the names of an operation's machines with `text` more or fewer; raise ValueError.

    Additional ones are named as those of a count are: OP10-3.
    """
    count = len(names) + sign * int(text) if text.isdigit() else 0
    if count < 1:
        msg = f"{text!r} cannot be {'added to' if sign > 0 else 'taken from'} {len(names)} named machines"
        raise ValueError(msg)
    return names[:count] + [f"{operation}-{n + 1}" for n in range(len(names), count)]


def _tidy(number: float) -> float | int:
    """Return a whole number for a value close to one, so that counts remain whole."""
    nearest = round(number)
    return nearest if abs(number - nearest) < 1e-9 * max(1.0, abs(number)) else number
