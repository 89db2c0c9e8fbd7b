"""Collect everything that is wrong with a plant's files, so that it is reported at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from factory_sim.errors import ConfigError, Problem, did_you_mean
from factory_sim.plant.spec import Place

if TYPE_CHECKING:
    from collections.abc import Collection

    from pydantic import BaseModel

    from factory_sim.plant.yaml.tree import Node, Path

TYPED = Place("changes", 0, 0)  # changes as typed: an argument of many calls


MOST_PROBLEMS = 200  # are reported at once; the nearest names of many take minutes to find


class Report:
    """The problems of one tree; a problem at or below the address of an earlier one is not added."""

    def __init__(self, root: Node, problems: list[Problem] | None = None) -> None:
        self.root = root
        self.problems = [] if problems is None else problems  # also those found while the tree was put together
        self._read = {(each.file, each.line, each.column) for each in self.problems if each.line}
        self._reported: set[Path] = set()
        self._named: set[Path] = set()

    def add(self, path: Path, message: str, hint: str = "", *, at_key: bool = False) -> None:
        """Add a problem of the value at `path`, or of its key."""
        if self.reported(path) or (at_key and path in self._named):
            return
        (self._named if at_key else self._reported).add(path)  # a wrong name does not make what it names wrong
        place = self.place(path, at_key=at_key)
        if (place.file, place.line, place.column) not in self._read:  # else the value itself could not be read
            self.problems.append(problem_at(place, address(path), message, hint))
        if len(self.problems) >= MOST_PROBLEMS:
            self.close()

    def missing(self, path: Path, example: str, why: str = "") -> None:
        """Add the problem that the value at `path` is missing, with an example of one."""
        self.add(path, f"is missing{why and ': '}{why}", f"Write {path[-1]}: {example}.")

    def require(self, path: Path, shape: BaseModel, **examples: str) -> None:
        """Add a problem for every key of `examples` that the shape at `path` lacks."""
        for key, example in examples.items():
            if getattr(shape, key) is None:
                self.missing((*path, key), example)

    def check_known(self, path: Path, name: str | None, what: str, known: Collection[str]) -> None:
        """Add a problem if the name at `path` is not one of the `known`; None is not checked."""
        if name is not None and name not in known:
            self.add(path, f"{name!r} is not {what}", did_you_mean(name, known))

    def reported(self, path: Path) -> bool:
        """Return whether there is a problem at `path` or above it."""
        return any(path[:n] in self._reported for n in range(1, len(path) + 1))

    def silence(self, path: Path) -> None:
        """Ignore problems at `path`, which follow from one reported elsewhere."""
        self._reported.add(path)

    def clean(self, path: Path) -> bool:
        """Return whether there is no problem at `path`, above it or below it."""
        return not self.reported(path) and not any(other[: len(path)] == path for other in self._reported)

    def place(self, path: Path, *, at_key: bool = False) -> Place:
        """Return the place of `path`, or of the nearest value above it that exists."""
        for n in range(len(path), -1, -1):
            node = self.root.get(*path[:n])
            if node is not None:
                by_key = at_key or n < len(path) or isinstance(node.value, dict | list)
                return node.key if node.key and by_key else node.place
        return self.root.place

    def close(self) -> None:
        """Raise ConfigError if there is any problem."""
        if self.problems:
            raise ConfigError(sorted(self.problems, key=lambda p: (p.file, p.line, p.column)))


def problem_at(place: Place, key: str, message: str, hint: str = "") -> Problem:
    """Return a problem at a place in a file."""
    return Problem(place.file, place.line, place.column, key, message, hint)


def address(path: Path) -> str:
    """Return an address without the section of an operation, since operation names are unique."""
    steps = [str(step) for step in path]
    if len(steps) > 3 and steps[0] == "sections" and steps[2] == "operations":
        steps = steps[2:]
    return ".".join(steps)
