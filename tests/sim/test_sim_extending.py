"""The worked example of docs/extending.md: its first half, as it is written there."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from factory_sim import registry
from factory_sim.distributions import constant
from factory_sim.errors import ConfigError
from factory_sim.plant.spec import Source
from factory_sim.plant.states import Outcome
from factory_sim.sim import engines
from factory_sim.sim.calendar.flatten import POLICY_CODES
from factory_sim.sim.reference.behaviours import BEHAVIOURS, Behaviour, single
from factory_sim.sim.reference.policies import POLICIES
from factory_sim.sim.run import simulate
from factory_sim.validation.exact.lines import Stop, line

if TYPE_CHECKING:
    from factory_sim.plant.spec import Plant
    from factory_sim.sim.reference.line import Steps
    from factory_sim.sim.reference.machines.machine import Machine

PAGE = Path(__file__).parents[2] / "docs" / "extending.md"
NAME = "oldest_nearest"
LONG_US = 7_200_000_000  # the line fills before vehicles have a choice


@pytest.fixture
def plant(monkeypatch: pytest.MonkeyPatch) -> Plant:
    """The reference line with the page's policy, registered as the page says."""
    code = re.search(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert code is not None
    made: dict[str, Any] = dict.fromkeys(("Fleet", "Request", "Vehicle"), Any)
    exec(code[1], made)  # noqa: S102 - our own page
    monkeypatch.setitem(POLICIES, NAME, made[NAME])
    loaded = registry.load("gearbox_line")
    return replace(loaded, fleets=tuple(replace(fleet, policy=NAME) for fleet in loaded.fleets))


def test_the_policy_of_the_page_runs_in_simpy_and_sends_nearer_vehicles(plant: Plant) -> None:
    first_come = replace(plant, fleets=tuple(replace(fleet, policy="first_come") for fleet in plant.fleets))
    ours, theirs = (simulate(each, until_us=LONG_US, engine="simpy") for each in (plant, first_come))
    assert ours.log.t_us.tolist() != theirs.log.t_us.tolist()
    assert ours.truth.parts.sum() > 0


def test_the_reported_reason_is_the_one_on_the_page(plant: Plant) -> None:
    reason = engines.obstacle(plant)
    assert reason == "the dispatch policy 'oldest_nearest' of agv exists in the SimPy model only"
    assert f"engine auto: simpy ({reason})" in PAGE.read_text(encoding="utf-8")
    assert engines.choose(plant) == engines.Choice("simpy", reason)
    with pytest.raises(ConfigError, match=NAME):
        engines.choose(plant, "calendar")


def test_the_page_names_every_policy_that_the_compiled_engine_knows() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert all(f'"{name}": c.{name.upper()}' in text for name in POLICY_CODES)


def test_a_behaviour_may_wait_for_any_simpy_event(monkeypatch: pytest.MonkeyPatch) -> None:
    def rests(m: Machine) -> Steps:
        while True:
            parts = yield from m.take()
            yield from m.work(parts)
            yield m.line.timeout(5_000_000)
            m.give(parts)

    monkeypatch.setitem(BEHAVIOURS, "resting", Behaviour("Rest after work", single, rests))
    plant = line([Stop(constant(10), 1, 1), Stop(constant(10), 1, 1)], Source("in", 0))
    rested = replace(plant.operations[1], behaviour="resting")
    log = simulate(replace(plant, operations=(plant.operations[0], rested)), until_us=60_000_000).log
    assert (log.t_us[log.outcome == Outcome.LEFT] // 1_000_000).tolist() == [25, 40, 55]
