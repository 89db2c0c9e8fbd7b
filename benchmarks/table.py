"""A row of the table that `factory-sim bench` prints."""

from __future__ import annotations

from typing import Any


def noted(benchmark: Any, value: float, unit: str, against: str, ratio: float | None = None) -> None:
    """A value, and what it is held against; a ratio above 1 is better."""
    benchmark.extra_info.update(value=value, unit=unit, against=against, ratio=ratio)


def held(benchmark: Any, value: float, unit: str, most: float) -> None:
    """A value that may be at most `most`."""
    noted(benchmark, value, unit, f"{most:g} {unit}", most / value)
