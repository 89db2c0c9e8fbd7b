"""The reference model: SimPy's event list and processes, our rule for simultaneous events.

Events due at one instant run by (class, unit) and change state only; then parts move, always at the most downstream
place where a move is possible. That makes a run a pure function of plant and seed, whatever the engine
(docs/design.md). Machines, sources and vehicles are built by `build.py`; this file owns time.
"""

from __future__ import annotations

from heapq import heappop, heappush
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Protocol

import simpy

from factory_sim.clock import NEVER_US
from factory_sim.sim.reference.part_table import Parts
from factory_sim.sim.reference.row_writer import RowWriter
from factory_sim.sim.reference.truth_counters import Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from factory_sim.records import Window
    from factory_sim.sim.reference.deadlock_watch import Watch
    from factory_sim.sim.reference.resource_pool import Pool
    from factory_sim.sim.reference.station import Exit, Station
    from factory_sim.sim.reference.transport import Fleet


_CLASS, _UNIT_AT = 1 << 24, 1 << 8  # an event's priority is class, unit, number
_BY_UNIT = attrgetter("unit")


class Timer(simpy.Event):
    """A triggered event with callbacks, as simpy.Timeout makes it; one without callbacks is not due and may be set."""

    def __init__(self, callbacks: Sequence[Callable[[simpy.Event], None]] | None) -> None:
        self.callbacks = callbacks  # type: ignore[assignment]  # never added to, so timers may share them
        self._ok, self._value = True, None


def priority(kind: int, unit: int, number: int = 0) -> int:
    """An event's canonical place within its instant."""
    return kind * _CLASS + unit * _UNIT_AT + number


class EventList(simpy.Environment):
    """SimPy's event list with a short way in: what `schedule` does, without its calls."""

    def __init__(self) -> None:
        super().__init__(initial_time=0)
        self.queue: Any = self._queue  # what will happen, as a heap of (time, priority, number, event)
        self.numbers = self._eid

    def put(self, event: simpy.Event, priority: int, due_us: int) -> None:
        """Let `event` happen at `due_us`."""
        heappush(self.queue, (due_us, priority, next(self._eid), event))


class Signal(simpy.Event):
    """What one behaviour waits for, and what drives it.

    Firing it resumes the behaviour at once: no turn through the event list, no simpy.Process in between (measured:
    0.6 of 9 µs a part visit). A behaviour may wait for any other SimPy event as well.
    """

    def __init__(self, env: simpy.Environment) -> None:
        super().__init__(env)
        self._send: Callable[[Any], simpy.Event]

    def drive(self, behaviour: Generator[simpy.Event, Any, None]) -> Callable[[Any], simpy.Event]:
        """Start `behaviour`; it runs to the first event it waits for. What resumes it: `fire` does, and follows."""
        self._send = behaviour.send
        self.fire()
        return self._send

    def fire(self, value: Any = None) -> None:
        """Resume the behaviour."""
        event = self._send(value)
        if event is not self:
            self.follow(event)

    def follow(self, event: simpy.Event) -> None:
        """The behaviour waits for another event than its signal."""
        while event is not self:
            if event.callbacks is not None:
                event.callbacks.append(self._resume)
                return
            event = self._send(None)

    def _resume(self, event: simpy.Event) -> None:
        self.fire(event.value)


class Unit(Protocol):
    """What the engine asks of a unit at the end of an instant."""

    unit: int

    def settle_state(self) -> None:
        """Write a row if the state changed without a part movement."""


