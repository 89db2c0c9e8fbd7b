"""Names, indexes and the problem report that all steps from shapes to the plant share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from factory_sim.clock import is_timezone
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
    """The shapes of one plant and what is needed to resolve them; indexes are positions in the plant's tuples."""

    plant: shapes.Plant
    names: Names  # operation -> its machines
    catalogue: Catalogue
    report: Report
    index: dict[str, dict[str, int]] = field(init=False)  # collection -> name -> index
    has_timezone: bool = field(init=False)  # the plant's time zone is known

    def __post_init__(self) -> None:
        collections = ("sections", "sources", "robots", "fleets", "conveyors", "crews", "shifts")
        self.index = {what: {name: n for n, name in enumerate(getattr(self.plant, what))} for what in collections}
        self.has_timezone = is_timezone(self.plant.timezone)
        self.index["variants"] = {name: n for n, name in enumerate(self.plant.variants)}

    def lookup(self, path: Path, name: str | None, what: str) -> int:
        """Return the index of `name` in a collection, -1 for None and for an unknown name, which is reported."""
        if name is None:
            return -1
        known: Mapping[str, int] = self.index[what]
        if name not in known and not self.report.reported((what, name)):
            hint = did_you_mean(name, known) or f"The plant has no {what}."
            self.report.add(path, f"{name!r} is not one of the plant's {what}", hint)
        return known.get(name, -1)

    def one_for_all(
        self, path: Path, given: Mapping[str, Mapping[str, float]], what: str
    ) -> tuple[tuple[float, ...], ...] | None:
        """Return the matrix of one value for all pairs of a collection, else None and report unknown names."""
        flat = given.get("*", {}).get("*")
        if flat is not None and len(given) == 1:
            return tuple(tuple(0.0 if a == b else flat for b in self.index[what]) for a in self.index[what])
        for a, row in given.items():
            self.lookup((*path, a), a, what)
            for b in row:
                self.lookup((*path, a, b), b, what)
        return None

    def crew(self, path: Path, name: str | None, skill: str | None = None) -> int:
        """Return the index of the named crew, or of the first crew that has the skill."""
        crews = self.plant.crews
        if skill is None:
            return self.lookup((*path, "crew"), name, "crews")
        able = [crew for crew, shape in crews.items() if skill in shape.skills]
        if name is None and able:
            return self.index["crews"][able[0]]
        if name is None or (name in crews and name not in able):
            skills = [s for shape in crews.values() for s in shape.skills]
            hint = f"Crews that have it: {', '.join(able)}." if able else did_you_mean(skill, skills)
            what = f"crew {name} has no skill {skill!r}" if name else f"no crew has the skill {skill!r}"
            self.report.add((*path, "skill"), what, hint)
            return -1
        return self.lookup((*path, "crew"), name, "crews")
