"""Event rows built from single values, for formats with a message per row."""

from __future__ import annotations

from typing import Any

import numpy as np

from factory_sim.records import Readings, Rows

NO_ROWS = Rows.empty()  # shared: records are never written to
NO_READINGS = Readings(NO_ROWS)
_TYPES = {
    "t_ns": np.int64,
    "unit": np.int16,
    "seq": np.int64,
    "state": np.uint8,
    "part": np.int32,
    "outcome": np.uint8,
    "detail": np.int32,
}


def make_rows(**columns: Any) -> Rows:
    """Return a table from columns, each a sequence of integers, or a single integer for one row."""
    return Rows(**{name: np.array(columns[name], kind, ndmin=1) for name, kind in _TYPES.items()})
