"""The truth that coverage is measured against: it is a truth."""

from __future__ import annotations

import numpy as np
import pytest

from factory_sim.study.pool import Pool
from factory_sim.validation import coverage
from factory_sim.validation.coverage import Two


@pytest.mark.parametrize("line", [Two(40, 40, 0), Two(30, 50, 2), Two(55, 20, 1)], ids=str)
def test_the_closed_form_is_the_stationary_solution_of_the_chain(line: Two) -> None:
    n = line.places + 3
    rates = np.zeros((n, n))
    for k in range(n - 1):
        rates[k, k + 1], rates[k + 1, k] = 1 / line.a_s, 1 / line.s_s
    np.fill_diagonal(rates, -rates.sum(axis=1))
    share = np.linalg.lstsq(np.vstack([rates.T, np.ones(n)]), np.append(np.zeros(n), 1.0), rcond=None)[0]
    assert line.rate_per_h == pytest.approx(3600 * share[1:].sum() / line.s_s)


def test_hunts_two_stages_without_room_make_two_thirds() -> None:
    assert Two(36, 36, 0).rate_per_h == pytest.approx(100 * 2 / 3)


def test_studies_are_fixed_before_they_run() -> None:
    first = list(coverage.drawn_lines(50))
    assert first == list(coverage.drawn_lines(60))[:50]
    assert all(base.rate_per_h < each.rate_per_h for base, *others in first for each in others)


def test_a_few_studies_find_the_truth() -> None:
    verdicts = list(coverage.studies(6, Pool(1, "simpy")))
    assert sum(each.covers for each in verdicts) >= 4  # fewer of six: once in 10,000 at 95 %
    assert sum(each.all_cover for each in verdicts) >= 4
    assert all(abs(each.found.mean - each.true_pct) < 4 * each.found.half_width for each in verdicts)
