"""Cycles of real machines: by their state word exactly, by their loads where they repeat."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from factory_sim.analysis import cycles
from factory_sim.analysis.cycles import axis_loads
from factory_sim.validation import intake_cases

NIST = Path(__file__).parent / "data" / "nist"


@pytest.fixture(scope="module")
def found() -> dict[str, intake_cases.IntakeDay | None]:
    return {case.name: day for case, day in intake_cases.days_of(NIST) if case.ok}


def test_the_state_word_yields_exactly_the_listed_cycles(found: dict[str, intake_cases.IntakeDay | None]) -> None:
    assert sum(day is not None and day.execution_ok for day in found.values()) == 4


def test_the_counter_yields_eight_parts(found: dict[str, intake_cases.IntakeDay | None]) -> None:
    assert "Hurco03-2017-02-01.part_count.csv" in found


def test_days_with_a_high_confidence_are_right(found: dict[str, intake_cases.IntakeDay | None]) -> None:
    result = intake_cases.result_of([], [day for day in found.values() if day is not None])
    assert result.days_reported == 4
    assert (result.recall or 0) >= 0.91
    assert (result.precision or 0) >= 0.91


def test_a_program_that_repeats_is_found_and_noise_is_not() -> None:
    random = np.random.default_rng(1)
    program = np.sort(random.uniform(0, 60, 40))
    starts = np.cumsum(60 + random.uniform(20, 200, 30))
    t = np.sort(np.concatenate([start + program + random.uniform(0, 0.5, 40) for start in starts]))
    signals = [((t[k::2] * 1e9).astype(np.int64), random.uniform(0, 100, len(t[k::2]))) for k in range(2)]
    regular = cycles.detect(signals)
    assert len(regular.begin_ns) == pytest.approx(30, abs=1)
    assert regular.confidence > 0.6
    t = np.sort(random.uniform(0, 6000, 1200))
    noise = [((t[k::2] * 1e9).astype(np.int64), random.uniform(0, 100, 600)) for k in range(2)]
    assert cycles.detect(noise).confidence < 0.6


def test_cycles_between_regular_pauses_are_not_taken_several_at_a_time() -> None:
    """A machine that is loaded automatically: 60 s of a program, 20 s of loading."""
    random = np.random.default_rng(0)
    signals = []
    for _ in range(2):
        moves, load = np.sort(np.append(random.uniform(3, 57, 8), [0, 60])), np.append(random.integers(10, 90, 9), 0)
        t = np.sort(np.concatenate([100 + 80 * k + moves + random.normal(0, 0.5, 10) for k in range(80)]))
        signals.append(((t * 1e9).astype(np.int64), np.tile(load, 80).astype(float)))
    found = cycles.detect(signals)
    assert found.confidence < 0.6 or len(found.begin_ns) == pytest.approx(80, abs=4)


def test_loads_of_axes_are_judged_by_their_names_and_noise_is_not_a_program() -> None:
    random = np.random.default_rng(2)
    names = ["Sload", "Xload", "Zload"]
    t = [np.sort(random.uniform(0, 20_000, 4000)) for _ in names]
    noise = [((each * 1e9).astype(np.int64), random.uniform(0, 100, len(each)).round()) for each in t]
    assert cycles.detect(noise, names).confidence < 0.6
    assert len(axis_loads.detect(noise[:2], names[:2]).begin_ns) == 0  # no Z axis
    missing = [(each, np.full(len(each), np.nan)) for each, _ in noise]
    assert len(axis_loads.detect(missing, names).begin_ns) == 0


def test_signals_without_changes_have_no_cycles() -> None:
    empty = cycles.detect([(np.empty(0, np.int64), np.empty(0))])
    assert (len(empty.begin_ns), empty.confidence) == (0, 0.0)
