"""Value files and tables are read as they are meant, or refused with file, row and column."""

from __future__ import annotations

from datetime import date, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook

from factory_sim import units
from factory_sim.errors import ConfigError
from factory_sim.plant.load import load
from factory_sim.plant.yaml.cells import Numbers
from factory_sim.plant.yaml.files import durations

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from factory_sim.errors import Problem
    from factory_sim.plant.catalogue import Catalogue
    from factory_sim.plant.spec import Plant

CASES = Path(__file__).parents[1] / "cases" / "import"
HEAD = "section;operation;machines;cycle_time;buffer;from\n"


@pytest.mark.parametrize(
    ("case", "values"),
    [
        ("times_decimal_comma.csv", [56.5, 40.5]),
        ("times_thousands.csv", [1234.5]),
        ("arrivals_decimal_comma.csv", [0.5, 1.5]),
    ],
)
def test_a_value_file_has_decimal_commas(case: str, values: list[float]) -> None:
    assert durations(CASES / case) == values


def test_a_value_file_has_one_column() -> None:
    with pytest.raises(ConfigError, match=r"times_two_columns.csv:1:1: .*several columns"):
        durations(CASES / "times_two_columns.csv")


def test_a_table_with_semicolons_has_decimal_commas_and_durations_as_clock_times(catalogue: Catalogue) -> None:
    plant = load(CASES / "table_decimal_comma.csv", catalogue)
    assert [operation.cycle_time.mean_s for operation in plant.operations] == [56.5, 40.0]


def test_a_column_that_stands_twice_is_refused(catalogue: Catalogue) -> None:
    with pytest.raises(ConfigError, match=r"column.csv:1:7: cycle_time: .*appears twice \(first in column 4"):
        load(CASES / "table_duplicate_column.csv", catalogue)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("56.5\n1,5\n", [56.5, 1.5]),
        ("1.234\n56.5\n", [1.234, 56.5]),  # no decimal comma in the file
        ("0,250\n", [0.25]),
        ("1234,567\n", [1234.567]),
        ("# decimal: comma\n1.234\n5,5\n", [1234.0, 5.5]),
        ("# decimal: point\n1,234\n5.5\n", [1234.0, 5.5]),
        ("t [min]\n0,5\n00:00:40\n\n", [30.0, 40.0]),
        ('"56,5";\n40;\n', [56.5, 40.0]),
        ("# decimal: comma;;\n1.234\n", [1234.0]),  # as Excel pads rows
        ("time [min];\n0,5\n", [30.0]),
        ("time (min), old\n0,5\n", [30.0]),
        ("# time [min]\n0.5\n", [30.0]),  # numpy.savetxt
        ("# run (first)\ntime\n0.5\n", [0.5]),
    ],
)
def test_numbers_of_a_value_file(text: str, found: list[float], tmp_path: Path) -> None:
    (tmp_path / "times.csv").write_text(text)
    assert durations(tmp_path / "times.csv") == found


def test_a_value_file_may_be_unicode_text_of_excel(tmp_path: Path) -> None:
    for encoding in ("utf-16", "utf-8-sig"):
        (tmp_path / "times.csv").write_bytes("56,5\n40,5\n".encode(encoding))
        assert durations(tmp_path / "times.csv") == [56.5, 40.5]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("1,234\n", 1, "can mean 1.234 or 1234"),
        ("56,5\n1.234\n", 2, "can mean 1.234 or 1234"),
        ("1,234,567\n", 1, "can mean"),
        ("# decimal: point\n1,23\n", 2, "is not a number with a decimal point"),
        ("40\n00:40\n", 2, "can mean hours or minutes"),
        ("40\nabc\n", 2, "expected a time"),
        ("# decimal: comma\n0.250\n", 2, "is not a number with a decimal comma"),
        ("cycle time min\n0,5\n", 1, "has no unit"),
        ("t_ms\n500\n", 1, "has no unit"),
        ("~56,5\n40,5\n", 1, "expected a time"),
        ("\u22125\n40\n", 1, "expected a time"),
        ("n/a\n40\n", 1, "expected a time"),
        ("40\n#N/A\n", 2, "expected a time"),
        ("#DIV/0!\n40\n", 1, "expected a time"),
        ("40\n-5\n", 2, "is negative"),
        ("Time in minutes\n0,5\n", 1, "has no unit"),
        ("Dauer (Min.)\n0,5\n", 1, "has no unit"),
        ("t [1/100 min]\n0,5\n", 1, "has no unit"),
        ("56.5,M1\n", 1, "several columns"),
    ],
)
def test_what_a_value_file_leaves_open_is_refused_with_its_line(
    text: str, line: int, words: str, tmp_path: Path
) -> None:
    (tmp_path / "times.csv").write_text(text)
    with pytest.raises(ConfigError) as error:
        durations(tmp_path / "times.csv")
    (problem,) = error.value.problems
    assert (problem.line, problem.column) == (line, 1)
    assert words in problem.message


