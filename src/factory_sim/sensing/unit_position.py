"""Positions of vehicles along their way, derived from the rows of each trip.

A position is the distance from the plant's first section. The arrival of a moving vehicle is not known yet: it moves at
the planned pace, waits at the end if it is late, and is there at once if it is early.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from factory_sim.clock import us_from_s
from factory_sim.plant.states import Outcome, State
from factory_sim.sensing.channels import count_range

if TYPE_CHECKING:
    from factory_sim.plant.spec import Fleet, Plant, Sensor
    from factory_sim.records import F8, I8, EventLog, Samples

KIND = "position"


class _Leg(NamedTuple):
    """A trip from `begin_us` on between two stops (sections); the same two: standing."""

    begin_us: int
    origin: int
    stop: int


class _Vehicle:
    """One vehicle's way; its last leg is carried from slice to slice."""

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
        """Add the legs that begin in these rows."""
        self._legs = self._legs[-1:]
        mine = log.take(log.unit == self.unit)
        columns = (mine.t_us, mine.state, mine.outcome, mine.detail)
        for t_us, state, outcome, detail in zip(*(column.tolist() for column in columns), strict=True):
            _, origin, at = self._legs[-1]
            if state == State.MOVING_EMPTY:
                ends = at, self._origin[detail]
            elif state == State.MOVING_LOADED and outcome == Outcome.TOOK:
                ends = self._origin[detail], self._stop[detail]
            elif outcome == Outcome.PASSED:
                ends = self._stop[detail], self._stop[detail]
            elif state == State.LOADING and origin == at:  # it was at the sender and needed no trip
                ends = self._origin[detail], self._origin[detail]
            else:
                ends = at, at
            self._legs.append(_Leg(t_us, *ends))

    def at_m(self, t_us: I8) -> F8:
        """Return the position at times `t_us` [m], shape (n,)."""
        begin, origin, stop = np.array(self._legs).T
        planned = np.array([self._planned_us(leg) for leg in self._legs])
        leg = np.maximum(np.searchsorted(begin, t_us, side="right") - 1, 0)
        share = np.clip((t_us - begin[leg]) / planned[leg], 0.0, 1.0)
        from_m, to_m = self._home_m[origin[leg]], self._home_m[stop[leg]]
        found: F8 = from_m + (to_m - from_m) * share
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
        """Process the rows of a slice, before its samples."""
        for _, vehicle in self._sensors:
            vehicle.follow(log)

    def add(self, block: Samples) -> None:
        """Add the positions to a block of that slice."""
        for sensor, vehicle in self._sensors:
            for column in np.flatnonzero(block.sensor == sensor.id):
                t_us = (block.first_tick + np.arange(len(block.raw))) * block.period_us
                counts = block.raw[:, column] + np.rint(vehicle.at_m(t_us) / sensor.scale)
                block.raw[:, column] = np.clip(counts, *count_range(sensor))
