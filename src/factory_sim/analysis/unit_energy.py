"""Energy of units by their meters, and by state times and power as an audit."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from factory_sim.clock import datetime_from_ns, ns_from_datetime, ns_from_us, us_from_ns
from factory_sim.plant.states import KNOWN_STATES, N_STATES, State
from factory_sim.units import UNITS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from factory_sim.analysis.blocks import Blocks
    from factory_sim.records import B1, F8, I4, I8, EventLog, Meta, SensorInfo, Window

J_PER_KWH = 3.6e6
_LONGEST_TARIFF_DAYS = 3700
_WITHOUT = ("source", "conveyor", "crew")


def price_edges(meta: Meta, window: Window) -> tuple[I8, F8]:
    """Return the times [µs] between which the price is constant, shape (k + 1,), and the prices per kWh, shape (k,)."""
    prices = meta.prices
    if len(prices.tariff_from_s) < 2:
        return np.array([window.t0_us, window.t1_us]), np.array(prices.tariff_per_kwh[:1] or (0.0,))
    first = datetime_from_ns(ns_from_us(window.t0_us, meta.epoch_ns), meta.timezone).replace(tzinfo=None)
    midnight = first.replace(hour=0, minute=0, second=0, microsecond=0)
    edges, cost = [window.t0_us], [prices.tariff_per_kwh[-1]]
    for day in range(_LONGEST_TARIFF_DAYS):
        for begin_s, price in zip(prices.tariff_from_s, prices.tariff_per_kwh, strict=True):
            moment = ns_from_datetime(midnight + timedelta(days=day, seconds=begin_s), meta.timezone)
            at = int(us_from_ns(moment, meta.epoch_ns))
            if at >= window.t1_us:
                return np.array([*edges, window.t1_us]), np.array(cost)
            if at <= window.t0_us:
                cost[-1] = price
            else:
                edges, cost = [*edges, at], [*cost, price]
    return np.array([*edges, window.t1_us]), np.array(cost)


def power_w(meta: Meta) -> F8:
    """Return the power of each unit in each state, shape (n_units, N_STATES) [W]; NaN where it is not known."""
    watts = np.full((len(meta.units), N_STATES), np.nan)
    for unit, info in enumerate(meta.units):
        if len(info.power_w) in (len(KNOWN_STATES), N_STATES):
            watts[unit, : len(info.power_w)] = info.power_w
    return watts


def kwh_per_count(info: SensorInfo) -> float:
    """Return the energy of one count of a meter [kWh]; 0 for other sensors."""
    return info.scale * UNITS["energy"].get(info.unit_text, 0.0) / J_PER_KWH


@dataclass(frozen=True, slots=True, eq=False)
class Energy:
    """Energy of units between successive edges, shapes (k, n_units) [kWh]; NaN where it is not known.

    While the state is unknown a unit draws its mean power of the known time; `low` and `high`: the least and the
    greatest power that it has in any state.
    """

    kwh: F8
    low: F8
    high: F8

    def or_else(self, other: Energy) -> Energy:
        """Return the energy of `other` where this one is not known."""
        pairs = ((getattr(self, f.name), getattr(other, f.name)) for f in fields(self))
        return Energy(*(np.where(np.isnan(here), there, here) for here, there in pairs))


def by_states(log: EventLog, meta: Meta, edges_us: I8) -> Energy:
    """Return state time × power."""
    from factory_sim.analysis.kernels import state_times  # noqa: PLC0415 - numba is slow to import

    watts, n_units = power_w(meta), len(meta.units)
    state_us = np.zeros((len(edges_us) - 1, n_units, N_STATES), np.int64)
    for k, out in enumerate(state_us):
        state_times.state_times(log.t_us, log.unit, log.state, edges_us[k], edges_us[k + 1], out)
    none = np.isnan(watts[:, : State.UNKNOWN]).all(axis=1)
    known_us, unknown_us = state_us[:, :, : State.UNKNOWN], state_us[:, :, State.UNKNOWN]
    joules = np.where(known_us > 0, known_us * watts[:, : State.UNKNOWN], 0.0).sum(axis=2) / 1e6
    time_us = known_us.sum(axis=(0, 2))
    mean_w = np.divide(1e6 * joules.sum(axis=0), time_us, out=np.full(n_units, np.nan), where=time_us > 0)
    with np.errstate(invalid="ignore"):
        powers = (mean_w, np.fmin.reduce(watts, axis=1), np.fmax.reduce(watts, axis=1))
        found = [joules + np.where(unknown_us > 0, unknown_us * each / 1e6, 0.0) for each in powers]
    return Energy(*(np.where(none, np.nan, each) / J_PER_KWH for each in found))


def by_meters(blocks: Sequence[Blocks], meta: Meta, edges_us: I8) -> F8:
    """Return the rise of the meters between successive edges, shape (k, n_units) [kWh]; NaN without a meter.

    The rise is interpolated linearly between the first and last readings of a minute, and extrapolated at the end by at
    most one period. A counter that passes the end of its range continues; one that falls otherwise was reset.
    """
    out = np.full((len(edges_us) - 1, len(meta.units)), np.nan)
    sensors = {info.id: info for info in meta.sensors}
    for each in blocks:
        for column, number in enumerate(each.sensor.tolist()):
            info = sensors.get(number)
            if info is None or info.unit_text not in UNITS["energy"]:
                continue
            there = each.count[:, column] > 0
            if there.any():
                ticks = np.stack((each.first_tick[there, column], each.last_tick[there, column]), axis=1).ravel()
                raw = np.stack((each.first_raw[there, column], each.last_raw[there, column]), axis=1).ravel()
                rise = _rises(ticks, raw, info.bits, edges_us / each.period_us)
                out[:, info.unit] = np.nansum((out[:, info.unit], rise * kwh_per_count(info)), axis=0)
    return out


def _rises(ticks: I8, raw: I4, bits: int, at: F8) -> F8:
    """Return the counter's rise between successive times `at`, counted in ticks; earlier readings change no digit."""
    steps = np.diff(raw.astype(np.int64))
    steps = np.where(steps < -(1 << (bits - 1)), steps + (1 << bits), np.maximum(steps, 0))
    risen, spans = np.concatenate(([0], np.cumsum(steps))), np.diff(ticks)
    moved = np.flatnonzero(spans > 0)
    slope = steps[moved[-1]] / spans[moved[-1]] if len(moved) else 0.0
    slopes = np.append(np.divide(steps, spans, out=np.zeros(len(steps)), where=spans > 0), slope)
    last = np.maximum(np.searchsorted(ticks, at, side="right") - 1, 0)
    ahead = np.clip(at - ticks[last], 0, np.where(last + 1 < len(ticks), np.inf, 1.0))
    rises: F8 = np.diff((risen[last] - risen[last[0]]) + slopes[last] * ahead)
    return rises


def measured(blocks: Sequence[Blocks] | None, log: EventLog, meta: Meta, edges_us: I8) -> tuple[Energy, Energy, B1]:
    """Return the energy between edges by meters or else by states, by states alone, and which units have a meter.

    Units that a plant file gives no power (sources, conveyors, people) need none.
    """
    by_state = by_states(log, meta, edges_us)
    metered = by_meters(blocks or (), meta, edges_us)
    found = Energy(metered, metered, metered).or_else(by_state)
    none = np.where([unit.role in _WITHOUT for unit in meta.units], 0.0, np.nan) + np.zeros_like(metered)
    has_meter = np.asarray(np.isfinite(metered).any(axis=0))
    return found.or_else(Energy(none, none, none)), by_state, has_meter
