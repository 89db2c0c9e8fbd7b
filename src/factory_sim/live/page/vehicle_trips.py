"""Where vehicles are, from their rows: between two sections, at a share of the way that past trips suggest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from factory_sim.plant.states import Outcome, State

if TYPE_CHECKING:
    from factory_sim.records import Meta

USUAL_S = 45.0  # assumed, of a way that no vehicle has driven yet
_FARTHEST = 0.97  # a late vehicle waits before its end
_WEIGHT = 0.2  # of the newest trip in the mean


class Ways:
    """What all vehicles share: the sections that transports connect, and how long trips between them took."""

    def __init__(self, meta: Meta) -> None:
        self.section = [each.section for each in meta.operations]
        self.pickup = [
            next((self.section[w.operation] for w in each.inputs if w.transport == "fleet" and w.operation >= 0), "")
            for each in meta.operations
        ]
        self._seconds: dict[tuple[str, str], float] = {}

    def seconds(self, way: tuple[str, str]) -> float:
        """Return the usual time of a way."""
        return self._seconds.get(way, USUAL_S)

    def took(self, way: tuple[str, str], seconds: float) -> None:
        """Use the time of a finished trip."""
        mean = self._seconds.get(way, seconds)
        self._seconds[way] = max(mean + _WEIGHT * (seconds - mean), 0.1)


class Trip:
    """The present trip of a vehicle."""

    __slots__ = ("_begin_ns", "_ways", "is_loaded", "start", "to")

    def __init__(self, ways: Ways) -> None:
        self._ways, self._begin_ns = ways, 0
        self.start, self.to, self.is_loaded = "", "", False  # names of sections; `to` is empty while it stands

    def take(self, t_ns: int, state: int, outcome: int, detail: int) -> None:
        """Use the next row of the vehicle."""
        known = 0 <= detail < len(self._ways.section)
        if state == State.MOVING_EMPTY and known:
            self._depart(t_ns, self._ways.pickup[detail])
        elif state == State.MOVING_LOADED and known:
            if outcome == Outcome.TOOK:
                self.is_loaded = True
                self._arrive(t_ns, self._ways.pickup[detail])
            self._depart(t_ns, self._ways.section[detail])
        elif state == State.LOADING and known:
            self._arrive(t_ns, self._ways.section[detail] if self.is_loaded else self._ways.pickup[detail])
        else:
            self._arrive(t_ns, self._ways.section[detail] if outcome == Outcome.PASSED and known else "")
            self.is_loaded = self.is_loaded and outcome != Outcome.PASSED

    def at(self, t_ns: int) -> tuple[float, float]:
        """Return the share of the way at an instant, and its rate [1/s]."""
        if not self.to or self.to == self.start:
            return 0.0, 0.0
        usual_s = self._ways.seconds((self.start, self.to))
        share = max(t_ns - self._begin_ns, 0) / 1e9 / usual_s
        return (share, 1 / usual_s) if share < _FARTHEST else (_FARTHEST, 0.0)

    def _depart(self, t_ns: int, to: str) -> None:
        self.to, self._begin_ns = to, t_ns

    def _arrive(self, t_ns: int, where: str) -> None:
        """Stand in a section; without a name, in the one the vehicle was driving to."""
        if self.to:
            if self.start and self.to != self.start:
                self._ways.took((self.start, self.to), (t_ns - self._begin_ns) / 1e9)
            self.start, self.to = self.to, ""
        self.start = where or self.start
