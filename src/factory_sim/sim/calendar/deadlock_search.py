"""The compiled engine's search for deadlocks. Twin of sim/reference/deadlock_watch.py and of sim/deadlock.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

from factory_sim.plant.states import Outcome
from factory_sim.sim.calendar import tables as c
from factory_sim.sim.calendar.linkage import inner_njit, rare_njit
from factory_sim.sim.calendar.machines import awaits_vehicle
from factory_sim.sim.calendar.world import most
from factory_sim.sim.deadlock import OperationStatus, blocked, cycle_message

if TYPE_CHECKING:
    from factory_sim.plant.spec import Plant
    from factory_sim.sim.calendar.run_state import Tables


@inner_njit
def is_deadlocked(w):
    """Return whether there is a deadlock (rule DEAD-3); also set the time of the next check."""
    busy = _busy_until(w)
    w.line.look_at = most(busy, w.line.now + 1)
    return (busy < 0 or w.line.n_rework > 0) and _any_stuck(w)


@inner_njit
def _busy_until(w):
    """Return until when some machine certainly has work, -1 if none has; the one found is looked at first next time."""
    for i in range(-1, len(w.unit)):
        unit = w.line.busy_unit if i < 0 else i
        u = w.unit[unit]
        if u.role == c.MACHINE and c.CHANGEOVER <= u.phase <= c.WORK:
            w.line.busy_unit = unit
            return u.started + u.left_us if u.clock_on else w.line.now
    return -1


@rare_njit
def _any_stuck(w):
    """Reduce the set of all operations (rule DEAD-4); return whether some remain."""
    n_stuck, changed = len(w.station) - 1, True
    for station in range(n_stuck):
        w.station[station].stuck = 1
    while changed:
        changed = False
        for station in range(len(w.station) - 1):
            if w.station[station].stuck and not _stuck(w, station, n_stuck):
                w.station[station].stuck = 0
                n_stuck -= 1
                changed = True
    return n_stuck > 0


@inner_njit
def _stuck(w, station, n_stuck):
    row_of, idle = w.station[station], False
    for unit in range(row_of.machine0, row_of.machine0 + row_of.n_machines):
        phase = w.unit[unit].phase
        if phase == c.EMPTY:
            idle = True
        elif phase != c.DONE or awaits_vehicle(w, unit) or not w.station[w.place[w.unit[unit].place].at].stuck:
            return False
    if not idle:
        return True
    for buffer in range(row_of.in0, row_of.in0 + row_of.n_in):
        if not enough(w, station, buffer) and _feeders_stuck(w, station, buffer, n_stuck):
            return True
    return False


@inner_njit
def enough(w, station, buffer):
    """Return whether an input has enough parts, those on their way included (rule DEAD-6)."""
    p, belt, row_of = w.place[buffer], w.place[buffer].belt_in, w.station[station]
    needed = w.place[buffer].quantity
    if row_of.takes == c.TAKES_BATCH:
        needed = 1 if row_of.batch_us else row_of.batch_min
    if p.reserved or (belt >= 0 and w.place[belt].count):
        return True
    waiting, sender = p.count, p.senders
    while sender >= 0:
        waiting, sender = waiting + 1, w.unit[sender].next
    again = 0
    if row_of.rack >= 0:
        again, sender = w.place[row_of.rack].count, w.place[row_of.rack].senders
        while sender >= 0:
            again, sender = again + 1, w.unit[sender].next
    first = buffer == row_of.in0
    if again and row_of.takes != c.TAKES_BATCH and (first or not row_of.rework_components):
        return True
    return waiting + (again if first else 0) >= needed


@inner_njit
def _feeders_stuck(w, station, buffer, n_stuck):
    p = w.place[buffer]
    if p.feeding_unit >= 0:
        if n_stuck < len(w.station) - 1 or not awaits_card(w, p.feeding_unit):
            return False
    elif not w.station[p.feeding_station].stuck:
        return False
    rack = w.station[station].rack
    for other in range(len(w.station) - 1 if rack >= 0 and buffer == w.station[station].in0 else 0):
        if w.station[other].rework_to == rack and not w.station[other].stuck:
            return False
    return True


@inner_njit
def awaits_card(w, unit):
    """Return whether this source has parts to come and all its cards are out (rule DEAD-5)."""
    u = w.unit[unit]
    more = u.saturated == 1 or u.outside > 0 or w.due[u.slot_arrival] < c.NEVER
    return more and 0 < u.cards <= u.inside


# ---- naming it: plain Python on a world that has stopped


def deadlock_text(w: Tables, plant: Plant) -> str:
    """Return the message for the deadlock in which a run has stopped."""
    statuses = [_status(w, plant, station) for station in range(len(plant.operations))]
    out = {i for i, source in enumerate(plant.sources) if awaits_card.py_func(w, source.unit)}
    return cycle_message(int(w.line.now[0]), blocked(plant, statuses, out), plant)


def _status(w: Tables, plant: Plant, station: int) -> OperationStatus:
    own = w.station[station]
    machines, inputs = (range(n0, n0 + n) for n0, n in ((own.machine0, own.n_machines), (own.in0, own.n_in)))
    done = [unit for unit in machines if w.unit[unit].phase == c.DONE]
    idle = [unit for unit in machines if w.unit[unit].phase == c.EMPTY]
    parts = {part for unit in done for part in _chain(w, int(w.unit[unit].held))}
    parts |= {
        part
        for place in (*inputs, *([own.rack] if own.rack >= 0 else ()))
        for part in _chain(w, int(w.place[place].head))
    }
    source_of = {source.unit: i for i, source in enumerate(plant.sources)}
    return OperationStatus(
        not own.stuck,
        {int(w.place[w.unit[unit].place].index) for unit in done if w.unit[unit].outcome != Outcome.REWORK},
        {int(w.place[w.unit[unit].place].index) for unit in done if w.unit[unit].outcome == Outcome.REWORK},
        bool(idle),
        [i for i, buffer in enumerate(inputs) if not enough.py_func(w, station, buffer)],
        {source_of[int(w.part[part].origin)] for part in parts},
    )


def _chain(w: Tables, part: int) -> list[int]:
    found = []
    while part >= 0:
        found.append(part)
        part = int(w.part[part].next)
    return found
