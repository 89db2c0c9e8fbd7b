"""Files of a new plant: a commented plant of three machines, and the same plant as tables."""

from __future__ import annotations

import csv
from importlib.resources import files as resources
from io import BytesIO, StringIO
from typing import TYPE_CHECKING

from factory_sim.errors import ConfigError
from factory_sim.plant.resolve.checks import NAME
from factory_sim.plant.yaml.problems import COMMAND_LINE, problem_at

if TYPE_CHECKING:
    from collections.abc import Iterable

_TOOL = ("failures.tool.after", "failures.tool.repair", "failures.tool.crew")
_KINDS = (
    ("kind", "power.starved", "power.busy", *_TOOL, "sensors.main_power.kind"),
    ("lathe", "1.2 kW", "6 kW", "weibull(4 h, shape 2)", "lognormal(12 min, cv 0.5)", "fitters", "power"),
    ("washer", "2 kW", "9 kW", "exponential(20 h)", "lognormal(30 min, cv 0.4)", "fitters", "power"),
)
_SOURCES = (("source", "interarrival", "material_cost"), ("castings", "saturated", 12))
_CREWS = (("crew", "count"), ("fitters", 1))


def new(name: str) -> dict[str, str | bytes]:
    """Return the files of a new plant: NAME.yaml, NAME_table.csv and NAME_table.xlsx, each loadable by itself."""
    if not NAME.fullmatch(name):
        what, hint = f"{name!r} cannot be the name of a plant", "Use letters, digits, _ and -."
        raise ConfigError([problem_at(COMMAND_LINE, "NAME", what, hint)])
    return {
        f"{name}.yaml": _template("plant.yaml").replace("NAME", name),
        f"{name}_table.csv": _template("table.csv"),
        f"{name}_table.xlsx": _workbook(),
    }


def _template(file: str) -> str:
    return (resources("factory_sim.plant") / "templates" / file).read_text(encoding="utf-8")


def _workbook() -> bytes:
    """Return the plant as an Excel file with sheets of operations, kinds, sources, crews and notes."""
    from openpyxl import Workbook  # noqa: PLC0415 - takes 0.15 s, needed here only

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
