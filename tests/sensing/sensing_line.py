"""Small plants and plausible logs that need no simulator, and decoding as a receiver does it."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from factory_sim.distributions import constant
from factory_sim.plant.resolve.derived import with_derived
from factory_sim.plant.spec import FailureMode, Fleet, Input, Machine, Operation, Plant, Robot, Sensor, Source
from factory_sim.plant.states import N_STATES, Outcome, State
from factory_sim.records import EventLog, Readings, Rows, Samples
from factory_sim.sensing.kinds import KINDS
from factory_sim.sensing.sample import Sensing

if TYPE_CHECKING:
    from collections.abc import Sequence

S = 1_000_000
EPOCH_NS = 1_767_225_600_000_000_000
CYCLE_S = 37.0
WEAR_MODE = 1
POWER_W = {
    State.SETUP: 3000.0,
    State.STARVED: 2000.0,
    State.BUSY: 9000.0,
    State.BLOCKED: 2200.0,
    State.WAITING: 2000.0,
    State.MAINTENANCE: 500.0,
    State.DOWN: 800.0,
    State.REPAIR: 600.0,
}
Row = tuple[float, int, State, int, Outcome, int]
STANDARD = ("power", "energy", "current", "vibration", "temperature", "pressure", "force", "torque")


def sensor(number: int, unit: int, kind: str, period_s: float = 1.0, **params: float) -> Sensor:
    """A sensor with the defaults of its kind."""
    info = KINDS[kind]
    scale = info.scale or finest(max(abs(info.low), info.high) / (2 ** (info.bits - 1) - 1))
    return Sensor(
        number,
        unit,
        kind,
        kind,
        info.unit_text,
        scale,
        info.offset,
        info.low,
        info.high,
        round(period_s / 1e-6),
        info.bits,
        tuple(sorted(params.items())),
    )


def finest(least: float) -> float:
    """The smallest of 1, 2, 5 x 10^n that is not below `least`."""
    ten = 10.0 ** math.floor(math.log10(least))
    return next(ten * digit for digit in (1, 2, 5, 10) if ten * digit >= least)


def power_by_state(table: dict[State, float] | None = None) -> tuple[float, ...]:
    return tuple((POWER_W if table is None else table).get(State(s), 0.0) for s in range(N_STATES))


def plant(
    kinds: Sequence[str] = ("cnc",), sensors: Sequence[str] = STANDARD, periods_s: Sequence[float] = (1.0,)
) -> Plant:
    """A source and one operation a machine; machine i is unit i + 1 and carries every one of `sensors`."""
    machines, operations, built = [], [], []
    once = constant(1.0)
    modes = tuple(FailureMode(name, once, once, wear=name == "bearing") for name in ("jam", "bearing"))
    for i, kind in enumerate(kinds):
        own = [sensor(len(built) + j, i + 1, s, periods_s[j % len(periods_s)]) for j, s in enumerate(sensors)]
        built += own
        machines.append(
            Machine(f"M{i}", i + 1, i, kind, modes, power_w=power_by_state(), sensors=tuple(s.id for s in own))
        )
        operations.append(
            Operation(
                f"OP{i}",
                f"OP{i}",
                0,
                kind,
                "machining",
                (i + 1,),
                constant(CYCLE_S),
                CYCLE_S,
                (Input(source=0) if i == 0 else Input(operation=i - 1, capacity=5),),
            )
        )
    names = ("blanks", *(m.name for m in machines))
    plant = Plant(
        "small",
        "small",
        "2026-01-01T06:00:00",
        "UTC",
        "a/b/c",
        ("one",),
        tuple(operations),
        tuple(machines),
        (Source("blanks", 0),),
        tuple(built),
        names,
    )
    return with_derived(plant)


def with_vehicle(line: Plant) -> Plant:
    """The same with a robot on its operation and a vehicle, as the last two units."""
    robot, vehicle = len(line.units), len(line.units) + 1
    fleet = Fleet(
        "agv",
        (vehicle,),
        "nearest",
        1.5,
        constant(5.0),
        constant(5.0),
        ((0.0,),),
        battery_s=1000.0,
        charge_s=500.0,
        power_w=power_by_state({State.MOVING_LOADED: 800.0}),
    )
    changed = replace(
        line,
        units=(*line.units, "R1", "agv1"),
        robots=(Robot("R1", (robot,), power_by_state()),),
        fleets=(fleet,),
        operations=tuple(replace(o, robot=0) for o in line.operations),
    )
    return with_derived(changed)


def log_of(rows: Sequence[Row]) -> EventLog:
    """A log from rows (seconds, unit, state, part, outcome, detail), put in order of time."""
    rows = sorted(rows, key=lambda row: row[0])
    t_s, unit, state, part, outcome, detail = zip(*rows, strict=True) if rows else ((),) * 6
    t_us = np.array([round(t * 1e6) for t in t_s], np.int64)
    return EventLog(
        t_us,
        np.array(unit, np.int16),
        np.array(state, np.uint8),
        np.array(part, np.int32),
        np.array(outcome, np.uint8),
        np.array(detail, np.int32),
        np.full(len(rows), -1, np.int32),
    )


def machine_rows(unit: int, hours: float, seed: int, life_s: float = 4000.0) -> list[Row]:
    """One machine's shift: cycles with a spread of 5 %, waits short and long, jams, and a bearing that wears out."""
    rng = np.random.default_rng([seed, unit])
    rows = [(0.0, unit, State.STARVED, -1, Outcome.NONE, 0)]
    t, part, worked, life = 0.0, 0, 0.0, float(rng.uniform(0.6, 1.4)) * life_s
    while t < hours * 3600:
        t += float(rng.exponential(3.0)) + (float(rng.uniform(300, 1500)) if rng.random() < 0.03 else 0.0)
        part += 1
        outcome, left = Outcome.TOOK, CYCLE_S * float(rng.normal(1.0, 0.05))
        jam = float(rng.exponential(3000.0))
        while True:
            rows.append((t, unit, State.BUSY, part, outcome, round(1e6 * worked / life)))
            step = min(left, jam, life - worked)
            t, left, jam, worked, outcome = t + step, left - step, jam - step, worked + step, Outcome.NONE
            if left <= 0:
                break
            mode = WEAR_MODE if worked >= life else 0
            rows.append((t, unit, State.DOWN, part, Outcome.NONE, mode))
            t += float(rng.exponential(60.0))
            rows.append((t, unit, State.REPAIR, part, Outcome.NONE, mode))
            t += float(rng.exponential(600.0 if mode else 120.0))
            jam = float(rng.exponential(3000.0))
            worked, life = (0.0, float(rng.uniform(0.6, 1.4)) * life_s) if mode else (worked, life)
        if rng.random() < 0.2:
            rows.append((t, unit, State.BLOCKED, part, Outcome.NONE, 0))
            t += float(rng.exponential(20.0))
        rows.append((t, unit, State.STARVED, part, Outcome.PASSED, 0))
    return [row for row in rows if row[0] < hours * 3600]


