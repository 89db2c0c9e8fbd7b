"""Which KPIs a feed yields: yes, under a named assumption, or not, and which signal would change that."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from factory_sim.intake.mapping import Item

if TYPE_CHECKING:
    from collections.abc import Iterable

    from factory_sim.intake.mapping import Mapping
    from factory_sim.records import Meta

YES, ASSUMED, NO = "yes", "assumed", "no"
_WORST = (YES, ASSUMED, NO)

# what a KPI needs: the signal that provides it, for the column `needs`
SIGNALS = {
    "states": "state words of every unit (state)",
    "counts": "a counter of parts of every unit (count)",
    "quality": "a counter of good or scrapped parts (good, scrap)",
    "rework": "rows of our own event log: a feed has no word for rework",
    "unit_time": "the planned time of a part: a plant file, or units: {M1: {unit_time: 30 s}}",
    "topology": "a plant file: the flow between units (plant)",
    "order": "serial numbers of parts at every unit (parts: {id: ...})",
    "entries": "serial numbers from the entry of the line on, and its stock at the start: our own event log",
    "reasons": "the reason of each stop (reason)",
    "energy": "a meter or the power of every unit (energy, power)",
    "power": "the power of every unit in each state: a plant file, or units: {M1: {power: {busy: 6 kW}}}",
    "prices": "prices: a plant file with cost",
    "service": "rows of vehicles, robots and crews: our own event log",
    "causes": "nothing: causes are inferred",
}
_STATES, _COUNTS = ("states",), ("counts",)
_OEE = ("states", "counts", "unit_time", "quality")
_PATH = ("states", "counts", "topology", "order", "causes")
_NEEDS: dict[str, tuple[str, ...]] = {
    "good_parts_per_h": ("counts", "quality"),
    "good_parts": ("counts", "quality"),
    "parts": _COUNTS,
    "scrap_parts": ("scrap",),
    "rework_parts": ("rework",),
    "cycle_time_s": ("states", "counts"),
    "throughput_per_h": _COUNTS,
    "output_interval_s": _COUNTS,
    "arrivals_lost": ("entries",),
    "oee": _OEE,
    "effectiveness": ("states", "counts", "unit_time"),
    "quality": ("counts", "quality"),
    "nee": _OEE,
    "teep": ("counts", "unit_time", "quality"),
    "ooe": _OEE,
    **dict.fromkeys(("availability", "utilisation_efficiency", "technical_efficiency", "setup_ratio"), _STATES),
    "share_unknown": (),
    **dict.fromkeys(
        ("vehicle_utilisation", "conveyor_utilisation", "robot_utilisation", "crew_utilisation", "crew_wait_s"),
        ("service",),
    ),
    "first_pass_yield": ("rework",),
    "scrap_ratio": ("scrap",),
    "rework_ratio": ("rework",),
    **dict.fromkeys(("failures", "mtbf_s", "mttr_s", "corrective_ratio"), _STATES),
    "wip": ("entries",),
    "lead_time_s": ("entries",),
    "lead_time_seen_s": ("entries",),
    "parts_entered": ("entries",),
    **dict.fromkeys(("critical_path_share", "constraint", "path_outside_share"), _PATH),
    **dict.fromkeys(("average_active_period_s", "momentary_active_share", "active_share"), _STATES),
    "constraint_by_active_period": _STATES,
    **dict.fromkeys(("turning_point", "arrow"), ("states", "topology")),
    "kwh": ("energy",),
    "kwh_per_good_part": ("energy", "counts", "quality"),
    "kwh_per_part": ("energy", "counts", "quality"),
    "kwh_audit": ("energy", "states", "power"),
    **dict.fromkeys(("kwh_processing", "kwh_waiting", "kwh_blocked", "kwh_down", "kwh_off"), ("states", "power")),
    **dict.fromkeys(("cost_per_part", "cost_energy_per_part"), ("prices", "energy", "counts")),
    **dict.fromkeys(("cost_machines_per_part", "cost_repairs_per_part"), ("prices", "states", "counts")),
    **dict.fromkeys(("cost_labour_per_part", "cost_material_per_part"), ("prices", "entries")),
    "cost_scrap_per_part": ("prices", "scrap"),
}
SIGNALS["scrap"] = SIGNALS["quality"]


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


def needs_of(name: str) -> tuple[str, ...]:
    """Return what a KPI needs; its name is without the level. Every state's share needs the states."""
    return _NEEDS.get(name, _STATES if name.startswith("share_") else ())


