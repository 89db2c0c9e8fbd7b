"""One run of the compiled engine, advanced by whoever holds it."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from factory_sim.distributions import Distribution
from factory_sim.errors import ModelError
from factory_sim.plant.resolve.derived import with_derived
from factory_sim.plant.spec import Input, Machine, Operation, Plant, Source
from factory_sim.records import EventLog, Truth, Window
from factory_sim.sim import added_units, forking
from factory_sim.sim.calendar import columns as c
from factory_sim.sim.calendar.advance import CIRCLE, FINISHED, FULL_PARTS, FULL_ROWS, advance, reconsider
from factory_sim.sim.calendar.deadlock_search import told
from factory_sim.sim.calendar.flatten import Flat, flatten
from factory_sim.sim.calendar.run_state import World, new_world
from factory_sim.sim.calendar.world import header

if TYPE_CHECKING:
    from factory_sim.records import I8
    from factory_sim.sim.snapshot import Saved

MOST_ROWS = 2**31 - 1  # `cause` names a row in four bytes
_ROW_KINDS = (np.int64, np.int16, np.uint8, np.int32, np.uint8, np.int32, np.int32)


@lru_cache(maxsize=8)
def _flat(plant: Plant) -> Flat:
    return flatten(plant)


class CalendarRun:
    """Like sim.run.Simulation, compiled; the same log to the last bit."""

    def __init__(self, plant: Plant, *, seed: int, replication: int, window: Window, store: bool = True) -> None:
        """`store`: keep rows for `advance` to hand out; without, only counters are kept."""
        self.plant, self.window = plant, window
        self._flat = _flat(plant)
        self._world = new_world(self._flat, seed, replication, window, store=store)
        self._margin = _margin(plant)
        self._make_room(parts=True)

    def advance(self, until_us: int) -> EventLog:
        """Run every instant before `until_us`; the rows written since the last call. Raises ModelError on a circle."""
        pieces = []
        while (why := advance(self._header.ctypes.data, until_us, self._margin)) != FINISHED:
            if why == FULL_ROWS:
                pieces.append(self._take_rows())
            if why == CIRCLE:
                raise ModelError(told(self._world, self.plant))
            self._make_room(parts=why == FULL_PARTS)
        pieces.append(self._take_rows())
        return EventLog.join(pieces)

    def truth(self) -> Truth:
        """What has been counted so far in the window."""
        units = self._world.s[: len(self.plant.units)]
        parts, busy, scrapped = (units[:, column].copy() for column in (c.T_PARTS, c.T_BUSY, c.T_SCRAPPED))
        return Truth(self.window, parts, busy, scrapped, good_parts=int(self._world.g[c.GOOD_N]))

    def state_times(self) -> I8:
        """µs in each state within the window so far, shape (n_units, N_STATES)."""
        units = self._world.s[: len(self.plant.units)]
        spent: I8 = units[:, c.SPENT0 :].copy()
        end = min(int(self._world.g[c.NOW]), self.window.t1_us)
        open_us = np.maximum(end - np.maximum(units[:, c.STATE_SINCE], self.window.t0_us), 0)
        spent[np.arange(len(units)), units[:, c.NOW_STATE]] += open_us
        return spent

    def balance(self) -> tuple[int, int, int, int, int]:
        """Parts since the start: entered, left good, scrapped, merged into others, inside."""
        entered, left, scrapped, merged = (
            int(self._world.g[i]) for i in (c.ENTERED_N, c.LEFT_N, c.SCRAPPED_N, c.MERGED_N)
        )
        return entered, left, scrapped, merged, int(self._world.s[: len(self.plant.units), c.INSIDE].sum())

    @property
    def skeleton(self) -> str:
        """Digest of how the plant is built, its numbers left out."""
        return skeleton_of(self.plant)

    @property
    def numbers(self) -> str:
        """Digest of the tables that the run reads."""
        return numbers_of(self.plant)

    def changing(self) -> dict[str, I8]:
        """Copies of all arrays that a run changes, by the names that `resumed` takes."""
        return forking.changing(self._world)

    @classmethod
    def resumed(
        cls, plant: Plant, arrays: dict[str, I8], *, seed: int, replication: int, window: Window, changed: bool
    ) -> CalendarRun:
        """A run that goes on from the arrays of another one, of a plant with the same skeleton.

        `changed`: the plant's numbers are others. `window` begins at that moment or later, and counts anew.
        """
        run = object.__new__(cls)
        run.plant, run.window, run._flat, run._margin = plant, window, _flat(plant), _margin(plant)
        world = new_world(run._flat, seed, replication, window, store=True)
        _check(arrays, world)
        line = arrays["line"].copy()
        parts = np.zeros((2 * len(arrays["parts"]) + 2 * run._margin, c.P_WIDTH), np.int64)
        parts[: len(arrays["parts"])] = arrays["parts"]
        line[[c.STORING, c.FIRST_ROW]] = 1, line[c.ROWS]
        run._use(world._replace(s=arrays["state"].copy(), e=arrays["due"].copy(), g=line, p=parts))
        forking.count_anew(run._world, window)
        if changed:
            reconsider(run._header.ctypes.data)
        return run

    def _take_rows(self) -> EventLog:
        line = self._world.g
        n = int(line[c.ROWS] - line[c.FIRST_ROW]) if line[c.STORING] else 0
        line[c.FIRST_ROW] = line[c.ROWS]
        if line[c.ROWS] > MOST_ROWS and line[c.STORING]:
            msg = f"the run has more rows than a log can name ({MOST_ROWS}); run a shorter stretch"
            raise ModelError(msg)
        table = self._world.r[:n]
        return EventLog(*(table[:, i].astype(kind) for i, kind in enumerate(_ROW_KINDS)))

    def _make_room(self, *, parts: bool) -> None:
        world = self._world
        if world.g[c.STORING] and len(world.r) < 4 * self._margin:
            world = world._replace(r=np.zeros((max(4 * self._margin, 1 << 16), 7), np.int64))
        if parts:
            wider = np.zeros((2 * len(world.p) + 2 * self._margin, c.P_WIDTH), np.int64)
            wider[: len(world.p)] = world.p
            world = world._replace(p=wider)
        self._use(world)

    def _use(self, world: World) -> None:
        self._world, self._header = world, header(world)


def _check(arrays: dict[str, I8], world: World) -> None:
    """Raises ModelError where arrays are not of this world: compiled code looks at no bounds."""
    n_parts = int(arrays["line"][c.N_PARTS]) if arrays["line"].shape == world.g.shape else -1
    shapes = {"state": world.s.shape, "parts": (n_parts, c.P_WIDTH), "due": world.e.shape, "line": world.g.shape}
    if any(arrays[name].shape != shape or arrays[name].dtype != np.int64 for name, shape in shapes.items()):
        msg = "the saved moment is damaged: its arrays have other sizes than this plant's"
        raise ModelError(msg)


def skeleton_of(plant: Plant) -> str:
    """Digest of how a plant is built, its numbers left out."""
    return forking.skeleton(_flat(plant))


def joined(plant: Plant, saved: Saved) -> Saved | None:
    """A saved run as one of `plant`, which has more vehicles or people; None where anything else is built otherwise."""
    kept = added_units.known(plant, saved.units)
    if kept is None:
        return None
    as_it_was = added_units.renumbered(plant, {int(new): old for old, new in enumerate(kept)}, saved.units)
    if saved.skeleton != skeleton_of(as_it_was):
        return None
    return added_units.widened(saved, plant, _flat(plant), kept, skeleton_of(plant))


def numbers_of(plant: Plant) -> str:
    """Digest of all that a run reads of its plant."""
    return forking.numbers(_flat(plant))


def compile_all() -> None:
    """Compile every function of the engine, or load what was compiled before."""
    names = ("source", "machine")
    machine = Machine("machine", 1, 0, "machine")
    operation = Operation(
        "operation", "", 0, "", "machining", (1,), Distribution("constant", 1.0), 1.0, (Input(source=0),)
    )
    plant = Plant("", "", "", "UTC", "", ("",), (operation,), (machine,), (Source("source", 0),), (), names)
    plant = with_derived(plant)
    CalendarRun(plant, seed=0, replication=0, window=Window(0, 10)).advance(10)


def _margin(plant: Plant) -> int:
    """Rows, or parts, that one step can need: sources and furnaces give all they may, every unit writes a few rows."""
    batch = sum(o.batch.size * len(o.machines) for o in plant.operations if o.batch is not None)
    together = max(
        (Counter(source.arrivals_s).most_common(1)[0][1] for source in plant.sources if source.arrivals_s), default=0
    )
    return 4 * (c.MOST_AT_ONCE + batch + together) + 8 * len(plant.units) + 256
