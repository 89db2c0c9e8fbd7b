"""Small plants, random readings and comparisons for the tests of the wire."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from factory_sim.plant.states import Outcome, State
from factory_sim.records import (
    InputInfo,
    Meta,
    OperationInfo,
    Prices,
    Readings,
    Rows,
    Samples,
    SensorInfo,
    UnitInfo,
    Window,
)

ROOT = "Works Ltd/Chongqing/gearbox"
ROUNDED = {"uns", "sparkplug"}  # formats that round times to the millisecond
EPOCH_NS = 1_767_225_600_000_000_000
SECOND_US = 1_000_000


def small_meta(sensors: tuple[SensorInfo, ...] | None = None) -> Meta:
    """Two machines with blanks and slashes in their names, a source, a vehicle and a crew."""
    units = (
        UnitInfo("blanks", "source"),
        UnitInfo("M 1/a", "machine", "cnc", 0, "housing machining", (100.0,) * 14),
        UnitInfo("M2", "machine", "press", 1, "assembly", (50.0,) * 14),
        UnitInfo("agv+1", "vehicle", "agv"),
        UnitInfo("repair#1", "crew"),
    )
    operations = (
        OperationInfo("OP10", "mill", "housing machining", (1,), (InputInfo(0, -1, 1, 10),), 1, 37.0),
        OperationInfo("OP20", "press", "assembly", (2,), (InputInfo(-1, 0, 1, 10, "fleet"),), -1, 37.5),
    )
    return Meta(
        run_id="run-1",
        plant="small line",
        epoch_ns=EPOCH_NS,
        timezone="Asia/Shanghai",
        window=Window(3_600 * SECOND_US, 4 * 3_600 * SECOND_US),
        units=units,
        operations=operations,
        sensors=usual_sensors() if sensors is None else sensors,
        failure_modes=((), ("spindle", "coolant"), ("ram",), (), ()),
        variants=("standard",),
        planned_us=((3_600 * SECOND_US, 4 * 3_600 * SECOND_US),),
        prices=Prices("EUR", (0.0, 21_600.0), (0.12, 0.2), 40.0, 900.0, 60.0, 25.0, ((0, 12.5),)),
        base_load_w=1_000.0,
        pacing=1,
    )


def usual_sensors() -> tuple[SensorInfo, ...]:
    """Two periods, both widths, a grid that is not decimal."""
    return (
        SensorInfo(0, 1, "spindle_power", "power", "kW", 0.01, 0.0, 0.0, 30.0, SECOND_US, 16),
        SensorInfo(1, 1, "temperature", "temperature", "°C", 0.05, -40.0, -40.0, 120.0, SECOND_US, 16),
        SensorInfo(2, 1, "energy", "energy", "kWh", 0.001, 0.0, 0.0, 1e6, SECOND_US, 32),
        SensorInfo(3, 1, "vibration", "vibration", "mm/s", 1 / 3, 0.1, 0.0, 50.0, 100_000, 16),
        SensorInfo(4, 2, "force", "force", "kN", 0.0125, 0.0, 0.0, 400.0, SECOND_US, 16),
        SensorInfo(5, 2, "state", "flag", "", 1.0, 0.0, 0.0, 1.0, SECOND_US, 16),  # a name that topics reserve
        SensorInfo(6, 3, "battery", "level", "%", 0.1, 0.0, 0.0, 100.0, SECOND_US, 16),
    )


def wide_meta(machines: int = 153, per_machine: int = 8) -> Meta:
    """The size of the reference line: 1,224 sensors of 16 bits at 1 Hz."""
    units = tuple(UnitInfo(f"M{k:03}", "machine", "cnc", k, "section") for k in range(machines))
    operations = tuple(
        OperationInfo(f"OP{k:03}", "", "section", (k,), (InputInfo(-1, k - 1, 1, 10),), -1, 37.0)
        for k in range(machines)
    )
    sensors = tuple(
        SensorInfo(k, k // per_machine, f"channel_{k % per_machine}", "power", "kW", 0.01, -5.0, 0, 100, SECOND_US, 16)
        for k in range(machines * per_machine)
    )
    window = Window(0, 8 * 3_600 * SECOND_US)
    return replace(
        small_meta(sensors),
        units=units,
        operations=operations,
        window=window,
        failure_modes=((),) * machines,
        planned_us=((0, window.t1_us),),
        pacing=0,
        prices=Prices("EUR", (0.0,), (0.12,), 0, 0, 0, 0),
    )


def random_samples(
    meta: Meta, period_us: int, ticks: int, seed: int, *, first: int = 3_600, holes: bool = False
) -> Samples:
    """Counts over the whole range of every sensor of one period."""
    rng = np.random.default_rng(seed)
    sensors = [s for s in meta.sensors if s.period_us == period_us]
    raw = np.stack([rng.integers(-(2 ** (s.bits - 1)), 2 ** (s.bits - 1), ticks) for s in sensors], axis=1).astype(
        np.int32
    )
    present = rng.random(raw.shape) < 0.7 if holes else None
    return Samples(period_us, first, np.array([s.id for s in sensors], np.int16), raw, present)


def random_rows(meta: Meta, n: int, seed: int) -> Rows:
    """Rows of all units with their own sequence numbers, times rising."""
    rng = np.random.default_rng(seed)
    unit = rng.integers(0, len(meta.units), n).astype(np.int16)
    seq = np.zeros(n, np.int64)
    for k in range(len(meta.units)):
        seq[unit == k] = np.arange((unit == k).sum())
    span = meta.window.t1_us - meta.window.t0_us
    t_us = meta.window.t0_us + np.sort(rng.integers(0, span, n))
    return Rows(
        t_us * 1_000 + meta.epoch_ns,
        unit,
        seq,
        rng.integers(0, len(State), n).astype(np.uint8),
        rng.integers(-1, 2**31, n).astype(np.int32),
        rng.integers(0, len(Outcome), n).astype(np.uint8),
        rng.integers(-(2**31), 2**31, n).astype(np.int32),
    )


def random_readings(meta: Meta, seed: int, *, ticks: int = 4, rows: int = 20, holes: bool = False) -> Readings:
    """Rows and a block of every period."""
    periods = sorted({s.period_us for s in meta.sensors})
    blocks = tuple(random_samples(meta, p, ticks, seed + i, holes=holes) for i, p in enumerate(periods))
    return Readings(random_rows(meta, rows, seed), blocks)


def resolution_ns(name: str) -> int:
    """The resolution of a row's time in a format."""
    return 1_000_000 if name in ROUNDED else 1


def cells(readings: list[Readings]) -> dict[tuple[int, int, int], int]:
    """(period_us, tick, sensor) -> raw of every reading that is there."""
    found = {}
    for block in (s for r in readings for s in r.samples):
        for k in range(len(block.raw)):
            for c, sensor in enumerate(block.sensor.tolist()):
                if block.present is None or block.present[k, c]:
                    found[block.period_us, block.first_tick + k, sensor] = int(block.raw[k, c])
    return found


def row_set(readings: list[Readings], *, round_ns: int = 1) -> set[tuple[int, ...]]:
    """Every row as a tuple: unit, seq, state, part, outcome, detail, time in whole `round_ns`."""
    found: set[tuple[int, ...]] = set()
    for r in (one.rows for one in readings):
        time = (r.t_ns + round_ns // 2) // round_ns
        columns = (r.unit, r.seq, r.state, r.part, r.outcome, r.detail, time)
        found.update(zip(*(c.tolist() for c in columns), strict=True))
    return found
