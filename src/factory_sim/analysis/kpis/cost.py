"""Cost of a good part and its items."""

from __future__ import annotations

from typing import Any

import numpy as np

from factory_sim.analysis.kpis.energy import by_states
from factory_sim.analysis.kpis.kpi_kind import F8, LINE, Callable, Facts, KpiKind, ratio

_US_PER_H = 3.6e9
_NEEDS = ("prices", "counts", "good")


def energy(f: Facts) -> float:
    """Energy at the tariff of its hour, base load included."""
    return f.energy_cost


def machines(f: Facts) -> float:
    """Machine-hour rate × machines × planned hours."""
    return f.meta.prices.machine_per_h * int(f.at("line").machines[0]) * f.planned_us / _US_PER_H


def labour(f: Facts) -> float:
    """Labour rate of the line × planned hours."""
    return f.meta.prices.labour_per_h * f.planned_us / _US_PER_H


def repairs(f: Facts) -> float:
    """Repair rate × hours in repair."""
    return f.meta.prices.repair_per_h * float(f.at("line").repair_us[0]) / _US_PER_H


def material(f: Facts) -> float:
    """Material of the parts that entered."""
    return np.nan if "material" in f.lacking else sum(p * f.entered_of.get(u, 0) for u, p in f.meta.prices.material)


def scrap(f: Facts) -> float:
    """Extra cost of a scrapped part × scrap."""
    return f.meta.prices.scrap_per_part * f.flow.scrapped


ITEMS = (energy, machines, labour, repairs, material, scrap)


def cost_per_part(f: Facts, _level: str) -> F8:
    """(Energy + machine hours + labour + repairs + material + scrap) in the window / good parts of the line.

    Items without a price are left out.
    """
    return ratio([sum(item(f) for item in ITEMS)], [f.flow.left])


def _per_part(item: Callable[[Facts], float], *needs: str) -> KpiKind:
    def part(f: Facts, _level: str) -> F8:
        return ratio([item(f)], [f.flow.left])

    part.__doc__ = f"Per good part: {item.__doc__}"
    return KpiKind("currency/part", -1, LINE, part, (*_NEEDS, *needs), lambda f, level: _marks(item, f, level))


def _marks(item: Callable[[Facts], float], f: Facts, level: str) -> list[str]:
    """Return that the price of an item is not stated, so that its cost is 0; of energy, how it was found."""
    p = f.meta.prices
    material_price = max((price for _, price in p.material), default=0.0)
    rates = (max(p.tariff_per_kwh, default=0.0), p.machine_per_h, p.labour_per_h, p.repair_per_h)
    prices: dict[Any, float] = dict(zip(ITEMS, (*rates, material_price, p.scrap_per_part), strict=True))
    if not prices[item]:
        return [f"no price of {item.__name__} is stated"]
    return by_states(f, level) if item is energy else [""]


KINDS = {"cost_per_part": KpiKind("currency/part", -1, LINE, cost_per_part, (*_NEEDS, "energy", "material"), by_states)}
_ITEM_NEEDS = {energy: ("energy",), material: ("material",), repairs: ("failures",), scrap: ("quality",)}
KINDS |= {f"cost_{item.__name__}_per_part": _per_part(item, *_ITEM_NEEDS.get(item, ())) for item in ITEMS}
