"""The picture of a line that browsers show: a full one, and what has changed since the last change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from factory_sim.clock import NS_PER_MS, ns_from_us
from factory_sim.live.page.conclusions import feed_alarm
from factory_sim.live.page.line_now import LineNow, crews
from factory_sim.live.page.signal_ring import Signals
from factory_sim.plant.states import State

if TYPE_CHECKING:
    from collections.abc import Iterable

    from factory_sim.live.page.conclusions import Conclusions
    from factory_sim.records import Meta, Readings

SILENT_S = 30.0  # without a reading, after which a feed is not live
_SEVERITY = {State.DOWN: "high", State.REPAIR: "medium"}


class Picture:
    """The present state of one run."""

    def __init__(self, meta: Meta, silent_s: float = 0.0) -> None:
        self.meta, self.silent_s = meta, silent_s
        self.line, self.signals = LineNow(meta), Signals(meta)
        self.conclusions: Conclusions | None = None
        self._concluded: dict[str, object] = {"top": None, "pareto": [], "pareto_total_s": 0.0}
        self._alarms: list[dict[str, object]] = []
        self._feed = {"lost": 0, "duplicates": 0, "distrusted": 0}
        self.readings = 0
        self.begin_ms = 0  # when what is kept in memory begins
        self.names = [unit.name for unit in meta.units]
        self._batteries = {each.unit: each for each in meta.sensors if each.kind == "battery"}
        self._sent: dict[str, object] = {}
        self._vehicles: dict[str, tuple[object, ...]] = {}  # what of each vehicle has been sent

    @property
    def t_ns(self) -> int:
        """The time of the latest reading [ns since 1970 UTC]."""
        last_us = self.signals.last_us
        return max(self.line.t_ns, int(ns_from_us(last_us, self.meta.epoch_ns)) if last_us >= 0 else 0)

    @property
    def t_ms(self) -> int:
        """The time of the latest reading [ms since 1970 UTC]."""
        return self.t_ns // NS_PER_MS

    def take(self, batch: Iterable[Readings]) -> None:
        """Use readings in the order of their arrival."""
        for readings in batch:
            self.readings += readings.count()
            if len(readings.rows):
                self.line.take(readings.rows)
            for samples in readings.samples:
                self.signals.add(samples)
        if not self.begin_ms and self.readings:
            window_ns = int(ns_from_us(self.meta.window.t0_us, self.meta.epoch_ns))
            self.begin_ms = max(self.line.begin_ns, window_ns) // NS_PER_MS

    def conclude(self, found: Conclusions) -> None:
        """Show newer conclusions."""
        self.conclusions, self._alarms = found, found.alarms()
        self._concluded = {"top": found.top(), **found.pareto()}
        distrusted = len({(each.unit, each.sensor) for each in found.findings})
        self._feed = {"lost": found.feed.lost, "duplicates": found.feed.duplicates, "distrusted": distrusted}

    def full(self) -> dict[str, object]:
        """Return the whole picture."""
        units = range(len(self.names))
        return {
            "plan_id": self.meta.run_id,
            "t_ms": self.t_ms,
            **self._whole(),
            "units": {self.names[unit]: self._unit(unit) for unit in units},
            "levels": {place.id: n for place, n in zip(self.line.places, self.line.levels, strict=True)},
            "vehicles": {self.names[unit]: self._vehicle(unit) for unit in self.line.trips},
            "crews": crews(self.line),
        }

    def changes(self) -> dict[str, object]:
        """Return what has changed since the last call."""
        line, found = self.line, dict[str, object](t_ms=self.t_ms)
        for key, value in self._whole().items():
            if self._sent.get(key) != value:
                found[key] = self._sent[key] = value
        present = crews(line)
        if self._sent.get("crews") != present:
            before: object = self._sent.get("crews")
            found["crews"] = {n: v for n, v in present.items() if not isinstance(before, dict) or before.get(n) != v}
            self._sent["crews"] = present
        if line.changed_units:
            found["units"] = {self.names[unit]: self._unit(unit) for unit in sorted(line.changed_units)}
        if line.changed_places:
            found["levels"] = {line.places[place].id: line.levels[place] for place in sorted(line.changed_places)}
        if vehicles := {self.names[unit]: self._vehicle(unit) for unit in line.trips if self._has_turned(unit)}:
            found["vehicles"] = vehicles
        line.changed_units.clear()
        line.changed_places.clear()
        return found

    def _whole(self) -> dict[str, object]:
        """Return what is sent whole if anything in it has changed."""
        ended = bool(self.meta.sent_rows)
        return {
            "live": not ended and self.silent_s < SILENT_S,
            "ended": ended,
            **self._concluded,
            "alarms": [*self._failures(), *self._silence(), *self._alarms],
            "health": {
                "readings": self.readings,
                "late": self.line.late,
                "silent_s": round(self.silent_s),
                **self._feed,
            },
        }

    def _unit(self, unit: int) -> list[object]:
        now = self.line.units[unit]
        return [now.state, now.since_ns // NS_PER_MS, now.part if now.part >= 0 else None, self.line.mode(unit)]

    def _vehicle(self, unit: int) -> dict[str, object]:
        trip, now = self.line.trips[unit], self.line.units[unit]
        at, rate = trip.at(self.t_ns)
        return {
            "from": trip.start or None,
            "to": trip.to or None,
            "at": round(at, 3),
            "rate": round(rate, 5),
            "loaded": trip.is_loaded,
            "battery": self._battery(unit),
            "state": now.state,
        }

    def _has_turned(self, unit: int) -> bool:
        """Return whether anything of a vehicle has changed but its place on its way, which follows from the rate."""
        trip, now = self.line.trips[unit], self.line.units[unit]
        present = trip.start, trip.to, trip.is_loaded, now.state, now.since_ns, self._battery(unit)
        if self._vehicles.get(self.names[unit]) == present:
            return False
        self._vehicles[self.names[unit]] = present
        return True

    def _battery(self, unit: int) -> float | None:
        sensor = self._batteries.get(unit)
        value = self.signals.latest(sensor) if sensor is not None else None
        return None if value is None else round(value / 100, 2)

    def _silence(self) -> list[dict[str, object]]:
        """Return an alarm while no reading arrives."""
        if self.meta.sent_rows or self.silent_s < SILENT_S:
            return []
        text = f"No reading has arrived for more than {SILENT_S:g} s."
        return [feed_alarm("feed:silent", self.t_ms, text, "high")]

    def _failures(self) -> list[dict[str, object]]:
        """Return an alarm for each unit that is down."""
        found = []
        for unit, now in self.line.failures():
            past = self.line.past[unit].failures
            name, mode = self.names[unit], self.line.mode(unit) or "failure"
            doing = "waits for a crew" if now.state == State.DOWN else "in repair"
            found.append(
                {
                    "id": f"failure:{name}",
                    "since_ms": past[-1].from_ms if past else now.since_ns // NS_PER_MS,
                    "unit": name,
                    "what": "failure",
                    "severity": _SEVERITY[State(now.state)],
                    "text": f"{name}: {mode.replace('_', ' ')}: {doing}",
                }
            )
        return found
