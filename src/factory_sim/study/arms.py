"""The arms of a study: plants and changes to them, all loaded before the first trial runs."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING

from factory_sim import registry
from factory_sim.plant import load as loader
from factory_sim.plant.describe import planned, planned_h_per_week, shifts_per_week
from factory_sim.records import Window
from factory_sim.study.store import StudyError
from factory_sim.study.trial import Detail
from factory_sim.study_records import Arm, Payback, Probe
from factory_sim.views.html.plant_drawing import feeds

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from factory_sim.plant.spec import Plant

BASE, SCENARIO, PROBE = "base", "scenario", "probe"
# kinds of probes; sweep and optimise have their own
SUBSET, LESS, RELIEF, RELIEVED = "subset", "less", "relief", "relieved"
_COUNTED = {SUBSET, LESS, RELIEF}  # probes of which only the line's output is needed


@dataclass(frozen=True, slots=True)
class Variant:
    """How a plant is loaded: a file, which of its groups of changes apply (None: all), and changes as typed."""

    file: str
    changes: tuple[str, ...] | None = None
    overrides: tuple[str, ...] = ()

    def load(self) -> Plant:
        """Return the plant. Raise ConfigError."""
        return loader.load(self.file, registry.catalogue(), self.changes, self.overrides)

    def changed(self, changes: Iterable[str]) -> Variant:
        """Return the variant with further changes as typed."""
        return replace(self, overrides=(*self.overrides, *changes))

    def only(self, groups: Sequence[str]) -> Variant:
        """Return the variant with some of its groups of changes, in their own order."""
        return replace(self, overrides=tuple(groups)) if self.overrides else replace(self, changes=tuple(groups))

    @property
    def name(self) -> str:
        """The changes as typed; "": none."""
        return " ".join(self.overrides)

    def groups(self, plant: Plant) -> tuple[str, ...]:
        """Return the changes of its `plant` that an attribution separates: those typed, else the file's groups."""
        return self.overrides or (plant.scenario.changes if plant.scenario else ())


@dataclass(slots=True)
class PlantCache:
    """The plants of a study's arms, each loaded once."""

    plants: dict[str, Plant] = field(default_factory=dict)  # by digest
    _variants: dict[Variant, str] = field(default_factory=dict)

    def load(self, variant: Variant) -> Plant:
        """Return the plant of a variant. Raise ConfigError."""
        if variant not in self._variants:
            plant = variant.load()
            self._variants[variant] = plant.digest
            self.plants.setdefault(plant.digest, plant)
        return self.plants[self._variants[variant]]

    def plant_of(self, arm: Arm) -> Plant:
        """Return the plant of an arm. Raise StudyError when its file has changed since."""
        plant = self.load(variant_of(arm))
        if plant.digest != arm.digest:
            msg = (
                f"{arm.file} has changed since the study was started: {arm.name} is a different plant now.\n"
                f"  Its digest was {arm.digest[:16]} and is {plant.digest[:16]}. Restore the file, or repeat the study."
            )
            raise StudyError(msg)
        return plant


def variant_of(arm: Arm) -> Variant:
    """Return how an arm's plant is loaded."""
    return Variant(arm.file, arm.changes, arm.overrides)


def detail_of(arm: Arm) -> Detail:
    """Return how much a trial of an arm records."""
    if arm.role != PROBE:
        return Detail.FULL
    return Detail.COUNT if arm.probe and arm.probe.kind in _COUNTED else Detail.PROBE


def named_variants(plants: PlantCache, variants: Sequence[Variant]) -> dict[str, Variant]:
    """Return variants by the names of their arms. Raise StudyError when two of them are the same plant."""
    found: dict[str, Variant] = {}
    for variant in variants:
        plant = plants.load(variant)
        name = _unused_name(variant, plant, found)
        if twin := next((other for other, each in found.items() if plants.load(each).digest == plant.digest), None):
            msg = f"{name} changes nothing: it is the same plant as {twin} (digest {plant.digest[:16]})."
            raise StudyError(msg)
        found[name] = variant
    return found


def _unused_name(variant: Variant, plant: Plant, taken: Collection[str]) -> str:
    name = variant.name or (plant.scenario.name if plant.scenario else plant.name)
    if name in taken:
        name = variant.file
    copies = (f"{name} ({n})" for n in range(2, len(taken) + 3))
    return name if name not in taken else next(copy for copy in copies if copy not in taken)


def arm_of(name: str, role: str, variant: Variant, plant: Plant, window: Window, probe: Probe | None = None) -> Arm:
    """Return what a study records of a plant, which is that of `variant`."""
    scenario = plant.scenario
    money = scenario.investment if scenario else None
    return Arm(
        name=name,
        role=role,
        file=variant.file,
        changes=variant.changes,
        overrides=variant.overrides,
        digest=plant.digest,
        plant=plant.name,
        title=plant.title,
        question=scenario.question if scenario else "",
        currency=plant.cost.currency,
        operations=tuple(each.name for each in plant.operations),
        operation_titles=tuple(each.title for each in plant.operations),
        operation_sections=tuple(plant.sections[each.section] for each in plant.operations),
        machines=tuple(each.name for each in plant.machines),
        machine_operations=tuple(each.operation for each in plant.machines),
        pacing=plant.pacing,
        planned_us=planned(plant, Window(0, window.t1_us)),
        investment=Payback(**asdict(money)) if money and role != PROBE else None,
        assumptions=() if role == PROBE else plant.assumptions,
        groups=variant.groups(plant) if role == SCENARIO else (),
        probe=probe,
        start=plant.start,
        feeds=() if role == PROBE else feeds(plant),
        week_h=planned_h_per_week(plant),
        week_shifts=shifts_per_week(plant),
    )
