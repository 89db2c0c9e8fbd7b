"""Rows made one at a time, as formats with a message per row need them."""

from __future__ import annotations

import numpy as np

from factory_sim.records import Rows

NO_ROWS = Rows.empty()  # shared: nobody writes into records


def one_row(  # noqa: PLR0913 - a row has seven columns
    t_ns: int, unit: int, seq: int, state: int, part: int, outcome: int, detail: int
) -> Rows:
    """A table of one row."""
    return Rows(
        np.array([t_ns], np.int64),
        np.array([unit], np.int16),
        np.array([seq], np.int64),
        np.array([state], np.uint8),
        np.array([part], np.int32),
        np.array([outcome], np.uint8),
        np.array([detail], np.int32),
    )
