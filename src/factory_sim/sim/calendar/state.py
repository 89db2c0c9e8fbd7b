"""What changes during a run of the compiled engine. Copying these arrays is a snapshot."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from factory_sim.clock import NEVER_US
from factory_sim.plant.states import N_STATES, State
from factory_sim.records import I8, Window  # noqa: TC001 - a NamedTuple's fields
from factory_sim.sim.calendar import columns as c
from factory_sim.streams import key

if TYPE_CHECKING:
    from factory_sim.plant.spec import Plant
    from factory_sim.sim.calendar.flat import Flat

U8 = NDArray[np.uint64]
BLOCK = 32  # slots of the event list under one minimum


class Keys(NamedTuple):
    """Names of the random streams of one run, by unit, mode or plan."""

    cycle: U8
    quality: U8
    arrival: U8
    variant: U8
    load: U8
    unload: U8
    trip: U8
    life: U8
    repair: U8
    upkeep: U8


class RunState(NamedTuple):
    """One run at one moment. Rows by index, columns by columns.py."""

    unit: I8
    place: I8
    part: I8
    mode: I8
    plan: I8
    pool: I8
    shift: I8
    fleet: I8
    serves: I8  # shape (n_pools, 3, n_units): the member that serves a client, -1: none
    wanted: I8  # shape (n_pools, n_stations): maintenance there waits for a member
    idle: I8  # shape (n_stations, 2): longest idle machine, how many
    alarm: I8  # shape (n_stations,): the batch timeout that was set last
    dirty: U8  # bits of stations where a move may be possible, the exit behind them
    slot_us: I8  # when each event is due
    block_us: I8  # earliest of each block
    line: I8
    tally: I8
    spent: I8  # shape (n_units, N_STATES): µs in each state within the window
    rows: I8  # shape (capacity, 7)


def keys(plant: Plant, seed: int, replication: int) -> Keys:
    """The streams' names, by purpose."""
    n = len(plant.units)

    def by_unit(units: list[int], purpose: str) -> U8:
        names = np.zeros(n, np.uint64)
        for unit in units:
            names[unit] = key(seed, replication, plant.units[unit], purpose)
        return names

    def listed(names: list[tuple[str, str]]) -> U8:
        return np.array([key(seed, replication, owner, purpose) for owner, purpose in names], np.uint64)

    machines = [machine.unit for machine in plant.machines]
    inspecting = [u for o in plant.operations if o.inspection is not None for u in o.machines]
    sources, vehicles = [s.unit for s in plant.sources], [u for f in plant.fleets for u in f.units]
    modes = [(m.name, mode.name) for m in plant.machines for mode in m.failures]
    plans = [(m.name, plan.name) for m in plant.machines for plan in m.maintenance]
    return Keys(
        by_unit(machines, "cycle"), by_unit(inspecting, "quality"), by_unit(sources, "arrival"), by_unit(sources, "variant"),
        by_unit(vehicles, "load"), by_unit(vehicles, "unload"), by_unit(vehicles, "trip"),
        listed([(owner, f"failure:{name}") for owner, name in modes]),
        listed([(owner, f"repair:{name}") for owner, name in modes]),
        listed([(owner, f"maintenance:{name}") for owner, name in plans]),
    )  # fmt: skip


def empty_state(flat: Flat, window: Window, *, store: bool) -> RunState:
    """Everything before the first moment; `store`: keep rows, else only count them."""
    n_units, n_stations, n_pools = len(flat.unit), len(flat.station), len(flat.pool)
    unit = np.full((n_units, c.N_UNIT_STATE), 0, np.int64)
    for column in (c.HELD, c.HELD_LAST, c.VARIANT, c.CALLS_ON, c.LAST_ROW, c.FAILED, c.SINCE, c.UPKEEP, c.SEND_NEXT,
                   c.IDLE_NEXT, c.CALL_NEXT, c.FREE_NEXT, c.GOES_TO, c.PART, c.CARD_ROW, c.NOW_STATE, c.CALLER):
        unit[:, column] = c.NONE
    unit[:, c.BUSY_DUE] = NEVER_US
    unit[flat.unit[:, c.ROLE] == c.ROLE_SOURCE, c.OFFERED] = c.NONE
    place = np.zeros((len(flat.place), c.N_PLACE_STATE), np.int64)
    place[:, [c.HEAD, c.TAIL, c.SENDERS, c.ROOM_ROW, c.TRAVELS]] = c.NONE
    pool = np.full((n_pools, c.N_POOL_STATE), c.NONE, np.int64)
    pool[:, c.OPEN] = 1
    fleet = np.zeros((len(flat.fleet), c.N_FLEET_STATE), np.int64)
    fleet[:, c.REQUESTS] = c.NONE
    line = np.zeros(c.N_LINE, np.int64)
    line[[c.T0, c.T1, c.STORING]] = window.t0_us, window.t1_us, store
    line[c.CHECK_CIRCLES] = bool((flat.station[:, c.REWORK_TO] >= 0).any())
    n_slots = len(flat.slot_kind)
    idle = np.zeros((n_stations, 2), np.int64)
    idle[:, 0] = c.NONE
    return RunState(
        unit, place, np.zeros((1024, c.N_PART), np.int64), np.zeros((len(flat.mode), c.N_MODE_STATE), np.int64),
        np.zeros((len(flat.plan), c.N_PLAN_STATE), np.int64), pool, np.zeros((len(flat.shift), c.N_SHIFT_STATE), np.int64),
        fleet, np.full((n_pools, 3, n_units), c.NONE, np.int64), np.zeros((n_pools, n_stations), np.int64), idle,
        np.full(n_stations, c.NONE, np.int64), np.zeros((n_stations + 64) // 64, np.uint64),
        np.full(n_slots, NEVER_US, np.int64), np.full(-(-n_slots // BLOCK), NEVER_US, np.int64), line,
        np.zeros((n_units, c.N_TALLY), np.int64), np.zeros((n_units, N_STATES), np.int64),
        np.zeros((4096 if store else 0, 7), np.int64),
    )  # fmt: skip


def copied(state: RunState) -> RunState:
    """An independent copy: a snapshot, or a fork."""
    return RunState(*(array.copy() for array in state))


FIRST_STATE = int(State.STARVED)
