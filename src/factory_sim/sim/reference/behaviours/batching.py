"""A furnace: several parts at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from factory_sim.clock import us_from_s
from factory_sim.sim.event_classes import Class

if TYPE_CHECKING:
    from factory_sim.sim.reference.station import Station, Taken


def ready(station: Station) -> Taken | None:
    """Take up to `size` parts once `minimum` wait, or at the timeout since the oldest arrived (BATCH-1)."""
    parts, batch, line = station.inputs[0].parts, station.spec.batch, station.line
    if batch is None or not parts:
        return None
    due_us = parts[0][2] + us_from_s(batch.timeout_s)
    if len(parts) >= batch.minimum or (batch.timeout_s and due_us <= line.now):
        return [parts.popleft() for _ in range(min(batch.size, len(parts)))], ()
    if batch.timeout_s and station.alarm_us < due_us:
        station.alarm_us = due_us
        timer = line.timer(due_us - line.now, Class.TIMEOUT, station.machines[0].unit)
        timer.callbacks.append(lambda _: line.dirty.add(station.index))
    return None
