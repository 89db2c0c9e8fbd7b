"""Addresses of values: `operations.OP410.cycle_time`, `kinds.cnc.power.busy`, `operations.OP4*.buffer`.

`operations` covers all sections, `kinds.cnc.operations` the operations of a kind, and `machines` all machines, also
those that the file only counts. An address may begin with a unique name: `OP410.cycle_time`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import NoReturn

from factory_sim.errors import did_you_mean
from factory_sim.plant.spec import Place
from factory_sim.plant.yaml import shapes
from factory_sim.plant.yaml.tree import Node, Path

Names = Mapping[str, Sequence[str]]  # operation -> names of its machines

_RESOURCES = ("fleets", "conveyors", "robots", "crews", "shifts")
COLLECTIONS = ("operations", "machines", "kinds", "sources", "sections", *_RESOURCES)
_TOP_KEYS = {*(f.alias or name for name, f in shapes.Plant.model_fields.items()), "operations"}
_EMPTY = Node({}, Place("", 0, 0))
_INHERITED = set(shapes.Equipment.model_fields)


class AddressError(ValueError):
    """An address without a value; `hint` contains the nearest valid one."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def refuse(message: str, hint: str = "") -> NoReturn:
    """Raise AddressError."""
    raise AddressError(message, hint)


def operation_paths(root: Node) -> dict[str, Path]:
    """Return the path of each operation, in file order."""
    paths: dict[str, Path] = {}
    for section, node in (root.get("sections") or _EMPTY).children().items():
        for name in (node.get("operations") or _EMPTY).children():
            paths.setdefault(name, ("sections", section, "operations", name))
    return paths


def machine_names(root: Node, before: Names | None = None) -> dict[str, tuple[str, ...]]:
    """Return the names of the machines by operation.

    Machines of a plant file are M001, M002 ... in file order unless named. A machine that a scenario adds is named
    after its operation (OP410-3), so that names, on which random draws depend, do not depend on other changes.
    """
    wanted = {name: _machines(root, path) for name, path in operation_paths(root).items()}
    if before is not None:
        return {name: _extended(name, have, tuple(before.get(name, ()))) for name, have in wanted.items()}
    total = sum(have if isinstance(have, int) else len(have) for have in wanted.values())
    taken = {name for have in wanted.values() if not isinstance(have, int) for name in have}
    width = max(3, len(str(total)))
    numbers = (text for n in range(1, 2 * total + 2) if (text := f"M{n:0{width}}") not in taken)
    return {
        name: tuple(next(numbers) for _ in range(have)) if isinstance(have, int) else have
        for name, have in wanted.items()
    }


def _machines(root: Node, path: Path) -> int | tuple[str, ...]:
    node = root.get(*path, "machines")
    value = node.plain() if node else 1
    if isinstance(value, list):
        return tuple(str(name) for name in value)
    return min(value, 10_000) if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 1


def _extended(operation: str, have: int | tuple[str, ...], before: tuple[str, ...]) -> tuple[str, ...]:
    if not isinstance(have, int):
        return have
    return before[:have] + tuple(f"{operation}-{n}" for n in range(len(before) + 1, have + 1))


