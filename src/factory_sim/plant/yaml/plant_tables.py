"""Plants from tables: CSV files and Excel sheets with one operation, kind, machine or source per row.

The first of the columns `operation`, `machine`, `kind`, `source`, `fleet`, `crew` ... gives the type of the rows. Every
other header is a key or a path of keys: `power.busy`, `failures.tool.after`, `inspection.scrap`. A row that repeats an
operation adds an input to it.
"""

from __future__ import annotations

import csv
import math
from io import BytesIO, StringIO
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

from factory_sim.errors import ConfigError, Problem, did_you_mean, require_extra
from factory_sim.plant.spec import Place
from factory_sim.plant.yaml import files
from factory_sim.plant.yaml.addresses import AddressError, operation_paths, put, refuse
from factory_sim.plant.yaml.problems import problem_at
from factory_sim.plant.yaml.tree import Node, Scalar, read_yaml, scalar

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Row = tuple[int, dict[str, tuple[int, Any]]]  # line, header -> (column, cell)

_ROWS = {
    "operation": "operations",
    "machine": "machines",
    "kind": "kinds",
    "source": "sources",
    "fleet": "fleets",
    "crew": "crews",
    "conveyor": "conveyors",
    "robot": "robots",
    "shift": "shifts",
}
_INPUT_KEYS = ("from", "quantity", "buffer", "by")
_DAMAGED = (ValueError, OSError, LookupError, SyntaxError, TypeError, AttributeError, ImportError, BadZipFile)
SUFFIXES = (".csv", ".xlsx", ".xlsm", ".xls")


def is_table(path: Path) -> bool:
    """Return whether `path` is a table according to its suffix."""
    return path.suffix.lower() in SUFFIXES


def merge(root: Node, path: Path, problems: list[Problem]) -> None:
    """Merge the table at `path` into the tree of a plant; raise ConfigError if it cannot be read."""
    for file, rows in _sheets(path):
        _merge_sheet(root, file, rows, problems)


def plant_of(path: Path, problems: list[Problem]) -> Node:
    """Return the tree of a plant that consists of a table alone.

    Kinds without a table are plain machines. An origin that is not an operation is a saturated source, and so is the
    origin of the first operation if it has none.
    """
    place = Place(files.display(path), 0, 0)
    root = Node({"plant": Node(path.stem, place, place)}, place)
    merge(root, path, problems)
    operations = {name: node for name, at in operation_paths(root).items() if (node := root.get(*at)) is not None}
    for first in list(operations.values())[:1]:
        if "inputs" not in first.value:
            first.value.setdefault("from", Node("source", first.place, first.place))
    for node in operations.values():
        for at in _inputs(node):
            if str(at.value) not in operations and root.get("sources", str(at.value)) is None:
                put(root, ("sources", str(at.value), "interarrival"), Node("saturated", at.place), at.place)
        kind = node.value.get("kind")
        if kind is not None and root.get("kinds", str(kind.value)) is None:
            put(root, ("kinds", str(kind.value)), Node({}, kind.place, kind.place), kind.place)
    return root


def _inputs(operation: Node) -> list[Node]:
    several = operation.get("inputs")
    return [node for each in (operation, *(several.items() if several else ())) if (node := each.get("from"))]


def _sheets(path: Path) -> Iterator[tuple[str, list[Row]]]:
    content, shown = files.read(path), files.display(path)
    for name, cells in _csv(content) if path.suffix.lower() == ".csv" else _excel(content, shown):
        rows = list(_rows(cells))
        if rows:
            yield f"{shown} (sheet {name})" if name else shown, rows


def _csv(content: bytes) -> list[tuple[str, list[list[Any]]]]:
    """Return the sheet of a CSV file separated by comma, semicolon or tab, whichever its header has most."""
    text = content.decode("utf-8-sig", errors="replace").replace("\0", "")
    head = next((line for line in text.splitlines() if line.strip() and not line.startswith("#")), "")
    return [("", list(csv.reader(StringIO(text, newline=""), delimiter=max(",;\t", key=head.count))))]


