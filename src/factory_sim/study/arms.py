"""What a study compares: arms, made of plants and what is changed in them, all loaded before the first trial runs."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from factory_sim import registry
from factory_sim.plant import load as loader
from factory_sim.plant.describe import planned
from factory_sim.records import Arm, Window
from factory_sim.study.store import StudyError
from factory_sim.study.trial import Detail

if TYPE_CHECKING:
    from collections.abc import Sequence

    from factory_sim.plant.spec import Plant

BASE, SCENARIO, PROBE = "base", "scenario", "probe"
_COUNTED = {"subset", "less"}  # probes that are asked for the line's output only


@dataclass(frozen=True, slots=True)
class Variant:
    """How a plant is loaded: a file, which of its groups of changes apply (None: all), and changes as typed."""

    file: str
    changes: tuple[str, ...] | None = None
    overrides: tuple[str, ...] = ()

    def load(self) -> Plant:
        """The plant. Raises ConfigError."""
        return loader.load(self.file, registry.catalogue(), self.changes, self.overrides)

    def only(self, groups: Sequence[str]) -> Variant:
        """The same with some of its groups of changes, in their own order."""
        return replace(self, overrides=tuple(groups)) if self.overrides else replace(self, changes=tuple(groups))

    def groups(self, plant: Plant) -> tuple[str, ...]:
        """Names of the changes in its `plant` that an attribution tells apart: those typed, else the file's groups."""
        return self.overrides or (plant.scenario.changes if plant.scenario else ())


@dataclass(slots=True)
class Bench:
    """The plants of a study's arms, by digest: loaded once, whoever asks."""

    plants: dict[str, Plant] = field(default_factory=dict)
    _variants: dict[Variant, str] = field(default_factory=dict)

    def load(self, variant: Variant) -> Plant:
        """The plant of a variant. Raises ConfigError."""
        if variant not in self._variants:
            plant = variant.load()
            self._variants[variant] = plant.digest
            self.plants.setdefault(plant.digest, plant)
        return self.plants[self._variants[variant]]

    def of(self, arm: Arm) -> Plant:
        """The plant of an arm. Raises StudyError when its file has changed since."""
        plant = self.load(variant_of(arm))
        if plant.digest != arm.digest:
            msg = (
                f"{arm.file} has changed since the study was made: {arm.name} is another plant now.\n"
                f"  Its digest was {arm.digest[:16]} and is {plant.digest[:16]}."
            )
            raise StudyError(msg)
        return plant


def variant_of(arm: Arm) -> Variant:
    """How an arm's plant is loaded."""
    return Variant(arm.file, arm.changes, arm.overrides)


def detail_of(arm: Arm) -> Detail:
    """How much a trial of an arm keeps."""
    if arm.role != PROBE:
        return Detail.FULL
    return Detail.COUNT if arm.probe and arm.probe["kind"] in _COUNTED else Detail.PROBE


def compared(bench: Bench, base: Variant, scenarios: Sequence[Variant]) -> list[tuple[Variant, str, str]]:
    """(variant, name, role) of the base and the scenarios. Raises StudyError when two of them are one plant."""
    seen: dict[str, str] = {}
    rows: list[tuple[Variant, str, str]] = []
    for n, variant in enumerate((base, *scenarios)):
        plant = bench.load(variant)
        name = _named(variant, plant, {row[1] for row in rows})
        if (twin := seen.get(plant.digest)) is not None:
            msg = f"{name} changes nothing: it is the same plant as {twin} (digest {plant.digest[:16]})."
            raise StudyError(msg)
        seen[plant.digest] = name
        rows.append((variant, name, SCENARIO if n else BASE))
    return rows


def _named(variant: Variant, plant: Plant, taken: set[str]) -> str:
    name = " ".join(variant.overrides) or (plant.scenario.name if plant.scenario else plant.name)
    if name in taken:
        name = variant.file
    copies = (f"{name} ({n})" for n in range(2, len(taken) + 3))
    return name if name not in taken else next(copy for copy in copies if copy not in taken)


def arm(
    variant: Variant, plant: Plant, name: str, role: str, window: Window, probe: dict[str, Any] | None = None
) -> Arm:
    """What a study keeps of a plant."""
    scenario = plant.scenario
    money = scenario.investment if scenario else None
    return Arm(
        name,
        role,
        variant.file,
        variant.changes,
        variant.overrides,
        plant.digest,
        plant.name,
        plant.title,
        scenario.question if scenario else "",
        plant.cost.currency,
        tuple(each.name for each in plant.operations),
        tuple(each.title for each in plant.operations),
        tuple(plant.sections[each.section] for each in plant.operations),
        tuple(each.name for each in plant.machines),
        tuple(each.operation for each in plant.machines),
        plant.pacing,
        planned(plant, Window(0, window.t1_us)),
        asdict(money) if money and role != PROBE else None,
        () if role == PROBE else plant.assumptions,
        variant.groups(plant) if role == SCENARIO else (),
        probe,
        plant.start,
    )
