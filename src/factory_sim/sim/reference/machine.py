"""A machine: what it holds, what it does, when that ends. Behaviours say what happens in which order."""

from __future__ import annotations

from heapq import heappush
from math import floor
from typing import TYPE_CHECKING, Any

from factory_sim.clock import us_from_s
from factory_sim.plant.states import DOWN_STATES, Outcome, State, Wait
from factory_sim.random_streams import durations_us, key, uniforms
from factory_sim.sim.event_classes import Class
from factory_sim.sim.reference.breakdowns import Breakdowns
from factory_sim.sim.reference.line import Timer, priority
from factory_sim.sim.reference.maintenance import Upkeep
from factory_sim.sim.reference.transport import Calls

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import simpy

    from factory_sim.plant.spec import Machine as MachineSpec
    from factory_sim.sim.reference.line import Line
    from factory_sim.sim.reference.resource_pool import Pool
    from factory_sim.sim.reference.station import Place, Station, Taken, Waiting


# How far a machine is with its parts, whatever keeps it from going on; NEEDS: it waits for a robot or an operator.
EMPTY, SETUP, NEEDS, WORK, DONE = range(5)  # plain: a member of an enum costs as much as a method call in Python 3.11
_STATE_OF = tuple(int(s) for s in (State.STARVED, State.SETUP, State.WAITING, State.BUSY, State.BLOCKED))  # by phase
_STARVED, _BUSY, _BLOCKED, _WAITING = (int(s) for s in (State.STARVED, State.BUSY, State.BLOCKED, State.WAITING))
_NONE, _TOOK, _MERGED = int(Outcome.NONE), int(Outcome.TOOK), int(Outcome.MERGED)
_SCRAPPED, _LEFT = int(Outcome.SCRAPPED), int(Outcome.LEFT)
_FAILURE = int(Class.FAILURE)


