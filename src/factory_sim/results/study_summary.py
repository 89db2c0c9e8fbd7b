"""What the answer of every study reports about its trials."""

from __future__ import annotations

from dataclasses import dataclass

from factory_sim.results.record import Json, Record, to_json

GIVEN, PILOT, SNAPSHOT = "given", "pilot", "moment"  # "moment": the word of study files, kept for their digests


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmUp(Record):
    """How the warm-up of a study was decided."""

    by: str  # GIVEN, PILOT or SNAPSHOT
    mser5_s: float | None = None  # of pilots: the latest end by MSER-5 of all plants
    fill_s: float | None = None  # of pilots: the longest time in which the buffers fill
    settled: bool | None = None  # of pilots: every plant settled within its pilot
    file: str | None = None  # of a snapshot: the file as it was named

    def to_dict(self) -> dict[str, Json]:
        """Return the fields that apply."""
        return {name: to_json(value) for name, value in Record.to_dict(self).items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class StudySummary(Record):
    """The runs behind an answer."""

    seed: int
    warm_up_s: float
    duration_s: float
    warm_up: WarmUp
    trials: int
    digest: str  # sha256 of what was simulated and found; independent of workers and interruptions
