"""Reads the files of `factory-sim sweep` and `factory-sim optimise`; every mistake is told with its line."""

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
_COMMANDS: dict[type[Runs], str] = {Sweep: "sweep", Optimise: "optimise"}


@dataclass(frozen=True, slots=True)
class StudyFile(Generic[ShapeT]):
    """What a file says, and where: `report` collects what does not fit, `close` raises it."""

    path: Path
    plant: str  # of the file: as `load` takes it
    shape: ShapeT
    report: Report

    @property
    def title(self) -> str:
        """For people."""
        return self.shape.title or self.path.stem

    def close(self) -> None:
        """Raise ConfigError when anything is wrong."""
        self.report.close()

    def known(self, path: Address, names: Collection[str], known: Collection[str], what: str) -> None:
        """Report those of the names listed at `path` that are not known, or that there are none."""
        if not names and self.report.clean(path):
            self.report.add(path, f"names no {what}", "Leave it out for the usual ones.")
        for n, name in enumerate(names):
            if name not in known:
                listed = self.report.root.get(*path, n) is not None
                self.report.add((*path, n) if listed else path, f"{name!r} is no {what}", did_you_mean(name, known))

    def apart(self, key: str, addresses: Collection[str]) -> None:
        """Report those of the addresses below `key` that mean what another one means already."""
        owners: dict[Address, str] = {}
        for address, places in load.reached(self.plant, addresses).items():
            others = {owners.setdefault(place, address) for place in places} - {address}
            if others:
                message = f"means the same value as {', '.join(sorted(others))}"
                self.report.add((key, address), message, "Leave one of them out.", at_key=True)

    def told(self, path: Address, attempt: Callable[[], Any]) -> Any:
        """What `attempt` gives; what goes wrong with the change that it makes is told at `path`, and gives None."""
        try:
            return attempt()
        except ConfigError as error:
            for each in error.problems:
                if each.line:  # of the plant's own files
                    self.report.problems.append(each)
                else:
                    key = each.key.rpartition(".")[2]
                    self.report.add(path, f"{key}: {each.message}" if key else each.message, each.hint)
        return None


def read(path: str | Path, model: type[ShapeT], currency_of: Callable[[str], str]) -> StudyFile[ShapeT]:
    """The file, its keys and values checked one by one; prices are in the currency of the plant that it names.

    Raises ConfigError when no plant is named or it has mistakes of its own; all else is left to `close`.
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
            report.add((command,), "names this file itself", "Name a plant or a scenario.")
            report.close()
        return files.display(file.parent / named)
    try:
        files.find(str(named))
    except ConfigError as error:
        message = f"{shown(named)}: no such file beside this one, and no packaged plant of that name"
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
        message, hint = f"is a file for `factory-sim {other}`", f"factory-sim {other} {file}"
    elif {"plant", "extends"} & set(keys):
        message = "is a plant or a scenario"
        hint = f"Write a file that names it: {command}: {file.name}, and what is to change (docs/sweeps.md)."
    else:
        message, hint = f"does not name a plant: the key {command} is missing", f"Begin with {command}: gearbox_line."
    return Problem(files.display(file), 1, 1, "", message, hint)
