"""Which KPIs a feed yields: yes, under a named assumption, or not, and which signal would change that."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from factory_sim.analysis.kpis import KPIS
from factory_sim.analysis.needs import NEEDS
from factory_sim.intake.mapping import Item
from factory_sim.plant.states import State

if TYPE_CHECKING:
    from collections.abc import Iterable

    from factory_sim.intake.mapping import Mapping
    from factory_sim.records import Meta

YES, ASSUMED, NO = "yes", "assumed", "no"
_WORST = (YES, ASSUMED, NO)
_SHOWN = 5  # units by name


@dataclass(frozen=True, slots=True, kw_only=True)
class Available:
    """The signals of a feed: for each need, the units that have it and the assumption that it rests on."""

    units: dict[str, set[int]] = field(default_factory=dict)
    assumption: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Derivability:
    """Whether one KPI is derivable."""

    kpi: str
    status: str
    assumption: str
    needs: str


def available(
    mapping: Mapping, meta: Meta, items: Iterable[tuple[int, int]], *, counted_by: dict[int, str], whole_log: bool
) -> Available:
    """Return the signals of a feed.

    items : (unit, item) of every series; counted_by : unit -> the assumption by which its parts are counted, "" for a
    counter; whole_log : rows of our own event log, which have everything.
    """
    machines = {unit for unit, info in enumerate(meta.units) if info.role == "machine"}
    if whole_log:
        return Available(units=dict.fromkeys(NEEDS, machines))
    found = set(items)

    def having(*wanted: int) -> set[int]:
        return {unit for unit, item in found if item in wanted}

    described = machines if mapping.plant else set()
    powered = {u for u in machines if meta.units[u].power_w}
    metered = having(Item.ENERGY, Item.POWER)
    units = {
        "states": having(Item.STATE),
        "failures": having(Item.STATE),
        "repair": having(Item.STATE) if State.REPAIR in (*mapping.states.values(), mapping.other) else set(),
        "counts": set(counted_by),
        "good": machines,
        "quality": set(counted_by) & (having(Item.SCRAP) | (having(Item.GOOD) & having(Item.COUNT))),
        "unit_time": {u for u in machines if meta.operations[meta.units[u].operation].unit_time_s > 0},
        "flow": described,
        "parts": machines if mapping.parts != "none" else set(),
        "energy": metered or powered,
        "power": powered,
        "prices": described,
    }
    shared = sorted({info.role for info in meta.units} & {"vehicle", "robot", "crew"})
    parts = ["parts keep their order (FIFO)"] if mapping.parts == "fifo" else []
    parts.append("causes are inferred")
    if shared:
        parts.append(f"a wait for a {' or '.join(shared)} counts for the machine that waits")
    assumption = {"parts": "; ".join(parts)}
    if not machines <= units["quality"] | having(Item.GOOD):
        assumption["good"] = "every part counted without `good` or `scrap` is good"
    if not metered:
        assumption["energy"] = "power is that of the state (plant file)"
    if any(counted_by.values()):
        assumption["counts"] = _counting(meta, counted_by)
    return Available(units=units, assumption=assumption)


def _counting(meta: Meta, counted_by: dict[int, str]) -> str:
    """Return how parts are counted that no counter counts; of several ways, with the units of each."""
    ways: dict[str, set[int]] = {}
    for unit, way in counted_by.items():
        ways.setdefault(way, set()).add(unit)
    if len(ways) == 1:
        return next(iter(ways))
    return "; ".join(f"for {_names(meta, units)}: {way}" for way, units in ways.items() if way)


def _names(meta: Meta, units: set[int]) -> str:
    names = sorted(meta.units[unit].name for unit in units)
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def derivability(kpi: str, meta: Meta, feed: Available) -> Derivability:
    """Return whether a KPI (`level.name`) is derivable."""
    level, _, name = kpi.partition(".")
    lacking: list[str] = []
    assumed: list[str] = []
    status = YES
    for need in KPIS[name].needs:
        required, there = _required(meta, level, name, need), feed.units.get(need, set())
        if not required & there:
            status = NO
            lacking.append(NEEDS[need].signal)
        else:
            if need in feed.assumption:
                assumed.append(feed.assumption[need])
                status = max(status, ASSUMED, key=_WORST.index)
            if required - there:
                lacking.append(f"for {_names(meta, required - there)}: {NEEDS[need].signal}")
                status = NO if level in ("line", "section") or need in ("parts", "flow") else status
    return Derivability(kpi=kpi, status=status, assumption="; ".join(assumed), needs="; ".join(lacking))


def is_defined(kpi: str, meta: Meta, feed: Available, machines: set[int]) -> bool:
    """Return whether a KPI is defined for a group of machines: each has every signal that it needs."""
    level, _, name = kpi.partition(".")
    return all(
        _required(meta, level, name, need) & machines <= feed.units.get(need, set()) for need in KPIS[name].needs
    )


def _required(meta: Meta, level: str, name: str, need: str) -> set[int]:
    """Return the machines whose signal a KPI needs; parts of the line are counted where they leave it."""
    machines = {unit for unit, info in enumerate(meta.units) if info.role == "machine"}
    if (
        level == "line"
        and need in ("counts", "good", "quality")
        and name not in ("oee", "nee", "teep", "ooe", "effectiveness")
    ):
        return {unit for unit in machines if meta.operations[meta.units[unit].operation].destination < 0}
    return machines
