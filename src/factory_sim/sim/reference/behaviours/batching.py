"""A furnace: several parts at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from factory_sim.clock import us_from_s
from factory_sim.sim.event_classes import Class

if TYPE_CHECKING:
    from factory_sim.sim.reference.station import Station, Taken


def ready(station: Station) -> Taken | None:
    """Up to `size` parts once `minimum` wait, or at the timeout since the oldest arrived."""
    parts, batch = station.inputs[0].parts, station.spec.batch
    if batch is None or not parts:
        return None
    if len(parts) >= batch.minimum or (batch.timeout_s and _due_us(station) <= station.line.now):
        return [parts.popleft() for _ in range(min(batch.size, len(parts)))], ()
    if batch.timeout_s and station.alarm_us < _due_us(station):
        station.alarm_us = _due_us(station)
        delay_us = station.alarm_us - station.line.now
        station.line.timer(delay_us, Class.TIMEOUT, station.machines[0].unit, lambda _: _wake(station))
    return None


def _due_us(station: Station) -> int:
    batch = station.spec.batch
    return station.inputs[0].parts[0][2] + us_from_s(batch.timeout_s if batch is not None else 0.0)


def _wake(station: Station) -> None:
    station.line.dirty |= station.bit
