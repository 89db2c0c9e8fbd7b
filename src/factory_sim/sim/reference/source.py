"""Where parts enter the line."""

from __future__ import annotations

from itertools import cycle, pairwise
from typing import TYPE_CHECKING

from factory_sim.clock import us_from_s
from factory_sim.plant.states import Outcome, State
from factory_sim.random_streams import durations_us, key, uniforms
from factory_sim.sim.event_classes import Class

if TYPE_CHECKING:
    from collections.abc import Iterator

    import simpy

    from factory_sim.plant.spec import Source as SourceSpec
    from factory_sim.sim.reference.line import Line
    from factory_sim.sim.reference.station import Place


class Source:
    """Saturated, or fed by arrivals; holds parts back while all its CONWIP cards are out."""

    def __init__(self, line: Line, spec: SourceSpec, place: Place, seed: int, replication: int) -> None:
        self.line, self.spec, self.unit, self.place = line, spec, spec.unit, place
        self.saturated = spec.interarrival is None and not spec.arrivals_s
        self.outside = 0  # arrived parts that are not in the line yet
        self.inside = 0
        self.last_row = -1
        self._state: int = State.STARVED
        self._offered_us = -1  # -1: not in the queue for a place
        self._card_row = -1  # the last row that freed a card
        self._expects = False  # another arrival
        self._arrivals = self._gaps(seed, replication)
        self._variants = self._choose_variants(seed, replication)

    def begin(self) -> None:
        """Write the first row and wait for the first part."""
        self.last_row = self.line.row(0, self.unit, State.STARVED, -1, Outcome.NONE, 0, -1)
        if self.saturated:
            self._offer()
        else:
            self._next_arrival()

    def give_front(self, place: Place) -> None:
        """Let one part in."""
        waited = self._offered_us < self.line.now or self.saturated
        cause = place.freed_by() if waited else -1
        self._offered_us = -1
        self.outside -= not self.saturated
        self.inside += 1
        self.line.tally.entered += 1
        variant = next(self._variants)
        part = self.line.parts.enter(variant, self)
        state = self._state = State.BLOCKED if self.saturated or self.outside else State.STARVED
        cause = max(cause, self._card_row, self.last_row)
        self.last_row = self.line.row(self.line.now, self.unit, state, part, Outcome.ENTERED, variant, cause)
        place.put(part, self.last_row)
        self._offer()

    def card_back(self) -> None:
        """One of its parts is gone."""
        self.inside -= 1
        if self.spec.cards:
            self._card_row = self.line.writer.n - 1
            self._offer()

    def settle_state(self) -> None:
        """Arrivals that found no place go away, or wait outside."""
        if not self.outside:
            return
        if self.spec.when_full == "lose":
            for _ in range(self.outside):
                self._write(State.STARVED, Outcome.LOST)
            self.line.tally.lost += self.outside
            self.outside = 0
            self.place.withdraw(self)
            self._offered_us = -1
        elif self._state != State.BLOCKED:
            self._write(State.BLOCKED, Outcome.NONE)

    def _write(self, state: int, outcome: int) -> None:
        self._state = state
        self.last_row = self.line.row(self.line.now, self.unit, state, -1, outcome, 0, self.last_row)

    @property
    def awaits_card(self) -> bool:
        """Whether no part comes in before a card is back."""
        more = self.saturated or self._expects or self.outside > 0
        return more and 0 < self.spec.cards <= self.inside

    def _offer(self) -> None:
        has_card = not self.spec.cards or self.inside < self.spec.cards
        if self._offered_us < 0 and has_card and (self.saturated or self.outside):
            self._offered_us = self.line.now
            self.place.offer(self)

    def _next_arrival(self) -> None:
        gap_us = next(self._arrivals, None)
        self._expects = gap_us is not None
        if gap_us is not None:
            self.line.timer(gap_us, Class.ARRIVAL, self.unit, self._arrives)

    def _arrives(self, _event: simpy.Event) -> None:
        self.outside += 1
        self._offer()
        self.line.unsettled.add(self)
        self._next_arrival()

    def _gaps(self, seed: int, replication: int) -> Iterator[int]:
        if self.spec.interarrival is not None:
            return durations_us(key(seed, replication, self.spec.name, "arrival"), self.spec.interarrival)
        moments = [0, *(us_from_s(s) for s in self.spec.arrivals_s)]
        return (later - earlier for earlier, later in pairwise(moments))

    def _choose_variants(self, seed: int, replication: int) -> Iterator[int]:
        if self.spec.sequence:
            return cycle(self.spec.sequence)
        if len(self.spec.mix) == 1:
            return cycle((0,))
        return (self._variant(u) for u in uniforms(key(seed, replication, self.spec.name, "variant")))

    def _variant(self, u: float) -> int:
        share, total = 0.0, sum(self.spec.mix)
        for variant, weight in enumerate(self.spec.mix[:-1]):
            share += weight / total
            if u < share:
                return variant
        return len(self.spec.mix) - 1