def available(
    mapping: Mapping, meta: Meta, items: Iterable[tuple[int, int]], *, counted_by: dict[int, str], whole_log: bool
) -> Available:
    """Return the signals of a feed.

    items : (unit, item) of every series; counted_by : unit -> the assumption by which its parts are counted, "" for a
    counter; whole_log : rows of our own event log, which have everything.
    """
    machines = {unit for unit, info in enumerate(meta.units) if info.role == "machine"}
    if whole_log:
        return Available(units=dict.fromkeys(SIGNALS, machines))
    found = set(items)

    def having(*wanted: int) -> set[int]:
        return {unit for unit, item in found if item in wanted}

    planned = {u for u in machines if meta.operations[meta.units[u].operation].unit_time_s > 0}
    powered = {u for u in machines if meta.units[u].power_w}
    metered = having(Item.ENERGY, Item.POWER)
    units = {
        "states": having(Item.STATE),
        "counts": set(counted_by),
        "quality": machines,
        "scrap": having(Item.GOOD, Item.SCRAP),
        "unit_time": planned,
        "topology": machines if mapping.plant else set(),
        "order": machines,
        "reasons": having(Item.REASON),
        "energy": metered or powered,
        "power": powered,
        "prices": machines if mapping.plant else set(),
        "causes": machines,
    }
    assumption = {"causes": "causes are inferred from times and topology"}
    if not machines <= units["scrap"]:
        assumption["quality"] = "every part counted without `good` or `scrap` is good"
    if mapping.parts == "fifo":
        assumption["order"] = "parts keep their order (FIFO)"
    elif mapping.parts == "none":
        units["order"] = set()
    if not metered:
        assumption["energy"] = "power is that of the state (plant file)"
    if any(counted_by.values()):
        assumption["counts"] = next(filter(None, counted_by.values()))
    return Available(units=units, assumption=assumption)


def derivability(kpi: str, meta: Meta, feed: Available) -> Derivability:
    """Return whether a KPI (`level.name`) is derivable."""
    level, _, name = kpi.partition(".")
    lacking: list[str] = []
    assumed: list[str] = []
    status = YES
    for need in needs_of(name):
        required, there = _required(meta, level, name, need), feed.units.get(need, set())
        if not required & there:
            status = NO
            lacking.append(SIGNALS[need])
        else:
            if need in feed.assumption:
                assumed.append(feed.assumption[need])
                status = max(status, ASSUMED, key=_WORST.index)
            if required - there:
                names = sorted(meta.units[unit].name for unit in required - there)
                shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
                lacking.append(f"for {shown}: {SIGNALS[need]}")
                status = NO if level in ("line", "section") or need in ("order", "topology") else status
    return Derivability(kpi=kpi, status=status, assumption="; ".join(assumed), needs="; ".join(lacking))


def is_defined(kpi: str, meta: Meta, feed: Available, machines: set[int]) -> bool:
    """Return whether a KPI is defined for a group of machines: each has every signal that it needs."""
    level, _, name = kpi.partition(".")
    return all(_required(meta, level, name, need) & machines <= feed.units.get(need, set()) for need in needs_of(name))


def _required(meta: Meta, level: str, name: str, need: str) -> set[int]:
    """Return the machines whose signal a KPI needs; parts of the line are counted where they leave it."""
    machines = {unit for unit, info in enumerate(meta.units) if info.role == "machine"}
    if level == "line" and need in ("counts", "quality") and name not in ("oee", "nee", "teep", "ooe", "effectiveness"):
        return {unit for unit in machines if meta.operations[meta.units[unit].operation].destination < 0}
    return machines
