"""What `whatif` reports while it refines its interval; its final answer is that of `compare`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from factory_sim.results.record import Record

if TYPE_CHECKING:
    from factory_sim.results.estimate import Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class InterimResult(Record):
    """The change of one scenario's line rate after some of the pairs."""

    scenario: str
    line_rate: Estimate  # change [%]; `n` is the number of pairs
