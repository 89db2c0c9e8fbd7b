"""Read tables and value files: lines, cells, and numbers with a decimal comma or a decimal point.

A comma is a decimal comma where it does not separate cells: in value files, and in tables separated by semicolons or
tabs. What could also be thousands, as `1,234`, or `1.234` beside decimal commas, is refused unless the file or the
plant states `decimal`.
"""

from __future__ import annotations

import csv
import itertools
import math
import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from io import BytesIO, StringIO
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

from factory_sim.errors import ConfigError, require_extra

if TYPE_CHECKING:
    from collections.abc import Iterable

DECIMAL = {"comma": ",", ",": ",", "point": ".", ".": "."}
_STATED = re.compile(r"\s*\"?\s*#\s*decimal:\s*(comma|point|,|\.)[\s;,\"]*", re.IGNORECASE)  # padded as Excel does
_SHEET_ERROR = re.compile(r"#(?:N/A|N/D|NV|#+|[^\W_]+(?:/0)?[!?])")  # what a formula that fails shows
_NUMBER = re.compile(r"(?<![\w.,:])\d+(?:[.,]\d+)+(?![\d:])")
_QUANTITY = re.compile(r"\s*[+-]?[\d.,]+(?:[eE][+-]?\d+)?\s*[^\d\s]*\s*|\s*[A-Za-z_]+\(.*\)\s*")
_SEPARATOR_LINE = re.compile(r"sep=([,;\t])(?=\r?\n)")  # the first line of a CSV file of Excel
_GROUPS = re.compile(r"[1-9]\d{0,2}(?:[.,]\d{3})+")  # as thousands are written
_AMBIGUOUS = re.compile(r"[1-9]\d{0,2}[.,]\d{3}")
_DAMAGED = (ValueError, OSError, LookupError, SyntaxError, TypeError, AttributeError, ImportError, BadZipFile)


@dataclass(frozen=True, slots=True)
class Numbers:
    """How a file writes numbers."""

    stated: str = ""  # "," or "." where the file or the plant states it
    commas: bool = False  # a comma between digits is a decimal comma
    has_commas: bool = False  # some number has one

    @classmethod
    def of(cls, texts: Iterable[str], *, commas: bool, stated: str = "") -> Numbers:
        """Return how these texts of a file write numbers."""
        with_comma = (n for text in texts if is_quantity(text) for n in _NUMBER.findall(text) if "," in n)
        return cls(stated, commas, commas and any(not _AMBIGUOUS.fullmatch(n) for n in with_comma))

    def plain(self, text: str) -> str:
        """Return a quantity with its numbers as YAML has them; raise ValueError for an ambiguous one."""
        return _NUMBER.sub(lambda match: self._number(match[0]), text) if is_quantity(text) else text

    def _number(self, text: str) -> str:
        marks = set(text) & {",", "."}
        if self.stated or len(marks) == 2:
            return _without_thousands(text, self.stated or max(marks, key=text.rindex))
        thousands = _AMBIGUOUS.fullmatch(text) and ("," in text or self.has_commas)
        if thousands or text.count(",") > 1:
            msg = (
                f"{text} can mean {text.replace(',', '.')} or {re.sub('[.,]', '', text)}; "
                "state 'decimal: comma' or 'decimal: point' in the plant, or in a line '# decimal: comma' of the file"
            )
            raise ValueError(msg)
        if "," in text and not self.commas:
            msg = (
                f"{text} has a decimal comma in a file whose cells are separated by commas; "
                f"separate them by semicolons, or write {text.replace(',', '.')}"
            )
            raise ValueError(msg)
        return text.replace(",", ".")


def _without_thousands(text: str, decimal: str) -> str:
    thousands = "." if decimal == "," else ","
    whole, _, fraction = text.partition(decimal)
    if {thousands, decimal} & set(fraction) or (thousands in whole and not _GROUPS.fullmatch(whole)):
        msg = f"{text} is not a number with a decimal {'comma' if decimal == ',' else 'point'}"
        raise ValueError(msg)
    return whole.replace(thousands, "") + ("." + fraction if fraction else "")


def is_quantity(text: str) -> bool:
    """Return whether a text is a number, a number with a unit, or a distribution."""
    return _QUANTITY.fullmatch(text) is not None


