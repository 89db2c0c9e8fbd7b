"""Plants from tables: CSV files and Excel sheets with one operation, kind, machine or source per row.

The first of the columns `operation`, `machine`, `kind`, `source`, `fleet`, `crew` ... gives the type of the rows. Every
other header is a key or a path of keys: `power.busy`, `failures.tool.after`, `inspection.scrap`. A row that repeats an
operation adds an input to it. A header after an empty row begins another table.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from factory_sim.errors import ConfigError, Problem, did_you_mean
from factory_sim.plant.spec import Place
from factory_sim.plant.yaml import files
from factory_sim.plant.yaml.addresses import AddressError, operation_paths, put, refuse
from factory_sim.plant.yaml.cells import Formula, Numbers, csv_rows, excel_sheets, is_blank, is_comment, stated_decimal
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
_TEXTS = {*_ROWS, "section", "title", "kind", "from", "by"}  # columns in which a number is part of a name
_HEADER = re.compile(r"[a-z_]+(\.[\w*]+)*")  # a key, or a path of keys
SUFFIXES = (".csv", ".xlsx", ".xlsm", ".xls")


def is_table(path: Path) -> bool:
    """Return whether `path` is a table according to its suffix."""
    return path.suffix.lower() in SUFFIXES


def merge(root: Node, path: Path, problems: list[Problem]) -> None:
    """Merge the table at `path` into the tree of a plant; raise ConfigError if it cannot be read."""
    for sheet in _sheets(path, files.decimal_of(root), problems):
        _merge_sheet(root, sheet, problems)


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


@dataclass(frozen=True, slots=True)
class _Sheet:
    """One sheet of a table: its rows below the header."""

    shown: str
    rows: list[Row]
    numbers: Numbers


def _sheets(path: Path, decimal: str, problems: list[Problem]) -> Iterator[_Sheet]:
    content, shown = files.read(path), files.display(path)
    if path.suffix.lower() == ".csv":
        cells, numbers = csv_rows(content, decimal)
        sheets = [("", cells)]
    else:
        sheets = excel_sheets(content, shown)
        texts = [cell for _, rows in sheets for row in rows for cell in row if isinstance(cell, str)]
        numbers = Numbers.of(texts, commas=True, stated=stated_decimal("\n".join(texts)) or decimal)
    for name, cells in sheets:
        file = f"{shown} (sheet {name})" if name else shown
        for begin, table in _tables(cells):
            rows = list(_rows(table, begin, file, problems))
            if rows:
                yield _Sheet(file, rows, numbers)


def _tables(cells: list[list[Any]]) -> Iterator[tuple[int, list[list[Any]]]]:
    """Split a sheet before every header that follows an empty row; return the first line and the rows of each table."""
    begin, is_after_gap = 0, False
    for line, row in enumerate(cells):
        filled = [str(cell).strip() for cell in row if not is_blank(cell)]
        if filled and is_comment(filled[0]):
            continue
        if is_after_gap and _ROWS.keys() & set(filled) and all(map(_HEADER.fullmatch, filled)):
            yield begin + 1, cells[begin:line]
            begin = line
        is_after_gap = not filled
    yield begin + 1, cells[begin:]


def _rows(cells: list[list[Any]], begin: int, file: str, problems: list[Problem]) -> Iterator[Row]:
    headers: dict[int, str] = {}
    for line, row in enumerate(cells, begin):
        filled = {column: cell for column, cell in enumerate(row, 1) if not is_blank(cell)}
        if not filled or is_comment(next(iter(filled.values()))):
            continue
        if not headers:
            headers = {column: str(cell).strip() for column, cell in filled.items()}
            if not any(name in _ROWS for name in headers.values()):
                problems += _capitals(headers, file, line)
                return  # a sheet of notes
            problems += _repeated(headers, file, line)
            continue
        for column in filled.keys() - headers.keys():
            what = f"{str(filled[column])[:40]!r} is in column {column}, which has no header"
            problems.append(Problem(file, line, column, "", what, "Give the column a header, or empty the cell."))
        yield line, {name: (column, filled[column]) for column, name in headers.items() if column in filled}


def _repeated(headers: dict[int, str], file: str, line: int) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for column, name in sorted(headers.items(), key=lambda each: each[1].count(".")):
        if first.setdefault(name, column) != column:
            what = f"the column {name!r} appears twice (first in column {first[name]})"
            yield Problem(file, line, column, name, what, "Delete one of the two, or give it another header.")
        within = next((each for each in first if name.startswith(f"{each}.")), None)
        if within:
            what = f"the columns {within!r} and {name!r} state the same values"
            yield Problem(file, line, column, name, what, f"Give {within!r} in one column, or each of its keys in one.")


def _capitals(headers: dict[int, str], file: str, line: int) -> Iterator[Problem]:
    """Report a header that would give the rows a type in lower case."""
    for column, name in headers.items():
        if name.lower() in _ROWS:
            yield Problem(file, line, column, name, "is not a known header", f"Write {name.lower()}.")


def _name(cell: Any) -> str:
    """Return a name as it is written: 007 is not 7."""
    return cell.strip() if isinstance(cell, str) else str(_content(cell))


def _content(cell: Any) -> Scalar | str:
    """Return the value of a cell as in YAML."""
    if isinstance(cell, str):
        return scalar(cell.strip())
    return cell if isinstance(cell, int | float | bool) else str(cell)


def _node(cell: Any, place: Place, key: str, numbers: Numbers, problems: list[Problem]) -> Node:
    text = cell.strip() if isinstance(cell, str) else ""
    if isinstance(cell, Formula):
        hint = "Open the file in a spreadsheet program and save it, or enter the value."
        problems.append(problem_at(place, key, f"is a formula without a stored value: {cell.text[:40]}", hint))
        return Node(None, place, place)
    if text and key in _TEXTS and isinstance(scalar(text), int | float):
        return Node(text, place, place)
    if text and key not in _TEXTS:
        try:
            cell = numbers.plain(text)
        except ValueError as error:
            problems.append(problem_at(place, key, str(error)))
            return Node(None, place, place)
    if text[:1] in "[{" and text:
        node = read_yaml(text, place.file, problems)
        for _, child in node.walk():
            child.place = child.key = place
        return node
    return Node(_content(cell), place, place)


def _merge_sheet(root: Node, sheet: _Sheet, problems: list[Problem]) -> None:
    file, rows = sheet.shown, sheet.rows
    what = next((name for _, row in rows for name in row if name in _ROWS), "operation")
    section, before = "line", ""
    for line, row in rows:
        places = {name: Place(file, line, column) for name, (column, _) in row.items()}
        if what not in row:
            message, column = f"this row has no {what}", min(place.column for place in places.values())
            problems.append(Problem(file, line, column, what, message, did_you_mean(what, row)))
            continue
        name, place = _name(row.pop(what)[1]), places[what]
        path: tuple[str, ...] = (_ROWS[what], name)
        if what == "operation":
            section = _name(row.pop("section", (0, section))[1])
            path = ("sections", section, "operations", name)
        try:
            node = _thing(row, places, sheet.numbers, place, problems)
            if what == "operation" and before and root.get(*path) is None and not {"from", "inputs"} & set(node.value):
                node.value["from"] = Node(before, place, place)  # the row above
            _add(root, path, node)
            before = name
        except AddressError as error:
            problems.append(Problem(file, line, place.column, name, str(error), error.hint))


def _thing(
    row: dict[str, tuple[int, Any]], places: dict[str, Place], numbers: Numbers, place: Place, problems: list[Problem]
) -> Node:
    """Return the tree of one row."""
    node = Node({}, place, place)
    for header, (_, cell) in row.items():
        try:
            put(node, tuple(header.split(".")), _node(cell, places[header], header, numbers, problems), places[header])
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
