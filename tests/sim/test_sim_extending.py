"""The worked example of docs/extending.md: its SimPy half, as it stands there."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from factory_sim import registry
from factory_sim.errors import ConfigError
from factory_sim.sim import engines
from factory_sim.sim.calendar.flatten import POLICY_CODES
from factory_sim.sim.reference.policies import POLICIES
from factory_sim.sim.run import simulate

if TYPE_CHECKING:
    from factory_sim.plant.spec import Plant

PAGE = Path(__file__).parents[2] / "docs" / "extending.md"
NAME = "oldest_nearest"
LONG_US = 7_200_000_000  # the line fills before vehicles have a choice


@pytest.fixture
def plant(monkeypatch: pytest.MonkeyPatch) -> Plant:
    """The reference line with the page's policy, registered as the page says."""
    code = re.search(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert code is not None
    made: dict[str, Any] = {}
    exec(code[1], made)  # noqa: S102 - our own page
    monkeypatch.setitem(POLICIES, NAME, made[NAME])
    line = registry.load("gearbox_line")
    return replace(line, fleets=tuple(replace(fleet, policy=NAME) for fleet in line.fleets))


def test_the_policy_of_the_page_runs_in_simpy_and_sends_nearer_vehicles(plant: Plant) -> None:
    first_come = replace(plant, fleets=tuple(replace(fleet, policy="first_come") for fleet in plant.fleets))
    ours, theirs = (simulate(each, until_us=LONG_US, engine="simpy") for each in (plant, first_come))
    assert ours.log.t_us.tolist() != theirs.log.t_us.tolist()
    assert ours.truth.parts.sum() > 0


def test_check_says_what_the_page_says(plant: Plant) -> None:
    said = engines.obstacle(plant)
    assert said == "only SimPy knows the dispatch policy 'oldest_nearest' of agv"
    assert f"engine auto: simpy ({said})" in PAGE.read_text(encoding="utf-8")
    assert engines.choose(plant) == engines.Choice("simpy", said)
    with pytest.raises(ConfigError, match=NAME):
        engines.choose(plant, "calendar")


def test_the_page_names_every_policy_that_the_compiled_engine_knows() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert all(f'"{name}": c.{name.upper()}' in text for name in POLICY_CODES)