class Line:
    """One run: the clock, the event list, the places where parts can move, the log."""

    __slots__ = (
        "blocked",
        "called",
        "dirty",
        "env",
        "exit",
        "fleets",
        "look_us",
        "now",
        "numbers",
        "parts",
        "passed",
        "pools",
        "queue",
        "row",
        "stations",
        "tally",
        "unsettled",
        "watch",
        "writer",
    )

    def __init__(self, window: Window, n_units: int) -> None:
        self.env = EventList()
        self.now = 0
        self.queue, self.numbers = self.env.queue, self.env.numbers
        self.writer = RowWriter()
        self.row = self.writer.row
        self.tally = Tally(window, n_units)
        self.dirty = 0  # bit i: a move may be possible at stations[i]
        self.stations: list[Station | Exit] = []  # source to sink; the last one is the exit
        self.pools: list[Pool] = []
        self.called = False  # a pool may have someone to serve
        self.fleets: list[Fleet] = []
        self.exit: Exit
        self.parts = Parts()
        self.unsettled: set[Unit] = set()
        self.watch: Watch | None = None  # for circles, where there can be any
        self.look_us = NEVER_US  # when it looks again at the latest
        self.blocked = False  # since its last look a machine found no room
        self.passed = simpy.Event(self.env)  # an event that has already happened: "go on at once"
        self.passed.callbacks = None  # type: ignore[assignment]  # what SimPy itself does
        self.passed._ok, self.passed._value = True, None  # noqa: SLF001 - how SimPy marks a processed event

    def timer(
        self, delay_us: int, kind: int, unit: int, callback: Callable[[simpy.Event], None], number: int = 0
    ) -> simpy.Event:
        """Call `callback` after `delay_us`, in its canonical place within that instant."""
        event = Timer((callback,))
        self.env.put(event, priority(kind, unit, number), self.now + delay_us)
        return event

    def signal(self) -> Signal:
        """A new signal."""
        return Signal(self.env)

    def begin(self, watch: Watch | None) -> None:
        """Make the moves that are possible before any event; `watch` looks for circles from here on."""
        self.watch, self.look_us = watch, NEVER_US if watch is None else 0
        self._settle()
        if self.env.peek() > 0 and self.unsettled:
            self._settle_states()

    def advance(self, until_us: int) -> None:
        """Run every instant before `until_us`; all its events first, as SimPy's `step` does, then the moves."""
        env, queue = self.env, self.env.queue
        if self.now >= self.look_us:
            self._look()  # a plant may stand still before its first event
        while queue and queue[0][0] < until_us:
            now = self.now = queue[0][0]
            env._now = now  # noqa: SLF001 - what SimPy's own events go by
            while queue and queue[0][0] == now:
                event = heappop(queue)[3]
                callbacks, event.callbacks = event.callbacks, None
                for callback in callbacks:
                    callback(event)
                if not event._ok:  # noqa: SLF001 - an event of a user's behaviour that failed
                    raise event._value  # noqa: SLF001
                if not queue or queue[0][0] != now:
                    self._settle()
            if self.unsettled:
                self._settle_states()
            if now >= self.look_us:
                self._look()
        self.now = until_us

    def somebody_blocked(self) -> None:
        """A machine found no room."""
        if self.watch is not None:
            self.blocked, self.look_us = True, self.now

    def _look(self) -> None:
        if self.watch is not None:
            newly_blocked, self.blocked = self.blocked, False
            self.look_us = self.watch.look(self.now, newly_blocked=newly_blocked)

    def _settle(self) -> None:
        """Make every move that is possible now: people and robots, then parts from sink to source, then vehicles."""
        stations = self.stations
        while True:
            if self.called:
                self._serve()
            while dirty := self.dirty:
                station = stations[dirty.bit_length() - 1]
                self.dirty = dirty ^ station.bit
                station.visit()
            for fleet in self.fleets:
                if fleet.dirty:
                    fleet.dispatch()
            if not self.dirty and not self.called:
                return

    def _serve(self) -> None:
        self.called = False
        for pool in self.pools:
            pool.serve()

    def _settle_states(self) -> None:
        unsettled, self.unsettled = self.unsettled, set()
        for unit in sorted(unsettled, key=_BY_UNIT) if len(unsettled) > 1 else unsettled:
            unit.settle_state()
