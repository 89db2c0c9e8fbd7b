"""Every registered kind: complete defaults, and physics that is defined in every state."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from sensing_line import S, log_of, plant, read, sensor, with_vehicle

from factory_sim.plant.states import Outcome, State
from factory_sim.sensing.kinds import KINDS
from factory_sim.sensing.unit_load import N_SLOTS, unit_loads
from factory_sim.units import UNITS

if TYPE_CHECKING:
    from factory_sim.sensing.kinds.sensor_kind import Channel
    from factory_sim.sensing.unit_load import UnitLoad


@pytest.fixture(scope="module")
def load() -> UnitLoad:
    return unit_loads(plant(["cnc"], sensors=()))[1]


def channel(kind: str, load: UnitLoad) -> Channel:
    return KINDS[kind].channel(load, {name: p.default for name, p in KINDS[kind].params.items()})


@pytest.mark.parametrize("kind", KINDS)
def test_defaults_are_complete_and_fit_the_converter(kind: str) -> None:
    info = KINDS[kind]
    assert info.help
    assert info.unit_text
    assert info.low < info.high
    assert info.bits in (16, 32)
    assert info.rate_hz > 0
    if info.scale:
        assert max(abs(info.low), abs(info.high)) / info.scale < 2 ** (info.bits - 1)
    for param in info.params.values():
        assert param.dimension in UNITS
        assert param.help


@pytest.mark.parametrize("kind", KINDS)
def test_tables_are_finite_in_every_slot(kind: str, load: UnitLoad) -> None:
    made = channel(kind, load)
    assert made.levels.shape == made.worn.shape == (N_SLOTS,)
    assert np.isfinite(made.levels).all()
    assert (made.worn >= 0).all()
    assert made.worn[State.STARVED] == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_unit_that_draws_no_power_can_carry_any_sensor(kind: str) -> None:
    line = plant(["cnc"], sensors=[kind])
    bare = replace(line, machines=tuple(replace(machine, power_w=()) for machine in line.machines))
    log = log_of([(0.0, 1, state, -1, Outcome.NONE, 0) for state in State])
    assert len(read(bare, log, [5 * S]).samples[0].raw) == 5


@pytest.mark.parametrize("kind", KINDS)
def test_every_parameter_changes_what_is_read(kind: str) -> None:
    unit = 3 if KINDS[kind].roles == ("vehicle",) else 1
    states = (State.STARVED, State.BUSY, State.MOVING_LOADED, State.LOADING, State.BUSY)
    log = log_of(
        [
            (10.0 * i, unit, state, -1, Outcome.NONE, 900_000 if state == State.BUSY else 0)
            for i, state in enumerate(states)
        ]
    )
    line = replace(with_vehicle(plant(sensors=())), sensors=(sensor(0, unit, kind),))
    plain = read(line, log, [60 * S]).samples[0].raw
    for name, param in KINDS[kind].params.items():
        other = replace(line, sensors=(sensor(0, unit, kind, **{name: param.default * 1.5 + 0.01}),))
        assert not np.array_equal(read(other, log, [60 * S]).samples[0].raw, plain), name
