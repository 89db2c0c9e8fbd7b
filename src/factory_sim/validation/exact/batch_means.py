"""Intervals from sums over slices: batch means of a ratio, with control variates."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from factory_sim.analysis.paired import student_quantile

if TYPE_CHECKING:
    from factory_sim.records import F8

BATCHES = 128  # enough for the t quantiles far out, few enough to be long against every memory of the line


@dataclass(frozen=True, slots=True)
class Estimate:
    """A ratio of two long-run sums with its interval."""

    value: float
    half_width: float  # at the confidence asked for
    plain: float  # the ratio as it was measured, without controls
    plain_half_width: float
    memory: float  # correlation of neighbouring batches; near 0 when they are long enough
    inputs: tuple[float, ...]  # how far each control is from its mean, in standard errors

    def scaled(self, factor: float) -> Estimate:
        """Return the estimate in another unit."""
        widths = self.half_width * factor, self.plain_half_width * factor
        return Estimate(self.value * factor, widths[0], self.plain * factor, widths[1], self.memory, self.inputs)

    @property
    def low(self) -> float:
        """The lower end of the interval."""
        return self.value - self.half_width

    @property
    def high(self) -> float:
        """The upper end of the interval."""
        return self.value + self.half_width


def estimate(slices: F8, confidence: float, batches: int = BATCHES) -> Estimate:
    """Return the ratio of column 0 to column 1 over all slices; columns 2 ... are controls.

    slices : shape (n, 2 + n_controls), n at least `batches`; a control's long-run mean is 0.
    The ratio is linearised around its estimate (delta method); the controls enter by least squares over the batches
    [Lavenberg and Welch 1981], with a degree of freedom less for each. The interval is widened by the one part that the
    ends of the run cut.
    """
    sums = np.add.reduceat(slices, np.linspace(0, len(slices), batches, endpoint=False).astype(int), axis=0)
    top, bottom, controls = sums[:, 0], sums[:, 1], sums[:, 2:]
    plain = float(top.sum() / bottom.sum())
    size = float(bottom.mean())
    cut = abs(plain) / max(1.0, float(np.abs(top).sum())) if plain else 0.0
    plain_width = quantile(confidence, batches - 1) * _standard_error(top - plain * bottom, 1) / size
    used = controls[:, controls.std(axis=0) > 0]
    value, rest = plain, top - plain * bottom
    for _ in range(2):  # the second round linearises around the controlled value
        residual = top - value * bottom
        design = np.column_stack([np.ones(batches), used])
        weights = np.linalg.lstsq(design, residual, rcond=None)[0]
        rest = residual - design @ weights
        value += float(weights[0]) / size
    lost = 1 + used.shape[1]
    spread = math.sqrt(1.0 + _distance(used))  # of the intercept, where the controls are off their mean
    width = quantile(confidence, batches - lost) * _standard_error(rest, lost) * spread / size
    memory = float(np.dot(rest[1:], rest[:-1]) / max(np.dot(rest, rest), 1e-300))
    return Estimate(value, width + cut, plain, plain_width + cut, memory, _off(controls))


def _standard_error(rest: F8, lost: int) -> float:
    return math.sqrt(float(np.dot(rest, rest)) / (len(rest) - lost) / len(rest))


def _distance(controls: F8) -> float:
    """Return the distance of the controls' means from 0: x' (X'X)^-1 x times the number of batches."""
    if not controls.shape[1]:
        return 0.0
    mean = controls.mean(axis=0)
    around = controls - mean
    return float(mean @ np.linalg.lstsq(around.T @ around, mean, rcond=None)[0]) * len(controls)


def _off(controls: F8) -> tuple[float, ...]:
    error = controls.std(axis=0, ddof=1) / math.sqrt(len(controls))
    off = np.divide(controls.mean(axis=0), error, out=np.zeros_like(error), where=error > 0)
    return tuple(float(each) for each in off)


def quantile(confidence: float, freedom: int) -> float:
    """Return the half-width of a two-sided Student interval in standard errors."""
    return student_quantile(0.5 + confidence / 2, freedom)
