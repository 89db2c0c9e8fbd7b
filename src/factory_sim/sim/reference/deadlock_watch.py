"""The reference model's search for deadlocks. Twin: calendar/deadlock_search.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

from factory_sim.errors import ModelError
from factory_sim.plant.states import Outcome
from factory_sim.sim.deadlock import OperationStatus, blocked, cycle_message
from factory_sim.sim.reference.fleet import Calls
from factory_sim.sim.reference.machines.phase import DONE, EMPTY, SETUP, WORK

if TYPE_CHECKING:
    from factory_sim.plant.spec import Plant
    from factory_sim.sim.reference.machines.machine import Machine
    from factory_sim.sim.reference.source import Source
    from factory_sim.sim.reference.station import Buffer, Station


class DeadlockWatch:
    """Looks for deadlocks in one run.

    A deadlock that leaves machines at work contains a part that waits to go back for rework. Any other stops the whole
    plant (DEAD-3).
    """

    def __init__(self, plant: Plant, stations: list[Station], sources: dict[int, Source]) -> None:
        self._plant, self._stations, self._sources = plant, stations, sources

    def look(self, now_us: int, *, always: bool) -> int:
        """Raise ModelError on a deadlock; return until when no look is needed, unless a part waits to go back.

        `always`: look for one even while machines work.
        """
        busy_us = self._busy_until(now_us)
        if busy_us < 0 or always:
            waits = self._waits()
            if waits:
                raise ModelError(cycle_message(now_us, waits, self._plant))
        return max(busy_us, now_us + 1)

    def _busy_until(self, now_us: int) -> int:
        """Return until when some machine certainly has work; -1: none has."""
        for station in self._stations:
            for machine in station.machines:
                if SETUP <= machine.phase <= WORK:
                    return machine.started_us + machine.left_us if machine.started_us >= 0 else now_us
        return -1

    def _waits(self) -> dict[int, dict[int, str]]:
        out = {i for i, source in self._sources.items() if source.awaits_card}
        number = {id(source): i for i, source in self._sources.items()}
        return blocked(self._plant, [_status(station, number) for station in self._stations], out)


def _status(station: Station, number: dict[int, int]) -> OperationStatus:
    machines, origin = station.machines, station.line.parts.origin
    done = [machine for machine in machines if machine.phase == DONE]
    idle = [machine for machine in machines if machine.phase == EMPTY]
    parts = [part for machine in machines for part in machine.held]
    parts += [part for stock in (station.rack, *station.inputs) for part, _, _ in stock.parts]
    return OperationStatus(
        len(done) + len(idle) < len(machines) or any(map(_awaits_vehicle, done)),
        {machine.place.index for machine in done if machine.outcome != Outcome.REWORK},
        {machine.place.index for machine in done if machine.outcome == Outcome.REWORK},
        bool(idle),
        [i for i, buffer in enumerate(station.inputs) if not _enough(buffer)],
        {number[id(origin[part])] for part in parts},
    )


def _awaits_vehicle(machine: Machine) -> bool:
    return isinstance(machine.place, Calls) and machine.place.awaits_vehicle(machine)


def _enough(buffer: Buffer) -> bool:
    """Return whether a machine can start, now or when parts on their way have come (DEAD-6)."""
    station, rack, first = buffer.station, buffer.station.rack, buffer is buffer.station.inputs[0]
    waiting, again = len(buffer.parts) + len(buffer.senders), len(rack.parts) + len(rack.senders)
    if again and station.spec.batch is None and (first or not station.spec.rework_components):
        return True
    on_the_way = buffer.reserved or (buffer.conveyor is not None and buffer.conveyor.belt)
    return bool(on_the_way) or waiting + (again if first else 0) >= buffer.spec.starts_with
