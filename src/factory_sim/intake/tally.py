"""What a reader skipped, by reason, each with a count and an example."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Skipped:
    """Observations or messages skipped for one reason."""

    reason: str
    count: int
    example: str


class Tally:
    """Counts by reason; memory is limited because reasons are fixed texts and each keeps one example."""

    def __init__(self) -> None:
        self._by_reason: dict[str, Skipped] = {}
        self.where = ""  # file and line or topic in front of examples

    def add(self, reason: str, example: str = "", count: int = 1) -> None:
        """Count something skipped."""
        found = self._by_reason.get(reason)
        if found is None:
            place = f"{self.where}: " if self.where and example else self.where
            self._by_reason[reason] = Skipped(reason, count, f"{place}{example[:200]}")
        else:
            found.count += count

    def plus(self, other: Tally) -> Tally:
        """Return the counts of both."""
        both = Tally()
        for tally in (self, other):
            both.add_difference(tally, Tally())
        return both

    def add_difference(self, before: Tally, after: Tally) -> None:
        """Count what `before` has counted and `after` has not."""
        for each in before.entries():
            if gone := each.count - after.count(each.reason):
                self._by_reason.setdefault(each.reason, Skipped(each.reason, 0, each.example)).count += gone

    def entries(self) -> list[Skipped]:
        """Return every reason, the most frequent first."""
        return sorted(self._by_reason.values(), key=lambda each: (-each.count, each.reason))

    def count(self, reason: str) -> int:
        """Return how often a reason has occurred."""
        found = self._by_reason.get(reason)
        return found.count if found else 0
