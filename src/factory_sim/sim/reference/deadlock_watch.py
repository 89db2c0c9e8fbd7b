"""The reference model's search for deadlocks. Twin: calendar/deadlock_search.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

from factory_sim.errors import ModelError
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

    A deadlock that leaves machines at work contains a part that waits to go back for rework, and arises when a machine
    becomes blocked. Any other stops the whole plant (DEAD-3).
    """

    def __init__(self, plant: Plant, stations: list[Station], sources: dict[int, Source]) -> None:
        self._plant, self._stations, self._sources = plant, stations, sources
        self._reworking = [machine for s in stations if s.rework is not None for machine in s.machines]

    def look(self, now_us: int, *, newly_blocked: bool) -> int:
        """Raise ModelError on a deadlock; return until when no look is needed, unless a machine becomes blocked."""
        busy_us = self._busy_until(now_us)
        if busy_us < 0 or (newly_blocked and any(map(_holds_rework, self._reworking))):
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
    parts += [part for buffer in station.inputs for part, _, _ in buffer.parts]
    return OperationStatus(
        len(done) + len(idle) < len(machines) or any(map(_awaits_vehicle, done)),
        {machine.place.index for machine in done},
        bool(idle),
        [i for i, buffer in enumerate(station.inputs) if not _enough(buffer)],
        {number[id(origin[part])] for part in parts},
    )


def _awaits_vehicle(machine: Machine) -> bool:
    return isinstance(machine.place, Calls) and machine.place.awaits_vehicle(machine)


def _holds_rework(machine: Machine) -> bool:
    return machine.phase == DONE and machine.place is machine.station.rework


def _enough(buffer: Buffer) -> bool:
    """Return whether a machine can start, now or when parts on their way have come (DEAD-6)."""
    on_the_way = buffer.reserved or (buffer.conveyor is not None and buffer.conveyor.belt)
    return bool(on_the_way) or len(buffer.parts) + len(buffer.senders) >= buffer.spec.starts_with
