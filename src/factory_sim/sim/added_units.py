"""Vehicles, robots and crew members that join a run at a snapshot (SNAP-5): their table rows, and all ids renumbered.

A unit's id is its index in the plant, so an additional vehicle changes the ids of all units behind it. Units that join
start idle (advance.reconsider).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from factory_sim.clock import NEVER_US
from factory_sim.plant.resolve.derived import with_derived
from factory_sim.plant.states import State
from factory_sim.records import Window
from factory_sim.sim.calendar.run_state import new_arrays, put_due, states_of
from factory_sim.sim.calendar.tables import SAVED, TABLES
from factory_sim.sim.event_classes import Class

if TYPE_CHECKING:
    from collections.abc import Mapping

    from factory_sim.plant.spec import Plant
    from factory_sim.records import B1, I8, EventLog
    from factory_sim.sim.calendar.flatten import Flat
    from factory_sim.sim.snapshot import SavedRun

# State columns that name a unit, -1 for none.
_UNIT_IDS = {
    "unit": ("next", "call_next", "caller", "served"),
    "place": ("senders",),
    "station": ("idle",),
    "pool": ("free", "calls"),
    "fleet": ("requests",),
    "part": ("origin",),
    "line": ("busy_unit",),
}


def known(plant: Plant, units: tuple[str, ...]) -> I8 | None:
    """Return the ids in `plant` of the units of a saved run, or None if it has other units than additional ones."""
    at = {name: unit for unit, name in enumerate(plant.units)}
    if not set(units) < at.keys():
        return None
    kept = np.array([at[name] for name in units], np.int64)
    groups = [*(fleet.units for fleet in plant.fleets), *(pool.units for pool in plant.pools)]
    joining = {unit for group in groups for unit in group}
    return kept if (np.diff(kept) > 0).all() and set(at.values()) - set(kept.tolist()) <= joining else None


def renumbered(plant: Plant, at: Mapping[int, int], units: tuple[str, ...]) -> Plant:
    """Return the plant with other unit ids, without units that have none; its sensors keep the old ids."""
    changed = replace(
        plant,
        units=units,
        sources=tuple(replace(each, unit=at[each.unit]) for each in plant.sources),
        machines=tuple(replace(each, unit=at[each.unit]) for each in plant.machines),
        operations=tuple(replace(each, machines=tuple(at[u] for u in each.machines)) for each in plant.operations),
        robots=tuple(replace(each, units=tuple(at[u] for u in each.units if u in at)) for each in plant.robots),
        conveyors=tuple(replace(each, unit=at[each.unit]) for each in plant.conveyors),
        fleets=tuple(replace(each, units=tuple(at[u] for u in each.units if u in at)) for each in plant.fleets),
        crews=tuple(replace(each, units=tuple(at[u] for u in each.units if u in at)) for each in plant.crews),
    )
    return with_derived(changed)


def widened(saved: SavedRun, plant: Plant, flat: Flat, kept: I8, skeleton: str) -> SavedRun:
    """Return `saved` as a snapshot of `plant`, whose tables are `flat`; `kept`: ids of the saved units in it."""
    arrays = new_arrays(flat, 0, 0, Window(0, 1), store=False)
    arrays["part"] = np.zeros(len(saved.tables["part"]), arrays["part"].dtype)
    joining = np.ones(len(plant.units), np.bool_)
    joining[kept] = False
    for name in SAVED:
        rows = kept if name == "unit" else slice(None)
        for column in TABLES[name].state:
            values = saved.tables[name][column]
            ids = column in _UNIT_IDS.get(name, ())
            arrays[name][column][rows] = np.where(values < 0, values, kept[np.maximum(values, 0)]) if ids else values
    arrays["wanted"][:] = saved.tables["wanted"]
    put_due(arrays, _due(saved, flat, joining))
    return replace(
        saved,
        units=plant.units,
        digest=plant.digest,
        skeleton=skeleton,
        numbers="",
        tables=states_of(arrays),
        opening=_moved_log(saved.opening, plant, kept),
    )


def _due(saved: SavedRun, flat: Flat, joining: B1) -> I8:
    """Return when the slots fall due; those of the units that join never do."""
    slot = flat.arrays["slot"]
    of_vehicle = (slot["kind"] == 2 * Class.TRANSPORT_END) & joining[np.minimum(slot["subject"], len(joining) - 1)]
    due = np.full(len(slot), NEVER_US, np.int64)
    due[~of_vehicle] = saved.tables["due"]  # in canonical order, as they were
    return due


def _moved_log(log: EventLog, plant: Plant, kept: I8) -> EventLog:
    """Return the rows with the plant's ids, also in `detail` of busy robots and crew members: the unit served."""
    servers = [unit for pool in plant.pools for unit in pool.units]
    unit = kept[log.unit]
    serves = np.isin(unit, servers) & (log.state == State.BUSY)
    detail = np.where(serves, kept[np.where(serves, log.detail, 0)], log.detail)
    return replace(log, unit=unit.astype(log.unit.dtype), detail=detail.astype(log.detail.dtype))
