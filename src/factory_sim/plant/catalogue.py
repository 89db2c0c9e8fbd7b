"""Names that a plant file may use, with the parameters of sensor kinds.

Sensing and sim are above this package; registry.py collects their names into the Catalogue that the loader gets.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from factory_sim.plant.spec import LinkProfile

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


PROFILES = {  # assumed: round figures of common industrial networks, with reasons in docs/wire.md
    "wired": LinkProfile("wired", latency_s=0.001, jitter_s=0.0002, loss=0.0),
    "wifi": LinkProfile("wifi", latency_s=0.008, jitter_s=0.006, loss=0.005, outage_every_s=7200.0, outage_s=2.0),
    "5g": LinkProfile("5g", latency_s=0.012, jitter_s=0.003, loss=0.0001, outage_every_s=28800.0, outage_s=1.0),
}


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter of a sensor kind, as a plant file may set it."""

    dimension: str  # a key of units.UNITS: how its text is read
    default: float  # SI
    help: str = ""


@dataclass(frozen=True, slots=True)
class SensorKindInfo:
    """Defaults of a sensor kind: value = raw * scale + offset, in `unit_text`."""

    unit_text: str
    low: float  # measuring range, in unit_text
    high: float
    rate_hz: float = 1.0
    scale: float = 0.0  # 0: the finest of 1, 2, 5 x 10^n with which low and high fit into `bits`
    offset: float = 0.0
    bits: int = 16  # 16 or 32, signed
    params: Mapping[str, Param] = field(default_factory=dict)
    help: str = ""
    roles: Collection[str] = ("machine", "robot", "vehicle")  # the units that may carry it


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The names a plant file may use."""

    sensor_kinds: Mapping[str, SensorKindInfo]
    behaviours: Collection[str]
    policies: Collection[str]