def stated_decimal(text: str) -> str:
    """Return the decimal mark that a comment such as `# decimal: comma` states, else an empty text."""
    marks = map(_STATED.fullmatch, text.splitlines())
    return next((DECIMAL[mark[1].lower()] for mark in marks if mark), "")


def is_comment(cell: Any) -> bool:
    """Return whether a cell begins a comment; the error of a formula, such as #N/A, is not one."""
    text = str(cell).lstrip()
    return text.startswith("#") and _SHEET_ERROR.match(text) is None


def decoded(content: bytes) -> str:
    """Return the text of a file in UTF-8 or, as Excel writes, in UTF-16 with a byte order mark or in Windows-1252."""
    encoding = "utf-16" if content.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        text = content.decode("cp1252", errors="replace")
    return text.replace("\0", "")


def csv_rows(content: bytes, stated: str) -> tuple[list[list[Any]], Numbers]:
    """Return the cells of a CSV file separated by comma, semicolon or tab, whichever its header has most."""
    text = decoded(content)
    separator = _SEPARATOR_LINE.match(text)
    text = f"#{text}" if separator else text
    head = next((line for line in text.splitlines() if line.strip() and not is_comment(line)), "")
    delimiter = separator[1] if separator else max(",;\t", key=head.count)
    rows = list(csv.reader(StringIO(text, newline=""), delimiter=delimiter))
    cells = [cell for row in rows for cell in row]
    return rows, Numbers.of(cells, commas=delimiter != ",", stated=stated_decimal(text) or stated)


def value_rows(content: bytes, stated: str) -> tuple[list[tuple[int, str]], Numbers]:
    """Return line and text of the values of a file with one value per line."""
    text = decoded(content)
    lines = [(n, _unquoted(line.strip())) for n, line in enumerate(text.splitlines(), 1)]
    found = [(n, line) for n, line in lines if line and not is_comment(line)]
    numbers = Numbers.of((line for _, line in found), commas=True, stated=stated_decimal(text) or stated)
    return found, numbers


def _unquoted(line: str) -> str:
    """Return a line without the quotation marks around it; any others stay."""
    return line[1:-1].strip() if line.count('"') == 2 and line[0] == line[-1] == '"' else line


def comment_above(content: bytes) -> str:
    """Return the last comment above the first value of a file, in which some programs write the header."""
    above = itertools.takewhile(lambda line: not line.strip() or is_comment(line), decoded(content).splitlines())
    return next((line.strip("# ") for line in reversed(list(above)) if line.strip()), "")


def excel_sheets(content: bytes, shown: str) -> list[tuple[str, list[list[Any]]]]:
    """Return name and cells of the sheets of a workbook; a formula without a stored value is a `Formula`."""
    require_extra("excel", f"{shown}: an Excel file")
    from openpyxl import load_workbook  # noqa: PLC0415 - takes 0.15 s, needed for Excel only

    try:
        values, formulas = (load_workbook(BytesIO(content), data_only=only) for only in (True, False))
        return [(sheet.title, _cells(sheet, formulas[sheet.title])) for sheet in values.worksheets]
    except _DAMAGED as error:
        raise ConfigError.of(shown, f"cannot be read as Excel: {str(error)[:200]}") from None


@dataclass(frozen=True, slots=True)
class Formula:
    """The text of a formula whose value is not stored."""

    text: str


def _cells(values: Any, formulas: Any) -> list[list[Any]]:
    def content(value: Any, formula: Any) -> Any:
        return Formula(str(formula)) if value is None and formula is not None else _plain(value)

    both = zip(values.iter_rows(values_only=True), formulas.iter_rows(values_only=True), strict=True)
    return [[content(*pair) for pair in zip(*rows, strict=True)] for rows in both]


def _plain(value: Any) -> Any:
    """Return a time, date or duration of Excel as a text, and a whole float as an integer."""
    if isinstance(value, timedelta):
        seconds = value.total_seconds()
        return f"{int(seconds // 3600):02}:{int(seconds % 3600 // 60):02}:{seconds % 60:09.6f}".rstrip("0").rstrip(".")
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(" ")
    if isinstance(value, date | time):
        return value.isoformat()
    return int(value) if isinstance(value, float) and value.is_integer() else value


def is_blank(cell: Any) -> bool:
    """Return whether a cell is empty."""
    return cell is None or (math.isnan(cell) if isinstance(cell, float) else isinstance(cell, str) and not cell.strip())
