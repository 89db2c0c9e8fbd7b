"""Lost time of each operation by reason, and the unit it waited for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from factory_sim.analysis import topology
from factory_sim.analysis.kernels import cause_walk as kernels
from factory_sim.plant.states import N_STATES, State

if TYPE_CHECKING:
    from factory_sim.analysis.facts import Facts
    from factory_sim.records import I8

_WAITS = (State.STARVED, State.BLOCKED, State.WAITING)
_PLANNED = (State.SETUP, State.MAINTENANCE, State.OFF)


@dataclass(frozen=True, slots=True)
class Loss:
    """Time an operation's machines lost for one reason."""

    operation: int
    reason: str  # "starved", "blocked", "waiting", "failure", "crew", "setup", "maintenance", "off"
    by: str  # operation or unit it waited for, or failure mode; "": none, or not known
    seconds: float


def pareto(facts: Facts) -> list[Loss]:
    """Return every loss of the window, largest first.

    Starved, blocked and waiting time is attributed to the units along the chain of causes that ended the wait. For each
    operation the seconds of each state's reasons add up to its state time.
    """
    found = [*_waits(facts), *_failures(facts), *_planned(facts)]
    return sorted(found, key=lambda loss: (-loss.seconds, loss.operation, loss.reason, loss.by))


def waited_for_us(facts: Facts) -> I8:
    """Return the waiting time of operations by kind (starved, blocked, waiting) and unit waited for [µs].

    Shape (n_operations, 3, n_units + 1). The last column is not attributed: the wait continues or ended otherwise.
    """
    log, meta = facts.log, facts.meta
    waits = np.full(N_STATES, -1)
    waits[list(_WAITS)] = range(len(_WAITS))
    out = np.zeros((len(meta.operations), len(_WAITS), len(meta.units) + 1), np.int64)
    columns = (log.t_us, log.unit, log.state, log.outcome, log.cause, topology.of(meta).units["operation"])
    kernels.attribute_waits(*columns, waits, facts.window.t0_us, facts.window.t1_us, out)
    return out


def _waits(facts: Facts) -> list[Loss]:
    meta = facts.meta
    by_unit = [*(meta.operations[u.operation].name if u.operation >= 0 else u.name for u in meta.units), ""]
    names, name = np.unique(by_unit, return_inverse=True)
    operation, kind, unit = np.nonzero(waited := waited_for_us(facts))
    shape = (len(meta.operations), len(_WAITS), len(names))
    cell = np.ravel_multi_index((operation, kind, name[unit]), shape)
    seconds = np.bincount(cell, waited[operation, kind, unit] / 1e6)
    found = np.flatnonzero(seconds)
    i, k, n = np.unravel_index(found, shape)
    reasons = np.array([state.name.lower() for state in _WAITS])
    columns = [each.tolist() for each in (i, reasons[k], names[n], seconds[found])]
    return [Loss(*values) for values in zip(*columns, strict=True)]


def _failures(facts: Facts) -> list[Loss]:
    found = []
    for index, each in enumerate(facts.meta.operations):
        names = facts.meta.failure_modes[each.machines[0]]
        repair_us = facts.mode_us[list(each.machines)].sum(axis=0)
        wait_us = int(facts.at("operation").crew_wait_us[index])
        found += [
            Loss(index, "failure", names[mode] if mode < len(names) else "", us / 1e6)
            for mode, us in enumerate(repair_us.tolist())
            if us
        ]
        found += [Loss(index, "crew", "", wait_us / 1e6)] * (wait_us > 0)
    return found


def _planned(facts: Facts) -> list[Loss]:
    state_us = facts.at("operation").state_us
    lost = [(index, state) for index in range(len(state_us)) for state in _PLANNED if state_us[index, state]]
    return [Loss(index, state.name.lower(), "", int(state_us[index, state]) / 1e6) for index, state in lost]
