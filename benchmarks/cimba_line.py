"""The plain standard line as cimba writes it: compiled processes on counted levels of parts and of room.

In a file of its own, because cimba reads the types of its models when they are defined, and run as a program of its
own, because Numba must not have been used before cimba adds its types to it:
python cimba_line.py MACHINES SECONDS SEED... prints the processor seconds and the parts out of each seed's run.
"""

import json
import sys
import time
from itertools import pairwise

import cimba as cb

CYCLE_S, CAPACITY, PLENTY = 37.0, 10, 1_000_000


class Place(cb.Model):  # type: ignore[misc]
    """A buffer."""

    parts: cb.Container
    room: cb.Container


class Machine(cb.Model):  # type: ignore[misc]
    """Take a part, work, wait for room, put it there."""

    parts: cb.Ref[cb.Container]
    room: cb.Ref[cb.Container]
    parts_behind: cb.Ref[cb.Container]
    room_behind: cb.Ref[cb.Container]

    @cb.process
    def work(self) -> None:
        while True:
            self.parts.get(1)
            self.room.put(1)
            cb.hold(cb.random.exponential(CYCLE_S))
            self.room_behind.get(1)
            self.parts_behind.put(1)


class Line(cb.Model):  # type: ignore[misc]
    """Machines in a row, and the place behind them."""

    places: list[Place]
    machines: list[Machine]
    last: cb.Ref[cb.Container]
    out: cb.Output[float]

    @cb.on_end
    def count(self) -> None:
        self.out = self.last.level()


def place(parts: int, room: int) -> Place:
    """A buffer that begins with so many parts and so much room."""
    made = Place()
    made.parts, made.room = cb.Container(parts), cb.Container(room)
    return made


def line(machines: int) -> Line:
    """The line; the place in front of it holds more parts than a shift can take."""
    made = Line()
    made.places = [place(PLENTY, 0), *(place(0, CAPACITY) for _ in range(machines - 1)), place(0, PLENTY)]
    made.machines = [Machine() for _ in range(machines)]
    for machine, (before, behind) in zip(made.machines, pairwise(made.places), strict=True):
        machine.parts, machine.room = before.parts, before.room
        machine.parts_behind, machine.room_behind = behind.parts, behind.room
    made.last = made.places[-1].parts
    return made


def simulate(model: Line, until_s: float, seed: int) -> int:
    """Parts out of one run from empty."""
    results = cb.Experiment(model, window=cb.Window(duration=until_s), seed=seed).run()
    return int(results[model].out.values.sum())


def main(machines: int, until_s: float, seeds: list[int]) -> list[tuple[float, int]]:
    """(processor seconds, parts out) of a run for each seed; compiled before."""
    model = line(machines)
    simulate(model, until_s, 0)
    found = []
    for seed in seeds:
        begun = time.process_time()
        out = simulate(model, until_s, seed)
        found.append((time.process_time() - begun, out))
    return found


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]), float(sys.argv[2]), [int(seed) for seed in sys.argv[3:]])))
