"""The time of machines by loss category, beside the KPIs of any log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from factory_sim.results.record import Record

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class StopLosses(Record):
    """The time of each machine by loss category, after the stop rules."""

    losses_s: Mapping[str, Mapping[str, float]]  # unit -> category -> seconds
    loss_table: Mapping[str, tuple[str, ...]]  # category -> states and stops
