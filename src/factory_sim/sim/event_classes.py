"""The order of events that fall due at one instant, in both engines (INST-2)."""

from __future__ import annotations

from enum import IntEnum


class Class(IntEnum):
    """Order of events that fall due at the same instant; within a class by unit, then by number."""

    CALENDAR = 0
    ALARM = 1  # of planned maintenance
    REPAIR_END = 2
    UPKEEP_END = 3
    PROCESSING_END = 4
    FAILURE = 5  # number 0: operation-dependent, 1: time-dependent
    TRANSPORT_END = 6
    ARRIVAL = 7
    TIMEOUT = 8
