"""What holds on every plant, whatever is in it."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent)]

from plants import plants  # noqa: E402
from referee import Referee  # noqa: E402

from factory_sim.errors import ModelError  # noqa: E402
from factory_sim.plant.states import N_STATES, Outcome, State  # noqa: E402
from factory_sim.sim.run import Simulation  # noqa: E402

HOUR_US = 3_600_000_000
N = 400


def finished(plant, seed=1, until_us=HOUR_US):
    sim = Simulation(plant, seed=seed, until_us=until_us)
    try:
        log = sim.advance(until_us)
    except ModelError as error:
        event("circle")
        assert "blocked in a circle" in str(error)
        return None, None
    return sim, log


@settings(max_examples=N)
@given(plant=plants(), seed=st.integers(0, 5))
def test_it_runs(plant, seed):
    sim, log = finished(plant, seed)
    if sim is None:
        return
    entered, left, scrapped, merged, inside = sim.balance()
    assert entered == left + scrapped + merged + inside
    Referee(plant, seed).check(log, HOUR_US)
