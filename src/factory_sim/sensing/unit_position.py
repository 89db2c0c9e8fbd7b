"""Where vehicles are: along their way, by what their rows say of each trip.

A position is the way from the plant's first section. Nobody knows while it moves when a vehicle will arrive: it goes at
the pace that was planned, waits at the end if it is late, and is there at once if it is early.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from factory_sim.clock import us_from_s
from factory_sim.plant.states import Outcome, State
from factory_sim.sensing.channels import count_range

if TYPE_CHECKING:
    from factory_sim.plant.spec import Fleet, Plant, Sensor
    from factory_sim.records import F8, I8, EventLog, Samples

KIND = "position"


@dataclass(frozen=True, slots=True)
class _Leg:
    """From `begin_us` on between two stops (sections); the same two: standing."""

    begin_us: int
    origin: int
    stop: int


class _Vehicle:
    """One vehicle's way; the leg it is on is carried from slice to slice."""

    def __init__(self, unit: int, fleet: Fleet, plant: Plant, number: int) -> None:
        self.unit = unit
        self._home_m = np.array(fleet.distance_m[0])  # of each stop
        self._fleet = fleet
        self._stop = [o.section for o in plant.operations]
        self._origin = [
            next((plant.operations[i.operation].section for i in o.inputs if i.fleet == number), o.section)
            for o in plant.operations
        ]
        self._legs = [_Leg(0, 0, 0)]

    def follow(self, log: EventLog) -> None:
        """Learn the legs that begin in these rows."""
        self._legs = self._legs[-1:]
        mine = log.take(log.unit == self.unit)
        columns = (mine.t_us, mine.state, mine.outcome, mine.detail)
        for t_us, state, outcome, detail in zip(*(column.tolist() for column in columns), strict=True):
            at, last = self._legs[-1].stop, self._legs[-1]
            if state == State.MOVING_EMPTY:
                leg = _Leg(t_us, at, self._origin[detail])
            elif state == State.MOVING_LOADED and outcome == Outcome.TOOK:
                leg = _Leg(t_us, self._origin[detail], self._stop[detail])
            elif outcome == Outcome.PASSED:
                leg = _Leg(t_us, self._stop[detail], self._stop[detail])
            elif state == State.LOADING and last.origin == last.stop:  # it came without a trip of its own
                leg = _Leg(t_us, self._origin[detail], self._origin[detail])
            else:
                leg = _Leg(t_us, at, at)
            self._legs.append(leg)

    def at_m(self, t_us: I8) -> F8:
        """Position at moments [m]. Shape (n,)."""
        begin = np.array([leg.begin_us for leg in self._legs])
        planned = np.array([self._planned_us(leg) for leg in self._legs])
        origin, stop = (self._home_m[[getattr(leg, end) for leg in self._legs]] for end in ("origin", "stop"))
        leg = np.maximum(np.searchsorted(begin, t_us, side="right") - 1, 0)
        share = np.clip((t_us - begin[leg]) / planned[leg], 0.0, 1.0)
        found: F8 = origin[leg] + (stop[leg] - origin[leg]) * share
        return found

    def _planned_us(self, leg: _Leg) -> int:
        fleet = self._fleet
        way_m = fleet.distance_m[leg.origin][leg.stop]
        return max(us_from_s(fleet.trip.mean_s if fleet.trip is not None else way_m / fleet.speed_mps), 1)


class Positions:
    """The position sensors of a plant: they add the way to the noise that the walk has written."""

    def __init__(self, plant: Plant) -> None:
        sensors = {s.unit: s for s in plant.sensors if s.kind == KIND}
        self._sensors: list[tuple[Sensor, _Vehicle]] = [
            (sensors[unit], _Vehicle(unit, fleet, plant, number))
            for number, fleet in enumerate(plant.fleets)
            for unit in fleet.units
            if unit in sensors
        ]

    def follow(self, log: EventLog) -> None:
        """Take in the rows of a slice, before its samples."""
        for _, vehicle in self._sensors:
            vehicle.follow(log)

    def add(self, block: Samples) -> None:
        """Write positions into a block of that slice."""
        for sensor, vehicle in self._sensors:
            for column in np.flatnonzero(block.sensor == sensor.id):
                t_us = (block.first_tick + np.arange(len(block.raw))) * block.period_us
                counts = block.raw[:, column] + np.rint(vehicle.at_m(t_us) / sensor.scale)
                block.raw[:, column] = np.clip(counts, *count_range(sensor))
