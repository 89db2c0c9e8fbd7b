"""A run of the compiled engine at one moment. Copies of its arrays are a snapshot (sim/forking.py)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from factory_sim.clock import NEVER_US
from factory_sim.random_streams import key
from factory_sim.records import F8, I8, Window  # noqa: TC001 - a NamedTuple's fields
from factory_sim.sim.calendar import columns as c

if TYPE_CHECKING:
    from factory_sim.sim.calendar.flatten import Flat

U8 = NDArray[np.uint64]
BLOCK_BITS = 5  # 32 slots of the event list under one minimum


class World(NamedTuple):
    """Everything the compiled functions see; nine arrays, because each one passed costs at every call."""

    f: I8  # what things are
    a: I8  # lists of whole numbers
    x: F8  # lists of floats
    k: U8  # names of random streams
    s: I8  # how things stand
    p: I8  # parts
    e: I8  # when each slot falls due, then the earliest of each block
    g: I8  # the line
    r: I8  # rows of the log, shape (capacity, 7)


def stream_names(flat: Flat, seed: int, replication: int) -> U8:
    """The names of a run's streams, shape (n_things, K_WIDTH)."""
    names = np.zeros((len(flat.f), c.K_WIDTH), np.uint64)
    for row, column, owner, purpose in flat.streams:
        names[row, column] = key(seed, replication, owner, purpose)
    return names


def new_world(flat: Flat, seed: int, replication: int, window: Window, *, store: bool) -> World:
    """Everything before the first moment; `store`: keep rows, else only count them."""
    n_units, place0, station0, n_stations = (int(flat.line[i]) for i in (c.N_UNITS, c.PLACE0, c.STATION0, c.N_STATIONS))
    state = np.zeros((len(flat.f), c.S_WIDTH), np.int64)
    units = state[:n_units]
    units[
        :,
        [
            c.HELD,
            c.VARIANT,
            c.CALLS_ON,
            c.LAST_ROW,
            c.FAILED,
            c.SINCE,
            c.UPKEEP,
            c.SEND_NEXT,
            c.IDLE_NEXT,
            c.CALL_NEXT,
            c.FREE_NEXT,
            c.GOES_TO,
            c.PART,
            c.CARD_ROW,
            c.NOW_STATE,
            c.CALLER,
        ],
    ] = -1
    units[:, c.BUSY_DUE] = NEVER_US
    units[flat.f[:n_units, c.ROLE] == c.ROLE_SOURCE, c.OFFERED] = -1
    state[place0:station0][:, [c.HEAD, c.TAIL, c.SENDERS, c.ROOM_ROW, c.TRAVELS]] = -1
    stations = slice(station0, station0 + n_stations)
    state[stations, c.IDLE_HEAD] = state[stations, c.ALARM] = -1
    pools = slice(int(flat.line[c.POOL0]), int(flat.line[c.POOL0] + flat.line[c.N_POOLS]))
    state[pools, c.OPEN], state[pools, c.FREE_HEAD], state[pools, c.CALL_HEAD] = 1, -1, -1
    state[int(flat.line[c.FLEET0]) :, c.REQUESTS] = -1
    line = np.zeros(c.DIRTY0 + (n_stations >> c.WORD_BITS) + 1, np.int64)
    line[: c.NOW] = flat.line
    line[[c.T0, c.T1, c.STORING]] = window.t0_us, window.t1_us, store
    line[c.NEXT_DUE] = NEVER_US
    line[c.CHECK_CIRCLES] = flat.circles
    n_slots = int(flat.line[c.N_SLOTS])
    return World(
        flat.f,
        flat.a,
        flat.x,
        stream_names(flat, seed, replication),
        state,
        np.zeros((1024, c.P_WIDTH), np.int64),
        np.full(n_slots + -(-n_slots >> BLOCK_BITS), NEVER_US, np.int64),
        line,
        np.zeros((4096 if store else 0, 7), np.int64),
    )
