"""A source: where parts enter the line."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate, cycle, pairwise
from typing import TYPE_CHECKING

from factory_sim.clock import us_from_s
from factory_sim.plant.states import Outcome, State
from factory_sim.sim.event_classes import Class
from factory_sim.sim.reference.canonical_order import Timer
from factory_sim.sim.reference.unit import Sender

if TYPE_CHECKING:
    from collections.abc import Iterator

    from factory_sim.plant.spec import Source as SourceSpec
    from factory_sim.sim.reference.line import Line, Steps
    from factory_sim.sim.reference.unit import Offers, Place


class Source(Sender):
    """Saturated, or fed by arrivals; it holds parts back while all its CONWIP cards are out (SRC-1, SRC-5)."""

    def __init__(self, line: Line, spec: SourceSpec, place: Offers) -> None:
        super().__init__(line, spec.unit)
        self.spec, self.place = spec, place
        self.saturated = spec.interarrival is None and not spec.arrivals_s
        self.outside = self.inside = 0  # parts that have arrived and not entered, that have entered and not left
        self._offered_us = -1  # -1: no offer
        self._card_row = -1  # the last row that freed a card
        self._expects = not self.saturated  # further arrivals
        self._variants = self._draw_variants()

    def begin(self) -> None:
        """Write the first row and wait for the first part."""
        super().begin()
        if self.saturated:
            self._offer()
        else:
            self.line.process(self._arriving())

    def card_back(self) -> None:
        """Count a part that is gone; its card is free."""
        self.inside -= 1
        if self.spec.cards:
            self._card_row = self.line.writer.last
            self._offer()

    def settle_state(self) -> None:
        """Lose the arrivals that found no place, or let them wait outside (SRC-2, SRC-4)."""
        if self.outside and self.spec.when_full == "lose":
            for _ in range(self.outside):
                self.write(State.STARVED, outcome=Outcome.LOST)
            self.outside = 0
            self.place.withdraw(self)
            self._offered_us = -1
        elif self.outside and self.state != State.BLOCKED:
            self.write(State.BLOCKED)

    @property
    def awaits_card(self) -> bool:
        """Whether no part can enter before a card is back."""
        more = self.saturated or self._expects or self.outside > 0
        return more and 0 < self.spec.cards <= self.inside

    def _arriving(self) -> Steps:
        for gap_us in self._gaps():
            yield Timer(self.line, gap_us, Class.ARRIVAL, self.unit)
            self.outside += 1
            self._offer()
            self.line.unsettled.add(self)
        self._expects = False

    def _offer(self) -> None:
        """Offer one part, if there is one and a card for it."""
        has_card = not self.spec.cards or self.inside < self.spec.cards
        if self._offered_us < 0 and has_card and (self.saturated or self.outside):
            self._offered_us = self.line.now_us
            self.place.offer(self)

    def hand_over(self, place: Place) -> None:
        """Let one part in (SRC-3, CAUSE-4)."""
        waited = self._offered_us < self.line.now_us or self.saturated
        self._offered_us = -1
        self.outside -= not self.saturated
        self.inside += 1
        self.line.tally.entered += 1
        variant = next(self._variants)
        part = self.line.parts.enter(variant, self)
        state = State.BLOCKED if self.saturated or self.outside else State.STARVED
        cause = max(place.freed_by() if waited else -1, self._card_row)
        self.write(state, part, Outcome.ENTERED, variant, cause)
        place.put(part, self.last_row)
        self._offer()

    def _gaps(self) -> Iterator[int]:
        """Return the times between arrivals [µs]."""
        if self.spec.interarrival is not None:
            return self.line.durations(self.spec.name, "arrival", self.spec.interarrival)
        return (later - earlier for earlier, later in pairwise([0, *map(us_from_s, self.spec.arrivals_s)]))

    def _draw_variants(self) -> Iterator[int]:
        """Return the variants of the parts, in the order of entry (SRC-3)."""
        total, mix = sum(self.spec.mix), self.spec.mix
        if self.spec.sequence or len(mix) == 1:
            return cycle(self.spec.sequence or (0,))
        shares = list(accumulate(weight / total for weight in mix[:-1]))
        return (bisect_right(shares, u) for u in self.line.uniforms(self.spec.name, "variant"))
