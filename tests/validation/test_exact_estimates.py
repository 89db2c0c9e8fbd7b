"""Intervals: they cover what they promise, controls narrow them without moving them, wrong inputs are seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from factory_sim.validation.exact.batch_means import BATCHES, estimate, quantile

if TYPE_CHECKING:
    from factory_sim.records import F8


def slices(rng: np.random.Generator, n: int, *, ratio: float, control: float) -> F8:
    """Sums of a ratio whose top follows a control of mean 0, with memory between slices."""
    drive = rng.normal(size=n)
    for i in range(1, n):
        drive[i] += 0.5 * drive[i - 1]
    bottom = 10.0 + rng.normal(size=n)
    top = ratio * bottom + control * drive + rng.normal(size=n)
    return np.stack([top, bottom, drive], axis=1)


@pytest.mark.parametrize("confidence", [0.8, 0.99])
def test_intervals_cover_as_often_as_they_promise(confidence: float) -> None:
    rng = np.random.default_rng(1)
    n = 200
    held = 0
    for _ in range(n):
        found = estimate(slices(rng, 8 * BATCHES, ratio=2.0, control=3.0), confidence)
        held += found.low <= 2.0 <= found.high
    error = (confidence * (1 - confidence) / n) ** 0.5
    assert abs(held / n - confidence) < 4 * error + 0.01


def test_a_control_narrows_the_interval_and_leaves_the_plain_estimate_to_be_seen() -> None:
    found = estimate(slices(np.random.default_rng(2), 8 * BATCHES, ratio=2.0, control=3.0), 0.99)
    assert found.half_width < 0.3 * found.plain_half_width
    assert abs(found.plain - 2.0) < found.plain_half_width


def test_an_input_off_its_mean_is_seen() -> None:
    table = slices(np.random.default_rng(3), 8 * BATCHES, ratio=2.0, control=3.0)
    table[:, 2] += 0.5
    assert abs(estimate(table, 0.99).inputs[0]) > quantile(0.9999, BATCHES - 1)


def test_a_run_without_chance_is_known_to_the_part_that_its_ends_cut() -> None:
    table = np.tile([5.0, 10.0, 0.0], (BATCHES, 1))
    found = estimate(table, 0.99)
    assert found.value == pytest.approx(0.5)
    assert found.half_width == pytest.approx(0.5 / (5 * BATCHES))


def test_batches_that_remember_each_other_say_so() -> None:
    rng = np.random.default_rng(4)
    steady = np.cumsum(rng.normal(size=BATCHES)) * 0.1
    table = np.stack([10 + steady, np.full(BATCHES, 10.0)], axis=1)
    assert estimate(table, 0.99).memory > 0.5
