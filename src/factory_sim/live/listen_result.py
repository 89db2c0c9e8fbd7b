"""The answer of `listen`, made without the simulator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from factory_sim.analysis.trust.finding import CLOCK_SKEW
from factory_sim.records import CLOCK_DOUBT
from factory_sim.results.feed import ClockDoubt, Doubt, FeedCounts, ListenResult, RecordResult, WindowKpis
from factory_sim.views.kpi_dict import kpi_values

if TYPE_CHECKING:
    from factory_sim import records
    from factory_sim.live.listen import Listener

_SIZES = {"stuck": "min", "drop_out": "readings", CLOCK_SKEW: "s", "rows_lost": "rows"}


def feed_counts(listener: Listener) -> FeedCounts:
    """Return what has arrived so far."""
    assert listener.feed is not None
    losses, counts = listener.feed.losses(), listener.counts
    return FeedCounts(
        readings=losses.received,
        messages=counts.messages,
        lost=losses.lost,
        duplicates=losses.duplicates,
        damaged=losses.damaged,
        foreign=losses.foreign,
        skipped=counts.skipped,
        late=losses.late,
    )


def record_result(listener: Listener) -> RecordResult:
    """Return what a recorder has received. Raises NoFeedError before its first reading."""
    meta = listener.checked().feed.meta
    return RecordResult(
        plant=meta.plant,
        run_id=meta.run_id,
        root=listener.root,
        ended=listener.ended,
        feed=feed_counts(listener),
        conflicts=tuple(listener.conflicts),
    )


def listen_result(listener: Listener, table: records.KpiTable) -> ListenResult:
    """Return what a listener has received and concluded."""
    meta = listener.meta
    assert meta is not None
    sensors = {sensor.id: sensor for sensor in meta.sensors}
    distrusted = tuple(
        Doubt(
            unit=meta.units[each.unit].name,
            sensor=sensors[each.sensor].name if each.sensor >= 0 else None,
            what=each.kind,
            from_us=each.t0_us,
            to_us=each.t1_us,
            size=each.size,
            size_unit=_SIZES.get(each.kind) or sensors[each.sensor].unit_text,
            reason=each.reason,
            excluded=each.excluded,
        )
        for each in listener.trust.findings
    )
    return ListenResult(
        plant=meta.plant,
        run_id=meta.run_id,
        root=listener.root,
        payload_format=listener.payload_format,
        ended=listener.ended,
        window_us=(table.window.t0_us, table.window.t1_us),
        feed=feed_counts(listener),
        distrusted=distrusted,
        energy_by_states=tuple(meta.units[unit].name for unit in listener.trust.by_states(meta)),
        kpis=kpi_values(table),
        clock_doubt=tuple(
            ClockDoubt(unit=meta.units[each.unit].name, ahead_s=each.size, kpis=_doubted(table))
            for each in listener.trust.findings
            if each.is_clock_skew
        ),
        joined_us=listener.joined_us,
        conflicts=tuple(listener.conflicts),
        unfinished=tuple(listener.unfinished),
        kpis_of="shift" if listener.windows is not None and listener.windows.is_rolling else "run",
        windows=_windows(listener),
    )


def _doubted(table: records.KpiTable) -> tuple[str, ...]:
    """Return the KPIs that carry the doubt about clocks."""
    return tuple(name for name, kpi in table.kpis.items() if any(mark.startswith(CLOCK_DOUBT) for mark in kpi.marks))


def _windows(listener: Listener) -> dict[str, WindowKpis]:
    assert listener.windows is not None
    tables, shifts = listener.windows.tables(), listener.windows.shift_names
    return {
        name: WindowKpis(
            window_us=(table.window.t0_us, table.window.t1_us), shift=shifts.get(name, ""), kpis=kpi_values(table)
        )
        for name, table in tables.items()
    }