class Addresses:
    """Resolves addresses in one tree."""

    def __init__(self, root: Node, names: Names) -> None:
        self.root, self.names = root, names
        self.operations = operation_paths(root)
        self._operation_of = {machine: operation for operation, machines in names.items() for machine in machines}

    def find(self, text: str) -> list[Path]:
        """Return all paths that `text` matches, at least one; raise AddressError.

        Keys may be new, names may not. A pattern matches existing values, or if there are none, a new one in each.
        """
        steps = text.split(".")
        if not all(steps):
            refuse("is not an address", "Write names and keys separated by points: operations.OP410.cycle_time.")
        starts = self._starts(steps)
        paths = [path for start, rest in starts for path in self._below(start, rest)]
        if not paths:
            refuse("matches nothing", self._nearest(starts))
        there = [path for path in paths if self.value(path) is not None]
        return there if len(paths) > 1 and there else paths

    def find_new(self, text: str) -> Path:
        """Return the path of `text`, in which names may be new; raise AddressError."""
        steps = text.split(".")
        if any(c in text for c in "*?["):
            refuse("is a pattern; a new entry needs a single address")
        if steps[0] in _TOP_KEYS and steps[0] != "operations" and all(steps):
            return tuple(steps)
        if steps[0] == "operations" and len(steps) == 2 and steps[1] not in self.operations:
            refuse("lacks the section of the new operation", f"Write sections.NAME.operations.{steps[1]}.")
        return self.find(text)[0]

    def value(self, path: Path) -> Node | None:
        """Return the value at `path`, or the one inherited from the operation or the kind."""
        return next(iter(self._levels(path)), None)

    def _levels(self, path: Path) -> list[Node]:
        """Return the nodes at `path`, the nearest level first; those below a removed (null) entry do not count."""
        nodes: list[Node] = []
        for each in (path, *self._inherited_from(path)):
            trail = [node for n in range(1, len(each) + 1) if (node := self.root.get(*each[:n])) is not None]
            nodes += trail[len(each) - 1 :]
            if trail and trail[-1].value is None:
                break
        return nodes

    def _starts(self, steps: Sequence[str]) -> list[tuple[Path, Sequence[str]]]:
        first = steps[0]
        if first not in _TOP_KEYS:
            return [(path, steps[1:]) for path in self._named(first)]
        if first in COLLECTIONS and len(steps) > 1:
            found = self._members(first, steps[1])
            if not found:
                near = did_you_mean(steps[1], self._all(first))
                refuse(f"matches nothing: {steps[1]!r} is not in {first}", near)
            return self._by_group(first, found, steps[2:])
        return [((first,), steps[1:])] if first != "operations" else []

    def _by_group(self, first: str, found: list[Path], rest: Sequence[str]) -> list[tuple[Path, Sequence[str]]]:
        """Replace `kinds.cnc.operations.*` by the operations of that kind."""
        if first != "kinds" or len(rest) < 2 or rest[0] != "operations":
            return [(path, rest) for path in found]
        kinds = {path[-1] for path in found}
        return [
            (path, rest[2:])
            for name, path in self.operations.items()
            if fnmatchcase(name, rest[1]) and (kind := self.root.get(*path, "kind")) is not None and kind.value in kinds
        ]

    def _all(self, collection: str) -> list[str]:
        if collection == "operations":
            return list(self.operations)
        if collection == "machines":
            return list(self._operation_of)
        return list((self.root.get(collection) or _EMPTY).children())

    def _members(self, collection: str, pattern: str) -> list[Path]:
        names = [name for name in self._all(collection) if fnmatchcase(name, pattern)]
        return [self.operations[name] if collection == "operations" else (collection, name) for name in names]

    def _named(self, pattern: str) -> list[Path]:
        hits = {collection: found for collection in COLLECTIONS if (found := self._members(collection, pattern))}
        if not hits:
            everything = [name for collection in COLLECTIONS for name in self._all(collection)]
            near = did_you_mean(pattern, [*everything, *_TOP_KEYS])
            refuse(f"matches nothing: {pattern!r} is neither a name nor a key of the plant", near)
        if len(hits) > 1:
            refuse(f"{pattern!r} is in {' and in '.join(hits)}", f"Write {next(iter(hits))}.{pattern}.")
        return next(iter(hits.values()))

    def _below(self, start: Path, steps: Sequence[str]) -> list[Path]:
        paths = [start]
        for n, step in enumerate(steps):
            paths = [(*path, key) for path in paths for key in self._keys(path, step, last=n == len(steps) - 1)]
        return paths

    def _keys(self, path: Path, step: str, *, last: bool) -> list[str | int]:
        """Return the keys below `path` that `step` matches; a plain key may be new."""
        nodes = self._levels(path)
        if nodes and isinstance(nodes[0].value, list):
            return [n for n, item in enumerate(nodes[0].value) if step == str(n) or _comes_from(item, step)]
        nearest = {key: child for node in reversed(nodes) for key, child in node.children().items()}
        keys = [key for key, child in nearest.items() if fnmatchcase(key, step) and (last or child.value is not None)]
        new = not any(c in step for c in "*?[")
        is_name = path[0] == "sections" and path[-1] == "operations"
        if not keys and new and not is_name and (last or len(path) >= 2):
            return [step]
        return list(keys)

    def _inherited_from(self, path: Path) -> list[Path]:
        """Return the paths from which a value of a machine or operation is inherited, the nearest first."""
        if len(path) >= 3 and path[0] == "machines" and path[2] in _INHERITED:
            operation = self.operations.get(self._operation_of.get(str(path[1]), ""), ())
            up = (*operation, *path[2:])
            return [up, *self._inherited_from(up)] if operation else []
        if len(path) >= 5 and path[0] == "sections" and path[4] in _INHERITED:
            kind = self.root.get(*path[:4], "kind")
            return [("kinds", str(kind.value), *path[4:])] if kind is not None else []
        return []

    def _nearest(self, starts: list[tuple[Path, Sequence[str]]]) -> str:
        for start, steps in starts:
            for n in range(len(steps)):
                above = self._below(start, steps[:n])
                if above and not self._below(start, steps[: n + 1]):
                    node = self.root.get(*above[0])
                    return did_you_mean(steps[n], node.children() if node else [])
        return ""


def _comes_from(item: Node, step: str) -> bool:
    source = item.get("from")
    return source is not None and fnmatchcase(str(source.value), step)


def put(root: Node, path: Path, value: Node, place: Place) -> None:
    """Set the value at `path` and create missing mappings above it; raise AddressError."""
    node = root
    for step in path[:-1]:
        child = node.get(step)
        if child is None or child.value is None:
            if not isinstance(node.value, dict):
                break
            child = node.value[str(step)] = Node({}, place, place)
        node = child
    last = path[-1]
    if isinstance(node.value, dict):
        node.value[str(last)] = value
    elif isinstance(node.value, list) and isinstance(last, int):
        node.value[last] = value
    else:
        refuse(f"leads into a single value ({node.value!r}), not into a mapping", "Set the whole mapping instead.")
