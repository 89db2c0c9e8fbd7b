"""Delete the oldest days of a recording."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from factory_sim.recordings import layout

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How much of a recording is kept. The newest day and all closed shifts always stay."""

    days: float = 0.0  # largest age of a day, counted from the newest one; 0: any
    size: int = 0  # largest size of samples and rows [bytes]; 0: any

    def __bool__(self) -> bool:
        return bool(self.days or self.size)


def forget(folder: Path, keep: Retention) -> dict[str, int]:
    """Delete the oldest days until the rest is young and small enough; return their dates and sizes [bytes]."""
    layout.check(folder)
    by_day: dict[str, list[Path]] = {}
    for run in layout.runs(folder):
        for path in run.days:
            by_day.setdefault(path.name, []).append(path)
    sizes = {day: sum(map(_size, by_day[day])) for day in sorted(by_day)}
    total, gone = sum(sizes.values()), {}
    for day in list(sizes)[:-1]:
        age = (date.fromisoformat(max(sizes)) - date.fromisoformat(day)).days
        if not (keep.days and age >= keep.days) and not (keep.size and total > keep.size):
            break
        for path in by_day[day]:
            for file in path.iterdir():
                file.unlink()
            path.rmdir()
        total, gone[day] = total - sizes[day], sizes[day]
    return gone


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir())
