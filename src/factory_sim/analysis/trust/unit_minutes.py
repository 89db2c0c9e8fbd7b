"""Activity of each unit by minute, which its sensors should reflect."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from factory_sim.analysis.blocks import BLOCK_US
from factory_sim.analysis.kernels import lags
from factory_sim.analysis.unit_energy import J_PER_KWH, power_w
from factory_sim.plant.states import DOWN_STATES, N_STATES, WORKING_STATES, State

if TYPE_CHECKING:
    from factory_sim.records import B1, F8, I8, EventLog, Meta

# candidate time constants of temperatures
LAGS_MIN = np.array([1.0, 2.0, 5.0, 10.0, 20.0, 40.0, 60.0, 90.0, 150.0, 250.0])
_SELDOM = 0.01  # share of time
_WORKING = np.isin(np.arange(N_STATES), [int(state) for state in WORKING_STATES])
_STOPPED = np.isin(np.arange(N_STATES), [int(s) for s in (*DOWN_STATES, State.OFF, State.MAINTENANCE)])


@dataclass(frozen=True, eq=False)  # no slots: cached_property stores its value in the instance
class Minutes:
    """One unit's minutes. Shapes (n_minutes, N_STATES), else (n_minutes,)."""

    share: F8  # of the minute spent in each state; the last column: unknown
    changes: I8  # of state
    kwh: F8  # state times x power; NaN where a state's power is not known

    @cached_property
    def working(self) -> F8:
        """Share of the minute spent at work."""
        found: F8 = self.share @ _WORKING
        return found

    @cached_property
    def odd(self) -> B1:
        """Whether it was off, down, in maintenance or in a rare state in the minute or the one before."""
        seldom = self.share.mean(axis=0) < _SELDOM
        here = self.share @ (_STOPPED | seldom) > 0
        odd: B1 = here | np.concatenate(([True], here[:-1]))  # the minute before the first is not known
        return odd

    @cached_property
    def warmth(self) -> F8:
        """First-order lags of state x power, in balance with the first minute. Shape (n_minutes, n_lags)."""
        out = np.empty((len(self.kwh), len(LAGS_MIN)))
        lags.lagged(np.nan_to_num(self.kwh), np.exp(-1 / LAGS_MIN), out)
        return out


class UnitHistory:
    """The minutes of all units, computed from the log once each."""

    def __init__(self, log: EventLog, meta: Meta) -> None:
        order = np.argsort(log.unit, kind="stable")
        self._t_us, self._state = log.t_us[order], log.state[order]
        self._first = np.searchsorted(log.unit[order], np.arange(len(meta.units) + 1))
        self._watts = power_w(meta)
        self._watts[:, State.UNKNOWN] = 0.0
        self._known: dict[tuple[int, bytes], Minutes] = {}

    def of(self, unit: int, minute: I8) -> Minutes:
        """Return the activity of `unit` in these minutes of the run (increasing), shape (n,)."""
        key = (unit, minute.tobytes())
        if key not in self._known:
            mine = slice(*self._first[unit : unit + 2])
            self._known[key] = _minutes(self._t_us[mine], self._state[mine], minute, self._watts[unit])
        return self._known[key]


def _minutes(t_us: I8, state: np.ndarray, minute: I8, watts: F8) -> Minutes:
    first, stop = np.searchsorted(t_us, (minute[0] * BLOCK_US, (minute[-1] + 1) * BLOCK_US))
    # of equal moments all but the last span no time; a stable sort merges what is in order
    moments = np.sort(np.concatenate((minute * BLOCK_US, (minute + 1) * BLOCK_US, t_us[first:stop])), kind="stable")
    row = np.searchsorted(t_us, moments[:-1], side="right") - 1
    now = np.where(row >= 0, state[np.maximum(row, 0)] if len(state) else State.UNKNOWN, State.UNKNOWN)
    place = np.searchsorted(minute, moments[:-1] // BLOCK_US)
    inside = (place < len(minute)) & (minute[np.minimum(place, len(minute) - 1)] == moments[:-1] // BLOCK_US)
    cell = place[inside] * N_STATES + now[inside]
    spent = np.bincount(cell, np.diff(moments)[inside], len(minute) * N_STATES).reshape(-1, N_STATES)
    changed = t_us[1:][state[1:] != state[:-1]] // BLOCK_US
    begin, end = (np.searchsorted(changed, minute, side=side) for side in ("left", "right"))
    with np.errstate(invalid="ignore"):
        kwh = np.where(spent > 0, spent * watts, 0.0).sum(axis=1) / 1e6 / J_PER_KWH
    return Minutes(spent / BLOCK_US, end - begin, kwh)
