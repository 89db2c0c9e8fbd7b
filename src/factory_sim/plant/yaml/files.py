"""Finds input files, and reads the small data files that they name."""

from __future__ import annotations

import csv
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from factory_sim import units
from factory_sim.errors import ConfigError, Problem, did_you_mean
from factory_sim.plant.yaml.tree import Node

if TYPE_CHECKING:
    from collections.abc import Iterator

_PACKAGE = Path(__file__).resolve().parents[1]
_FOLDERS = ("configs", "scenarios")
_SUFFIXES = ("", ".yaml", ".yml", ".csv", ".xlsx")
_EMPIRICAL = re.compile(r"\s*empirical\(\s*([^(),]*[A-Za-z_][^(),]*\.\w+)\s*\)\s*")
_HEADER_UNIT = re.compile(r".*[\[(]\s*(\w+)\s*[\])]\s*")


def homes() -> Iterator[Path]:
    """Folders that hold packaged plants and scenarios: a checkout's, else the wheel's."""
    for folder in _FOLDERS:
        checkout = _PACKAGE.parents[2] / folder
        yield checkout if checkout.is_dir() and (_PACKAGE.parents[2] / "src").is_dir() else _PACKAGE / "data" / folder


def packaged() -> dict[str, Path]:
    """Plants and scenarios that come with the package, by name."""
    return {path.stem: path for home in homes() if home.is_dir() for path in sorted(home.glob("*.yaml"))}


def find(name: str | os.PathLike[str]) -> Path:
    """The file that `name` means: a path, or a packaged plant's or scenario's name. ConfigError: there is none."""
    path = Path(name)
    if path.is_file():
        return path
    known = packaged()
    found = (
        known.get(path.stem) if path.name in {path.stem, f"{path.stem}.yaml"} or path.parts[:1][0] in _FOLDERS else None
    )
    if found is not None:
        return found
    what, kinds = "no such file", {path.suffix}
    if path.suffix in _SUFFIXES:
        what, kinds = "no such file, and no packaged plant or scenario of that name", {*kinds, ".yaml", ".yml"}
    near = [str(each) for each in path.parent.glob("*.*") if each.suffix in kinds and each.is_file()]
    what, known = "is a folder, not a file" if path.is_dir() else what, known if path.suffix in _SUFFIXES else {}
    raise ConfigError([Problem(str(name), 0, 0, "", what, did_you_mean(str(name), [*known, *near]))])


def display(path: Path) -> str:
    """A path as messages show it: relative to the working folder where it lies below it."""
    shown = os.path.normpath(path)
    relative = os.path.relpath(shown)
    return relative if not relative.startswith("..") else shown


def read(path: Path) -> bytes:
    """The file's bytes; ConfigError when it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError([Problem(display(path), 0, 0, "", f"cannot be read: {error.strerror}")]) from None


def durations(path: Path) -> list[float]:
    """Durations [s] in a CSV file's first column; plain numbers are seconds, or of the header's unit: `time [min]`."""
    text = read(path).decode("utf-8-sig", errors="replace")
    rows = [(n, row[0].strip()) for n, row in enumerate(csv.reader(text.splitlines()), 1) if row and row[0].strip()]
    unit = "s"
    if rows and not rows[0][1].lstrip("+-.")[:1].isdigit():
        header = _HEADER_UNIT.fullmatch(rows.pop(0)[1])
        unit = header[1] if header else unit
    problems, values = [], []
    for line, cell in rows:
        try:
            values.append(units.parse(cell if cell[-1].isalpha() else f"{cell} {unit}", "time"))
        except ValueError as error:
            problems.append(Problem(display(path), line, 1, "", str(error)))
    if not rows:
        problems.append(Problem(display(path), 0, 0, "", "no values in the first column"))
    if problems:
        raise ConfigError(problems)
    return values


def inline(root: Node, problems: list[Problem]) -> None:
    """Put the content of the data files that values name into the tree: empirical(times.csv), a source's `file`."""
    for path, node in root.walk():
        match = _EMPIRICAL.fullmatch(node.value) if isinstance(node.value, str) else None
        if match is not None:
            values = _values(node, match[1], path, problems)
            node.value = f"empirical({', '.join(f'{v!r} s' for v in values or [1.0])})"
    for name, source in (root.get("sources") or Node({}, root.place)).children().items():
        file = source.get("file")
        if file is not None and isinstance(file.value, str) and source.get("schedule") is None:
            values = _values(file, file.value, ("sources", name, "file"), problems)
            source.value["schedule"] = Node(
                [Node(f"{v!r} s", file.place) for v in values or [0.0]], file.place, file.key
            )
            del source.value["file"]


def _values(node: Node, name: str, path: tuple[str | int, ...], problems: list[Problem]) -> list[float]:
    file = Path(node.place.file).parent / name
    if not file.is_file():
        message = f"names the file {name!r}, which does not exist in {display(file.parent)}"
        near = did_you_mean(name, [p.name for p in file.parent.glob("*.csv")])
        problems.append(
            Problem(node.place.file, node.place.line, node.place.column, ".".join(map(str, path)), message, near)
        )
        return []
    try:
        return durations(file)
    except ConfigError as error:
        problems.extend(error.problems)
        return []
