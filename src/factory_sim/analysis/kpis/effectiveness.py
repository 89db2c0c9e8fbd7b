"""OEE, its factors and related indices.

Time elements of ISO 22400-2:2014: APT busy; AUST setup; AUPT = APT + AUST; ADET delays: starved, blocked, waiting, and
the interruptions by failures (ADOT); AUBT = AUPT + ADET; PBT planned busy time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from factory_sim.analysis.kpis.kpi_kind import ALL, F8, Callable, Facts, Totals, of_totals, ratio
from factory_sim.plant.states import State

if TYPE_CHECKING:
    from factory_sim.records import I8

_DELAYS = (State.STARVED, State.BLOCKED, State.WAITING, State.DOWN, State.REPAIR)


def _apt_us(t: Totals) -> I8:
    return t.planned_state_us[:, State.BUSY]


def _aupt_us(t: Totals) -> I8:
    return _apt_us(t) + t.planned_state_us[:, State.SETUP]


def _adet_us(t: Totals) -> I8:
    delays: I8 = t.planned_state_us[:, _DELAYS].sum(axis=1)
    return delays


def availability(t: Totals) -> F8:
    """Busy time / planned busy time; starved, blocked, setup and down are losses. ISO 22400-2: APT / PBT."""
    return ratio(_apt_us(t), t.planned_busy_us)


def effectiveness(t: Totals) -> F8:
    """Planned unit time × parts / busy time. ISO 22400-2: PRI × PQ / APT."""
    return ratio(t.unit_us, _apt_us(t))


def quality(t: Totals) -> F8:
    """Good parts / parts. ISO 22400-2: quality ratio GQ / PQ."""
    return ratio(t.good, t.parts)


def oee(t: Totals) -> F8:
    """Availability × effectiveness × quality. ISO 22400-2: overall equipment effectiveness index."""
    return availability(t) * effectiveness(t) * quality(t)


def nee(t: Totals) -> F8:
    """(Busy + setup) / planned busy time × effectiveness × quality. ISO 22400-2: net equipment effectiveness."""
    return ratio(_aupt_us(t), t.planned_busy_us) * effectiveness(t) * quality(t)


def teep(t: Totals) -> F8:
    """Planned unit time × good parts / calendar time: total effective equipment performance. Not ISO."""
    return ratio(t.unit_us, t.window_us) * quality(t)


def ooe(t: Totals) -> F8:
    """Planned unit time × good parts / time not off: overall operations effectiveness. Not ISO."""
    return ratio(t.unit_us, t.window_us - t.state_us[:, State.OFF]) * quality(t)


def utilisation_efficiency(t: Totals) -> F8:
    """Busy / (busy + setup + delays). ISO 22400-2: utilization efficiency APT / AUBT."""
    return ratio(_apt_us(t), _aupt_us(t) + _adet_us(t))


def technical_efficiency(t: Totals) -> F8:
    """Busy / (busy + delays), failures included in the delays. ISO 22400-2: APT / (APT + ADET)."""
    return ratio(_apt_us(t), _apt_us(t) + _adet_us(t))


def setup_ratio(t: Totals) -> F8:
    """Setup / (busy + setup). ISO 22400-2: AUST / AUPT."""
    return ratio(t.planned_state_us[:, State.SETUP], _aupt_us(t))


def _oee_bounds(f: Facts, level: str) -> tuple[F8, F8]:
    """Return OEE with no production in the unknown time, and with production at the planned speed in all of it."""
    t = f.at(level)
    longest = t.planned_busy_us + t.unknown_us
    low, high = (ratio(t.unit_us + unseen, longest) * quality(t) for unseen in (0, t.unknown_us))
    return low, np.fmax(high, oee(t))


def _availability_bounds(f: Facts, level: str) -> tuple[F8, F8]:
    """Return availability with the unknown time lost, and with all of it busy."""
    t = f.at(level)
    longest = t.planned_busy_us + t.unknown_us
    return ratio(_apt_us(t), longest), ratio(_apt_us(t) + t.unknown_us, longest)


def _above_one(index: Callable[[Totals], F8]) -> Callable[[Facts, str], list[str]]:
    """Return the marks of an index that can exceed 100 %, with the cause, or that assumes good quality."""

    def marks(f: Facts, level: str) -> list[str]:
        t = f.at(level)
        planned_s, took_s = ratio(t.unit_us / 1e6, t.parts), ratio(t.cycle_us / 1e6, t.timed)
        assumed = "assumes good parts: the feed has no quality channel" if "quality" in f.lacking else ""
        return [
            _cause(planned, took) if value > 1 else assumed
            for value, planned, took in zip(index(t), planned_s, took_s, strict=True)
        ]

    return marks


def _cause(planned_s: float, took_s: float) -> str:
    if planned_s > took_s:
        return f"above 100 %: {planned_s:.4g} s are planned for a part, {took_s:.4g} s were measured"
    return "above 100 %: parts were finished in this window that were worked on before it"


_INDICES = (oee, availability, effectiveness, quality, nee, teep, ooe, utilisation_efficiency, technical_efficiency)
_TIMES, _PARTS = ("states",), ("states", "counts", "unit_time", "good")
_NEEDS = {
    effectiveness: _PARTS[:3],
    availability: _TIMES,
    utilisation_efficiency: _TIMES,
    technical_efficiency: _TIMES,
    quality: ("counts", "quality"),
}
_BOUNDS = {oee: _oee_bounds, availability: _availability_bounds}
KINDS = {
    index.__name__: of_totals(
        "1",
        1,
        ALL,
        index,
        *_NEEDS.get(index, _PARTS),
        marks=_above_one(index) if index in (oee, nee, teep, ooe) else None,
        bounds=_BOUNDS.get(index),
    )
    for index in _INDICES
}
KINDS["setup_ratio"] = of_totals("1", -1, ALL, setup_ratio, *_TIMES)
