"""Load a plant from a file, a scenario, a table or a packaged name."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from factory_sim.errors import ConfigError, did_you_mean
from factory_sim.plant import spec
from factory_sim.plant.resolve.assemble import build
from factory_sim.plant.resolve.context import Context
from factory_sim.plant.yaml import files, plant_tables, scenario, shapes
from factory_sim.plant.yaml.addresses import AddressError, Addresses, Names, machine_names
from factory_sim.plant.yaml.files import find, packaged
from factory_sim.plant.yaml.problems import TYPED, Report, address, problem_at
from factory_sim.plant.yaml.tree import Node, read_yaml
from factory_sim.plant.yaml.validate import validated

if TYPE_CHECKING:
    import os

    from factory_sim.errors import Problem
    from factory_sim.plant.catalogue import Catalogue

__all__ = ["find", "load", "packaged", "reached"]

_MARK = re.compile(r"#\s*(assumed|calibrated)\b:?\s*(.*)")
_ARCHIVE = b"PK\x03\x04"  # first bytes of a zip file: a snapshot, or a workbook with another suffix
_MOST_EXTENDS = 20


@dataclass(slots=True)
class _Draft:
    """The tree of a plant while its files are merged."""

    root: Node
    names: Names
    problems: list[Problem]
    scenario: spec.Scenario | None
    assumptions: list[str]


def load(
    path: str | os.PathLike[str],
    catalogue: Catalogue,
    changes: Collection[str] | None = None,
    overrides: Sequence[str] = (),
) -> spec.Plant:
    """Return the plant of a file, a scenario, a table or a packaged name.

    Parameters
    ----------
    path : file, or name of a packaged plant or scenario.
    catalogue : names that the file may use.
    changes : groups of changes of a scenario to apply; None: all; (): none, which gives the plant that it extends.
    overrides : further changes, such as `OP410.cycle_time=34s`, `agv.count+2` or `operations.OP4*.buffer*2`.

    Raises
    ------
    ConfigError, with every problem of all files.
    """
    draft = _draft(find(path), (), changes)
    _override(draft, overrides)
    report = Report(draft.root, draft.problems)
    shape = validated(shapes.Plant, draft.root, report, {"currency": _currency(draft.root)})
    plant = build(Context(shape, draft.names, catalogue, report))
    title = draft.scenario.title if draft.scenario else plant.title
    return replace(
        plant,
        title=title,
        scenario=draft.scenario,
        digest=_digest(draft),
        assumptions=tuple(draft.assumptions),
        origin=spec.Origin(str(path), None if changes is None else tuple(changes), tuple(overrides)),
    )


def reached(path: str | os.PathLike[str], addresses: Collection[str]) -> dict[str, list[tuple[str | int, ...]]]:
    """Return the paths that each address matches in a plant or scenario, without addresses that match none."""
    draft = _draft(find(path), (), None)
    places, found = Addresses(draft.root, draft.names), {}
    for text in addresses:
        with suppress(AddressError):
            found[text] = places.find(text)
    return found


def _tree(path: Path, problems: list[Problem]) -> Node:
    content = files.read(path)
    if content.startswith(_ARCHIVE):
        hint = "To continue from a snapshot use factory-sim whatif or run --resume."
        raise ConfigError.of(files.display(path), "is an archive, not a plant", hint)
    root = read_yaml(content, files.display(path), problems)
    if not isinstance(root.value, dict):
        what = "expected a mapping of keys and values"
        raise ConfigError([problem_at(root.place, "", what, "Begin with plant: NAME.")])
    files.inline(root, problems)
    return root


def _draft(path: Path, trail: Sequence[Path], changes: Collection[str] | None) -> _Draft:
    problems: list[Problem] = []
    if plant_tables.is_table(path):
        root = plant_tables.plant_of(path, problems)
        files.inline(root, problems)
        return _Draft(root, machine_names(root), problems, None, [])
    root = _tree(path, problems)
    if "extends" in root.value:
        return _extended(path, root, trail, changes, problems)
    listed = root.value.pop("table", None)
    for item in listed.items() if listed else ():
        table = path.parent / str(item.value)
        if table.is_file():
            plant_tables.merge(root, table, problems)
            continue
        near = did_you_mean(str(item.value), [p.name for p in path.parent.iterdir() if plant_tables.is_table(p)])
        problems.append(problem_at(item.place, "table", "no such file", near))
        raise ConfigError(problems)
    files.inline(root, problems)
    if changes:
        what = "is a plant, not a scenario, and has no groups of changes"
        problems.append(problem_at(spec.Place(files.display(path), 0, 0), "changes", what))
    return _Draft(root, machine_names(root), problems, None, _assumptions(path, root))


def _extended(
    path: Path, tree: Node, trail: Sequence[Path], chosen: Collection[str] | None, problems: list[Problem]
) -> _Draft:
    base = _base(path, tree)
    here = path.resolve()
    if base.resolve() in (*trail, here) or len(trail) > _MOST_EXTENDS:
        raise ConfigError([problem_at(tree.value["extends"].place, "extends", "leads back to this file")])
    draft = _draft(base, (*trail, here), None)
    shape, changes = scenario.read_changes(tree, _currency(draft.root), problems)
    draft.problems += problems
    groups = scenario.group_names(changes)
    for name in sorted(set(chosen or ()) - set(groups)):
        what, near = f"there is no group of changes {name!r}", did_you_mean(name, groups)
        draft.problems.append(problem_at(spec.Place(files.display(path), 0, 0), "changes", what, near))
    if not changes and not problems:
        hint = "Write set, scale, add, remove or changes."
        draft.problems.append(problem_at(tree.place, "", "changes nothing", hint))
    wanted = [change for change in changes if chosen is None or change.group in chosen]
    draft.names = scenario.Editor(draft.root, draft.names, draft.problems).apply(wanted)
    applied = tuple(name for name in groups if chosen is None or name in chosen)
    money = shape.investment or shapes.Investment()
    investment = spec.Investment(money.amount, money.hours_per_year, money.value_per_part) if shape.investment else None
    draft.scenario = spec.Scenario(path.stem, shape.title or path.stem, shape.question or "", applied, investment)
    draft.assumptions += _assumptions(path, tree)
    return draft


def _base(path: Path, tree: Node) -> Path:
    node = tree.value["extends"]
    beside = path.parent / str(node.value)
    try:
        return beside if beside.is_file() else find(str(node.value))
    except ConfigError as error:
        message = f"{str(node.value)!r}: no such file beside this one, and no packaged plant of that name"
        raise ConfigError([problem_at(node.place, "extends", message, error.problems[0].hint)]) from None


def _override(draft: _Draft, overrides: Sequence[str]) -> None:
    changes = []
    for text in overrides:
        try:
            changes.append(scenario.read_override(text))
        except ValueError as error:
            draft.problems.append(problem_at(TYPED, "", str(error)))
    for change in changes:
        files.inline(change.value, draft.problems)
    if changes:
        draft.names = scenario.Editor(draft.root, draft.names, draft.problems).apply(changes)


def _currency(root: Node) -> str:
    node = root.get("currency")
    return str(node.value) if node else "EUR"


def _assumptions(path: Path, root: Node) -> list[str]:
    """Return the values that comments of the file mark as assumed or calibrated."""
    file = files.display(path)
    by_line: dict[int, tuple[tuple[str | int, ...], Node]] = {}
    for where, node in root.walk():
        if node.key is not None and node.key.file == file:
            by_line.setdefault(node.key.line, (where, node))
    marked = []
    for number, line in enumerate(files.read(path).decode("utf-8", errors="replace").splitlines(), 1):
        mark = _MARK.search(line)
        if mark is not None and number in by_line:
            where, node = by_line[number]
            value = "" if isinstance(node.value, dict | list) else f" = {node.value}"
            marked.append(f"{address(where)}{value} ({mark[1]}{': ' + mark[2] if mark[2] else ''})")
    return marked


def _digest(draft: _Draft) -> str:
    content = {key: node.plain() for key, node in draft.root.value.items() if key not in {"title", "plan"}}
    text = json.dumps([content, {name: list(machines) for name, machines in draft.names.items()}], sort_keys=True)
    return sha256(text.encode()).hexdigest()
