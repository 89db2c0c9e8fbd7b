"""Drift: readings move away from the machine's other sensors and from what its states explain."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from factory_sim.analysis.trust.sensor_minutes import quantile, stretches
from factory_sim.analysis.trust.stuck_and_spikes import WEARING
from factory_sim.analysis.trust.unit_minutes import LAGS_MIN
from factory_sim.analysis.unit_energy import J_PER_KWH, kwh_per_count
from factory_sim.units import UNITS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from factory_sim.analysis.trust.finding import Finding
    from factory_sim.analysis.trust.sensor_minutes import SensorMinutes
    from factory_sim.analysis.trust.unit_minutes import Minutes
    from factory_sim.records import F8, I8

_BIN = 15  # minutes over which a mean is taken
_FEWEST = 4  # bins, below which no drift is reported
_DISAGREE = 0.01  # of meter and power sensor: both follow the same power, so only noise and rounding differ
_ROUNDING = 20  # counts by which a meter may differ because of rounding
_WHOLE = 0.95  # share of a minute's power readings below which its mean covers another stretch
_OTHER = 0.25  # a meter with a larger difference in the whole window measures something else
_UNEXPLAINED = (*WEARING, "battery", "position", "distance")  # kinds that states do not explain
_SELDOM = 0.002  # share of time in a state below which it explains nothing
_BINS = 3  # minimum length of a trend
_ANYWAY = {"power": 0.05, "current": 0.05}  # share of the reading by which wear or chance may move it
_SIGMAS, _STEPS, _SPAN = 12.0, 3.0, 0.06


def meters(meter: SensorMinutes, power: SensorMinutes) -> Iterator[Finding]:
    """Compare an energy meter with the integral of a power sensor; the states decide which of the two is wrong."""
    kwh, minute = _kwh(meter, power)
    n = kwh.shape[1] // _BIN
    if n < _FEWEST:
        return
    metered, measured, expected = kwh[:, : n * _BIN].reshape(3, n, _BIN).sum(axis=2)
    most = np.maximum(np.abs(measured), expected)
    apart = np.divide(metered - measured, most, where=most > 0, out=np.zeros(n))
    far = np.abs(metered - measured) > _ROUNDING * kwh_per_count(meter.info)
    where = np.flatnonzero((np.abs(apart) > _DISAGREE) & far)
    if len(where) < 2 or abs(float(np.median(apart))) > _OTHER:
        return
    total = float((metered - measured)[where].sum())
    is_meter = np.abs((metered - expected)[where]).sum() >= np.abs((measured - expected)[where]).sum()
    if is_meter:
        wrong, size = meter, total * J_PER_KWH / UNITS["energy"][meter.info.unit_text]
    else:
        wrong, hours = power, len(where) * _BIN / 60
        size = -total / hours * (1e3 / UNITS["power"][power.info.unit_text])
    percent = 100 * total / max(float(measured[where].sum()), 1e-9)
    reason = f"meter and integral of power differ by {percent:+.1f} %; the states show that {wrong.info.name} is wrong"
    yield wrong.finding("drift", minute[[where[0] * _BIN, (where[-1] + 1) * _BIN - 1]], size, reason, excluded=True)


def _kwh(meter: SensorMinutes, power: SensorMinutes) -> tuple[F8, I8]:
    """Return the energy between the last readings of successive minutes, and the positions of these minutes.

    The rows of the energy, shape (3, n), are by meter, by power sensor and by states; only minutes with all three.
    """
    ticks = np.diff(meter.last_tick)
    hours = ticks * (meter.period_us / 3.6e9)
    mean = np.divide(power.total[1:], np.maximum(power.count[1:], 1)) * power.info.scale + power.info.offset
    kw = mean * UNITS["power"][power.info.unit_text] / 1e3
    rise = np.diff(meter.last_raw.astype(np.int64)) * kwh_per_count(meter.info)
    good = (meter.count[1:] > 0) & (meter.count[:-1] > 0) & (power.count[1:] > 0)
    good &= power.count[1:] >= _WHOLE * ticks
    good &= (np.diff(meter.minute) == 1) & np.isfinite(meter.unit.kwh[1:])
    kwh: F8 = np.stack((rise, kw * hours, meter.unit.kwh[1:] * hours * 60)).astype(np.float64)
    return kwh[:, good], np.flatnonzero(good) + 1


def trend(s: SensorMinutes) -> Iterator[Finding]:
    """Find a slow trend in the part of a sensor's minute means that the machine's states do not explain."""
    known = np.flatnonzero(s.count > 0)
    n = len(known) // _BIN
    if s.info.kind in _UNEXPLAINED or n < _FEWEST:
        return
    mean = s.total[known] / s.count[known]
    residual = _residual(mean, s, known)
    binned = np.median(residual[: n * _BIN].reshape(n, _BIN), axis=1)
    steps = np.repeat(np.append(binned, binned[-1:]), _BIN)[: len(residual)]
    noise = 1.4826 * float(np.median(np.abs(residual - steps)))
    low, high = quantile(mean, 0.05), quantile(mean, 0.95)
    anyway = _ANYWAY.get(s.info.kind, 0.0) * max(abs(low), abs(high))
    limit = max(_SIGMAS * 1.25 * noise / np.sqrt(_BIN), _STEPS, _SPAN * float(high - low), anyway)
    away = binned - float(np.median(binned))
    a, b = max(stretches(np.abs(away) > limit), key=lambda stretch: stretch[1] - stretch[0], default=(0, 0))
    if b - a >= _BINS:
        size = float(away[a:b][np.argmax(np.abs(away[a:b]))]) * s.info.scale
        reason = f"moved by {size:+.3g} {s.info.unit_text} against what the machine's states explain"
        yield s.finding("drift", known[[a * _BIN, b * _BIN - 1]], size, reason, excluded=True)


def _residual(values: F8, s: SensorMinutes, known: I8) -> F8:
    """Return the part of minute means that the machine's states do not explain, shape (n,)."""
    if s.info.unit_text != "°C":
        return _robust_residual(values, s.unit.share[known][:, s.unit.share.mean(axis=0) > _SELDOM])
    candidates = _warmths(s.unit)[:, known]
    square = candidates.transpose(0, 2, 1) @ candidates
    ridge = 1e-9 * np.trace(square, axis1=1, axis2=2)[:, None, None] * np.eye(square.shape[1])
    weights = np.linalg.solve(square + ridge, (candidates.transpose(0, 2, 1) @ values)[:, :, None])
    off = np.abs(values - (candidates @ weights)[:, :, 0]).mean(axis=1)
    return _robust_residual(values, candidates[int(np.argmin(off))])


def _warmths(unit: Minutes) -> F8:
    """Return explanations of a temperature, one for each pair of neighbouring time constants: (n_pairs, n, 4).

    Each consists of a constant, both lags of the heat, and the decay of what was there before the first minute.
    """
    passed = np.arange(len(unit.kwh))
    one, warm = np.ones(len(passed)), unit.warmth.T / max(float(unit.warmth.max(initial=0.0)), 1e-12)
    pairs = range(len(LAGS_MIN) - 1)
    return np.stack([np.column_stack((one, warm[i], warm[i + 1], np.exp(-passed / LAGS_MIN[i]))) for i in pairs])


def _robust_residual(values: F8, features: F8) -> F8:
    """Return the residuals of a least-squares fit, fitted again without the fifth that fits worst."""
    keep = np.ones(len(values), np.bool_)
    for _ in range(2):
        fit = np.linalg.lstsq(features[keep], values[keep], rcond=None)[0]
        residual: F8 = values - features @ fit
        keep = np.abs(residual) <= quantile(np.abs(residual), 0.8)
    return residual
