"""One run of the reference model: its time, its operations, what happens at the end of an instant."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any

import simpy
from simpy.events import NORMAL

from factory_sim.clock import NEVER_US
from factory_sim.random_streams import durations_us, key, uniforms
from factory_sim.sim.reference.canonical_order import Timer
from factory_sim.sim.reference.recording import Parts, RowWriter, Tally

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from simpy.core import SimTime
    from simpy.events import EventPriority

    from factory_sim.distributions import Distribution
    from factory_sim.plant.spec import Plant
    from factory_sim.records import Window
    from factory_sim.sim.reference.deadlock_watch import DeadlockWatch
    from factory_sim.sim.reference.fleet import Fleet
    from factory_sim.sim.reference.resource_pool import Pool
    from factory_sim.sim.reference.station import Exit, Station
    from factory_sim.sim.reference.unit import Sender, Unit

    Steps = Generator[simpy.Event, Any, None]


class Line(simpy.Environment):
    """The SimPy environment of one run, with all that its units share.

    The events of an instant run in canonical order and only change states. Then parts move, always at the most
    downstream operation where a move is possible. That makes a run a pure function of plant, seed and replication.
    """

    def __init__(self, *, seed: int, replication: int, window: Window, plant: Plant) -> None:
        super().__init__(initial_time=0)
        self.plant = plant
        self.now_us = 0  # the time, as a whole number
        self._name = (seed, replication)
        self.writer = RowWriter(self)
        self.row = self.writer.row
        self.tally = Tally(window, len(plant.units))
        self.parts = Parts()
        self.units: dict[int, Unit] = {}
        self.exit: Exit
        self.stations: list[Station | Exit] = []  # in flow order, the exit last
        self.pools: list[Pool] = []
        self.fleets: list[Fleet] = []
        self.dirty: set[int] = set()  # indices of stations at which a move may be possible
        self.called = False  # a pool may have a call to serve
        self.unsettled: set[Sender] = set()  # units whose state may have changed without a row
        self.watch: DeadlockWatch | None = None
        self._look_us = NEVER_US  # when the watch looks next, at the latest
        self.n_rework = 0  # finished parts that wait to go back

    # ---- what units use

    def schedule(self, event: simpy.Event, priority: EventPriority = NORMAL, delay: SimTime = 0) -> None:
        """Schedule `event`; a timer has its own priority."""
        simpy.Environment.schedule(self, event, event.priority if type(event) is Timer else priority, delay)

    def durations(self, owner: str, purpose: str, distribution: Distribution) -> Iterator[int]:
        """Return the endless draws [µs] of one owner and purpose (DRAW-1)."""
        return durations_us(key(*self._name, owner, purpose), distribution)

    def uniforms(self, owner: str, purpose: str) -> Iterator[float]:
        """Return the endless uniforms of one owner and purpose (DRAW-1)."""
        return uniforms(key(*self._name, owner, purpose))

    # ---- time

    def begin(self, watch: DeadlockWatch | None) -> None:
        """Let every process begin, then make the moves that are possible before any event (INST-1)."""
        self.run(until=self.timeout(0))
        self._move()
        if self.peek() > 0:
            self._settle_states()
        self.watch = watch
        if watch is not None:
            self._look_us = 0

    def advance(self, until_us: int) -> None:
        """Run every instant before `until_us`; a round of events is followed by moves (INST-1, TIME-4)."""
        if self.watch is not None:  # a plant may be deadlocked before its first event
            self._look(self.watch)
        due_us = self.peek()
        while due_us < until_us:
            now_us = self.now_us = int(due_us)
            self.step()
            if (due_us := self.peek()) > now_us:  # this was the last event of a round
                self._move()
                if (due_us := self.peek()) > now_us:  # no move made another event due
                    if self.unsettled:
                        self._settle_states()
                    if self.watch is not None:
                        self._look(self.watch)
        if self.now_us < until_us:
            self.run(until=until_us)
            self.now_us = until_us

    def let_act(self, event: simpy.Event) -> None:
        """Resume the processes that wait for `event`, which was triggered by a move, before the next move."""
        self.step()
        while not event.processed:
            self.step()

    def _move(self) -> None:
        """Make every move that is possible now: members of pools, then parts, then vehicles (INST-4, MOVE-1)."""
        while True:
            if self.called:
                self.called = False
                for pool in self.pools:
                    pool.serve()
            while self.dirty:
                index = max(self.dirty)
                self.dirty.remove(index)
                self.stations[index].visit()
            for fleet in self.fleets:
                if fleet.dirty:
                    fleet.dispatch()
            if not self.dirty and not self.called:
                return

    def _settle_states(self) -> None:
        """Write the rows of states that changed without a move (INST-5)."""
        unsettled, self.unsettled = self.unsettled, set()
        for unit in sorted(unsettled, key=attrgetter("unit")):
            unit.settle_state()

    def _look(self, watch: DeadlockWatch) -> None:
        """Look for a deadlock when one may have arisen (DEAD-3)."""
        if self.now_us >= self._look_us or self.n_rework:
            self._look_us = watch.look(self.now_us, always=self.n_rework > 0)