@given(st.integers(0, 10**6), st.integers(0, 99))
def test_a_decimal_comma_means_what_a_decimal_point_means(whole: int, hundredths: int) -> None:
    text = f"{whole},{hundredths:02}"
    assert float(Numbers.of([text], commas=True).plain(text)) == float(text.replace(",", "."))
    assert units.parse(Numbers(commas=True).plain(f"{text} kW"), "power") == units.parse(
        f"{whole}.{hundredths:02} kW", "power"
    )


def problem_of(path: Path, catalogue: Catalogue) -> Problem:
    with pytest.raises(ConfigError) as error:
        load(path, catalogue)
    (problem,) = error.value.problems
    return problem


@pytest.mark.parametrize(
    ("row", "column", "words"),
    [
        ("m;OP10;1;1,234 s;4;c", 4, "can mean 1.234 or 1234"),
        ("m;OP10;1;56,5 s;4;c;surplus", 7, "has no header"),
        ("m;OP10;1;00:40;4;c", 4, "can mean hours or minutes"),
    ],
)
def test_a_cell_that_cannot_be_read_is_reported_with_its_row_and_column(
    row: str, column: int, words: str, tmp_path: Path, catalogue: Catalogue
) -> None:
    (tmp_path / "line.csv").write_text(HEAD + row + "\n")
    problem = problem_of(tmp_path / "line.csv", catalogue)
    assert (problem.file[-8:], problem.line, problem.column) == ("line.csv", 2, column)
    assert words in problem.message


@pytest.mark.parametrize("error", ["#N/A", "#REF!", "#WERT!"])
def test_a_row_that_begins_with_the_error_of_a_formula_is_not_a_comment(
    error: str, tmp_path: Path, catalogue: Catalogue
) -> None:
    rows = [["m", "OP10", 1, "5 s", 4, "c"], [error, "OP20", 1, "5 s", 4, ""], ["# m", "OP30", 1, "5 s", 4, ""]]
    (tmp_path / "line.csv").write_text(HEAD + "".join(";".join(map(str, row)) + "\n" for row in rows))
    for path in (tmp_path / "line.csv", book(tmp_path / "line.xlsx", HEAD.strip().split(";"), *rows)):
        with pytest.raises(ConfigError, match=error):
            load(path, catalogue)


def test_names_are_not_numbers(tmp_path: Path, catalogue: Catalogue) -> None:
    (tmp_path / "line.csv").write_text("operation;cycle_time;buffer;from\n007;5 s;4;08\n10;5 s;4;007\n")
    plant = load(tmp_path / "line.csv", catalogue)
    assert [each.name for each in (*plant.sources, *plant.operations)] == ["08", "007", "10"]


def test_a_workbook_states_its_decimal_mark_in_a_comment(tmp_path: Path, catalogue: Catalogue) -> None:
    rows = (["# decimal: comma"], HEAD.strip().split(";"), ["m", "A", 1, "1.234 s", 4, "c"])
    assert load(book(tmp_path / "line.xlsx", *rows), catalogue).operations[0].cycle_time.mean_s == 1234.0


def test_a_header_with_capitals_is_refused(tmp_path: Path, catalogue: Catalogue) -> None:
    (tmp_path / "line.csv").write_text("Operation;cycle_time;buffer;from\nA;5 s;4;c\n")
    with pytest.raises(ConfigError, match="Write operation"):
        load(tmp_path / "line.csv", catalogue)


def test_a_decimal_comma_between_commas_is_refused(tmp_path: Path, catalogue: Catalogue) -> None:
    (tmp_path / "line.csv").write_text(HEAD.replace(";", ",") + 'm,OP10,1,"56,5 s",4,c\n')
    assert "separate them by semicolons" in problem_of(tmp_path / "line.csv", catalogue).message


