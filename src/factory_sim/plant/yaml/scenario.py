"""Changes of a plant, from a scenario file or the command line, applied to the tree of the plant."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from factory_sim import units
from factory_sim.errors import did_you_mean
from factory_sim.plant.yaml import arithmetic, shapes
from factory_sim.plant.yaml.addresses import Addresses, machine_names, put, refuse
from factory_sim.plant.yaml.problems import TYPED, Report, address, problem_at
from factory_sim.plant.yaml.quantities import shown
from factory_sim.plant.yaml.tree import Node, Path, node_of, scalar
from factory_sim.plant.yaml.validate import number_without, validated

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from factory_sim.errors import Problem
    from factory_sim.plant.spec import Place
    from factory_sim.plant.yaml.addresses import Names

OTHER = "other"  # group of the changes outside any named group
_ORDER = (("remove",), ("add",), ("set", "let"), ("scale", "+", "-"))  # in which the changes of all groups are applied
_ALWAYS_THERE = {(), ("costs",)}  # mappings that apply without being written
_REMOVABLE = {"failures", "maintenance", "sensors"}  # entries of a kind that a machine can be without
_ASSIGN = re.compile(r"\s*([^=]+?)\s*=\s*(.*?)\s*", re.DOTALL)
_CALCULATE = re.compile(r"\s*((?:.*\.)?[A-Za-z_]\w*)\s*([+*-])\s*((?:\d|\.\d).*?)\s*")


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a value."""

    kind: str  # remove, add, set, scale; "+", "-" and let, a set that may change nothing, on the command line only
    address: str
    value: Node  # with its place in the scenario
    group: str = OTHER

    @property
    def place(self) -> Place:
        """Return the place of the change, for messages."""
        return self.value.key or self.value.place


