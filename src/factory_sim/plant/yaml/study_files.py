"""Read the files of `factory-sim sweep` and `factory-sim optimise`; every mistake is reported with its line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from factory_sim.errors import ConfigError, Problem, did_you_mean
from factory_sim.plant import load
from factory_sim.plant.yaml import files
from factory_sim.plant.yaml.problems import Report
from factory_sim.plant.yaml.quantities import shown
from factory_sim.plant.yaml.study_shapes import Optimise, Runs, Sweep
from factory_sim.plant.yaml.tree import read_yaml
from factory_sim.plant.yaml.validate import validated

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from factory_sim.plant.yaml.tree import Path as Address

ShapeT = TypeVar("ShapeT", bound=Runs)
PlantT = TypeVar("PlantT")
_COMMANDS: dict[type[Runs], str] = {Sweep: "sweep", Optimise: "optimise"}


@dataclass(frozen=True, slots=True)
class StudyFile(Generic[ShapeT]):
    """The content of a file; `report` collects its mistakes."""

    path: Path
    plant: str  # as `load` takes it
    shape: ShapeT
    report: Report

    def words(self) -> dict[str, str]:
        """Return title and question."""
        return {"title": self.shape.title or self.path.stem, "question": self.shape.question or ""}

    def check_names(self, path: Address, names: Collection[str], known: Collection[str], what: str) -> None:
        """Report unknown names in the list at `path`, or an empty list."""
        if not names and self.report.clean(path):
            self.report.add(path, f"contains no {what}", "Leave it out for the default.")
        for n, name in enumerate(names):
            if name not in known:
                listed = self.report.root.get(*path, n) is not None
                self.report.add((*path, n) if listed else path, f"{name!r} is not a {what}", did_you_mean(name, known))

    def check_distinct(self, key: str, addresses: Collection[str]) -> None:
        """Report addresses below `key` that lead to the same value as another one."""
        owners: dict[Address, str] = {}
        for address, places in load.reached(self.plant, addresses).items():
            others = {owners.setdefault(place, address) for place in places} - {address}
            if others:
                message = f"means the same value as {', '.join(sorted(others))}"
                self.report.add((key, address), message, "Leave one of them out.", at_key=True)

    def attempt(self, path: Address, load_plant: Callable[[], PlantT]) -> PlantT | None:
        """Return the plant with a change; None when it cannot be loaded, which is reported at `path`."""
        try:
            return load_plant()
        except ConfigError as error:
            for each in error.problems:
                if each.line:  # in a file of the plant
                    self.report.problems.append(each)
                else:
                    key = each.key.rpartition(".")[2]
                    self.report.add(path, f"{key}: {each.message}" if key else each.message, each.hint)
        return None


def read(path: str | Path, model: type[ShapeT], currency_of: Callable[[str], str]) -> StudyFile[ShapeT]:
    """Return a file with its keys and values checked one by one; prices are in the currency of its plant.

    Raise ConfigError when no plant is named or the plant has mistakes; `close` raises the others.
    """
    file = _found(Path(path))
    problems: list[Problem] = []
    root = read_yaml(files.read(file), files.display(file), problems)
    command = _COMMANDS[model]
    named = root.get(command)
    if named is None:
        raise ConfigError([_other(file, root.children(), command)])
    report = Report(root, problems)
    plant = _plant(file, named.value, report, command)
    shape = validated(model, root, report, {"currency": currency_of(plant)})
    return StudyFile(file, plant, shape, report)


def _plant(file: Path, named: Any, report: Report, command: str) -> str:
    if isinstance(named, str) and (file.parent / named).is_file():
        if (file.parent / named).samefile(file):
            report.add((command,), "names this file itself", "Write the name of a plant or a scenario.")
            report.close()
        return files.display(file.parent / named)
    try:
        files.find(str(named))
    except ConfigError as error:
        message = f"{shown(named)}: there is no such file beside this one, and no packaged plant of that name"
        report.add((command,), message, error.problems[0].hint)
        report.close()
    return str(named)


def _found(path: Path) -> Path:
    if path.is_file():
        return path
    near = [str(each) for each in path.parent.glob("*.y*ml")] if path.parent.is_dir() else []
    what = "is a folder, not a file" if path.is_dir() else "no such file"
    raise ConfigError([Problem(str(path), 0, 0, "", what, did_you_mean(str(path), near))])


def _other(file: Path, keys: Collection[str], command: str) -> Problem:
    other = next((name for name in _COMMANDS.values() if name in keys), "")
    if other:
        message, hint = f"is a file for `factory-sim {other}`", f"Run factory-sim {other} {file}."
    elif {"plant", "extends"} & set(keys):
        message = "is a plant or a scenario"
        hint = f"Write a file with {command}: {file.name} and the values to change (docs/sweeps.md)."
    else:
        message, hint = f"does not name a plant: the key {command} is missing", f"Begin with {command}: gearbox_line."
    return Problem(files.display(file), 1, 1, "", message, hint)
