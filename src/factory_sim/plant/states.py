"""States of units, outcomes of parts, and the names of states in SEMI E10."""

from __future__ import annotations

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
    UNKNOWN = 14  # no news; a simulated unit is never in this state


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
KNOWN_STATES = tuple(state for state in State if state != State.UNKNOWN)  # those with a power
DOWN_STATES = (State.DOWN, State.REPAIR)
WORKING_STATES = (State.BUSY, State.MOVING_EMPTY, State.MOVING_LOADED, State.LOADING)


# Basic states of SEMI E10-0814
SEMI_E10: dict[State, str] = {
    State.OFF: "non-scheduled time",
    State.SETUP: "scheduled downtime: setup",
    State.STARVED: "standby: no product",
    State.BUSY: "productive",
    State.BLOCKED: "standby: no output room",
    State.WAITING: "standby: no support",
    State.MAINTENANCE: "scheduled downtime: preventive maintenance",
    State.DOWN: "unscheduled downtime: maintenance delay",
    State.REPAIR: "unscheduled downtime: repair",
    State.IDLE: "standby",
    State.MOVING_EMPTY: "productive",
    State.MOVING_LOADED: "productive",
    State.LOADING: "productive",
    State.CHARGING: "scheduled downtime",
    State.UNKNOWN: "unknown",
}
