"""The sensors that docs/sensors.md recommends can be used unchanged."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from factory_sim.sensing.kinds import KINDS
from factory_sim.sensing.programs import PROGRAMS
from factory_sim.units import parse

TEXT = (Path(__file__).parents[2] / "docs" / "sensors.md").read_text(encoding="utf-8")
RECOMMENDED = yaml.safe_load(re.search(r"```yaml\n(.*?)```", TEXT, re.DOTALL)[1])


@pytest.mark.parametrize("machine", RECOMMENDED)
def test_a_machine_is_recommended_eight_sensors_that_exist(machine: str) -> None:
    sensors = RECOMMENDED[machine]["sensors"]
    assert len(sensors) == 8
    assert [s["kind"] for s in sensors.values()].count("energy") == 1
    for name, sensor in sensors.items():
        info = KINDS[sensor["kind"]]
        for key in sensor.keys() - {"kind", "low", "high"}:
            parse(sensor[key], info.params[key].dimension)
        assert sensor.get("low", info.low) < sensor.get("high", info.high), name


def test_every_program_and_every_kind_is_described() -> None:
    assert not [name for name in (*PROGRAMS, *KINDS) if f"`{name}`" not in TEXT]
    assert set(PROGRAMS) == set(RECOMMENDED) | {"shaving", "honing"}
