"""What every step from shapes to the plant looks things up in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from factory_sim.errors import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from factory_sim.plant.catalogue import Catalogue
    from factory_sim.plant.yaml import shapes
    from factory_sim.plant.yaml.addresses import Names
    from factory_sim.plant.yaml.problems import Report
    from factory_sim.plant.yaml.tree import Path


@dataclass(slots=True)
class Context:
    """One plant file on its way to a plant; indexes are positions in the plant's tuples."""

    plant: shapes.Plant
    names: Names  # operation -> its machines
    catalogue: Catalogue
    report: Report
    index: dict[str, dict[str, int]] = field(init=False)  # collection -> name -> index

    def __post_init__(self) -> None:
        collections = ("sections", "sources", "robots", "fleets", "conveyors", "crews", "shifts")
        self.index = {what: {name: n for n, name in enumerate(getattr(self.plant, what))} for what in collections}
        self.index["variants"] = {name: n for n, name in enumerate(self.plant.variants)}

    def lookup(self, path: Path, name: str | None, what: str) -> int:
        """Index of `name` in a collection; -1 when nothing is named, or something unknown, which is reported."""
        if name is None:
            return -1
        known: Mapping[str, int] = self.index[what]
        if name not in known and not self.report.told((what, name)):
            hint = did_you_mean(name, known) or f"The plant has no {what}."
            self.report.add(path, f"{name!r} is not one of the plant's {what}", hint)
        return known.get(name, -1)

    def crew(self, path: Path, name: str | None, skill: str | None = None) -> int:
        """Index of a crew that has the skill; the first such crew when none is named."""
        crews = self.plant.crews
        if skill is None:
            return self.lookup((*path, "crew"), name, "crews")
        able = [crew for crew, shape in crews.items() if skill in shape.skills]
        if name is None and able:
            return self.index["crews"][able[0]]
        if name is None or (name in crews and name not in able):
            skills = [s for shape in crews.values() for s in shape.skills]
            hint = f"Able: {', '.join(able)}." if able else did_you_mean(skill, skills)
            self.report.add(
                (*path, "skill"),
                f"crew {name} has no skill {skill!r}" if name else f"no crew has the skill {skill!r}",
                hint,
            )
            return -1
        return self.lookup((*path, "crew"), name, "crews")
