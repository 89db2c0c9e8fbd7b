"""Vehicles and people that join a run at a saved moment: its arrays with rows for them, and every id moved along.

Ids of units are their numbers in the plant, and a vehicle more moves all that come after it. What joins has done
nothing yet; the engine lets it begin, idle, at the moment (advance.reconsider).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from factory_sim.clock import NEVER_US
from factory_sim.plant.resolve.derived import with_derived
from factory_sim.plant.states import State
from factory_sim.records import Window
from factory_sim.sim.calendar import columns as c
from factory_sim.sim.calendar.run_state import BLOCK_BITS, new_world

if TYPE_CHECKING:
    from collections.abc import Mapping

    from factory_sim.plant.spec import Plant
    from factory_sim.records import B1, I8, EventLog
    from factory_sim.sim.calendar.flatten import Flat
    from factory_sim.sim.snapshot import Saved

# Columns that name a thing by its id, -1 for none: of units, places, stations, pools and fleets.
_UNIT = (
    c.PLACE,
    c.SEND_NEXT,
    c.SEND_ORIGIN,
    c.IDLE_NEXT,
    c.CALL_NEXT,
    c.CALLS_ON,
    c.FREE_NEXT,
    c.CALLER,
    c.CALLED_FROM,
    c.SERVED0,
    c.SERVED1,
    c.SERVED2,
    c.SERVED3,
    c.SERVED4,
)
_PLACE, _STATION, _POOL, _FLEET = (c.SENDERS,), (c.IDLE_HEAD,), (c.FREE_HEAD, c.CALL_HEAD), (c.REQUESTS,)


def known(plant: Plant, units: tuple[str, ...]) -> I8 | None:
    """Ids in `plant` of the `units` of a saved run, in their order; None where it has not more vehicles and people."""
    at = {name: unit for unit, name in enumerate(plant.units)}
    if not set(units) < at.keys():
        return None
    kept = np.array([at[name] for name in units], np.int64)
    groups = [*(fleet.units for fleet in plant.fleets), *(crew.units for crew in plant.crews)]
    joining = {unit for group in groups for unit in group}
    return kept if (np.diff(kept) > 0).all() and set(at.values()) - set(kept.tolist()) <= joining else None


def renumbered(plant: Plant, at: Mapping[int, int], units: tuple[str, ...]) -> Plant:
    """The plant with other ids, `units` their names; vehicles and people without one are left out.

    For runs only: its sensors keep the old ids.
    """
    changed = replace(
        plant,
        units=units,
        sources=tuple(replace(each, unit=at[each.unit]) for each in plant.sources),
        machines=tuple(replace(each, unit=at[each.unit]) for each in plant.machines),
        operations=tuple(replace(each, machines=tuple(at[u] for u in each.machines)) for each in plant.operations),
        robots=tuple(replace(each, unit=at[each.unit]) for each in plant.robots),
        conveyors=tuple(replace(each, unit=at[each.unit]) for each in plant.conveyors),
        fleets=tuple(replace(each, units=tuple(at[u] for u in each.units if u in at)) for each in plant.fleets),
        crews=tuple(replace(each, units=tuple(at[u] for u in each.units if u in at)) for each in plant.crews),
    )
    return with_derived(changed)


def widened(saved: Saved, plant: Plant, flat: Flat, kept: I8, skeleton: str) -> Saved:
    """`saved` as a moment of `plant`, whose tables are `flat`; `kept`: ids of the saved units in it."""
    n_units, n_things = len(plant.units), len(flat.f)
    at = np.concatenate([kept, np.arange(n_units, n_things)])  # old id -> new id; units come first
    world = new_world(flat, 0, 0, Window(0, 1), store=False)
    state = world.s
    state[at] = saved.state
    line = saved.line.copy()
    line[: c.NOW] = flat.line
    for first, end, columns in _groups(line, n_things):
        rows = at[(at >= first) & (at < end)]
        for column in columns:
            state[rows, column] = _moved(state[rows, column], at)
    parts = saved.parts.copy()
    parts[:, c.PART_ORIGIN] = at[parts[:, c.PART_ORIGIN]]
    joining = np.ones(n_things, np.bool_)
    joining[at] = False
    opening = _moved_log(saved.opening, plant, kept)
    return replace(
        saved,
        units=plant.units,
        digest=plant.digest,
        skeleton=skeleton,
        numbers="",
        state=state,
        parts=parts,
        due=_due(saved, flat, joining),
        line=line,
        opening=opening,
    )


def _groups(line: I8, n_things: int) -> tuple[tuple[int, int, tuple[int, ...]], ...]:
    """First id, end and columns with ids, of every kind of thing that has some."""
    n_units, place0, station0, pool0, fleet0 = (
        int(line[i]) for i in (c.N_UNITS, c.PLACE0, c.STATION0, c.POOL0, c.FLEET0)
    )
    return (
        (0, n_units, _UNIT),
        (place0, station0, _PLACE),
        (station0, station0 + int(line[c.N_STATIONS]), _STATION),
        (pool0, pool0 + int(line[c.N_POOLS]), _POOL),
        (fleet0, n_things, _FLEET),
    )


def _moved(ids: I8, at: I8) -> I8:
    moved: I8 = np.where(ids < 0, ids, at[np.maximum(ids, 0)])
    return moved


def _due(saved: Saved, flat: Flat, joining: B1) -> I8:
    """When the slots fall due, those of whoever joins never, and the earliest of each block behind them."""
    n_slots = int(flat.line[c.N_SLOTS])
    blocks = -(-n_slots >> BLOCK_BITS)
    due = np.full(blocks << BLOCK_BITS, NEVER_US, np.int64)
    old = np.flatnonzero(~joining[flat.a[1 : 2 * n_slots : 2]])  # in canonical order, as they were
    due[old] = saved.due[: len(old)]
    return np.concatenate([due[:n_slots], due.reshape(blocks, -1).min(axis=1)])


def _moved_log(log: EventLog, plant: Plant, kept: I8) -> EventLog:
    """Rows with the plant's ids; busy robots and people name in `detail` whom they serve."""
    servers = [robot.unit for robot in plant.robots] + [unit for crew in plant.crews for unit in crew.units]
    unit = kept[log.unit]
    serves = np.isin(unit, servers) & (log.state == State.BUSY)
    detail = np.where(serves, kept[np.where(serves, log.detail, 0)], log.detail)
    return replace(log, unit=unit.astype(log.unit.dtype), detail=detail.astype(log.detail.dtype))