def test_a_plant_states_the_decimal_mark_of_its_files(tmp_path: Path, read: Callable[..., Plant]) -> None:
    (tmp_path / "line.csv").write_text(HEAD + "m;OP10;1;1.234 s;4;c\nm;OP20;1;empirical(times.csv);4;\n")
    (tmp_path / "times.csv").write_text("1.234\n")
    text = "plant: p\ntable: line.csv\nsources: {c: {interarrival: saturated}}\n"
    assert [o.cycle_time.mean_s for o in read(text + "decimal: comma\n").operations] == [1234.0, 1234.0]
    assert [o.cycle_time.mean_s for o in read(text + "decimal: point\n").operations] == [1.234, 1.234]


def test_tables_of_excel_may_state_their_separator_and_use_its_code_page(tmp_path: Path, catalogue: Catalogue) -> None:
    text = "sep=;\n" + HEAD.replace("machines", "title") + "m;OP10;H\u00e4rten;56,5 s;4;c\n"
    (tmp_path / "line.csv").write_bytes(text.encode("cp1252"))
    (operation,) = load(tmp_path / "line.csv", catalogue).operations
    assert (operation.title, operation.cycle_time.mean_s) == ("H\u00e4rten", 56.5)


def test_names_keep_their_commas(tmp_path: Path, catalogue: Catalogue) -> None:
    (tmp_path / "line.csv").write_text(HEAD.replace("machines", "title") + "m;OP10;1,234;56,5 s;4;c\n")
    assert load(tmp_path / "line.csv", catalogue).operations[0].title == "1,234"


def book(path: Path, *rows: Sequence[object]) -> Path:
    made = Workbook()
    sheet = made.active
    assert sheet is not None
    for row in rows:
        sheet.append(list(row))
    made.save(path)
    return path


def test_times_of_excel_are_durations(tmp_path: Path, catalogue: Catalogue) -> None:
    rows = [["m", "A", 1, value, 4, origin] for value, origin in ((time(0, 0, 40), "c"), (timedelta(hours=26), None))]
    rows += [["m", "B", 1, "56,5 s", 4, None], ["m", "C", 1, timedelta(seconds=1.5), 4, None]]
    rows[1][1] = "A2"
    plant = load(book(tmp_path / "line.xlsx", HEAD.strip().split(";"), *rows), catalogue)
    assert [o.cycle_time.mean_s for o in plant.operations] == [40.0, 93600.0, 56.5, 1.5]


def test_a_formula_without_a_stored_value_is_reported(tmp_path: Path, catalogue: Catalogue) -> None:
    path = book(tmp_path / "line.xlsx", HEAD.strip().split(";"), ["m", "A", 1, "=B1*2", 4, "c"])
    problem = problem_of(path, catalogue)
    assert (problem.line, problem.column, problem.key) == (2, 4, "cycle_time")
    assert "formula without a stored value: =B1*2" in problem.message


def test_dates_of_excel_are_dates(tmp_path: Path, read: Callable[..., Plant]) -> None:
    book(tmp_path / "shifts.xlsx", ["shift", "open", "exceptions.2026-12-24"], ["day", "06:00-14:00", "06:00-10:00"])
    text = (
        "plant: p\ntable: shifts.xlsx\nsources: {c: {interarrival: saturated}}\n"
        "sections: {a: {operations: {A: {cycle_time: 1 s, buffer: 0, from: c}}}}\n"
    )
    ((day, hours),) = read(text).shifts[0].exceptions
    assert (day, hours[0].end_s) == (date(2026, 12, 24), 36000.0)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("1h30\n", "1h30"),  # not 1 h and 30 s
        ("1 234\n", "1 234"),
        ("1'234\n", "1'234"),
        ('"56\n5"\n', "quotation mark"),  # one cell with two lines
        ("time [%]\n5\n", "has no unit"),
        ("cmin\n5\n", "has no unit"),
        ("PT1M30S\n56\n", "PT1M30S"),  # not a header
        ("TRUE\n56\n", "TRUE"),
        ("30 s 40 s\n", "not one duration"),
    ],
)
def test_a_value_file_that_is_not_one_of_durations_is_refused(text: str, what: str, tmp_path: Path) -> None:
    (tmp_path / "times.csv").write_text(text)
    with pytest.raises(ConfigError, match=what):
        durations(tmp_path / "times.csv")


@pytest.mark.parametrize("heads", ["inspection;inspection.scrap", "inspection.scrap;inspection"])
def test_a_column_of_a_key_within_another_column_is_refused(heads: str, tmp_path: Path, catalogue: Catalogue) -> None:
    (tmp_path / "t.csv").write_text(f"operation;cycle_time;buffer;{heads}\nA;5 s;2;;2 %\n")
    with pytest.raises(ConfigError, match="state the same values"):
        load(tmp_path / "t.csv", catalogue)
