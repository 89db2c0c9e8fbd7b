"""Collects all that is wrong with a file, so that the reader sees it at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from factory_sim.errors import ConfigError, Problem

if TYPE_CHECKING:
    from factory_sim.plant.spec import Place
    from factory_sim.plant.yaml.tree import Node, Path


class Report:
    """The problems of one tree. What follows from a problem at the same address or above it is not told again."""

    def __init__(self, root: Node, problems: list[Problem] | None = None) -> None:
        self.root = root
        self.problems = [] if problems is None else problems  # also those found while the tree was put together
        self._told: set[Path] = set()
        self._named: set[Path] = set()

    def add(self, path: Path, message: str, hint: str = "", *, at_key: bool = False) -> None:
        """Something is wrong with the value at `path`; `at_key` points at its key instead."""
        if self.told(path) or (at_key and path in self._named):
            return
        (self._named if at_key else self._told).add(path)  # a wrong name does not make what it names wrong
        place = self.place(path, at_key=at_key)
        self.problems.append(Problem(place.file, place.line, place.column, address(path), message, hint))

    def told(self, path: Path) -> bool:
        """Whether a problem at `path` or above it has been told."""
        return any(path[:n] in self._told for n in range(1, len(path) + 1))

    def silence(self, path: Path) -> None:
        """What is wrong at `path` follows from something told elsewhere."""
        self._told.add(path)

    def clean(self, path: Path) -> bool:
        """Whether no problem at `path`, above it or below it has been told."""
        return not self.told(path) and not any(told[: len(path)] == path for told in self._told)

    def place(self, path: Path, *, at_key: bool = False) -> Place:
        """Where `path` stands in its file, or the nearest thing above it that does."""
        for n in range(len(path), -1, -1):
            node = self.root.get(*path[:n])
            if node is not None:
                by_key = at_key or n < len(path) or isinstance(node.value, dict | list)
                return node.key if node.key and by_key else node.place
        return self.root.place

    def close(self) -> None:
        """Raise ConfigError when there is any problem."""
        if self.problems:
            raise ConfigError(sorted(self.problems, key=lambda p: (p.file, p.line, p.column)))


def address(path: Path) -> str:
    """`sections.housing.operations.OP10.buffer` is told as `operations.OP10.buffer`: operation names are unique."""
    steps = [str(step) for step in path]
    if len(steps) > 3 and steps[0] == "sections" and steps[2] == "operations":
        steps = steps[2:]
    return ".".join(steps)
