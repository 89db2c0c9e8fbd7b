"""What a browser asks for beside the picture: a unit's last hours, its signals, the chart of all machines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from factory_sim.clock import NS_PER_MS
from factory_sim.errors import did_you_mean
from factory_sim.live.page.signal_ring import thinned
from factory_sim.live.rolling.shift_spans import hours_of
from factory_sim.views.kpi_dict import kpi_values

if TYPE_CHECKING:
    from factory_sim.live.page.look_back import LookBack
    from factory_sim.live.page.picture import Picture
    from factory_sim.records import Meta, SensorInfo

HOUR_MS, SHIFT_MS = 3_600_000, 8 * 3_600_000
CHART_STRETCHES, MOST_POINTS = 600, 5_000


class Refusal(Exception):  # noqa: N818 - it is an answer
    """A request that cannot be answered; `status` is that of HTTP."""

    def __init__(self, status: int, sentence: str) -> None:
        self.status = status
        super().__init__(sentence)


class PageAnswers:
    """Answers about the present run, from memory; about what is older, from its recording."""

    def __init__(self, picture: Picture | None, past: LookBack | None = None) -> None:
        if picture is None:
            raise Refusal(404, "No feed has been received yet.")
        self.picture, self.meta, self.past = picture, picture.meta, past

    def is_old(self, from_ms: int | None, kept_ms: int) -> bool:
        """Return whether a recording has an instant that memory, which keeps `kept_ms`, has not."""
        return self.past is not None and from_ms is not None and from_ms < self._oldest_ms(kept_ms)

    def unit(self, name: str, at_ms: int | None = None) -> dict[str, object]:
        """Return the content of /units/NAME, at present or at an instant of the recording."""
        unit = self._number(name)
        picture = self.picture if at_ms is None else self._past().picture(at_ms, unit)
        past, now, t_ms = picture.line.past[unit], picture.line.units[unit], at_ms or picture.t_ms
        modes, known = self.meta.failure_modes[unit], self.picture.conclusions
        distrust = known.distrusted(unit) if known else []
        return {
            "name": name,
            "t_ms": t_ms,
            "state": now.state,
            "strip": past.strip(shift_at(self.meta, t_ms)[0], t_ms),
            "cycle_times_s": [[end_ms, round(seconds, 3)] for end_ms, seconds in past.cycles],
            "failures": [
                {
                    "mode": modes[each.mode] if 0 <= each.mode < len(modes) else "",
                    "from_ms": each.from_ms,
                    "to_ms": each.to_ms,
                }
                for each in past.failures
            ],
            "distrust": distrust if at_ms is None else self._past().distrusted(unit, at_ms),
            "sensors": [
                {
                    "name": each.name,
                    "text": each.unit_text,
                    "low": each.low,
                    "high": each.high,
                    "period_ms": each.period_us / 1000,
                }
                for each in self._sensors(unit)
            ],
        }

    def signals(self, name: str, from_ms: int | None, to_ms: int | None, points: int) -> dict[str, object]:
        """Return the content of /signals/UNIT or /signals/UNIT.SENSOR."""
        t_ms = self.picture.t_ms
        begin_ms, end_ms = t_ms - HOUR_MS if from_ms is None else from_ms, t_ms + 1 if to_ms is None else to_ms
        signals = {each.name: self._signal(each, begin_ms, end_ms, points) for each in self._chosen(name)}
        return {"name": name, "signals": signals}

    def _chosen(self, name: str) -> list[SensorInfo]:
        """Return the sensors that UNIT or UNIT.SENSOR names."""
        unit_name, _, sensor_name = name.partition(".")
        unit = self._number(unit_name)
        chosen = [each for each in self._sensors(unit) if sensor_name in ("", each.name)]
        if sensor_name and not chosen:
            known = did_you_mean(sensor_name, [each.name for each in self._sensors(unit)])
            raise Refusal(404, f"{unit_name} has no sensor {sensor_name[:80]!r}. {known}")
        return chosen

    def chart(self, from_ms: int | None, to_ms: int | None) -> dict[str, object]:
        """Return the content of /chart."""
        t_ms = self.picture.t_ms
        begin_ms = shift_at(self.meta, t_ms)[0] if from_ms is None else from_ms
        end_ms = t_ms if to_ms is None else to_ms
        kept_ms, older = begin_ms, dict[str, list[list[int]]]()
        if self.past is not None and self.is_old(from_ms, SHIFT_MS):
            kept_ms = min(self._oldest_ms(SHIFT_MS), end_ms)
            older = self.past.strips(begin_ms, kept_ms)
        past = self.picture.line.past
        rows = [
            {
                "name": unit.name,
                "strip": [*older.get(unit.name, ()), *past[number].strip(kept_ms, end_ms, CHART_STRETCHES)],
            }
            for number, unit in enumerate(self.meta.units)
            if unit.role == "machine"
        ]
        return {"from_ms": begin_ms, "to_ms": end_ms, "rows": rows}

    def values(self, window: str) -> dict[str, object]:
        """Return the content of /values.json: the KPIs of `listen --json`, or those of a window."""
        found = self.picture.conclusions
        if found is None:
            raise Refusal(404, "No KPIs have been computed yet: they follow the first report.")
        tables = {**found.windows, "run": found.whole, "shift": found.table}
        table = tables.get(window)
        if table is None:
            raise Refusal(404, f"There is no window {window[:40]!r}. {did_you_mean(window[:40], tables)}")
        begin_ms, end_ms = found.ms(table.window.t0_us), found.ms(table.window.t1_us)
        kpis = {name: each.to_dict() for name, each in kpi_values(table).items()}
        return {"t_ms": end_ms, "window": {"from_ms": begin_ms, "to_ms": end_ms}, "kpis": kpis}

    def timeline(self) -> dict[str, object]:
        """Return the content of /timeline: shifts, and the stretch that can be looked back on."""
        begin_ms, t_ms = self.picture.begin_ms, self.picture.t_ms
        if self.past is not None:
            begin_ms = self.past.begin_ms()
        shifts = [
            {"name": name, "from_ms": _ms(self.meta, begin_us), "to_ms": _ms(self.meta, end_us)}
            for name, begin_us, end_us in hours_of(self.meta, us_of(self.meta, begin_ms), us_of(self.meta, t_ms + 1))
        ]
        return {"from_ms": begin_ms, "to_ms": t_ms, "shifts": shifts}

    def at(self, t_ms: int | None) -> dict[str, object]:
        """Return the content of /at."""
        return self._past().at(self._instant(t_ms))

    def figures(self, t_ms: int | None) -> dict[str, object]:
        """Return the content of /figures."""
        return self._past().figures(self._instant(t_ms))

    def _instant(self, t_ms: int | None) -> int:
        if t_ms is None:
            raise Refusal(400, "t_ms: expected an instant [ms since 1970 UTC].")
        return min(t_ms, self.picture.t_ms)

    def _signal(self, sensor: SensorInfo, from_ms: int, to_ms: int, points: int) -> dict[str, object]:
        first_us, stop_us = us_of(self.meta, from_ms), us_of(self.meta, to_ms)
        t_us, values = self.picture.signals.values(sensor, first_us, stop_us)
        if self.past is not None and self.is_old(from_ms, HOUR_MS):
            older = self.past.signal(sensor, first_us, int(t_us[0]) if len(t_us) else stop_us)
            t_us, values = np.concatenate([older[0], t_us]), np.concatenate([older[1], values])
        t_us, values = thinned(t_us, values, min(max(points, 2), MOST_POINTS))
        return {
            "t_ms": ((t_us * 1000 + self.meta.epoch_ns) // NS_PER_MS).tolist(),
            "value": [float(f"{value:.6g}") for value in values.tolist()],
            "low": sensor.low,
            "high": sensor.high,
            "text": sensor.unit_text,
        }

    def _past(self) -> LookBack:
        if self.past is None:
            raise Refusal(404, "There is no recording to look back into: start with --record DIR.")
        return self.past

    def _oldest_ms(self, kept_ms: int) -> int:
        return max(self.picture.begin_ms, self.picture.t_ms - kept_ms)

    def _number(self, name: str) -> int:
        names = self.picture.names
        if name not in names:
            raise Refusal(404, f"There is no unit {name[:80]!r}. {did_you_mean(name[:80], names)}")
        return names.index(name)

    def _sensors(self, unit: int) -> list[SensorInfo]:
        return [each for each in self.meta.sensors if each.unit == unit]


def shift_at(meta: Meta, t_ms: int) -> tuple[int, int]:
    """Return begin and end of the shift at an instant, else the last eight hours [ms since 1970 UTC]."""
    t_us = us_of(meta, t_ms)
    for _, begin_us, end_us in hours_of(meta, t_us, t_us + 1):
        return _ms(meta, begin_us), _ms(meta, end_us)
    return max(t_ms - SHIFT_MS, _ms(meta, meta.window.t0_us)), t_ms


def _ms(meta: Meta, t_us: int) -> int:
    return (meta.epoch_ns + t_us * 1000) // NS_PER_MS


def us_of(meta: Meta, t_ms: int) -> int:
    """Return an instant since the run's start [µs]."""
    return (t_ms * NS_PER_MS - meta.epoch_ns) // 1000