def shift(machines: int, hours: float, seed: int = 1) -> EventLog:
    """The log of several independent machines."""
    return log_of([row for unit in range(1, machines + 1) for row in machine_rows(unit, hours, seed)])


def between(log: EventLog, t0_us: int, t1_us: int) -> EventLog:
    return log.take((log.t_us >= t0_us) & (log.t_us < t1_us))


def sensing(line: Plant, t0_us: int = 0, seed: int = 7) -> Sensing:
    return Sensing(line, seed=seed, replication=0, epoch_ns=EPOCH_NS, t0_us=t0_us)


def read(line: Plant, log: EventLog, cuts_us: Sequence[int], t0_us: int = 0, seed: int = 7) -> Readings:
    """Readings in slices that end at `cuts_us`, joined."""
    sensors, pieces, begin = sensing(line, t0_us, seed), [], -1
    for cut in cuts_us:
        pieces.append(sensors.sample(between(log, begin, cut), cut))
        begin = cut
    return joined(pieces)


def joined(pieces: Sequence[Readings]) -> Readings:
    """One Readings with one block a period; the ticks must follow each other."""
    blocks = [block for piece in pieces for block in piece.samples]
    whole = []
    for period in sorted({block.period_us for block in blocks}):
        same = [block for block in blocks if block.period_us == period]
        for one, two in itertools.pairwise(same):
            assert two.first_tick == one.first_tick + len(one.raw)
        whole.append(Samples(period, same[0].first_tick, same[0].sensor, np.concatenate([block.raw for block in same])))
    return Readings(Rows.join([piece.rows for piece in pieces]), tuple(whole))


def values(line: Plant, readings: Readings, unit: int, name: str) -> np.ndarray:
    """The decoded values of one sensor. Shape (n_ticks,)."""
    spec = next(s for s in line.sensors if s.unit == unit and s.name == name)
    block = next(b for b in readings.samples if spec.id in b.sensor)
    return block.raw[:, block.sensor.tolist().index(spec.id)] * spec.scale + spec.offset
