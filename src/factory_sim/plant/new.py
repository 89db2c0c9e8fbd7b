"""Files of a new plant: a commented plant of three machines, and the same plant as tables."""

from __future__ import annotations

import csv
from importlib.resources import files as resources
from io import BytesIO, StringIO

from factory_sim.errors import ConfigError, require_extra
from factory_sim.plant.resolve.checks import NAME

_SHEETS = ("operations", "kinds", "sources", "crews", "notes")


def new(name: str) -> dict[str, str | bytes]:
    """Return the files of a new plant: NAME.yaml, NAME_table.csv and NAME_table.xlsx, each loadable by itself."""
    if not NAME.fullmatch(name):
        where, what, hint = "name", f"{name!r} cannot be the name of a plant", "Use letters, digits, _ and -."
        raise ConfigError.of(where, what, hint)
    return {
        f"{name}.yaml": _template("plant.yaml").replace("NAME", name),
        f"{name}_table.csv": _template("operations.csv"),
        f"{name}_table.xlsx": _workbook(),
    }


def _template(file: str) -> str:
    return (resources("factory_sim.plant") / "templates" / file).read_text(encoding="utf-8")


def _workbook() -> bytes:
    """Return the plant as an Excel file with sheets of operations, kinds, sources, crews and notes."""
    require_extra("excel", "An Excel file")
    from openpyxl import Workbook  # noqa: PLC0415 - takes 0.15 s, needed here only

    book = Workbook()
    book.remove(book.worksheets[0])
    for title in _SHEETS:
        sheet = book.create_sheet(title)
        for row in csv.reader(StringIO(_template(f"{title}.csv"))):
            if not row[0].startswith("#"):
                sheet.append([int(text) if text.isdigit() else text or None for text in row])
    content = BytesIO()
    book.save(content)
    return content.getvalue()
