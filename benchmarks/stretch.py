"""A stretch of the reference line's telemetry, and how much of everything a quick look takes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from factory_sim import registry
from factory_sim.plant.describe import describe
from factory_sim.records import Window
from factory_sim.sensing.sample import Sensing
from factory_sim.sim.run import Simulation

if TYPE_CHECKING:
    from factory_sim.plant.spec import Plant
    from factory_sim.records import EventLog, Meta, Readings

QUICK = bool(os.environ.get("FACTORY_SIM_BENCH_QUICK"))
H_US = 3_600_000_000
ROUNDS = 2 if QUICK else 5


@dataclass(frozen=True, slots=True)
class Stretch:
    """Some hours of the reference line, an hour after it started, in slices of a minute."""

    plant: Plant
    meta: Meta
    logs: list[tuple[EventLog, int]]  # rows and end [µs] of each slice
    readings: list[Readings]

    @property
    def count(self) -> int:
        return sum(each.count() for each in self.readings)


def sensed(plant: Plant, meta: Meta, logs: list[tuple[EventLog, int]]) -> list[Readings]:
    """The readings of every slice."""
    sensing = Sensing(plant, seed=1, replication=0, epoch_ns=meta.epoch_ns, t0_us=meta.window.t0_us)
    return [sensing.sample(log, t1_us) for log, t1_us in logs]


def make() -> Stretch:
    """The reference line's."""
    plant = registry.load("gearbox_line")
    window = Window(H_US, H_US + (H_US // 6 if QUICK else 4 * H_US))
    simulation = Simulation(plant, warm_up_us=window.t0_us, until_us=window.t1_us)
    logs = [(piece.log, piece.t1_us) for piece in simulation.slices(60_000_000)]
    meta = describe(plant, "bench", 0, window)
    return Stretch(plant, meta, logs, sensed(plant, meta, logs))
