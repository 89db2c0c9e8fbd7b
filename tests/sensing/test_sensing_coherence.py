"""Channels of one unit agree, judged from counts, scales and rows alone; shuffled channels are detected."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.stats import rankdata
from sensing_line import EPOCH_NS, WEAR_MODE, S, plant, read, shift, values

from factory_sim.plant.states import DOWN_STATES, State

if TYPE_CHECKING:
    from factory_sim.records import Rows

MACHINES, HOURS, TIME_CONSTANT_S = 6, 8, 600.0


@dataclass(frozen=True)
class Decoded:
    """What a receiver has: values by channel, shape (n_ticks, n_machines), one tick a second; and the rows."""

    power_kw: np.ndarray
    energy_kwh: np.ndarray
    temperature_c: np.ndarray
    vibration_mm_s: np.ndarray
    rows: Rows


@pytest.fixture(scope="module")
def decoded() -> Decoded:
    line = plant(["cnc", "hobbing", "grinder", "press", "robot", "tightening"])
    readings = read(line, shift(MACHINES, HOURS), [HOURS * 3600 * S])

    def channel(name: str) -> np.ndarray:
        return np.column_stack([values(line, readings, unit, name) for unit in range(1, MACHINES + 1)])

    return Decoded(channel("power"), channel("energy"), channel("temperature"), channel("vibration"), readings.rows)


def energy_error(d: Decoded) -> float:
    """Largest relative difference of the integral of power and the meter, over machines and half hours."""
    ends = np.arange(0, len(d.power_kw), 1800)
    metered = np.diff(d.energy_kwh[ends], axis=0)
    summed = np.diff(np.cumsum(d.power_kw, axis=0)[ends], axis=0) / 3600
    return float(np.abs(summed / metered - 1).max())


def time_constant_error(d: Decoded) -> float:
    """Largest relative error over machines of the lag with which filtered power explains temperature best."""
    candidates = np.geomspace(100, 3000, 120)
    found = [
        candidates[np.argmin([misfit(p, t, tau) for tau in candidates])]
        for p, t in zip(d.power_kw.T, d.temperature_c.T, strict=True)
    ]
    return float(np.abs(np.array(found) / TIME_CONSTANT_S - 1).max())


def misfit(power: np.ndarray, temperature: np.ndarray, tau_s: float) -> float:
    keep = np.exp(-1 / tau_s)
    slow = lfilter([1 - keep], [1, -keep], power)[::20]
    design = np.column_stack([slow, np.ones_like(slow), keep ** np.arange(0, len(power), 20)])
    return float(np.linalg.lstsq(design, temperature[::20], rcond=None)[1][0])


def failure_auc(d: Decoded) -> float:
    """How well a machine's vibration at work, minute by minute, predicts a wear failure within 10 minutes."""
    scores, labels = [], []
    for machine in range(MACHINES):
        own = d.rows.take(d.rows.unit == machine + 1)
        t_s = (own.t_ns - EPOCH_NS) / 1e9
        ticks = np.arange(len(d.power_kw))
        busy = own.state[np.searchsorted(t_s, ticks, side="right") - 1] == State.BUSY
        failed_s = t_s[np.isin(own.state, DOWN_STATES) & (own.detail == WEAR_MODE)]
        for begin in range(0, len(ticks) - 60, 60):
            at_work = busy[begin : begin + 60]
            if at_work.sum() >= 20:
                scores.append(d.vibration_mm_s[begin : begin + 60, machine][at_work].mean())
                labels.append(bool(((failed_s >= begin + 60) & (failed_s < begin + 660)).any()))
    label = np.array(labels)
    assert label.any()
    ranks = rankdata(scores)
    positives, negatives = label.sum(), (~label).sum()
    return float((ranks[label].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def shuffled(d: Decoded, name: str) -> Decoded:
    order = np.random.default_rng(0).permutation(len(d.power_kw))
    return replace(d, **{name: getattr(d, name)[order]})


def test_the_integral_of_power_equals_the_rise_of_the_meter(decoded: Decoded) -> None:
    assert energy_error(decoded) < 0.01


@pytest.mark.parametrize("name", ["power_kw", "energy_kwh"])
def test_shuffled_power_or_energy_is_detected(decoded: Decoded, name: str) -> None:
    assert energy_error(shuffled(decoded, name)) > 0.05


def test_the_thermal_time_constant_can_be_recovered(decoded: Decoded) -> None:
    assert time_constant_error(decoded) < 0.1


@pytest.mark.parametrize("name", ["power_kw", "temperature_c"])
def test_shuffled_power_or_temperature_is_detected(decoded: Decoded, name: str) -> None:
    assert time_constant_error(shuffled(decoded, name)) > 0.1


def test_vibration_predicts_wear_failures(decoded: Decoded) -> None:
    assert failure_auc(decoded) >= 0.8


def test_shuffled_vibration_predicts_nothing(decoded: Decoded) -> None:
    assert failure_auc(shuffled(decoded, "vibration_mm_s")) < 0.6
