"""A machine: the words in which behaviours are written, and the rows that it writes."""

from __future__ import annotations

from math import floor
from typing import TYPE_CHECKING, Any

import simpy

from factory_sim.clock import us_from_s
from factory_sim.plant.states import DOWN_STATES, Outcome, State, Wait
from factory_sim.sim.event_classes import Class
from factory_sim.sim.reference.canonical_order import Timer
from factory_sim.sim.reference.fleet import Calls
from factory_sim.sim.reference.machines.breakdowns import Breakdowns
from factory_sim.sim.reference.machines.interruptions import Interruptions
from factory_sim.sim.reference.machines.maintenance import Upkeep
from factory_sim.sim.reference.machines.phase import DONE, EMPTY, NEEDS, SETUP, WORK, Phase
from factory_sim.sim.reference.unit import Sender

if TYPE_CHECKING:
    from collections.abc import Generator

    from factory_sim.plant.spec import Machine as MachineSpec
    from factory_sim.sim.reference.line import Line, Steps
    from factory_sim.sim.reference.resource_pool import Pool
    from factory_sim.sim.reference.station import Station, Taken
    from factory_sim.sim.reference.unit import Place

_STATES = (State.STARVED, State.SETUP, State.WAITING, State.BUSY, State.BLOCKED)  # by phase
BUSY, PASSED, TOOK = State.BUSY, Outcome.PASSED, Outcome.TOOK


