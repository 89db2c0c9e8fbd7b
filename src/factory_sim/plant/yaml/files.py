"""Find input files and read the data files that they name."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from factory_sim import units
from factory_sim.errors import ConfigError, Problem, did_you_mean
from factory_sim.plant.yaml.cells import DECIMAL, Numbers, comment_above, value_rows
from factory_sim.plant.yaml.problems import problem_at
from factory_sim.plant.yaml.tree import Node

if TYPE_CHECKING:
    from collections.abc import Iterator

_PACKAGE = Path(__file__).resolve().parents[1]
_FOLDERS = ("configs", "scenarios")
_SUFFIXES = ("", ".yaml", ".yml", ".csv", ".xlsx")
_EMPIRICAL = re.compile(r"\s*empirical\(\s*([^(),]*[A-Za-z_][^(),]*\.\w+)\s*\)\s*")
_SEPARATOR = re.compile(r"[;\t]|,(?!\d)")
_KIND = re.compile(rb"""^(?:\{\s*)?["']?(feed|sweep|optimise)["']?\s*:""", re.MULTILINE)
_HEADER = re.compile(
    r"(?!n/?a\b|nan\b|null\b|none\b|inf|true\b|false\b|P[\dT][\dDHMST.,]*$)[^\W\d_]|[\[(]", re.IGNORECASE
)  # not a missing value, a truth value or a duration of ISO 8601
_HEADER_UNIT = re.compile(r"[\[({]\s*([^\])}]*?)\s*[\])}]")
_OTHER_UNIT = re.compile(
    r"[hdm]|(?i:mins?|minut\w*|hrs?|hours?|heures?|horas?|std|stunden?|days?|tage?|ms|msec|us|µs|μs|"
    r"(?:milli|micro|mikro)\w*|cmin|hm|zhm|tmu)"
)  # a word for a unit that is not the second; the last ones are those of time studies


def homes() -> Iterator[Path]:
    """Yield the folders with packaged plants and scenarios, of a checkout or of the installed package."""
    for folder in _FOLDERS:
        checkout = _PACKAGE.parents[2] / folder
        yield checkout if checkout.is_dir() and (_PACKAGE.parents[2] / "src").is_dir() else _PACKAGE / "data" / folder


def packaged() -> dict[str, Path]:
    """Return the packaged plants and scenarios by name."""
    return {path.stem: path for home in homes() if home.is_dir() for path in sorted(home.glob("*.yaml"))}


def find(name: str | os.PathLike[str]) -> Path:
    """Return the file of a path or of a packaged plant or scenario; raise ConfigError if there is none."""
    path = Path(name)
    if path.is_file():
        return path
    known = packaged()
    if path.stem in known and (path.name in {path.stem, f"{path.stem}.yaml"} or path.parts[0] in _FOLDERS):
        return known[path.stem]
    what, kinds = "no such file", {path.suffix}
    if path.suffix in _SUFFIXES:
        what, kinds = "no such file, and no packaged plant or scenario of that name", {*kinds, ".yaml", ".yml"}
    near = [str(each) for each in path.parent.glob("*.*") if each.suffix in kinds and each.is_file()]
    what, known = "is a folder, not a file" if path.is_dir() else what, known if path.suffix in _SUFFIXES else {}
    raise ConfigError.of(str(name), what, did_you_mean(str(name), [*known, *near]))


def kind(name: str | os.PathLike[str]) -> str:
    """Return feed, sweep or optimise for a file that has this key, else plant, without reading more than its lines."""
    path = Path(name)
    found = _KIND.search(read(path)) if path.is_file() and path.suffix.lower() not in {".csv", ".xlsx"} else None
    return found[1].decode() if found else "plant"


def display(path: Path) -> str:
    """Return a path for messages, relative to the working folder if it is below it."""
    shown = os.path.normpath(path)
    relative = os.path.relpath(shown)
    return relative if not relative.startswith("..") else shown


def read(path: Path) -> bytes:
    """Return the content of a file; raise ConfigError if it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError.of(display(path), f"cannot be read: {error.strerror}") from None


def decimal_of(root: Node) -> str:
    """Return the decimal mark that a plant states for its tables and value files, else an empty text."""
    node = root.get("decimal")
    return DECIMAL.get(str(node.value), "") if node else ""


def durations(path: Path, decimal: str = "") -> list[float]:
    """Return the durations [s] of a file with one per line; a header `time [min]` gives the unit of numbers."""
    content = read(path)
    rows, numbers = value_rows(content, decimal)
    unit = "s"
    if rows and _HEADER.match(rows[0][1]):
        unit = _unit_of(*rows.pop(0), path)
    else:  # a comment may be the header
        unit = next(
            (each for each in _HEADER_UNIT.findall(comment_above(content)) if each in units.UNITS["time"]), unit
        )
    problems, values = [], []
    for line, text in rows:
        try:
            values.append(_duration(text, numbers, unit))
        except ValueError as error:
            problems.append(Problem(display(path), line, 1, "", str(error)))
    if not rows:
        problems.append(Problem(display(path), 0, 0, "", "no values in the first column"))
    if problems:
        raise ConfigError(problems)
    return values


def _unit_of(line: int, header: str, path: Path) -> str:
    """Return the unit that a header states in brackets, else s. Raise ConfigError for any other word for a unit."""
    stated: list[str] = _HEADER_UNIT.findall(header)
    if len(stated) == 1 and stated[0] in units.UNITS["time"]:
        return stated[0]
    if stated or any(_OTHER_UNIT.fullmatch(word) for word in re.split(r"[\W_]+", header)):
        message = f"the header {header[:40]!r} has no unit"
        hint = f"Write it in brackets, such as time [min]: one of {', '.join(units.UNITS['time'])}."
        raise ConfigError([Problem(display(path), line, 1, "", message, hint)])
    return "s"


def _duration(text: str, numbers: Numbers, unit: str) -> float:
    if text.count('"') % 2:
        msg = f"{text[:40]!r} has a quotation mark without its counterpart; expected one value per line"
        raise ValueError(msg)
    value, *others = [cell for each in _SEPARATOR.split(text) if (cell := each.strip(' "'))] or [text]
    if others:
        msg = f"{text[:40]!r} has several columns; expected one value per line"
        raise ValueError(msg)
    value = numbers.plain(value)
    is_number = (match := units.AMOUNT.fullmatch(value)) is not None and not match[2]
    seconds = units.parse(f"{value} {unit}" if is_number else value, "time")
    if seconds < 0:
        msg = f"{text[:40]!r} is negative"
        raise ValueError(msg)
    return seconds


def inline(root: Node, problems: list[Problem]) -> None:
    """Replace names of data files, as in empirical(times.csv) or a source's `file`, by their content."""
    decimal = decimal_of(root)
    for path, node in root.walk():
        match = _EMPIRICAL.fullmatch(node.value) if isinstance(node.value, str) else None
        if match is not None:
            values = _values(node, match[1], path, decimal, problems)
            node.value = f"empirical({', '.join(f'{v!r} s' for v in values or [1.0])})"
    for name, source in (root.get("sources") or Node({}, root.place)).children().items():
        file = source.get("file")
        if file is not None and isinstance(file.value, str) and source.get("schedule") is None:
            values = _values(file, file.value, ("sources", name, "file"), decimal, problems)
            source.value["schedule"] = Node(
                [Node(f"{v!r} s", file.place) for v in values or [0.0]], file.place, file.key
            )
            del source.value["file"]


def _values(node: Node, name: str, path: tuple[str | int, ...], decimal: str, problems: list[Problem]) -> list[float]:
    file = Path(node.place.file).parent / name
    if not file.is_file():
        message = f"names the file {name!r}, which does not exist in {display(file.parent)}"
        near = did_you_mean(name, [p.name for p in file.parent.glob("*.csv")])
        problems.append(problem_at(node.place, ".".join(map(str, path)), message, near))
        return []
    try:
        return durations(file, decimal)
    except ConfigError as error:
        problems.extend(error.problems)
        return []