def _excel(content: bytes, shown: str) -> list[tuple[str, list[list[Any]]]]:
    require_extra("excel", f"{shown}: an Excel file")
    import pandas as pd  # noqa: PLC0415 - takes 0.4 s, needed for Excel only

    try:
        frames = pd.read_excel(BytesIO(content), sheet_name=None, header=None, dtype=object)
    except _DAMAGED as error:
        raise ConfigError.of(shown, f"cannot be read as Excel: {str(error)[:200]}") from None
    return [(str(name), frame.to_numpy(dtype=object).tolist()) for name, frame in frames.items()]


def _rows(cells: list[list[Any]]) -> Iterator[Row]:
    headers: list[tuple[int, str]] = []
    for line, row in enumerate(cells, 1):
        filled = {column: cell for column, cell in enumerate(row, 1) if not _blank(cell)}
        if not filled or str(next(iter(filled.values()))).startswith("#"):
            continue
        if not headers:
            headers = [(column, str(cell).strip()) for column, cell in filled.items()]
            if not any(name in _ROWS for _, name in headers):
                return  # a sheet of notes
            continue
        yield line, {name: (column, filled[column]) for column, name in headers if column in filled}


def _blank(cell: Any) -> bool:
    return cell is None or (math.isnan(cell) if isinstance(cell, float) else isinstance(cell, str) and not cell.strip())


def _content(cell: Any) -> Scalar | str:
    """Return the value of a cell as in YAML; a whole float of Excel becomes an integer."""
    if isinstance(cell, float) and cell.is_integer():
        return int(cell)
    if isinstance(cell, str):
        return scalar(cell.strip())
    return cell if isinstance(cell, int | float | bool) else str(cell)


def _node(cell: Any, place: Place, problems: list[Problem]) -> Node:
    text = cell.strip() if isinstance(cell, str) else ""
    if text[:1] in "[{" and text:
        node = read_yaml(text, place.file, problems)
        for _, child in node.walk():
            child.place = child.key = place
        return node
    return Node(_content(cell), place, place)


def _merge_sheet(root: Node, file: str, rows: list[Row], problems: list[Problem]) -> None:
    what = next((name for _, row in rows for name in row if name in _ROWS), "operation")
    section, before = "line", ""
    for line, row in rows:
        places = {name: Place(file, line, column) for name, (column, _) in row.items()}
        if what not in row:
            message, column = f"this row has no {what}", min(place.column for place in places.values())
            problems.append(Problem(file, line, column, what, message, did_you_mean(what, row)))
            continue
        name, place = str(_content(row.pop(what)[1])), places[what]
        path: tuple[str, ...] = (_ROWS[what], name)
        if what == "operation":
            section = str(_content(row.pop("section", (0, section))[1]))
            path = ("sections", section, "operations", name)
        try:
            node = _thing(row, places, place, problems)
            if what == "operation" and before and root.get(*path) is None and not {"from", "inputs"} & set(node.value):
                node.value["from"] = Node(before, place, place)  # the row above
            _add(root, path, node)
            before = name
        except AddressError as error:
            problems.append(Problem(file, line, place.column, name, str(error), error.hint))


def _thing(row: dict[str, tuple[int, Any]], places: dict[str, Place], place: Place, problems: list[Problem]) -> Node:
    """Return the tree of one row."""
    node = Node({}, place, place)
    for header, (_, cell) in row.items():
        try:
            put(node, tuple(header.split(".")), _node(cell, places[header], problems), places[header])
        except ConfigError as error:  # a cell that begins like a list or a mapping but is not one
            problems.extend(problem_at(places[header], header, p.message, p.hint) for p in error.problems)
    return node


def _add(root: Node, path: tuple[str, ...], node: Node) -> None:
    old = root.get(*path)
    if old is None or not isinstance(old.value, dict):
        put(root, path, node, node.place)
        return
    extra = [key for key in node.value if key not in _INPUT_KEYS]
    if path[0] != "sections" or extra or "from" not in node.value:
        hint = "A row that repeats an operation adds an input: give it only from, quantity, buffer and by."
        refuse(f"appears twice (first in {old.place.file}, row {old.place.line})", hint)
    if "inputs" not in old.value:
        first = {key: old.value.pop(key) for key in _INPUT_KEYS if key in old.value}
        old.value["inputs"] = Node([Node(first, old.place, old.place)], old.place, old.place)
    old.value["inputs"].value.append(node)
