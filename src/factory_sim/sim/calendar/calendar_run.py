"""One run of the compiled engine, advanced step by step."""

from __future__ import annotations

from collections import Counter
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from factory_sim.clock import NEVER_US
from factory_sim.distributions import Distribution
from factory_sim.errors import ModelError
from factory_sim.plant import wall_clock
from factory_sim.plant.resolve.derived import with_derived
from factory_sim.plant.spec import Input, Machine, Operation, Plant, Source
from factory_sim.records import EventLog, Truth, Window
from factory_sim.sim import added_units, forking
from factory_sim.sim.calendar import tables as c
from factory_sim.sim.calendar.advance import DEADLOCK, FINISHED, FULL_PARTS, FULL_ROWS, advance
from factory_sim.sim.calendar.deadlock_search import deadlock_text
from factory_sim.sim.calendar.flatten import POLICY_CODES, Flat, flatten
from factory_sim.sim.calendar.run_state import new_arrays, restore, states_of, view
from factory_sim.sim.calendar.world import fault, header
from factory_sim.sim.commands import COMMANDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from factory_sim.records import I8
    from factory_sim.sim.commands import Command
    from factory_sim.sim.snapshot import SavedRun

MOST_ROWS = 2**31 - 1  # `cause` names a row in four bytes
_YEAR_US = 365 * 86_400_000_000
_ROWS_AT_ONCE = 1 << 18  # 6 MB, which the system gives in large pages
_flats: list[tuple[Plant, Flat]] = []  # of the plants that ran last; plants are slow to hash


def _flat(plant: Plant) -> Flat:
    for known, found in _flats:
        if known is plant:
            return found
    found = flatten(plant)
    _flats[8 - 1 :] = []
    _flats.insert(0, (plant, found))
    return found


