"""Drift: what a sensor says moves away from what the machine's other sensors and its states say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from factory_sim.analysis.blocks import BLOCK_US
from factory_sim.analysis.trust.doubt import Doubt
from factory_sim.analysis.trust.stuck_and_spikes import WEARING, share_of
from factory_sim.analysis.trust.unit_minutes import LAGS_MIN
from factory_sim.analysis.unit_energy import J_PER_KWH
from factory_sim.units import UNITS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from factory_sim.analysis.blocks import Blocks
    from factory_sim.analysis.trust.unit_minutes import Minutes
    from factory_sim.records import F8, I8, SensorInfo

_BIN = 15  # minutes over which a mean is taken
_FEWEST = 4  # bins, else nothing can be said
_DISAGREE = 0.01  # of meter and power sensor: both follow the same watts, so only noise and rounding part them
_ROUNDING = 20  # counts by which a meter may differ from what was rounded away
_WHOLE = 0.95  # share of a minute's power readings, without which its mean is another stretch's
_OTHER = 0.25  # a meter that is farther off for the whole window measures something else
_UNEXPLAINED = (*WEARING, "battery", "position", "distance")  # by states: what wears, is filled and emptied, travels
_SELDOM = 0.002  # share of time in a state, below which it explains nothing
_BINS = 3  # that a trend must last
_ANYWAY = {"power": 0.05, "current": 0.05}  # share of the reading by which wear or chance may move it
_SIGMAS, _STEPS, _SPAN = 12.0, 3.0, 0.06


Channel = tuple[int, "SensorInfo"]  # column of the blocks, and what it is


def meters(blocks: Blocks, energy: Channel, power: Channel, minutes: Minutes) -> Iterator[Doubt]:
    """An energy meter against the integral of a power sensor; the states say which of the two is wrong."""
    (_, meter), (_, sensor) = energy, power
    kwh, minute = _kwh(blocks, energy, power, minutes)
    n = kwh.shape[1] // _BIN
    if n < _FEWEST:
        return
    metered, measured, expected = kwh[:, : n * _BIN].reshape(3, n, _BIN).sum(axis=2)
    most = np.maximum(np.abs(measured), expected)
    apart = np.divide(metered - measured, most, where=most > 0, out=np.zeros(n))
    step = meter.scale * UNITS["energy"][meter.unit_text] / J_PER_KWH
    where = np.flatnonzero((np.abs(apart) > _DISAGREE) & (np.abs(metered - measured) > _ROUNDING * step))
    if len(where) < 2 or abs(float(np.median(apart))) > _OTHER:
        return
    off = (metered - measured)[where]
    is_meter = np.abs((metered - expected)[where]).sum() >= np.abs((measured - expected)[where]).sum()
    wrong = meter if is_meter else sensor
    hours = len(where) * _BIN / 60
    in_kw = 1e3 / UNITS["power"][sensor.unit_text]
    total = float(off.sum())
    size = total * J_PER_KWH / UNITS["energy"][meter.unit_text] if is_meter else -total / hours * in_kw
    percent = 100 * total / max(float(measured[where].sum()), 1e-9)
    reason = f"meter and integral of power differ by {percent:+.1f} %; by its states the {wrong.name} is wrong"
    t0, t1 = int(minute[where[0] * _BIN]) * BLOCK_US, (int(minute[(where[-1] + 1) * _BIN - 1]) + 1) * BLOCK_US
    yield Doubt("drift", meter.unit, wrong.id, t0, t1, size, reason, excluded=True)


def _kwh(blocks: Blocks, energy: Channel, power: Channel, minutes: Minutes) -> tuple[F8, I8]:
    """Energy between the last readings of successive minutes by meter, by power sensor, by states: (3, n); the minutes.

    Only minutes in which all three are known.
    """
    (k, meter), (j, sensor) = energy, power
    per_count = meter.scale * UNITS["energy"][meter.unit_text] / J_PER_KWH
    hours = np.diff(blocks.last_tick[:, k]) * (blocks.period_us / 3.6e9)
    mean = np.divide(blocks.total[1:, j], np.maximum(blocks.count[1:, j], 1)) * sensor.scale + sensor.offset
    kw = mean * UNITS["power"][sensor.unit_text] / 1e3
    rise = np.diff(blocks.last_raw[:, k].astype(np.int64)) * per_count
    good = (blocks.count[1:, k] > 0) & (blocks.count[:-1, k] > 0) & (blocks.count[1:, j] > 0)
    good &= blocks.count[1:, j] >= _WHOLE * np.diff(blocks.last_tick[:, k])
    good &= (np.diff(blocks.block) == 1) & np.isfinite(minutes.kwh[1:])
    kwh: F8 = np.stack((rise, kw * hours, minutes.kwh[1:] * hours * 60)).astype(np.float64)
    return kwh[:, good], blocks.block[1:][good]


def trend(blocks: Blocks, k: int, info: SensorInfo, minutes: Minutes) -> Iterator[Doubt]:
    """A slow trend in what remains of a sensor's minute means when the machine's states are taken out of them."""
    there = np.flatnonzero(blocks.count[:, k] > 0)
    n = len(there) // _BIN
    if info.kind in _UNEXPLAINED or n < _FEWEST:
        return
    mean = blocks.total[there, k] / blocks.count[there, k]
    rest = _rest(mean, info, minutes, there)
    binned = np.median(rest[: n * _BIN].reshape(n, _BIN), axis=1)
    noise = 1.4826 * float(np.median(np.abs(rest - np.repeat(np.append(binned, binned[-1:]), _BIN)[: len(rest)])))
    low, high = share_of(mean, 0.05), share_of(mean, 0.95)
    anyway = _ANYWAY.get(info.kind, 0.0) * max(abs(low), abs(high))
    limit = max(_SIGMAS * 1.25 * noise / np.sqrt(_BIN), _STEPS, _SPAN * float(high - low), anyway)
    away = binned - float(np.median(binned))
    where = _longest(np.abs(away) > limit)
    if len(where) < _BINS:
        return
    t0 = int(blocks.block[there[where[0] * _BIN]]) * BLOCK_US
    t1 = (int(blocks.block[there[(where[-1] + 1) * _BIN - 1]]) + 1) * BLOCK_US
    size = float(away[where][np.argmax(np.abs(away[where]))]) * info.scale
    reason = f"moved by {size:+.3g} {info.unit_text} against what the machine's states explain"
    yield Doubt("drift", info.unit, info.id, t0, t1, size, reason, excluded=True)


def _rest(values: F8, info: SensorInfo, minutes: Minutes, there: I8) -> F8:
    """What the machine's states leave unexplained of minute means. Shape (n,)."""
    if info.unit_text != "°C":
        return _robust_rest(values, minutes.share[there][:, minutes.share.mean(axis=0) > _SELDOM])
    offers = _warmths(minutes)[:, there]
    square = offers.transpose(0, 2, 1) @ offers
    ridge = 1e-9 * np.trace(square, axis1=1, axis2=2)[:, None, None] * np.eye(square.shape[1])
    weights = np.linalg.solve(square + ridge, (offers.transpose(0, 2, 1) @ values)[:, :, None])
    off = np.abs(values - (offers @ weights)[:, :, 0]).mean(axis=1)
    return _robust_rest(values, offers[int(np.argmin(off))])


