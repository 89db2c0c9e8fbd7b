"""What KPIs need of a feed: why one is not defined without it, and which signal would provide it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from factory_sim.plant.states import Outcome

if TYPE_CHECKING:
    from factory_sim.records import EventLog, Meta


class Need(NamedTuple):
    """What a KPI needs of a feed."""

    reason: str  # why a KPI is not defined without it
    signal: str  # what would provide it, in a foreign feed


_OWN = "rows of our own event log"
NEEDS = {
    "states": Need("the feed has no states", "state words of every unit (state)"),
    "counts": Need("the feed has no part counts", "a counter of parts of every unit (count)"),
    "good": Need("which parts are good is not known", "a counter of good or scrapped parts (good, scrap)"),
    "quality": Need(
        "the feed has no quality channel: scrap and rework are not known",
        "a counter of scrapped parts, or of good parts beside one of all parts (scrap, good)",
    ),
    "rework": Need("rework is not known", f"{_OWN}: a feed has no word for rework"),
    "failures": Need("the feed has no failure signal", "state words of every unit (state)"),
    "repair": Need(
        "the feed has no state of repair",
        "a state word for repair; map the word of the fault to it if repair begins at once (states)",
    ),
    "sources": Need(
        "no rows of a source: when parts entered is not known",
        "serial numbers from the entry of the line on, and its stock at the start: our own event log",
    ),
    "material": Need("no rows of a source: how much material entered is not known", f"{_OWN}, with those of sources"),
    "parts": Need("the feed does not identify parts", "serial numbers of parts at every unit (parts: {id: ...})"),
    "flow": Need("the flow between units is not known", "a plant file: the flow between units (plant)"),
    "unit_time": Need(
        "no planned time per part is stated",
        "the planned time of a part: a plant file, or units: {M1: {unit_time: 30 s}}",
    ),
    "energy": Need("no meter and no stated power", "a meter or the power of every unit (energy, power)"),
    "power": Need(
        "no stated power", "the power of every unit in each state: a plant file, or units: {M1: {power: {busy: 6 kW}}}"
    ),
    "prices": Need("no prices are stated", "prices: a plant file with cost"),
    "service": Need("the feed has no vehicles, robots and crews", f"{_OWN}: those of vehicles, robots and crews"),
}
_UNNAMED = 0.01  # share of moves of unnamed parts, above which parts are not identified


def lacking(log: EventLog, meta: Meta) -> frozenset[str]:
    """Return the needs that the whole feed does not meet: those stated in the description, and those seen in its rows.

    Energy, power and planned times are known or not by unit; they are not among these.
    """
    found = set(meta.absent)
    moves = (log.outcome != Outcome.NONE) & (log.outcome != Outcome.LOST)
    if moves.any() and (log.part[moves] < 0).mean() > _UNNAMED:
        found.add("parts")
    if not _has_sources(log, meta):
        found.add("sources")
    if "sources" in found and any(price for _, price in meta.prices.material):
        found.add("material")
    if not _has_prices(meta):
        found.add("prices")
    return frozenset(found)


def _has_sources(log: EventLog, meta: Meta) -> bool:
    """Return whether each source has rows, or every part was seen entering."""
    sources = [number for number, unit in enumerate(meta.units) if unit.role == "source"]
    if sources and np.isin(sources, log.unit).all():
        return True
    named = log.part[log.part >= 0]
    return bool(np.isin(named, log.part[log.outcome == Outcome.ENTERED]).all())


def _has_prices(meta: Meta) -> bool:
    p = meta.prices
    rates = (p.machine_per_h, p.labour_per_h, p.repair_per_h, p.scrap_per_part)
    return any((*p.tariff_per_kwh, *rates, *(price for _, price in p.material)))