class CalendarRun:
    """Like sim.run.Simulation, compiled; the log is bit-identical."""

    def __init__(self, plant: Plant, *, seed: int, replication: int, window: Window, store: bool = True) -> None:
        """`store`: keep rows for `advance` to return; without, only counters are kept."""
        self.plant, self.window, self._margin = plant, window, _margin(plant)
        self._arrays = new_arrays(_flat(plant), seed, replication, window, store=store)
        latest_us = int(self._arrays["line"]["latest_us"][0])
        if window.t1_us > latest_us:
            years = latest_us / _YEAR_US
            msg = (
                f"The event list of the compiled engine can represent {years:.0f} years with this plant, and the run "
                f"ends at {window.t1_us / _YEAR_US:.0f} years. Run a shorter stretch, or use the engine simpy."
            )
            raise ModelError(msg)
        self._commands: list[Command] = []  # of the next slice
        self._header: I8 | None = None  # of the arrays as they are; None: they were replaced
        self._alarms = [plan.at for machine in plant.machines for plan in machine.maintenance]
        self._arrays["shift"]["is_open"] = [wall_clock.is_open(plant, shift, 0) for shift in plant.shifts]
        self._lay_out_calendar(0)
        self._make_room(parts=True)

    def advance(self, until_us: int) -> EventLog:
        """Run every instant before `until_us` and return the new rows. Raises ModelError on a deadlock."""
        pieces: list[NDArray[Any]] = []
        if self._commands and until_us > self._now_us:
            pieces += self._carry_out()
        while self._calendar_us < until_us:
            pieces += self._advance_to(self._calendar_us)
            self._lay_out_calendar(self._calendar_us)
        pieces += self._advance_to(until_us)
        return _log([*pieces, self._take_rows()])

    def command(self, command: Command) -> None:
        """Schedule a command for the start of the next slice (CMD-1). Raise ModelError if it cannot be carried out."""
        command.check(self.plant, POLICY_CODES, self._now_us)
        self._commands.append(command)

    def _carry_out(self) -> Iterator[NDArray[Any]]:
        """Carry out the commands of this instant, in the order of units, and yield full tables of rows."""
        now_us, line = self._now_us, self._arrays["line"][0]
        yield from self._advance_to(now_us)  # the run has begun
        if self._calendar_us == now_us:
            self._lay_out_calendar(now_us)
        for each in sorted(self._commands, key=attrgetter("unit")):
            line["command"], line["commanded"] = COMMANDS.index(each.name), each.unit
            line["command_value"] = POLICY_CODES[str(each.value)] if each.name == "policy" else each.value or 0
            yield from self._advance_to(now_us)
        self._commands = []

    @property
    def _now_us(self) -> int:
        return int(self._arrays["line"]["now"][0])

    def _advance_to(self, until_us: int) -> Iterator[NDArray[Any]]:
        """Run every instant before `until_us`, within the stretch of the calendar, and yield full tables of rows."""
        while (why := self._advance(until_us)) != FINISHED:
            if why == FULL_ROWS:
                yield self._take_rows()
                self._arrays["row"] = np.empty(0, c.TABLES["row"].dtype)  # what was yielded is a view
            if why == DEADLOCK:
                raise ModelError(deadlock_text(view(self._arrays), self.plant))
            self._make_room(parts=why == FULL_PARTS)

    def _advance(self, until_us: int) -> int:
        if self._header is None:
            self._header = header(self._arrays)
        try:
            return int(advance(self._header.ctypes.data, until_us, self._margin))
        except IndexError as error:  # of the checked build
            raise fault(self._header, error) from None

    def truth(self) -> Truth:
        """Return what has been counted so far in the window."""
        parts, busy, scrapped = (self._arrays["unit"][name].copy() for name in ("parts", "parts_us", "scrapped_parts"))
        return Truth(self.window, parts, busy, scrapped, good_parts=int(self._arrays["line"]["good"][0]))

    def balance(self) -> tuple[int, int, int, int, int]:
        """Return the parts since the start: entered, left good, scrapped, merged into others, inside."""
        line = self._arrays["line"][0]
        inside = int(self._arrays["unit"]["inside"].sum())
        return int(line["entered"]), int(line["left"]), int(line["scrapped"]), int(line["merged"]), inside

    def changing(self) -> dict[str, NDArray[Any]]:
        """Return copies of all state columns, by the names that `resumed` takes."""
        return states_of(self._arrays)

    @classmethod
    def resumed(cls, plant: Plant, saved: SavedRun, *, seed: int, replication: int, window: Window) -> CalendarRun:
        """Return a run that continues a saved one, of a plant with the same skeleton.

        `window` begins at that moment or later, with counters from zero.
        """
        run, states = cls(plant, seed=seed, replication=replication, window=window), saved.tables
        arrays = run._arrays
        _check(states, arrays)
        arrays["part"] = np.zeros(2 * len(states["part"]) + 2 * run._margin, c.TABLES["part"].dtype)
        restore(arrays, states)
        line = arrays["line"][0]
        line["storing"], line["first_row"], line["changed"] = 1, line["rows"], saved.numbers != numbers_of(plant)
        forking.count_anew(arrays, window)
        run._lay_out_calendar(int(line["now"]))
        run._make_room(parts=False)
        return run

    def _take_rows(self) -> NDArray[Any]:
        """Return the new rows, a view of their table."""
        line = self._arrays["line"][0]
        n = int(line["rows"] - line["first_row"]) if line["storing"] else 0
        line["first_row"] = line["rows"]
        if line["rows"] > MOST_ROWS and line["storing"]:
            msg = f"the run has more rows than a log can name ({MOST_ROWS}); run a shorter stretch"
            raise ModelError(msg)
        return self._arrays["row"][:n]

    def _lay_out_calendar(self, t0_us: int) -> None:
        """Let the run read the edges of shifts and the alarms of the stretch from `t0_us` on, its present time."""
        arrays, plant, end_us = self._arrays, self.plant, t0_us + wall_clock.CHUNK_US
        shifts = zip(plant.shifts, arrays["shift"]["is_open"].tolist(), strict=True)
        edges = [wall_clock.edges(plant, shift, t0_us, end_us, was_open=bool(open_)) for shift, open_ in shifts]
        alarms = [wall_clock.alarms(plant, at, t0_us, end_us) if at else [] for at in self._alarms]
        ends = np.cumsum([0, *map(len, edges + alarms)])
        n = len(edges)
        arrays["shift"]["next_edge"], arrays["shift"]["end_edge"] = ends[:n], ends[1 : n + 1]
        arrays["plan"]["next_alarm"], arrays["plan"]["end_alarm"] = ends[n:-1], ends[n + 1 :]
        arrays["edges"] = np.array([t_us for times in edges + alarms for t_us in times], np.int64)
        arrays["line"]["new_calendar"] = 1
        self._calendar_us = end_us if plant.shifts or any(self._alarms) else NEVER_US
        self._header = None

    def _make_room(self, *, parts: bool) -> None:
        arrays = self._arrays
        if arrays["line"]["storing"][0] and len(arrays["row"]) < 4 * self._margin:
            arrays["row"] = np.empty(max(4 * self._margin, _ROWS_AT_ONCE), c.TABLES["row"].dtype)
        if len(arrays["part"]) > MOST_ROWS:
            msg = f"The run has more parts than a log can name ({MOST_ROWS}). Run a shorter stretch."
            raise ModelError(msg)
        if parts:
            wider = np.zeros(2 * len(arrays["part"]) + 2 * self._margin, c.TABLES["part"].dtype)
            wider[: len(arrays["part"])] = arrays["part"]
            arrays["part"] = wider
        self._header = None


