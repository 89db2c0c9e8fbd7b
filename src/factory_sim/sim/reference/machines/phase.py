"""How far a machine is with its parts, whatever halts it (STATE-2)."""

from __future__ import annotations

from enum import IntEnum


class Phase(IntEnum):
    """A step of the work instruction."""

    EMPTY = 0
    SETUP = 1
    NEEDS = 2  # a robot or an operator
    WORK = 3
    DONE = 4


EMPTY, SETUP, NEEDS, WORK, DONE = Phase
