"""Saving a run and going on from it, with the same plant or with one whose numbers are others."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from factory_sim.sim.calendar import columns as c

if TYPE_CHECKING:
    from factory_sim.records import I8, Window
    from factory_sim.sim.calendar.flatten import Flat
    from factory_sim.sim.calendar.run_state import World

# Columns that hold numbers, or places where numbers stand: what a fork's plant may have otherwise.
_UNIT = (
    c.CYCLE_LAW,
    c.CARDS,
    c.LOSES,
    c.ARRIVAL_LAW,
    c.SEQUENCE0,
    c.N_SEQUENCE,
    c.MIX0,
    c.N_MIX,
    c.GAP0,
    c.LOAD_LAW,
    c.UNLOAD_LAW,
    c.TRIP_LAW,
    c.FULL_US,
    c.LOW_US,
    c.CHARGE_US,
)
_PLACE = (c.CAPACITY, c.QUANTITY, c.PACE)
_STATION = (c.VERDICT0, c.MAX_LOOPS, c.BATCH_SIZE, c.BATCH_MIN, c.BATCH_US, c.FACTOR0, c.SETUP0)
_MODE, _PLAN = (c.PRIORITY, c.LIFE_LAW, c.REPAIR_LAW), (c.EVERY_PARTS, c.PLAN_LAW, c.WEAR_AT)
_SHIFT, _FLEET = (c.EDGE0, c.FINISH), (c.POLICY, c.TRAVEL0)


def skeleton(flat: Flat) -> str:
    """Digest of how a plant is built, its numbers left out: runs of plants with the same one can be forked."""
    line, built = flat.line, flat.f.copy()
    first_mode = int(line[c.STATION0] + line[c.N_STATIONS]) + 1  # the exit's station stands before them
    first_plan = _first_plan(flat, first_mode)
    for begin, end, columns in (
        (0, line[c.N_UNITS], _UNIT),
        (line[c.PLACE0], line[c.STATION0], _PLACE),
        (line[c.STATION0], first_mode, _STATION),
        (first_mode, first_plan, _MODE),
        (first_plan, line[c.POOL0], _PLAN),
        (line[c.SHIFT0], line[c.FLEET0], _SHIFT),
        (line[c.FLEET0], len(built), _FLEET),
    ):
        built[int(begin) : int(end), list(columns)] = 0
    digest = sha256(built.tobytes() + line.tobytes() + repr((flat.streams, flat.circles)).encode())
    digest.update(flat.a[: 2 * int(line[c.N_SLOTS])].tobytes())
    for row in flat.f[int(line[c.SHIFT0]) : int(line[c.FLEET0])]:
        digest.update(flat.a[row[c.EDGE0] : row[c.EDGE0] + row[c.N_EDGES]].tobytes())
    return digest.hexdigest()


def numbers(flat: Flat) -> str:
    """Digest of all that a run reads of its plant."""
    return sha256(flat.f.tobytes() + flat.a.tobytes() + flat.x.tobytes()).hexdigest()


def _first_plan(flat: Flat, first_mode: int) -> int:
    units = flat.f[: int(flat.line[c.N_UNITS])]
    machines = units[units[:, c.ROLE] == c.ROLE_MACHINE]
    return first_mode + int(machines[:, c.N_MODES].sum())


def layout() -> str:
    """Digest of what the columns mean: another version's arrays are not ours."""
    names = {name: value for name, value in vars(c).items() if name.isupper()}
    return sha256(repr(sorted(names.items())).encode()).hexdigest()


def changing(world: World) -> dict[str, I8]:
    """Copies of what a run changes, without the room it has for more."""
    n_parts = int(world.g[c.N_PARTS])
    return {"state": world.s.copy(), "parts": world.p[:n_parts].copy(), "due": world.e.copy(), "line": world.g.copy()}


def count_anew(world: World, window: Window) -> None:
    """Counters of the run's window begin again, for a window that begins now."""
    n = int(world.g[c.N_UNITS])
    world.s[:n, [c.T_PARTS, c.T_BUSY, c.T_SCRAPPED, *range(c.SPENT0, c.S_WIDTH)]] = 0
    world.g[[c.T0, c.T1, c.GOOD_N]] = window.t0_us, window.t1_us, 0