@dataclass(slots=True)
class Editor:
    """Applies changes to one tree and collects the problems."""

    root: Node
    names: Names
    problems: list[Problem]
    before: Addresses = field(init=False)  # the plant without the changes
    done: dict[Path, tuple[Change, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.before = Addresses(self.root.copy(), self.names)

    def apply(self, changes: Sequence[Change]) -> Names:
        """Apply all changes and return the resulting names of machines."""
        for kinds in _ORDER:
            for change in changes:
                if change.kind in kinds:
                    self._attempt(change)
            self.names = machine_names(self.root, self.names)
        return self.names

    def _attempt(self, change: Change) -> None:
        try:
            self._make(change)
        except ValueError as error:
            self.problems.append(problem_at(change.place, change.address, str(error), getattr(error, "hint", "")))

    def _make(self, change: Change) -> None:
        match change.kind:
            case "remove":
                self._remove(change)
            case "add":
                self._merge(Addresses(self.root, self.names).find_new(change.address), change.value, change)
            case "set" | "let":
                self._set(change)
            case "scale":
                if change.value.value == 1:
                    refuse("changes nothing: the factor is 1")
                self._rewrite(change, lambda old, _path: arithmetic.scaled(old, change.value.value))
            case sign:
                self._rewrite(change, lambda old, path: _sum(old, path, str(change.value.value), int(f"{sign}1")))

    def _remove(self, change: Change) -> None:
        here = Addresses(self.root, self.names)
        for path in here.find(change.address):
            self._present(here, path)
            self.root.drop(path)
            if here.value(path) is not None:  # it also comes from the kind
                if path[-2] not in _REMOVABLE:
                    refuse("comes from the kind", "Set another value instead.")
                put(self.root, path, Node(None, change.place, change.place), change.place)

    def _present(self, here: Addresses, path: Path, *, is_sum: bool = False) -> Node:
        """Return the value at `path`, or the number that applies without one; raise AddressError if there is none."""
        node, parent = here.value(path), self.root.get(*path[:-1])
        default = None if node else number_without(shapes.Plant, path, is_sum=is_sum)
        if default is not None and (path[:-1] in _ALWAYS_THERE or here.value(path[:-1]) is not None):
            return Node(default, TYPED, TYPED)
        if node is None:
            refuse("has no value to change", did_you_mean(str(path[-1]), parent.children() if parent else ()))
        return node

    def _merge(self, path: Path, new: Node, change: Change) -> None:
        old = self.root.get(*path)
        if old is None:
            put(self.root, path, new.copy(), change.place)
        elif isinstance(old.value, dict) and isinstance(new.value, dict):
            for key, child in new.value.items():
                self._merge((*path, key), child, change)
        elif isinstance(old.value, list):
            old.value.extend(new.copy().value if isinstance(new.value, list) else [new.copy()])
        else:
            where = f"line {old.place.line} of {old.place.file}"
            refuse(f"{address(path)} already exists ({where})", "Use set to change it.")

    def _set(self, change: Change) -> None:
        new = change.value.plain()
        differs = False
        for path in Addresses(self.root, self.names).find(change.address):
            old = self.before.value(path)
            differs = differs or old is None or _words(old.plain()) != _words(new)
            self._conflict(path, change, new)
            put(self.root, path, change.value.copy(), change.place)
        if not differs and change.kind == "set":
            refuse(f"changes nothing: the value is already {shown(new)}")

    def _conflict(self, path: Path, change: Change, new: Any) -> None:
        other, value = self.done.get(path, (change, new))
        if other.group != change.group and _words(value) != _words(new):
            both = f"{other.group} sets {shown(value)}, {change.group} sets {shown(new)}"
            refuse(f"{address(path)} is set by two groups: {both}", "Set it in one of them.")
        self.done[path] = (change, new)

    def _rewrite(self, change: Change, new: Any) -> None:
        here, is_sum = Addresses(self.root, self.names), change.kind in {"+", "-"}
        for path in here.find(change.address):
            old = self._present(here, path, is_sum=is_sum).plain()
            put(self.root, path, node_of(new(old, path), change.place), change.place)


def _sum(old: Any, path: Path, text: str, sign: int) -> Any:
    if isinstance(old, list) and path[0] == "sections" and path[4:] == ("machines",):
        return arithmetic.renumbered(old, text, sign, str(path[3]))
    return arithmetic.added(old, text, sign)


def read_changes(tree: Node, currency: str, problems: list[Problem]) -> tuple[shapes.Scenario, list[Change]]:
    """Return the scenario of `tree` and its changes in file order."""
    report = Report(tree)
    scenario = validated(shapes.Scenario, tree, report, {"currency": currency})
    problems.extend(report.problems)
    groups: list[tuple[str, shapes.Changes, Node]] = [(OTHER, scenario, tree)]
    groups += [(name, group, tree.value["changes"].value[name]) for name, group in scenario.changes.items()]
    return scenario, [change for name, group, node in groups for change in _of_group(name, group, node)]


def group_names(changes: Collection[Change]) -> tuple[str, ...]:
    """Return the names of the groups of changes, in file order."""
    return tuple(dict.fromkeys(change.group for change in changes))


def _of_group(name: str, group: shapes.Changes, node: Node) -> Iterator[Change]:
    if group.remove:
        for item in node.value["remove"].items():
            yield Change("remove", str(item.value), item, name)
    for kind in ("add", "set"):
        for key in getattr(group, kind):
            yield Change(kind, key, node.value[kind].value[key], name)
    for key, factor in group.scale.items():
        place = node.value["scale"].value[key]
        yield Change("scale", key, Node(factor, place.place, place.key), name)


def read_override(text: str) -> Change:
    """Return the change of a text such as `OP410.cycle_time=34s` or `agv.count+2`; raise ValueError.

    `agv.count:=8` may set a value that is 8 already, as in one point of a sweep; `agv.count=8` may not.
    """
    assign = _ASSIGN.fullmatch(text)
    if assign is not None:
        kind, where = ("let", assign[1][:-1].rstrip()) if assign[1].endswith(":") else ("set", assign[1])
        return Change(kind, where, _value(assign[2]), text)
    calculate = _CALCULATE.fullmatch(text)
    if calculate is None:
        msg = f"{text!r} is not a change; write an address, = + - or * and a value: OP410.cycle_time=34s, agv.count+2"
        raise ValueError(msg)
    where, operator, value = calculate.groups()
    if operator == "*":
        return Change("scale", where, Node(units.parse(value, "share"), TYPED, TYPED), text)
    return Change(operator, where, Node(value, TYPED, TYPED), text)


def _value(text: str) -> Node:
    """Return a single value, or a list or mapping in the form of JSON; raise ValueError."""
    if text.startswith(("[", "{")):
        return node_of(json.loads(text), TYPED)
    return Node(scalar(text), TYPED, TYPED)


def _words(content: Any) -> str:
    """Return a text by which equal values are equal: "34s" and "34 s"."""
    return re.sub(r"\s+", "", repr(content))
