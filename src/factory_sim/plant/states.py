"""States of units, outcomes of parts, and the names of states in standards."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class State(IntEnum):
    """State of a unit, exactly one at a time. Logs and telemetry contain the values: never renumber."""

    OFF = 0
    SETUP = 1
    STARVED = 2
    BUSY = 3
    BLOCKED = 4
    WAITING = 5  # has all parts and room, lacks a robot, an operator or a vehicle; detail: a Wait
    MAINTENANCE = 6  # planned
    DOWN = 7  # failed, no crew yet
    REPAIR = 8  # failed, a crew at work
    IDLE = 9  # vehicle, robot, crew: free
    MOVING_EMPTY = 10
    MOVING_LOADED = 11
    LOADING = 12  # loading or unloading
    CHARGING = 13


class Outcome(IntEnum):
    """What a row of a log reports about `part`. Logs and telemetry contain the values: never renumber."""

    NONE = 0  # only the state changed; `part` is the part held, -1 for none
    TOOK = 1  # the unit took the part to work on it or carry it
    MERGED = 2  # the unit took the part as a component: it is now inside the part of the TOOK row at this instant
    PASSED = 3  # the unit passed the good part on; detail: operation that receives it
    REWORK = 4  # the unit sent the part back for rework; detail: operation that receives it
    SCRAPPED = 5  # the part left the line as scrap
    LEFT = 6  # the part reached the sink, good
    ENTERED = 7  # a new part entered the line from the source; detail: variant
    LOST = 8  # an arrival found the line full and was lost; part: -1


class Wait(IntEnum):
    """Resource that a WAITING unit waits for: `detail` of its row."""

    VEHICLE = 0
    ROBOT = 1
    OPERATOR = 2


# Meaning of `detail`, by outcome first, then by state: destination operation (PASSED, REWORK), variant (ENTERED,
# SETUP), failure mode (DOWN, REPAIR), Wait (WAITING), wear in millionths of the way to failure (BUSY), else 0.

N_STATES = len(State)
DOWN_STATES = (State.DOWN, State.REPAIR)
WORKING_STATES = (State.BUSY, State.MOVING_EMPTY, State.MOVING_LOADED, State.LOADING)


@dataclass(frozen=True, slots=True)
class Standard:
    """Names of one state in three standards."""

    semi_e10: str
    packml: str
    iso22400: str


# SEMI E10-0814 basic states; ISA-TR88.00.02 (PackML) states; ISO 22400-2:2014 time elements.
# The standards overlap only roughly: PackML separates reasons inside and outside the machine, ISO 22400 defines
# times, not states.
STANDARDS: dict[State, Standard] = {
    State.OFF: Standard("non-scheduled time", "Stopped", "planned down time (outside PBT)"),
    State.SETUP: Standard("scheduled downtime: setup", "Execute (setup mode)", "AUST"),
    State.STARVED: Standard("standby: no product", "Suspended", "ADET"),
    State.BUSY: Standard("productive", "Execute", "APT"),
    State.BLOCKED: Standard("standby: no output room", "Suspended", "ADET"),
    State.WAITING: Standard("standby: no support", "Held", "ADET"),
    State.MAINTENANCE: Standard(
        "scheduled downtime: preventive maintenance", "Stopped (maintenance mode)", "planned down time"
    ),
    State.DOWN: Standard("unscheduled downtime: maintenance delay", "Aborted", "ADOT"),
    State.REPAIR: Standard("unscheduled downtime: repair", "Aborted (maintenance mode)", "ADOT, TTR"),
    State.IDLE: Standard("standby", "Idle", "ADET"),
    State.MOVING_EMPTY: Standard("productive", "Execute", "ATT"),
    State.MOVING_LOADED: Standard("productive", "Execute", "ATT"),
    State.LOADING: Standard("productive", "Execute", "ATT"),
    State.CHARGING: Standard("scheduled downtime", "Held", "planned down time"),
}
