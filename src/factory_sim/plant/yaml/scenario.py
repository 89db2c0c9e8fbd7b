"""Scenarios: small diffs against a plant, written in a file or on the command line, applied to the plant's tree."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from factory_sim import units
from factory_sim.errors import Problem, did_you_mean
from factory_sim.plant.spec import Place
from factory_sim.plant.yaml import arithmetic, shapes
from factory_sim.plant.yaml.addresses import AddressError, Addresses, machine_names, put
from factory_sim.plant.yaml.problems import Report, address
from factory_sim.plant.yaml.quantities import shown
from factory_sim.plant.yaml.tree import Node, Path, node_of, scalar
from factory_sim.plant.yaml.validate import validated

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from factory_sim.plant.yaml.addresses import Names

OTHER = "other"  # the group of the changes that stand outside any named group
COMMAND_LINE = Place("command line", 0, 0)
_ORDER = (("remove",), ("add",), ("set", "let"), ("scale", "+", "-"))  # in which all groups' changes are made
_REMOVABLE = {"failures", "maintenance", "sensors"}  # what a kind gives and a machine can be without
_ASSIGN = re.compile(r"\s*([^=]+?)\s*=\s*(.*?)\s*", re.DOTALL)
_CALCULATE = re.compile(r"\s*((?:.*\.)?[A-Za-z_]\w*)\s*([+*-])\s*((?:\d|\.\d).*?)\s*")


@dataclass(frozen=True, slots=True)
class Change:
    """One line of a scenario."""

    kind: str  # remove, add, set, scale; typed also "+", "-" and let: a set that may find the value there already
    address: str
    value: Node  # what it says, standing where it says it
    group: str = OTHER

    @property
    def place(self) -> Place:
        """Where the line stands, for messages."""
        return self.value.key or self.value.place


@dataclass(slots=True)
class Editor:
    """Applies changes to one tree; collects what does not fit."""

    root: Node
    names: Names
    problems: list[Problem]
    before: Addresses = field(init=False)  # the plant as it was
    done: dict[Path, tuple[Change, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.before = Addresses(self.root.copy(), self.names)

    def apply(self, changes: Sequence[Change]) -> Names:
        """Make all changes; returns the machine names afterwards."""
        for kinds in _ORDER:
            for change in changes:
                if change.kind in kinds:
                    self._attempt(change)
            self.names = machine_names(self.root, self.names)
        return self.names

    def _attempt(self, change: Change) -> None:
        try:
            self._make(change)
        except AddressError as error:
            self._tell(change, str(error), error.hint)
        except ValueError as error:
            self._tell(change, str(error))

    def _make(self, change: Change) -> None:
        match change.kind:
            case "remove":
                self._remove(change)
            case "add":
                self._merge(Addresses(self.root, self.names).find_new(change.address), change.value, change)
            case "set" | "let":
                self._set(change)
            case "scale":
                self._scale(change)
            case _:
                self._calculate(change)

    def _tell(self, change: Change, message: str, hint: str = "") -> None:
        place = change.place
        self.problems.append(Problem(place.file, place.line, place.column, change.address, message, hint))

    def _remove(self, change: Change) -> None:
        here = Addresses(self.root, self.names)
        for path in here.find(change.address):
            if here.value(path) is None:
                raise self._lost(path)
            self.root.drop(path)
            if here.value(path) is not None:  # it also comes from the kind
                if path[-2] not in _REMOVABLE:
                    msg = "comes from the kind"
                    raise AddressError(msg, "Set another value instead.")
                put(self.root, path, Node(None, change.place, change.place), change.place)

    def _lost(self, path: Path) -> AddressError:
        parent = self.root.get(*path[:-1])
        return AddressError("has no value to change", did_you_mean(str(path[-1]), parent.children() if parent else ()))

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
            msg = f"{address(path)} exists already (line {old.place.line} of {old.place.file})"
            raise AddressError(msg, "Use set to change it.")

    def _set(self, change: Change) -> None:
        new = change.value.plain()
        differs = False
        for path in Addresses(self.root, self.names).find(change.address):
            old = self.before.value(path)
            differs = differs or old is None or _words(old.plain()) != _words(new)
            self._conflict(path, change, new)
            put(self.root, path, change.value.copy(), change.place)
        if not differs and change.kind == "set":
            msg = f"changes nothing: it already is {shown(new)}"
            raise ValueError(msg)

    def _conflict(self, path: Path, change: Change, new: Any) -> None:
        other, value = self.done.get(path, (change, new))
        if other.group != change.group and _words(value) != _words(new):
            says = f"{other.group} says {shown(value)}, {change.group} says {shown(new)}"
            msg = f"{address(path)} is set by two groups: {says}"
            raise AddressError(msg, "Leave it to one of them.")
        self.done[path] = (change, new)

    def _scale(self, change: Change) -> None:
        factor = change.value.value
        if factor == 1:
            msg = "changes nothing: the factor is 1"
            raise ValueError(msg)
        self._rewrite(change, lambda old: arithmetic.scaled(old, factor))

    def _calculate(self, change: Change) -> None:
        self._rewrite(
            change, lambda old: arithmetic.added(old, str(change.value.value), 1 if change.kind == "+" else -1)
        )

    def _rewrite(self, change: Change, new: Any) -> None:
        here = Addresses(self.root, self.names)
        for path in here.find(change.address):
            old = here.value(path)
            if old is None:
                raise self._lost(path)
            put(self.root, path, node_of(new(old.plain()), change.place), change.place)


def read_changes(tree: Node, currency: str, problems: list[Problem]) -> tuple[shapes.Scenario, list[Change]]:
    """The scenario that `tree` writes, and its changes in file order."""
    report = Report(tree)
    scenario = validated(shapes.Scenario, tree, report, {"currency": currency})
    problems.extend(report.problems)
    groups: list[tuple[str, shapes.Changes, Node]] = [(OTHER, scenario, tree)]
    groups += [(name, group, tree.value["changes"].value[name]) for name, group in scenario.changes.items()]
    return scenario, [change for name, group, node in groups for change in _of_group(name, group, node)]


def group_names(changes: Collection[Change]) -> tuple[str, ...]:
    """Names of the groups of changes, in file order."""
    return tuple(dict.fromkeys(change.group for change in changes))


def _of_group(name: str, group: shapes.Changes, node: Node) -> Iterator[Change]:
    if group.remove:
        listed = node.value["remove"]
        for item in listed.value if isinstance(listed.value, list) else [listed]:
            yield Change("remove", str(item.value), item, name)
    for kind in ("add", "set"):
        for key in getattr(group, kind):
            yield Change(kind, key, node.value[kind].value[key], name)
    for key, factor in group.scale.items():
        place = node.value["scale"].value[key]
        yield Change("scale", key, Node(factor, place.place, place.key), name)


def read_override(text: str) -> Change:
    """One change as typed: `OP410.cycle_time=34s`, `agv.count+2`. ValueError says what is wrong.

    `agv.count:=8` sets what may be 8 already, as one point of a sweep does; with `=` that is a mistake.
    """
    assign = _ASSIGN.fullmatch(text)
    if assign is not None:
        kind, where = ("let", assign[1][:-1].rstrip()) if assign[1].endswith(":") else ("set", assign[1])
        return Change(kind, where, Node(scalar(assign[2]), COMMAND_LINE, COMMAND_LINE), text)
    calculate = _CALCULATE.fullmatch(text)
    if calculate is None:
        msg = f"{text!r} is not a change; write an address, = + - or * and a value: OP410.cycle_time=34s, agv.count+2"
        raise ValueError(msg)
    where, operator, value = calculate.groups()
    if operator == "*":
        return Change("scale", where, Node(units.parse(value, "share"), COMMAND_LINE, COMMAND_LINE), text)
    return Change(operator, where, Node(value, COMMAND_LINE, COMMAND_LINE), text)


def _words(content: Any) -> str:
    """A value without what makes no difference: "34s" is "34 s"."""
    return re.sub(r"\s+", "", repr(content))
