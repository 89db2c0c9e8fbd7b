"""The content of a file as a tree of values with their places.

YAML follows the 1.2 core schema strictly: duplicate keys and tags are refused, `off` and `12:30` stay text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import yaml
from yamlcore import CCoreLoader, CoreLoader

from factory_sim.errors import ConfigError, Problem
from factory_sim.plant.spec import Place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Scalar = bool | int | float | str | None
Path = tuple[str | int, ...]  # keys and list positions from the root

_LOADER = CCoreLoader if yaml.__with_libyaml__ else CoreLoader
_TAG = "tag:yaml.org,2002:"
_TAGS = {_TAG + kind for kind in ("str", "int", "float", "bool", "null", "map", "seq")}
_MAX_NODES = 300_000  # stops a bomb of aliases; the reference line has about 5,000
_MAX_DEPTH = 40


@dataclass(slots=True)
class Node:
    """One value: a scalar, a mapping of nodes or a list of nodes."""

    value: Any  # Scalar, dict[str, Node] or list[Node]
    place: Place
    key: Place | None = None  # of the key in front of it

    def children(self) -> dict[str, Node]:
        """Return the mapping, empty for any other value."""
        return self.value if isinstance(self.value, dict) else {}

    def items(self) -> list[Node]:
        """Return the list; any other value stands for a list of one."""
        return self.value if isinstance(self.value, list) else [self]

    def get(self, *path: str | int) -> Node | None:
        """Return the node at `path` below this one, None if there is none."""
        node = self
        for step in path:
            if isinstance(node.value, list) and isinstance(step, int) and step < len(node.value):
                node = node.value[step]
            elif isinstance(node.value, dict) and step in node.value:
                node = node.value[cast("str", step)]
            else:
                return None
        return node

    def drop(self, path: Path) -> None:
        """Remove the node at `path`, if there is one."""
        parent = self.get(*path[:-1])
        if parent is not None and isinstance(parent.value, dict):
            parent.value.pop(path[-1], None)
        elif parent is not None and isinstance(parent.value, list) and isinstance(path[-1], int):
            parent.value = [child for i, child in enumerate(parent.value) if i != path[-1]]

    def copy(self) -> Node:
        """Return an independent tree with the same content and places."""
        return Node(self._each(Node.copy), self.place, self.key)

    def plain(self) -> Any:
        """Return the content without places: dicts, lists and scalars."""
        return self._each(Node.plain)

    def _each(self, of: Callable[[Node], Any]) -> Any:
        """Return the value with `of` applied to every node directly below."""
        if isinstance(self.value, dict):
            return {key: of(child) for key, child in self.value.items()}
        return [of(child) for child in self.value] if isinstance(self.value, list) else self.value

    def walk(self, path: Path = ()) -> Iterator[tuple[Path, Node]]:
        """Yield this node and all nodes below it, with their paths."""
        yield path, self
        if isinstance(self.value, dict | list):
            items = self.value.items() if isinstance(self.value, dict) else enumerate(self.value)
            for step, child in items:
                yield from child.walk((*path, step))


def node_of(content: Any, place: Place) -> Node:
    """Return the tree of plain content, all of it at `place`."""
    if isinstance(content, dict):
        return Node({str(k): node_of(v, place) for k, v in content.items()}, place, place)
    if isinstance(content, list | tuple):
        return Node([node_of(v, place) for v in content], place, place)
    return Node(content, place, place)


def read_yaml(text: str | bytes, file: str, problems: list[Problem]) -> Node:
    """Return the tree of a YAML document; add bad keys and tags to `problems`; raise ConfigError for other text."""
    try:
        root = yaml.compose(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        raise _unreadable(file, *where, f"{error.context or ''} {error.problem or ''}".strip()) from None
    except (yaml.YAMLError, UnicodeError) as error:
        raise _unreadable(file, 1, 1, f"not a text in UTF-8: {str(error).splitlines()[0]}") from None
    except RecursionError:
        raise _unreadable(file, 1, 1, "nested too deeply") from None
    if root is None:
        raise _unreadable(file, 1, 1, "the file is empty")
    return _Converter(file, problems).node(root, None)


def scalar(text: str) -> Scalar:
    """Return the value of an unquoted YAML 1.2 scalar, from a table or a command line."""
    loader = _LOADER("")
    try:
        tag = loader.resolve(yaml.ScalarNode, text, (True, False))
    finally:
        loader.dispose()
    return _scalar_value(tag, text)


def _unreadable(file: str, line: int, column: int, what: str) -> ConfigError:
    return ConfigError([Problem(file, line, column, "", f"cannot be read as YAML: {what}")])


def _scalar_value(tag: str, text: str) -> Scalar:
    match tag.removeprefix(_TAG):
        case "null":
            return None
        case "bool":
            return text.lower() == "true"
        case "int":
            base = {"0x": 16, "0o": 8}.get(text[:2], 10)
            return int(text, base) if base == 10 else int(text[2:], base)
        case "float":
            return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
        case _:
            return text


class _Converter:
    """Converts PyYAML nodes; aliases become copies, so that each value can change independently."""

    def __init__(self, file: str, problems: list[Problem]) -> None:
        self.file, self.count, self.open, self.problems = file, 0, set[int](), problems

    def _place(self, node: yaml.Node) -> Place:
        return Place(self.file, node.start_mark.line + 1, node.start_mark.column + 1)

    def node(self, node: yaml.Node, key: Place | None) -> Node:
        """Return the converted node with all nodes below it."""
        self.count += 1
        place = self._place(node)
        if self.count > _MAX_NODES or len(self.open) > _MAX_DEPTH or id(node) in self.open:
            raise _unreadable(self.file, place.line, place.column, "too many, too deeply nested or circular values")
        if node.tag not in _TAGS:
            self._problem(place, node.tag, "tags are not allowed")
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, place, key)
        self.open.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            result = Node([self.node(child, None) for child in node.value], place, key)
        else:
            result = self._mapping(cast("yaml.MappingNode", node), place, key)
        self.open.discard(id(node))
        return result

    def _scalar(self, node: yaml.ScalarNode, place: Place, key: Place | None) -> Node:
        try:
            return Node(_scalar_value(node.tag, node.value), place, key)
        except ValueError:  # a number with too many digits for Python, or an explicit tag that does not fit
            self._problem(place, str(node.value)[:40], f"cannot be read as {node.tag.removeprefix(_TAG)}")
            return Node(None, place, key)

    def _mapping(self, node: yaml.MappingNode, place: Place, key: Place | None) -> Node:
        children: dict[str, Node] = {}
        for key_node, value_node in node.value:
            key_place = self._place(key_node)
            if not isinstance(key_node, yaml.ScalarNode):
                self._problem(key_place, "", "a key must be a plain text")
                continue
            name = key_node.value
            if name in children:
                first = children[name].key or place
                what = f"appears twice in the same mapping (first in line {first.line})"
                self._problem(key_place, name, what, "Give it another name, or delete one of the two.")
            children[name] = self.node(value_node, key_place)
        return Node(children, place, key)

    def _problem(self, place: Place, key: str, message: str, hint: str = "") -> None:
        self.problems.append(Problem(place.file, place.line, place.column, key, message, hint))
