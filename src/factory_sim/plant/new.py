"""Files to begin with: a commented plant of three machines, the same plant as tables, and studies of a plant."""

from __future__ import annotations

import csv
from importlib.resources import files as resources
from io import BytesIO, StringIO
from typing import TYPE_CHECKING

from factory_sim.errors import ConfigError, require_extra
from factory_sim.plant.describe import slowest
from factory_sim.plant.resolve.checks import NAME

if TYPE_CHECKING:
    from factory_sim.plant.spec import Plant

PLANT = "plant"
STUDIES = ("scenario", "sweep", "optimisation")
SUFFIXES = (".yaml", ".csv", ".xlsx")
_TABLES = "tables.csv"


def new(name: str) -> dict[str, str | bytes]:
    """Return the files of a new plant: of NAME NAME.yaml and NAME_table.csv, of NAME.yaml, .csv and .xlsx that file.

    Each is the whole plant and can be loaded by itself.
    """
    stem, suffix = _split(name, SUFFIXES)
    if suffix == ".xlsx":
        return {name: _workbook()}
    if suffix == ".csv":
        return {name: _template(_TABLES)}
    described: dict[str, str | bytes] = {f"{stem}.yaml": _template("plant.yaml").replace("NAME", stem)}
    return described if suffix else {**described, f"{stem}_table.csv": _template(_TABLES)}


def new_study(name: str, kind: str, plant: Plant, named: str) -> dict[str, str]:
    """Return the file of a scenario, a sweep or an optimisation of a plant, in which the plant is `named`.

    It changes the slowest operation.
    """
    stem, _ = _split(name, SUFFIXES[:1])
    operation, _ = slowest(plant)
    machines = len(operation.machines)
    filled = {
        "FILE": f"{stem}.yaml",
        "PLANT": named,
        "OPERATION": operation.name,
        "CURRENCY": plant.cost.currency,
        "MACHINES": str(machines),
        "MORE": str(machines + 1),
        "MOST": str(machines + 2),
    }
    text = _template(f"{kind}.yaml")
    for place, value in filled.items():
        text = text.replace(place, value)
    return {f"{stem}.yaml": text}


def _split(name: str, suffixes: tuple[str, ...]) -> tuple[str, str]:
    """Return the stem and the suffix of the name of a new file; the suffix may be missing."""
    suffix = next((each for each in suffixes if name.endswith(each)), "")
    stem = name.removesuffix(suffix)
    if not NAME.fullmatch(stem):
        where, what = "name", f"{name!r} cannot be the name of a plant or study"
        raise ConfigError.of(where, what, f"Use letters, digits, _ and -; the file may end in {', '.join(suffixes)}.")
    return stem, suffix


def _template(file: str) -> str:
    return (resources("factory_sim.plant") / "templates" / file).read_text(encoding="utf-8")


def _workbook() -> bytes:
    """Return the plant as an Excel file with a sheet for each table."""
    require_extra("excel", "An Excel file")
    from openpyxl import Workbook  # noqa: PLC0415 - takes 0.15 s, needed here only

    book = Workbook()
    book.remove(book.worksheets[0])
    for table in _template(_TABLES).split("\n\n"):
        rows = [row for row in csv.reader(StringIO(table)) if not row[0].startswith("#")]
        sheet = book.create_sheet("operations" if "operation" in rows[0] else f"{rows[0][0]}s")
        for row in rows:
            sheet.append([int(text) if text.isdigit() else text or None for text in row])
    content = BytesIO()
    book.save(content)
    return content.getvalue()
