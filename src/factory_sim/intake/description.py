"""The description (`Meta`) of a mapped feed, and its energy meters as samples."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from factory_sim.intake import unit_events
from factory_sim.intake.mapping import Item
from factory_sim.plant.states import State
from factory_sim.records import Meta, OperationInfo, Prices, Samples, SensorInfo, UnitInfo, Window

if TYPE_CHECKING:
    from collections.abc import Iterator

    from factory_sim.intake.mapping import Mapping
    from factory_sim.intake.series import Series, Store
    from factory_sim.intake.tally import Tally
    from factory_sim.intake.words import Words
    from factory_sim.records import F8, I8

TICK_US = 10_000_000
_LARGEST = 1_000_000_000  # counts; fits 32 bits
_FINEST_J = 1e-3
_BEFORE_US = 3_600_000_000  # a meter may have been read so long before the window
_NO_PRICES = Prices("EUR", (0.0,), (0.0,), 0.0, 0.0, 0.0, 0.0)


def of_stations(mapping: Mapping) -> Meta:
    """Return the description of single stations, whose window is set later."""
    units, operations = [], []
    for i, name in enumerate(mapping.units):
        units.append(UnitInfo(name, "machine", operation=i, power_w=_power(mapping, name)))
        operations.append(OperationInfo(name, name, "", (i,), (), -1, mapping.unit_time_s[i]))
    n = len(units)
    return Meta(
        run_id=mapping.name,
        plant=mapping.name,
        epoch_ns=0,
        timezone=mapping.shape.clock.zone or "UTC",
        window=Window(0, 1),
        units=tuple(units),
        operations=tuple(operations),
        sensors=(),
        failure_modes=((),) * n,
        variants=("",),
        planned_us=((0, 1),),
        prices=_NO_PRICES,
    )


def _power(mapping: Mapping, name: str) -> tuple[float, ...]:
    given = (mapping.shape.units or {})[name].power
    return tuple(given.get(state.name.lower(), 0.0) for state in State) if given else ()


def with_window(meta: Meta, epoch_ns: int, begin_ns: int, until_ns: int, words: Words) -> Meta:
    """Return a description whose run begins at `epoch_ns`, with the failure modes that the feed names."""
    t0_us = (begin_ns - epoch_ns) // 1000
    t1_us = (until_ns - epoch_ns) // 1000 + 1  # the last observation lies inside
    modes = tuple(words.reasons)
    by_unit = tuple(
        modes if modes and info.role == "machine" else own
        for info, own in zip(meta.units, meta.failure_modes, strict=True)
    )
    return replace(
        meta, epoch_ns=epoch_ns, window=Window(t0_us, t1_us), planned_us=((t0_us, t1_us),), failure_modes=by_unit
    )


def with_meters(meta: Meta, store: Store, tally: Tally) -> tuple[Meta, tuple[Samples, ...]]:
    """Return the description with the feed's energy meters as its only sensors, and their samples."""
    sensors: list[SensorInfo] = []
    columns: list[tuple[I8, F8, float]] = []
    for unit, series, joules in _meters(store, tally):
        total = float(joules[-1]) if len(joules) else 0.0
        scale = max(total / _LARGEST, _FINEST_J)
        sensors.append(
            SensorInfo(len(sensors), unit, "energy", "energy_meter", "J", scale, 0.0, 0.0, total, TICK_US, 32)
        )
        columns.append((series, joules, scale))
    meta = replace(meta, sensors=tuple(sensors))
    begin_ns = max(min((int(t_ns[0]) for t_ns, _, _ in columns), default=0), store.begin_ns, meta.epoch_ns)
    begin_ns = max(begin_ns, meta.epoch_ns + (meta.window.t0_us - _BEFORE_US) * 1000)
    first = (begin_ns - meta.epoch_ns) // (TICK_US * 1000)
    ticks = np.arange(first, meta.window.t1_us // TICK_US + 1)
    raw, present = np.zeros((len(ticks), len(columns)), np.int32), np.zeros((len(ticks), len(columns)), np.bool_)
    at_ns = meta.epoch_ns + ticks * TICK_US * 1000
    for k, (t_ns, joules, scale) in enumerate(columns):
        raw[:, k] = np.round(np.interp(at_ns - meta.epoch_ns, t_ns - meta.epoch_ns, joules) / scale)
        present[:, k] = (at_ns >= t_ns[0]) & (at_ns <= t_ns[-1])
    samples = Samples(TICK_US, first, np.arange(len(columns), dtype=np.int16), raw, present)
    return meta, (samples,) if columns else ()


def _meters(store: Store, tally: Tally) -> Iterator[tuple[int, I8, F8]]:
    """Yield unit, times and energy since the first reading [J]; a meter is preferred to integrated power."""
    by_unit: dict[int, tuple[int, Series]] = {}
    for (unit, item), series in sorted(store.series.items()):
        if item in (Item.ENERGY, Item.POWER):
            by_unit.setdefault(unit, (item, series))  # ENERGY sorts first
    for unit, (item, series) in by_unit.items():
        t, value = series.arrays()
        if len(t) < 2:
            continue
        if item == Item.ENERGY and (spec := series.spec) is not None:
            steps = unit_events.steps_of(value, round(spec.wraps * spec.factor), resets=spec.resets, tally=tally)
            t = np.append(t, series.last_ns) if series.last_ns > t[-1] else t
            value = np.concatenate(([0.0], np.cumsum(steps)))
            value = np.append(value, value[-1]) if len(value) < len(t) else value
        yield unit, t, value - value[0]
