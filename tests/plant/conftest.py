"""A small catalogue, a plant that uses everything, and a way to load texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from factory_sim.errors import ConfigError
from factory_sim.plant.catalogue import Catalogue, Param, SensorKindInfo
from factory_sim.plant.load import load

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from factory_sim.errors import Problem
    from factory_sim.plant.spec import Plant

EVERYTHING = """\
plant: everything
title: One of each
start: 2026-01-06 05:00
timezone: Europe/Berlin
topic: acme/north/line1
pacing: OP30
currency: EUR
base_load: 12 kW # assumed: light
costs: {machine: 28 EUR/h, labour: 240 EUR/h, repair: 65 EUR/h, scrap: 40 EUR}
tariff: {"06:00": 0.22 EUR/kWh, "22:00": 0.12 EUR/kWh}
variants: [six, eight]
link: {profile: 5g, loss: 0.5 %}
shift: day
kinds:
  cnc:
    power: {off: 50 W, starved: 1.2 kW, busy: 6 kW, repair: 0.6 kW}
    failures:
      tool: {after: "weibull(4 h, shape 2)", repair: "lognormal(12 min, cv 0.5)", wear: yes, crew: fitters, priority: 1}
      fuse: {after: exponential(90 h), repair: 1 h, clock: calendar, skill: electrical}
    maintenance:
      oil: {every: 24 h, duration: 20 min, crew: fitters}
      edge: {at_wear: 80 %, duration: 5 min}
    sensors:
      spindle: {kind: power, rate: 2 Hz, noise: 5 W}
      bearing: {kind: vibration}
  robot:
    power: {starved: 0.3 kW, busy: 2 kW}
  oven:
    power: {starved: 20 kW, busy: 45 kW}
sources:
  castings: {interarrival: exponential(50 s), when_full: lose, cards: 40, mix: {six: 60 %, eight: 40 %}, material_cost: 12.50 EUR}
  rings: {schedule: [1 min, 2 min, 3 min], sequence: [six, six, eight]}
  covers: {interarrival: saturated, mix: {six: 100 %}}
sections:
  housing:
    title: Housings
    operations:
      OP10: {title: Turning, kind: cnc, machines: 2, cycle_time: "lognormal(84 s, cv 0.05)", unit_time: 80 s, buffer: 6, from: castings}
      OP20: {kind: cnc, cycle_time: 40 s, buffer: 4, by: belt, setup: 5 min, setup_operator: fitters, variant_factor: {eight: 1.25}}
  gears:
    shift: always
    operations:
      OP25: {kind: cnc, machines: [HOB1, HOB2], cycle_time: "triangular(30 s, 35 s, 50 s)", buffer: unlimited, from: rings}
      OP26: {kind: oven, cycle_time: 10 min, buffer: 20, batch: {size: 16, minimum: 8, timeout: 15 min}, failures: {coil: {after: 200 h, repair: 4 h}}}
  assembly:
    operations:
      OP30:
        kind: robot
        cycle_time: 56 s
        robot: R1
        operator: fitters
        inputs:
          - {from: OP20, buffer: 4, by: agv}
          - {from: OP26, quantity: 2, buffer: 10, by: agv}
          - {from: covers, buffer: 8}
      OP40: {kind: robot, cycle_time: 30 s, buffer: 2, inspection: {scrap: 1 %, rework: 3 %, rework_to: OP30, max_loops: 2}}
machines:
  HOB2: {failures: {tool: {after: 2 h}, fuse: null}, power: {busy: 7 kW}, sensors: {extra: {kind: power}}, shift: day}
fleets:
  agv:
    count: 3
    policy: nearest
    speed: 1.2 m/s
    load: 15 s
    distances: {housing: {gears: 30 m, assembly: 60 m}, gears: {assembly: 45 m, housing: 35 m}}
    battery: {moving_time: 6 h, charge_below: 25 %, charge_time: 50 min}
    power: {idle: 40 W, moving_loaded: 900 W}
    sensors: {battery: {kind: level}}
conveyors: {belt: {delay: 20 s, capacity: 6}}
robots: {R1: {power: {idle: 0.2 kW, busy: 1.5 kW}, sensors: {joint: {kind: power}}}}
crews:
  fitters: {count: 2, skills: [mechanical, electrical], shift: day, wage: 42 EUR/h}
shifts:
  day: {open: "06:00-14:00", breaks: "09:00-09:15", at_end: finish}
  always: {open: "00:00-24:00"}
"""  # noqa: E501 - one line a thing, as people write such files


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    params = {"noise": Param("power", 10.0), "share": Param("share", 1.0)}
    kinds = {
        "power": SensorKindInfo("W", 0.0, 20_000.0, params=params),
        "vibration": SensorKindInfo("mm/s", 0.0, 50.0, rate_hz=10.0, roles=("machine",)),
        "level": SensorKindInfo("%", 0.0, 100.0, roles=("vehicle",)),
        "energy": SensorKindInfo("kWh", 0.0, 1e6, scale=0.001, bits=32),
    }
    return Catalogue(kinds, ("machining", "joining", "batching"), ("first_come", "nearest"))


@pytest.fixture(scope="session")
def everything() -> str:
    return EVERYTHING


@pytest.fixture
def read(tmp_path: Path, catalogue: Catalogue) -> Callable[..., Plant]:
    """The plant of a text, or of the last of several named texts."""

    def read(
        text: str = EVERYTHING, overrides: tuple[str, ...] = (), changes: tuple[str, ...] | None = None, **others: str
    ) -> Plant:
        for name, content in {"plant": text, **others}.items():
            (tmp_path / f"{name}.yaml").write_text(content, encoding="utf-8")
        last = (["plant", *others])[-1]
        return load(tmp_path / f"{last}.yaml", catalogue, changes, overrides)

    return read


@pytest.fixture
def problems(read: Callable[..., Plant]) -> Callable[..., list[Problem]]:
    """The problems of a text, or of the last of several named texts."""

    def problems(*args: object, **kwargs: object) -> list[Problem]:
        with pytest.raises(ConfigError) as caught:
            read(*args, **kwargs)
        return list(caught.value.problems)

    return problems
