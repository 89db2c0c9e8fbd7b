"""What a new plant begins with: a commented file of three machines, and the same as tables."""

from __future__ import annotations

import csv
from importlib.resources import files as resources
from io import BytesIO, StringIO
from typing import TYPE_CHECKING

from factory_sim.errors import ConfigError, Problem
from factory_sim.plant.resolve.checks import NAME

if TYPE_CHECKING:
    from collections.abc import Iterable

_KINDS = (
    (
        "kind",
        "power.starved",
        "power.busy",
        "failures.tool.after",
        "failures.tool.repair",
        "failures.tool.crew",
        "sensors.main_power.kind",
    ),
    ("lathe", "1.2 kW", "6 kW", "weibull(4 h, shape 2)", "lognormal(12 min, cv 0.5)", "fitters", "power"),
    ("washer", "2 kW", "9 kW", "exponential(20 h)", "lognormal(30 min, cv 0.4)", "fitters", "power"),
)
_SOURCES = (("source", "interarrival", "material_cost"), ("castings", "saturated", 12))
_CREWS = (("crew", "count"), ("fitters", 1))


def new(name: str) -> dict[str, str | bytes]:
    """Files of a new plant: NAME.yaml, NAME_table.csv and NAME_table.xlsx, each of which loads by itself."""
    if not NAME.fullmatch(name):
        raise ConfigError(
            [
                Problem(
                    "command line", 0, 0, "NAME", f"{name!r} cannot be a plant's name", "Use letters, digits, _ and -."
                )
            ]
        )
    return {
        f"{name}.yaml": _template("plant.yaml").replace("NAME", name),
        f"{name}_table.csv": _template("table.csv"),
        f"{name}_table.xlsx": _workbook(),
    }


def _template(file: str) -> str:
    return (resources("factory_sim.plant") / "templates" / file).read_text(encoding="utf-8")


def _workbook() -> bytes:
    """The same line for Excel: a sheet of operations, of kinds, of sources and of crews, and one of notes."""
    from openpyxl import Workbook  # noqa: PLC0415 - 0.15 s that no other command needs

    note, *operations = csv.reader(StringIO(_template("table.csv")))
    book = Workbook()
    sheets: dict[str, Iterable[Iterable[object]]] = {
        "operations": [[_cell(text) for text in row] for row in operations],
        "kinds": _KINDS,
        "sources": _SOURCES,
        "crews": _CREWS,
        "notes": [
            ["".join(note).lstrip("# ")],
            ["Sheets without a column operation, kind, machine, source, crew ... are not read."],
        ],
    }
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(list(row))
    book.remove(book.worksheets[0])
    content = BytesIO()
    book.save(content)
    return content.getvalue()


def _cell(text: str) -> str | int | None:
    return int(text) if text.isdigit() else text or None
