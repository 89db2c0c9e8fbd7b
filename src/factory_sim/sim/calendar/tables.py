"""The tables of the compiled engine: one structured dtype for each kind of object.

Columns of one table belong to four groups. `built` is how the plant is built, `numbers` are its parameters, which a
fork may change, `streams` are the names of random streams, and `state` is what a run changes: a snapshot is a copy of
the state columns. A column is `name`, `name[length]` or `name:kind`, with `=value` at the start of a run. An index, a
code or a count of parts inside is int32; times (`..._us`), parameters and columns marked `:w` are int64. What every
visit reads ends the `built` columns and begins the state, so that it lies together in memory.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray  # noqa: TC002 - a NamedTuple's field

from factory_sim.clock import NEVER_US
from factory_sim.plant.states import Outcome, State, Wait
from factory_sim.sim.event_classes import Class

_COLUMN = re.compile(r"(\w+)(?:\[(\d+)])?(?::(\w+))?(?:=(\S+))?")
_KINDS = {"": "i4", "w": "i8", "f": "f8", "u": "u8", "i2": "i2", "u1": "u1"}


class Table(NamedTuple):
    """The columns of one kind of object."""

    dtype: np.dtype[Any]
    first: NDArray[Any]  # one row, as it is at the start of a run
    constant: frozenset[str]  # columns that do not change while compiled code runs
    built: tuple[str, ...]
    state: tuple[str, ...]


def _table(built: str = "", numbers: str = "", streams: str = "", state: str = "", *, wide: bool = False) -> Table:
    """Return a table; constants are -1 and state is 0 unless the column states another initial value."""
    columns: list[tuple[Any, ...]] = []
    initial: dict[str, int] = {}
    names: list[list[str]] = []
    own = "w" if wide else ""
    for words, usual, start in ((numbers, "w", "-1"), (streams, "u", "0"), (built, own, "-1"), (state, own, "0")):
        names.append([])
        for word in re.sub(r"#.*", "", words).split():
            name, length, kind, value = _COLUMN.fullmatch(word).groups(default="")  # type: ignore[union-attr]
            dtype = _KINDS["w" if name.endswith("us") else kind or usual]
            columns.append((name, dtype, (int(length),)) if length else (name, dtype))
            initial[name] = NEVER_US if value == "never" else int(value or start)
            names[-1].append(name)
    first = np.zeros(1, np.dtype(columns, align=True))
    for name, value_at_start in initial.items():
        first[name] = value_at_start
    constant = frozenset(name for group in names[:3] for name in group)
    return Table(first.dtype, first, constant, tuple(names[2]), tuple(names[3]))


TABLES = {
    "line": _table(
        wide=True,
        built="n_variants exit slot_bits latest_us group_bits",  # bit of `marked`: for 2**group_bits words of `dirty`
        numbers="check_deadlock=0",
        state="""
            now rows first_row storing n_parts stage pools_called any_unsettled look_at n_rework busy_unit
            visited at_once t0 t1 entered left scrapped merged lost good next_key=never marked changed new_calendar
            command=-1 commanded command_value:f  # to carry out next, and its unit
        """,
    ),
    "unit": _table(
        built="""
            saturated=0 gives_to n_gaps=0 slot_arrival  # a source
            slot_transport belt pool fleet  # a conveyor or vehicle, a conveyor, a member of a pool, a vehicle
            shift n_modes=0 mode0 plan0 slot_wear slot_strike slot_repair slot_upkeep needs[2] setup_pool  # a machine
            wears=0 n_plans=0 n_needs=0 slot_end station role
        """,
        numbers="""
            cycle_law loses=0 cards=0 arrival_law gap0 sequence0 n_sequence=0 mix0 n_mix=0
            load_law unload_law trip_law full_us=0 low_us=0 charge_us=0
        """,
        streams="cycles verdicts arrivals variants loads unloads trips",
        state="""
            phase step halted held=-1 n_held outcome place=-1 now_state=-1 last_row=-1
            next=-1 idling clock_on closing off since:w offered:w=-1  # next, since: in a queue for room, parts or work
            left_us drawn_us busy_us started:w busy_due:w=never parts:w parts_us k_cycle:w
            scrapped_parts:w k_verdict:w speed:f=1 ran_us running_since:w=-1
            failed=-1 repairing upkeep=-1 parts_done:w due_count:w
            variant=-1 setup_us calls_on=-1 need_as interrupted served[5]=-1
            calls_from=-1 assigned call_next=-1 call_priority:w call_since:w call_as
            outside:w inside:w card_row=-1 k_arrival:w k_variant:w  # a source
            free at_stop goes_to=-1 part=-1 battery_us task caller=-1 called_from=-1  # a vehicle
            k_load:w k_unload:w k_trip:w
            arrived  # parts at the end of a conveyor
        """,
    ),
    # A buffer, a rework rack, the exit, a conveyor, or the calls of one input for vehicles; `at` is its station.
    "place": _table(
        built="""
            belt_unit delay_us buffer fleet origin stop  # a conveyor, both, calls
            belt_in feeding_unit feeding_station index at kind next_gate  # a buffer; the next place of the station
        """,
        numbers="pace:f=0 quantity capacity",
        state="head=-1 tail=-1 count reserved senders=-1 room_row=-1 travels=-1",
    ),
    # One for each operation, and one for the exit, which is above all operations.
    "station": _table(
        built="""
            slot_timeout machine0 n_machines passes destination rework_to rack
            gate has_upkeep=0 inspects=0 takes in0 n_in
        """,
        numbers="""
            scrap:f=0 scrap_or_rework:f=0 max_loops batch_size batch_min batch_us
            rework_first rework_components factor0 setup0
        """,
        state="idle=-1 n_idle alarm:w=-1 stuck",
    ),
    "mode": _table(
        built="clock wearing crew",
        numbers="priority life_law repair_law",
        streams="lives repairs",
        state="due:w life_us k_life:w k_repair:w",
    ),
    "plan": _table(
        built="unit crew every_us slot",  # state: of its alarms by the clock, the next and the end in `edges`
        numbers="every_parts law wear_at:f=0",
        streams="durations",
        state="due_seq:w done_at:w k_duration:w next_alarm end_alarm",
    ),
    "pool": _table(built="wait_kind shift", state="open=1 free=-1 calls=-1"),
    # `next_edge` and `end_edge` point into `edges`; at an edge the shift opens and closes in turn.
    "shift": _table(built="slot", numbers="finish", state="is_open next_edge end_edge"),
    # `policy` is the plant's, `planned`, until a command sets another one.
    "fleet": _table(
        built="n_stops n_vehicles", numbers="travel0 vehicle0", state="planned policy dirty requests=-1 n_free"
    ),
    "slot": _table(built="kind subject"),  # of the event list: what happens, to which object
    "law": _table(numbers="code p0:f p1:f p2:f value0 n_values"),
    "part": _table(state="next row at_us variant origin loops"),
    "ahead": _table(state="block:w=-1 us[16]"),  # processing times drawn ahead, dropped by a snapshot
    "row": _table(state="t_us cause part detail unit:i2 state:u1 outcome:u1"),
}
# Lists: what constant columns point into, the event list with its minima, and sets as bits.
LISTS = {
    "whole": np.int64,
    "numbers": np.float64,
    "due": np.int64,
    "first_due": np.int64,
    "dirty": np.int64,
    "unsettled": np.int64,
    "wanted": np.int64,
    "edges": np.int64,  # of shifts and alarms by the clock, for a stretch of the run
}
CONSTANT_LISTS = ("whole", "numbers")
SAVED = ("line", "unit", "place", "station", "mode", "plan", "pool", "shift", "fleet", "part")  # what snapshots keep

# ---- values of columns

NEVER = NEVER_US
(OFF, SETUP, STARVED, BUSY, BLOCKED, WAITING, MAINTENANCE, DOWN, REPAIR) = map(int, list(State)[:9])  # of machines
(IDLE, MOVING_EMPTY, MOVING_LOADED, LOADING, CHARGING) = map(int, list(State)[9:14])  # of vehicles
(NO_MOVE, TOOK, MERGED, PASSED, REWORK, SCRAPPED, LEFT, ENTERED, LOST) = map(int, Outcome)
(FOR_VEHICLE, FOR_ROBOT, FOR_OPERATOR) = map(int, Wait)  # detail of WAITING
(CALENDAR, ALARM, REPAIR_END, UPKEEP_END, PROCESSING_END, FAILURE, TRANSPORT_END, ARRIVAL, TIMEOUT) = (
    2 * int(each)
    for each in Class  # slot.kind
)
STRIKE = FAILURE + 1  # of a time-dependent mode
SOURCE, MACHINE, VEHICLE, CONVEYOR, MEMBER = range(5)  # unit.role
TAKES_ONE, TAKES_SET, TAKES_BATCH = range(3)  # station.takes
BUFFER, EXIT, BELT, CALLS = range(4)  # place.kind
FIRST_COME, NEAREST, MOST_URGENT = range(3)  # fleet.policy
SPEED, STOP, START, POLICY = range(4)  # line.command, as in commands.COMMANDS
EMPTY, CHANGEOVER, NEEDS, WORK, DONE = range(5)  # unit.phase
CLOCK_OFF, CLOCK_END, CLOCK_WEAR = range(3)  # unit.clock_on
AS_SETUP, AS_NEED0, AS_NEED1, AS_BREAKDOWN, AS_UPKEEP = range(5)  # unit.call_as, and the positions of unit.served
TO_PICK_UP, TO_LOAD, TO_DELIVER, TO_UNLOAD, TO_CHARGE = range(5)  # unit.task
BEGINNING, BETWEEN, EVENTS, SERVING, MOVING, FILLING = range(6)  # line.stage
MOST_AT_ONCE = 1024  # parts that sources give in one step: a buffer of a million places is filled in many
BLOCK_BITS, BLOCK = 4, 16  # slots of the event list under one minimum
WORD_BITS, IN_WORD = 6, 63  # of a set
DRAWS_BITS, DRAWS = 4, 16  # processing times drawn at once