class Machine(Sender):
    """One machine in a run; `take`, `set_up`, `work` and `give` are what behaviours consist of."""

    def __init__(self, line: Line, station: Station, spec: MachineSpec) -> None:
        super().__init__(line, spec.unit)
        self.station, self.spec = station, spec
        self.phase = EMPTY
        self.held: list[int] = []  # parts; finished ones leave from the front
        self.taken: Taken | None = None  # parts whose rows are not written yet
        self.variant = -1  # that it is set up for
        self.speed = 1.0  # times the plant file's
        self.drawn_us = self.offered_us = 0  # processing time of this cycle; when the front part was offered
        self.outcome, self.place = station.good  # where the front part goes
        self.pool: Pool | None = None  # that it calls
        self.helped = False  # its call was served, and no row is written yet
        self.parts_come = simpy.Event(line)
        self.resumed = simpy.Event(line)
        self.cycles = line.durations(spec.name, "cycle", station.spec.cycle_time)
        self.verdicts = line.uniforms(spec.name, "quality")
        self.started_us = -1  # when its setup or work started to run; -1: it stands
        self.left_us = self.busy_us = 0  # what that still takes, and how long the machine has worked so far
        self.breakdowns = Breakdowns(self)
        self.upkeep = Upkeep(self)
        self.stops = Interruptions(self)

    def begin(self) -> None:
        """Write the first row and start the behaviour."""
        self.breakdowns.sync()
        self.write_state()
        if not self.stops.halted:
            self.station.waits(self)
        self.process = self.line.process(self.station.behaviour.process(self))

    # ---- the words of behaviours

    def take(self) -> Generator[simpy.Event, Any, list[int]]:
        """Wait until the station hands over parts; return those that stay in the machine (TAKE-1)."""
        self.taken = kept, _ = yield self.parts_come
        self.parts_come = simpy.Event(self.line)
        self.held = [part for part, _, _ in kept]
        return self.held

    def set_up(self, parts: list[int]) -> Steps | tuple[()]:
        """Change over, if the first part is another variant than the one before (SETUP-1, SETUP-2)."""
        before, self.variant = self.variant, self.line.parts.variant[parts[0]]
        setup_s = self.station.spec.setup_s
        duration_us = us_from_s(setup_s[before][self.variant]) if setup_s and before >= 0 else 0
        return self._change_over(duration_us) if duration_us else ()

    def _change_over(self, duration_us: int) -> Steps:
        operator = self.station.setup_operator
        if operator is not None:
            yield from self.hold(operator)
        yield from self.run(SETUP, duration_us)
        if operator is not None:
            operator.release(self)

    def work(self, parts: list[int]) -> Steps:
        """Process the parts, with the robot and the operator that this needs (WORK-1, WORK-2)."""
        for pool in self.station.pools:
            yield from self.hold(pool)
        drawn_us, factors = next(self.cycles), self.station.spec.variant_factor
        if self.speed != 1:
            drawn_us = max(1, floor(drawn_us / self.speed + 0.5))
        if factors:
            drawn_us = floor(drawn_us * factors[self.line.parts.variant[parts[0]]] + 0.5)
        self.drawn_us = drawn_us
        yield from self.run(WORK, drawn_us)
        for pool in self.station.pools:
            pool.release(self)

    def give(self, parts: list[int]) -> None:
        """Offer the finished parts, one by one; each leaves when there is room (WORK-4, BLOCK-1, BATCH-3)."""
        self.phase = DONE
        if self.taken is not None:
            self.write_taken(self.taken)
        if self.spec.maintenance:
            self.upkeep.after_work(len(parts))
        if self.stops.closing:
            self.stops.switch_off()
        self._offer()

    def hold(self, pool: Pool) -> Steps:
        """Get a member of `pool`, a robot or an operator (POOL-3)."""
        if not pool.try_take(self):
            self.pool = pool
            pool.call(self)
            self.enter(NEEDS)
            yield from self._wait_to_resume()

    def run(self, phase: Phase, duration_us: int) -> Steps:
        """Be in `phase` for `duration_us`, interruptions by failures and halts not counted (WORK-3)."""
        self.left_us = duration_us
        while True:
            self.enter(phase)
            life_us = self.breakdowns.busy_due_us - self.busy_us
            wears_out = phase is WORK and life_us < self.left_us
            self.started_us = self.line.now_us
            try:
                if wears_out:
                    yield Timer(self.line, life_us, Class.FAILURE, self.unit)
                else:
                    yield Timer(self.line, self.left_us, Class.PROCESSING_END, self.unit)
                self.stand_still()
                if not wears_out:
                    return
                self.breakdowns.wear_out()
            except simpy.Interrupt:
                pass
            yield from self._wait_to_resume()

    def stand_still(self) -> None:
        """Stop setup or work where it is."""
        elapsed_us, self.started_us = self.line.now_us - self.started_us, -1
        self.left_us -= elapsed_us
        if self.phase is WORK:
            self.busy_us += elapsed_us

    def _wait_to_resume(self) -> Steps:
        """Wait for a robot or operator that was called, or for the end of a halt."""
        self.resumed = simpy.Event(self.line)
        self.helped = yield self.resumed
        self.pool = None

    # ---- moves

    def hand_over(self, place: Place) -> None:
        """Give the front part to `place`, then offer the next one or wait for parts (MOVE-6, ROW-4, CAUSE-3)."""
        tally, part = self.line.tally, self.held.pop(0)
        cause = place.freed_by() if self.offered_us < self.line.now_us else -1
        tally.parts[self.unit] += 1
        if self.outcome is not PASSED:
            tally.scrapped[self.unit] += self.outcome == Outcome.SCRAPPED
            tally.good += self.outcome == Outcome.LEFT
            self.line.n_rework -= self.outcome == Outcome.REWORK
        if not self.held:
            tally.busy_us[self.unit] += self.drawn_us
            self.phase = EMPTY
        self.write(self.state_now(), part, self.outcome, place.index, cause)
        place.put(part, self.last_row)
        if self.held:
            self._offer()
        elif not self.stops.halted:
            self.station.waits(self)

    def _offer(self) -> None:
        """Offer the front part to the place that inspection chooses (MOVE-3, QUAL-1)."""
        if self.station.spec.inspection is not None:
            self.outcome, self.place = self.station.verdict(self.held[0], next(self.verdicts))
            self.line.n_rework += self.outcome == Outcome.REWORK
        self.offered_us = self.line.now_us
        self.place.offer(self)

    # ---- rows

    def enter(self, phase: Phase) -> None:
        """Begin or resume `phase`, and write the rows of that (ROW-3, ROW-6)."""
        self.phase = phase
        if self.taken is not None:
            self.write_taken(self.taken)
        else:
            self.write_state(self.line.writer.last if self.helped else -1)
        self.helped = False

    def state_now(self) -> State:
        """Return the state; what halts the machine comes first (STATE-1, STATE-2)."""
        if self.stops.halted:
            return self.stops.state()
        if self.phase is DONE and isinstance(self.place, Calls) and self.place.awaits_vehicle(self):
            return State.WAITING
        return _STATES[self.phase]

    def settle_state(self) -> None:
        """Write a row if the state changed without a move."""
        if self.state_now() != self.state:
            self.write_state()

    def write_state(self, cause: int = -1) -> None:
        """Write a row without a move, enabled by row `cause` or the machine's last one."""
        state = self.state_now()
        part = self.held[0] if self.held else -1
        self.write(state, part, Outcome.NONE, self._detail(state), cause)

    def write_taken(self, taken: Taken) -> None:
        """Write one row for each part taken, components last (ROW-3, CAUSE-2)."""
        kept, components = taken
        line, state, first = self.line, self.state_now(), self.line.writer.last + 1
        detail = self._detail(state)
        cause = max(self.last_row, *[row for _, row, _ in (*kept, *components)])
        for part in self.held:
            self.last_row = line.row(self.unit, state, part, TOOK, detail, cause)
        for part, _, _ in components:
            self.last_row = line.row(self.unit, state, part, Outcome.MERGED, detail, first)
            line.tally.merged += 1
            line.parts.gone(part)
        self.station.room_row = first
        self.taken, self.state = None, state

    def _detail(self, state: State) -> int:
        """Return what the row of a state says beside it (ROW-13)."""
        if state is BUSY:
            return self.breakdowns.wear()
        if state is State.WAITING:
            return Wait.VEHICLE if self.pool is None else self.pool.kind
        if state == State.SETUP:
            return self.variant
        if state == State.MAINTENANCE:
            return self.upkeep.active
        return self.breakdowns.failed if state in DOWN_STATES else 0
