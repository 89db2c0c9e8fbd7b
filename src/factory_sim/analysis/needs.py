"""What KPIs need of a feed, and which needs a feed does not meet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from factory_sim.plant.states import Outcome

if TYPE_CHECKING:
    from factory_sim.records import EventLog, Meta

# need -> why a KPI with this need is not defined
NEEDS = {
    "states": "the feed has no states",
    "counts": "the feed has no part counts",
    "quality": "the feed has no quality channel: scrap and rework are not known",
    "failures": "the feed has no failure signal",
    "sources": "no rows of a source: when parts entered is not known",
    "material": "no rows of a source: how much material entered is not known",
    "parts": "the feed does not identify parts",
    "unit_time": "no planned time per part is stated",
    "energy": "no meter and no stated power",
    "power": "no stated power",
    "prices": "no prices are stated",
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
