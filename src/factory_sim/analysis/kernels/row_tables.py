"""Rows and units as the kernels take them: arrays of records with named int64 fields."""

from __future__ import annotations

from enum import IntEnum

import numpy as np


class Role(IntEnum):
    """The roles of a unit that the kernels distinguish."""

    SOURCE = 0
    MACHINE = 1
    POOL = 2  # robot or member of a crew
    CARRIER = 3  # vehicle or conveyor


def record(*names: str) -> np.dtype[np.void]:
    """Return a record type with int64 fields."""
    return np.dtype([(name, np.int64) for name in names])


ROW = record("t_us", "unit", "seq", "state", "part", "outcome", "detail")
UNIT = record("role", "operation", "fed")  # operation of a machine, operation that a source feeds; -1: none