def _warmths(minutes: Minutes) -> F8:
    """What may explain a temperature: one offer a pair of neighbouring time constants, since the true one lies between.

    Each has a constant, both lags of the heat, and what was there before the first minute. Shape (n_offers, n, 4).
    """
    passed = np.arange(len(minutes.kwh))
    one, warm = np.ones(len(passed)), minutes.warmth.T / max(float(minutes.warmth.max(initial=0.0)), 1e-12)
    offers = [
        np.column_stack((one, warm[i], warm[i + 1], np.exp(-passed / LAGS_MIN[i]))) for i in range(len(LAGS_MIN) - 1)
    ]
    return np.stack(offers)


def _robust_rest(values: F8, features: F8) -> F8:
    """Residuals of a least-squares fit, fitted again without the fifth that fits worst."""
    keep = np.ones(len(values), np.bool_)
    for _ in range(2):
        fit = np.linalg.lstsq(features[keep], values[keep], rcond=None)[0]
        rest: F8 = values - features @ fit
        keep = np.abs(rest) <= share_of(np.abs(rest), 0.8)
    return rest


def _longest(mask: np.ndarray) -> I8:
    """Positions of the longest stretch in which `mask` holds."""
    edge = np.flatnonzero(np.diff(np.concatenate(([False], mask, [False])).astype(np.int8))).reshape(-1, 2)
    if not len(edge):
        return np.empty(0, np.int64)
    a, b = edge[np.argmax(edge[:, 1] - edge[:, 0])]
    return np.arange(a, b)