def _log(pieces: list[NDArray[Any]]) -> EventLog:
    """Return the rows of all pieces as columns in one stretch of memory, which the system gives in large pages."""
    n, at, columns = sum(map(len, pieces)), 0, {}
    memory = np.empty(n * c.TABLES["row"].dtype.itemsize, np.uint8)
    for name, (kind, *_) in (c.TABLES["row"].dtype.fields or {}).items():
        columns[name] = memory[at : at + n * kind.itemsize].view(kind)
        np.concatenate([piece[name] for piece in pieces], out=columns[name])
        at += n * kind.itemsize
    return EventLog(**columns)


def _check(states: dict[str, NDArray[Any]], arrays: dict[str, NDArray[Any]]) -> None:
    """Raise ModelError where states are not of these tables: compiled code checks no bounds."""
    wanted = states_of(arrays)
    for name, own in wanted.items():
        given = states.get(name)
        n = len(own) if name != "part" or given is None else int(states["line"]["n_parts"][0])
        if given is None or given.dtype != own.dtype or given.shape != (n,):
            msg = f"the snapshot is damaged: its table {name!r} differs in size from this plant's"
            raise ModelError(msg)


def skeleton_of(plant: Plant) -> str:
    """Return a digest of how a plant is built, without its parameters."""
    return forking.skeleton(_flat(plant))


def joined(plant: Plant, run: SavedRun) -> SavedRun | None:
    """Return a saved run as one of `plant`, which has more vehicles or people; None where it differs otherwise."""
    kept = added_units.known(plant, run.units)
    if kept is None:
        return None
    as_it_was = added_units.renumbered(plant, {int(new): old for old, new in enumerate(kept)}, run.units)
    if run.skeleton != skeleton_of(as_it_was):
        return None
    return added_units.widened(run, plant, _flat(plant), kept, skeleton_of(plant))


def numbers_of(plant: Plant) -> str:
    """Return a digest of all that a run reads of its plant."""
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
    """Return how many rows, or parts, one step can need at most."""
    batch = sum(o.batch.size * len(o.machines) for o in plant.operations if o.batch is not None)
    together = max(
        (Counter(source.arrivals_s).most_common(1)[0][1] for source in plant.sources if source.arrivals_s), default=0
    )
    return 4 * (c.MOST_AT_ONCE + batch + together) + 8 * len(plant.units) + 256
