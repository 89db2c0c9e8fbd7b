"""The protocol of what keeps the readings of a feed, and several of these as one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from factory_sim.records import KpiTable, Meta, Readings


class Counted(Protocol):
    """The readings of a run."""

    @property
    def received(self) -> int:
        """Readings that arrived."""

    @property
    def lost(self) -> int:
        """Readings that did not."""


class Sink(Protocol):
    """Keeps the readings and KPIs of a feed. The same reading may be added any number of times; it is kept once."""

    @property
    def needs_kpis(self) -> bool:
        """Whether the KPIs of the windows have to be computed while the feed runs."""

    def describe(self, meta: Meta) -> None:
        """Begin the run of a description, or keep a newer description of the same run."""

    def add(self, readings: Readings) -> None:
        """Keep readings; they are safe after the next `flush`, which `add` calls when it is due."""

    def kpis(self, span: str, table: KpiTable) -> None:
        """Keep the KPIs of a window of the present run; a later table of the same span and start replaces them.

        span : kind of window: "run", "hour", "15 min", "shift", ...
        """

    def close_shift(self, name: str, table: KpiTable) -> None:
        """Keep the KPIs of a finished shift, such as "2026-01-05/early"; only the first call for a shift counts."""

    def flush(self) -> None:
        """Wait until everything added is safe: an acknowledgement lets the publisher delete it."""

    def close(self, losses: Counted | None) -> None:
        """End the run; it continues if more of it arrives later."""


class Several:
    """Several sinks as one; an error of one leaves the others closed properly."""

    def __init__(self, *sinks: Sink) -> None:
        self._sinks = sinks

    @property
    def needs_kpis(self) -> bool:
        """Whether one of them needs KPIs."""
        return any(each.needs_kpis for each in self._sinks)

    def describe(self, meta: Meta) -> None:
        """Describe the run to each."""
        for each in self._sinks:
            each.describe(meta)

    def add(self, readings: Readings) -> None:
        """Add readings to each."""
        for each in self._sinks:
            each.add(readings)

    def kpis(self, span: str, table: KpiTable) -> None:
        """Keep KPIs in each."""
        for each in self._sinks:
            each.kpis(span, table)

    def close_shift(self, name: str, table: KpiTable) -> None:
        """Close a shift in each."""
        for each in self._sinks:
            each.close_shift(name, table)

    def flush(self) -> None:
        """Wait until everything is safe in each."""
        for each in self._sinks:
            each.flush()

    def close(self, losses: Counted | None) -> None:
        """Close each, also if one fails."""
        first, *others = self._sinks
        try:
            first.close(losses)
        finally:
            if others:
                Several(*others).close(losses)
