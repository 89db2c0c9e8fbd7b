"""OEE, its factors and its relatives.

Time elements of ISO 22400-2:2014: APT busy; AUST setup; AUPT = APT + AUST; ADET delays: starved, blocked, waiting, and
the interruptions by failures (ADOT); AUBT = AUPT + ADET; PBT planned busy time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from factory_sim.analysis.kpis.kpi_kind import ALL, KpiKind, ratio
from factory_sim.plant.states import State

if TYPE_CHECKING:
    from factory_sim.analysis.facts import Facts, Totals
    from factory_sim.records import F8, I8

_DELAYS = (State.STARVED, State.BLOCKED, State.WAITING, State.DOWN, State.REPAIR)


def _apt_us(totals: Totals) -> I8:
    return totals.planned_state_us[:, State.BUSY]


def _aupt_us(totals: Totals) -> I8:
    return _apt_us(totals) + totals.planned_state_us[:, State.SETUP]


def _adet_us(totals: Totals) -> I8:
    delays: I8 = totals.planned_state_us[:, _DELAYS].sum(axis=1)
    return delays


def availability(f: Facts, level: str) -> F8:
    """Busy time / planned busy time; starved, blocked, setup and down are losses. ISO 22400-2: APT / PBT."""
    totals = f.at(level)
    return ratio(_apt_us(totals), totals.planned_busy_us)


def effectiveness(f: Facts, level: str) -> F8:
    """Planned unit time × parts / busy time. ISO 22400-2: PRI × PQ / APT."""
    totals = f.at(level)
    return ratio(totals.unit_us, _apt_us(totals))


def quality(f: Facts, level: str) -> F8:
    """Good parts / parts. ISO 22400-2: quality ratio GQ / PQ."""
    totals = f.at(level)
    return ratio(totals.good, totals.parts)


def oee(f: Facts, level: str) -> F8:
    """Availability × effectiveness × quality. ISO 22400-2: overall equipment effectiveness index."""
    return availability(f, level) * effectiveness(f, level) * quality(f, level)


def nee(f: Facts, level: str) -> F8:
    """(Busy + setup) / planned busy time × effectiveness × quality. ISO 22400-2: net equipment effectiveness."""
    totals = f.at(level)
    return ratio(_aupt_us(totals), totals.planned_busy_us) * effectiveness(f, level) * quality(f, level)


def teep(f: Facts, level: str) -> F8:
    """Planned unit time × good parts / calendar time: total effective equipment performance. Not ISO."""
    totals = f.at(level)
    return ratio(totals.unit_us, totals.window_us) * quality(f, level)


def ooe(f: Facts, level: str) -> F8:
    """Planned unit time × good parts / time not off: overall operations effectiveness. Not ISO."""
    totals = f.at(level)
    return ratio(totals.unit_us, totals.window_us - totals.state_us[:, State.OFF]) * quality(f, level)


def utilisation_efficiency(f: Facts, level: str) -> F8:
    """Busy / (busy + setup + delays). ISO 22400-2: utilization efficiency APT / AUBT."""
    totals = f.at(level)
    return ratio(_apt_us(totals), _aupt_us(totals) + _adet_us(totals))


def technical_efficiency(f: Facts, level: str) -> F8:
    """Busy / (busy + delays), failures included in the delays. ISO 22400-2: APT / (APT + ADET)."""
    totals = f.at(level)
    return ratio(_apt_us(totals), _apt_us(totals) + _adet_us(totals))


def setup_ratio(f: Facts, level: str) -> F8:
    """Setup / (busy + setup). ISO 22400-2: AUST / AUPT."""
    totals = f.at(level)
    return ratio(totals.planned_state_us[:, State.SETUP], _aupt_us(totals))


KINDS = {
    "oee": KpiKind("1", 1, ALL, oee),
    "availability": KpiKind("1", 1, ALL, availability),
    "effectiveness": KpiKind("1", 1, ALL, effectiveness),
    "quality": KpiKind("1", 1, ALL, quality),
    "nee": KpiKind("1", 1, ALL, nee),
    "teep": KpiKind("1", 1, ALL, teep),
    "ooe": KpiKind("1", 1, ALL, ooe),
    "utilisation_efficiency": KpiKind("1", 1, ALL, utilisation_efficiency),
    "technical_efficiency": KpiKind("1", 1, ALL, technical_efficiency),
    "setup_ratio": KpiKind("1", -1, ALL, setup_ratio),
}