class Machine:
    """One machine in a run. `take`, `setup`, `hold`, `work` and `give` are the words behaviours are written in."""

    __slots__ = (  # over thirty attributes: without slots Python 3.11 looks each up in a dict
        "at_end",
        "breakdowns",
        "busy_us",
        "changed",
        "changes_over",
        "clock",
        "closing",
        "cycles",
        "drawn_us",
        "end",
        "end_priority",
        "factor",
        "halted",
        "held",
        "interrupted",
        "last_row",
        "left_us",
        "line",
        "off",
        "offered_us",
        "operator",
        "outcome",
        "phase",
        "place",
        "pool",
        "pools",
        "resume",
        "setup_pool",
        "spec",
        "started_us",
        "state",
        "station",
        "unit",
        "upkeep",
        "variant",
        "verdicts",
        "wears",
    )

    def __init__(self, line: Line, station: Station, spec: MachineSpec, seed: int, replication: int) -> None:
        self.line, self.station, self.spec, self.unit = line, station, spec, spec.unit
        operation = station.spec
        self.phase = EMPTY
        self.halted = False  # something keeps it from going on: off, down or in maintenance
        self.off = False
        self.closing = False  # goes off when its part is finished
        self.held: list[int] = []  # parts in the machine; finished ones leave from the front
        self.outcome, self.place = station.passes, station.destination  # where the front part goes
        self.offered_us = 0  # since when
        self.variant = -1  # it is set up for
        self.pools: list[Pool] = []  # robots and operators needed for work
        self.operator: Pool | None = None  # one of them
        self.pool: Pool | None = None  # it waits for
        self.interrupted = EMPTY  # setup or work that goes on when the operator is back
        self.changes_over = bool(operation.setup_s)
        self.factor = operation.variant_factor
        self.setup_pool: Pool | None = None
        self.state: int = State.STARVED  # as last written
        self.last_row = -1
        self.left_us = 0  # of the running setup or work
        self.drawn_us = 0  # of the running work
        self.busy_us = 0  # ever
        self.clock: simpy.Event | None = None  # ends the running setup or work
        self.started_us = 0  # the clock
        self.at_end: Any = (self._ends,)
        self.end = Timer(None)  # used again and again
        self.end_priority = priority(Class.PROCESSING_END, self.unit)
        self.changed = line.signal()  # the behaviour waits for it; `resume` lets the behaviour go on, without a call of
        self.resume: Callable[[Any], simpy.Event]  # `changed.fire` in between where every visit of a part passes
        self.cycles = durations_us(key(seed, replication, spec.name, "cycle"), operation.cycle_time)
        self.verdicts = uniforms(key(seed, replication, spec.name, "quality")) if operation.inspection else None
        self.breakdowns = Breakdowns(self, seed, replication)
        self.wears = any(mode.wear for mode in spec.failures)
        self.upkeep = Upkeep(self, seed, replication) if spec.maintenance else None

    def begin(self) -> None:
        """Write the first row; failure clocks run from here."""
        self.breakdowns.sync()
        self.write_state()
        self.resume = self.changed.drive(self.station.process(self))

    # ---- the words of behaviours

    def take(self) -> simpy.Event:
        """Wait for parts; the station chooses them."""
        self.phase = EMPTY
        if not self.halted:
            self.station.waits(self)
        return self.changed

    def changeover_us(self) -> int:
        """Setup time that the part in the machine asks for [µs]; the machine then counts as set up for it."""
        before, self.variant = self.variant, self.line.parts.variant[self.held[0]]
        return us_from_s(self.station.spec.setup_s[before][self.variant]) if before >= 0 else 0

    def setup(self, duration_us: int) -> simpy.Event:
        """Change over."""
        self.phase, self.left_us = SETUP, duration_us
        self._run()
        return self.changed

    def hold(self, pool: Pool) -> simpy.Event:
        """Get one of `pool`, a robot or an operator."""
        if pool.try_take(self):
            return self.line.passed
        self.phase, self.pool = NEEDS, pool
        pool.call(self)
        return self.changed

    def work(self) -> simpy.Event:
        """Process the parts in the machine."""
        drawn = next(self.cycles)
        if self.factor:
            drawn = floor(drawn * self.factor[self.line.parts.variant[self.held[0]]] + 0.5)
        self.phase = WORK
        self.left_us = self.drawn_us = drawn
        self._run()
        return self.changed

    def give(self) -> simpy.Event:
        """Pass the finished parts on, one by one."""
        self.phase = DONE
        if self.pools:
            for pool in self.pools:
                pool.release(self)
        if self.upkeep is not None:
            self.upkeep.after_work(len(self.held))
        if self.closing:
            self._switch_off()
        if self.verdicts is None:
            self.offered_us = self.line.now
            self.place.offer(self)
        else:
            self._offer()
        return self.changed

    # ---- moves

    def start(self, taken: Taken) -> None:
        """Take parts."""
        line, cause = self.line, self.last_row
        kept, merged = taken
        if merged or len(kept) > 1:
            cause = max(cause, *[row for _, row, _ in (*kept, *merged)])
            self.held = [part for part, _, _ in kept]
        else:  # the usual way, without lists
            part, row, _ = kept[0]
            self.held = [part]
            if row > cause:  # noqa: PLR1730 - a call of max() costs more than all the rest here
                cause = row
        if (event := self.resume(None)) is not self.changed:  # the behaviour goes on, which settles the phase
            self.changed.follow(event)
        now, unit, state, first = line.now, self.unit, _STATE_OF[self.phase], line.writer.n
        detail = self._detail(state) if self.wears or state != _BUSY else 0
        row = first
        for part in self.held:
            row = line.row(now, unit, state, part, _TOOK, detail, cause)
        if merged:
            row = self._merge(merged, state, detail)
        self.state, self.last_row = state, row
        for buffer in self.station.inputs:
            buffer.room_row = first

    def _merge(self, components: Sequence[Waiting], state: int, detail: int) -> int:
        line, first = self.line, self.line.writer.n - len(self.held)
        for part, _, _ in components:
            line.row(line.now, self.unit, state, part, _MERGED, detail, first)
            line.tally.merged += 1
            line.parts.gone(part)
        return line.writer.n - 1

    def give_front(self, place: Place) -> None:
        """Hand the front part over to `place`."""
        line, held = self.line, self.held
        part, cause = held.pop(0), self.last_row
        if self.offered_us < line.now:
            cause = max(cause, place.freed_by())
        tally = line.tally
        tally.parts[self.unit] += 1
        if not held:
            tally.busy_us[self.unit] += self.drawn_us
            self.phase = EMPTY
        state = self.state = self.state_now() if held or self.halted else _STARVED
        row = self.last_row = line.row(line.now, self.unit, state, part, self.outcome, place.index, cause)
        if self.outcome == _SCRAPPED:
            tally.scrapped[self.unit] += 1
        elif self.outcome == _LEFT:
            tally.good += 1
        place.put(part, row)
        if held:
            self._offer()
        elif (event := self.resume(None)) is not self.changed:
            self.changed.follow(event)

    def _offer(self) -> None:
        self.offered_us = self.line.now
        if self.verdicts is not None:
            self.outcome, self.place = self.station.verdict(self.held[0], next(self.verdicts))
        self.place.offer(self)

    # ---- interruptions

    def pause(self) -> None:
        """Stop where it stands: something keeps it from going on."""
        if self.halted:
            return
        self.halted = True
        if self.clock is not None:
            self._stop_clock()
        elif self.phase == EMPTY:
            self.station.withdraw(self)
        elif self.phase == NEEDS and self.pool is not None:
            self.pool.withdraw(self)

    def dismiss(self) -> None:
        """Let go the operator of a setup or work that was stopped; it goes on when one has come again."""
        pool = self.setup_pool if self.phase == SETUP else self.operator if self.phase == WORK else None
        if pool is not None:
            pool.release(self)
            self.interrupted, self.phase, self.pool = self.phase, NEEDS, pool

    def go_on(self, cause: int = -1) -> None:
        """One thing that kept it from going on is over; `cause` is the row that says so."""
        self.breakdowns.sync()
        in_upkeep = self.upkeep is not None and self.upkeep.active >= 0
        self.halted = self.off or in_upkeep or self.breakdowns.failed >= 0
        needs = self.pool
        if self.halted or self.phase == DONE:
            pass
        elif self.phase == EMPTY:
            self.station.waits(self)
        elif self.phase != NEEDS or needs is None:
            self._run()
        elif needs.try_take(self):
            self.granted()
            return
        else:
            needs.call(self)
        self.write_state(cause)

    def shift_ends(self, at_end: str) -> None:
        """Go off, at once or after the part in work."""
        if at_end == "finish" and self.phase in (SETUP, NEEDS, WORK):
            self.closing = True
        else:
            self._switch_off()
            self.write_state()
            self.dismiss()

    def shift_begins(self) -> None:
        """Come back."""
        self.closing = False
        if self.off:
            self.off = False
            self.go_on()

    def granted(self) -> None:
        """The robot or operator that was called is here."""
        self.pool = None
        if self.interrupted == EMPTY:
            self.changed.fire()
        else:
            self.phase, self.interrupted = self.interrupted, EMPTY
            self._run()
        self.write_state(self.line.writer.n - 1)

    def _switch_off(self) -> None:
        self.pause()
        self.off, self.closing = True, False
        self.breakdowns.sync()

    # ---- clock and rows

    def _run(self) -> None:
        line, self.started_us = self.line, self.line.now
        if self.phase == WORK:
            life_us = self.breakdowns.busy_due_us - self.busy_us
            if life_us < self.left_us:
                self.clock = line.timer(life_us, _FAILURE, self.unit, self._breaks)
                return
        event = self.end
        if event.callbacks is None:
            event.callbacks = self.at_end
        else:
            event = self.end = Timer(self.at_end)
        self.clock = event
        heappush(line.queue, (line.now + self.left_us, self.end_priority, next(line.numbers), event))

    def _stop_clock(self) -> None:
        elapsed = self.line.now - self.started_us
        self.left_us -= elapsed
        if self.phase == WORK:
            self.busy_us += elapsed
        self.clock = None

    def _ends(self, event: simpy.Event) -> None:
        if event is not self.clock:
            return  # the clock was stopped meanwhile
        self.clock = None
        if self.phase == WORK:
            self.busy_us += self.left_us
            if (waits_for := self.resume(None)) is not self.changed:
                self.changed.follow(waits_for)
            return
        if self.setup_pool is not None:
            self.setup_pool.release(self)
        self.changed.fire()
        self.write_state()

    def _breaks(self, event: simpy.Event) -> None:
        if event is self.clock:
            self.breakdowns.wear_out()

    def state_now(self) -> int:
        """The one state it is in; what keeps it from going on comes first."""
        if self.halted:
            if self.off:
                return State.OFF
            if self.breakdowns.failed < 0:
                return State.MAINTENANCE
            return State.REPAIR if self.breakdowns.repairing else State.DOWN
        if self.phase == DONE and isinstance(self.place, Calls) and self.place.awaits_vehicle(self):
            return _WAITING
        return _STATE_OF[self.phase]

    def settle_state(self) -> None:
        """Write a row if the state changed without a part movement."""
        if self.state_now() != self.state:
            self.write_state()

    def write_state(self, cause: int = -1) -> int:
        """Write a row without a part movement, enabled by row `cause` or our own last one; its index."""
        state = self.state_now()
        if state == _BLOCKED:
            self.line.somebody_blocked()
        part = self.held[0] if self.held else -1
        return self._row(state, part, _NONE, self._detail(state), max(cause, self.last_row))

    def _row(self, state: int, part: int, outcome: int, detail: int, cause: int) -> int:
        self.state = state
        row = self.last_row = self.line.row(self.line.now, self.unit, state, part, outcome, detail, cause)
        return row

    def _detail(self, state: int) -> int:
        if state == _BUSY:
            return self.breakdowns.wear()
        if state == _WAITING:
            return Wait.VEHICLE if self.pool is None else self.pool.kind
        if state == State.SETUP:
            return self.variant
        if state == State.MAINTENANCE and self.upkeep is not None:
            return self.upkeep.active
        return self.breakdowns.failed if state in DOWN_STATES else 0
