"""Event rows built from single values, for formats with a message per row."""

from __future__ import annotations

from typing import Any

import numpy as np

from factory_sim.records import Readings, Rows

NO_ROWS = Rows.empty()  # shared: records are never written to
NO_READINGS = Readings(NO_ROWS)


def make_rows(t_ns: Any, unit: Any, seq: Any, state: Any, part: Any, outcome: Any, detail: Any) -> Rows:  # noqa: PLR0913 - the columns of a row
    """Return a table from columns, each an array of integers, or a single integer for one row."""
    return Rows(
        t_ns=np.array(t_ns, np.int64, ndmin=1),
        unit=np.array(unit, np.int16, ndmin=1),
        seq=np.array(seq, np.int64, ndmin=1),
        state=np.array(state, np.uint8, ndmin=1),
        part=np.array(part, np.int32, ndmin=1),
        outcome=np.array(outcome, np.uint8, ndmin=1),
        detail=np.array(detail, np.int32, ndmin=1),
    )
