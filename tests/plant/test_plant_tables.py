"""Tables from CSV and Excel become the same plant as YAML, with the same checks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook

from factory_sim.errors import ConfigError
from factory_sim.plant.load import load

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from factory_sim.errors import Problem
    from factory_sim.plant.catalogue import Catalogue
    from factory_sim.plant.spec import Plant

YAML = """\
plant: line
kinds: {cnc: {power: {busy: 6 kW}}, robot: {}}
sources: {raw: {interarrival: saturated}, lids: {interarrival: saturated}}
sections:
  a:
    operations:
      A1: {title: Turn, kind: cnc, machines: 2, cycle_time: "lognormal(60 s, cv 0.1)", buffer: 4, from: raw}
      A2: {kind: cnc, cycle_time: 30 s, buffer: unlimited, power: {busy: 8 kW}}
  b:
    operations:
      B1:
        kind: robot
        cycle_time: 25 s
        inspection: {scrap: 2 %}
        inputs: [{from: A2, buffer: 3}, {from: lids, quantity: 2, buffer: 9}]
"""
SOURCES = "plant: line\nsources: {raw: {interarrival: saturated}, lids: {interarrival: saturated}}\n"
HEAD = SOURCES + "kinds: {cnc: {power: {busy: 6 kW}}, robot: {}}\n"
CSV = """\
section,operation,title,kind,machines,cycle_time,buffer,from,quantity,power.busy,inspection.scrap
a,A1,Turn,cnc,2,"lognormal(60 s, cv 0.1)",4,raw,,,
,A2,,cnc,,30 s,unlimited,,,8 kW,
# a remark,,,,,,,,,,

b,B1,,robot,,25 s,3,A2,,,2 %
,B1,,,,,9,lids,2,,
"""
ROWS = [
    [cell or None for cell in line.split(";")]
    for line in (
        "section;operation;title;kind;cycle_time;from;quantity;power.busy;inspection.scrap\n"
        "a;A1;Turn;cnc;lognormal(60 s, cv 0.1);raw;;;\n;A2;;cnc;30 s;;;8 kW;\nb;B1;;robot;25 s;A2;;;0.02\n"
        ";B1;;;;lids;2;;"
    ).splitlines()
]


def workbook(path: Path, **sheets: Sequence[Sequence[object]]) -> Path:
    book = Workbook()
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(list(row))
    book.remove(book.worksheets[0])
    book.save(path)
    return path


def excel_rows() -> list[list[object]]:
    """The same table, with numbers as Excel keeps them."""
    rows: list[list[object]] = [list(row) for row in ROWS]
    for row, (machines, buffer) in zip(
        rows, [("machines", "buffer"), (2, 4.0), (None, "unlimited"), (None, 3), (None, 9)], strict=True
    ):
        row += [machines, buffer]
    rows[3][8], rows[4][6] = 0.02, 2.0
    return rows


def stripped(plant: Plant) -> tuple[object, ...]:
    return plant.sections, plant.operations, plant.machines, plant.sources, plant.units


def test_csv_and_excel_say_the_same_as_yaml(tmp_path: Path, read: Callable[..., Plant]) -> None:
    expected = stripped(read(YAML))
    (tmp_path / "line.csv").write_text(CSV)
    workbook(tmp_path / "line.xlsx", Sheet1=excel_rows(), notes=[["Made by", "me"]])
    assert stripped(read(HEAD + "table: line.csv")) == expected
    assert stripped(read(HEAD + "table: line.xlsx")) == expected


def test_a_table_saved_by_excel_in_europe_is_read(tmp_path: Path, read: Callable[..., Plant]) -> None:
    lines = CSV.replace('"lognormal(60 s, cv 0.1)"', "lognormal(60 s@ cv 0.1)").replace(",", ";").replace("@", ",")
    (tmp_path / "line.csv").write_bytes(b"\xef\xbb\xbf" + lines.replace("\n", "\r\n").encode())
    assert stripped(read(HEAD + "table: line.csv")) == stripped(read(YAML))


def test_a_workbook_alone_is_a_plant(tmp_path: Path, catalogue: Catalogue, read: Callable[..., Plant]) -> None:
    path = workbook(tmp_path / "line.xlsx", operations=excel_rows(), kinds=[["kind", "power.busy"], ["cnc", "6 kW"]])
    plant = load(path, catalogue)
    assert plant.name == "line"
    assert stripped(plant) == stripped(read(YAML))


def test_a_csv_alone_is_a_plant_with_saturated_sources(tmp_path: Path, catalogue: Catalogue) -> None:
    (tmp_path / "two.csv").write_text("section,operation,cycle_time,buffer\na,A1,10 s,1\n,A2,9 s,1\n")
    plant = load(tmp_path / "two.csv", catalogue)
    assert [(s.name, s.interarrival) for s in plant.sources] == [("source", None)]
    assert [o.name for o in plant.operations] == ["A1", "A2"]


def test_an_empty_from_means_the_row_above_also_across_sections(tmp_path: Path, catalogue: Catalogue) -> None:
    (tmp_path / "two.csv").write_text("section,operation,cycle_time,buffer\na,A1,10 s,1\nb,B1,9 s,1\n,B2,9 s,1\n")
    assert [o.inputs[0].operation for o in load(tmp_path / "two.csv", catalogue).operations] == [-1, 0, 1]


def test_several_tables_are_put_together(tmp_path: Path, read: Callable[..., Plant]) -> None:
    (tmp_path / "ops.csv").write_text(CSV)
    (tmp_path / "kinds.csv").write_text(
        "kind,power.busy,failures.jam.after,failures.jam.repair\ncnc,6 kW,1 h,2 min\nrobot,,,\n"
    )
    (tmp_path / "machines.csv").write_text("machine,failures.jam.repair\nM002,5 min\n")
    text = SOURCES + "table: [ops.csv, kinds.csv, machines.csv]"
    assert [[f.repair.mean_s for f in m.failures] for m in read(text).machines] == [[120], [300], [120], []]


@pytest.mark.parametrize(
    ("old", "new", "line", "column", "key", "words"),
    [
        ("30 s", "30 sec", 3, 6, "operations.A2.cycle_time", "not a unit of time"),
        (",,cnc,,30 s", ",,cncc,,30 s", 3, 4, "operations.A2.kind", "plant's kinds"),
        ("2 %", "200 %", 6, 11, "operations.B1.inspection.scrap", "between 0 and 1"),
        ("title,kind", "title,kidn", 2, 4, "operations.A1.kidn", "not a known key"),
        (",B1,,,,,9", ",B1,again,,,,9", 7, 2, "B1", "appears twice"),
        (",A2,,cnc", ",,,cnc", 3, 4, "operation", "has no operation"),
        (",9,lids", ",1,lids", 7, 7, "operations.B1.inputs.1.buffer", "only 1 can wait"),
    ],
)
def test_a_mistake_is_reported_with_row_and_column(  # noqa: PLR0913 - a mistake and its report
    old: str,
    new: str,
    line: int,
    column: int,
    key: str,
    words: str,
    tmp_path: Path,
    problems: Callable[..., list[Problem]],
) -> None:
    assert old in CSV
    (tmp_path / "line.csv").write_text(CSV.replace(old, new, 1))
    found = [p for p in problems(HEAD + "table: line.csv") if p.key == key]
    assert [(p.file, p.line, p.column) for p in found] == [(str(tmp_path / "line.csv"), line, column)]
    assert words in found[0].message


def test_a_mistake_in_excel_names_the_sheet(tmp_path: Path, problems: Callable[..., list[Problem]]) -> None:
    rows = excel_rows()
    rows[2][4] = "30 sec"
    workbook(tmp_path / "line.xlsx", operations=rows)
    (problem,) = problems(HEAD + "table: line.xlsx")
    assert (problem.file, problem.line, problem.column) == (f"{tmp_path / 'line.xlsx'} (sheet operations)", 3, 5)


def test_a_missing_or_unreadable_table_is_reported(tmp_path: Path, problems: Callable[..., list[Problem]]) -> None:
    (tmp_path / "line.xlsx").write_bytes(b"PK not a workbook")
    assert "cannot be read as Excel" in problems(HEAD + "table: line.xlsx")[0].message
    (problem,) = problems(HEAD + "table: lin.xlsx")
    assert (problem.key, problem.line) == ("table", 4)
    assert "line.xlsx" in problem.hint


@settings(max_examples=60)
@given(content=st.binary(max_size=300) | st.text(',;\n" abcoperationsection0123456789.', max_size=300).map(str.encode))
def test_no_table_makes_the_loader_fail_otherwise(
    content: bytes, tmp_path_factory: pytest.TempPathFactory, catalogue: Catalogue
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(b"section,operation,cycle_time,buffer\n" + content)
    try:
        assert load(path, catalogue).operations
    except ConfigError as error:
        assert error.problems  # noqa: PT017


def test_a_header_after_an_empty_row_begins_another_table(tmp_path: Path, catalogue: Catalogue) -> None:
    kinds = "\n\n# what the machines have in common\nkind,power.busy\ncnc,6 kW\nrobot,\n"
    sources = "\nsource,interarrival\nraw,saturated\nlids,saturated\n"
    (tmp_path / "line.csv").write_text(CSV + kinds + sources)
    (tmp_path / "line.yaml").write_text(YAML)
    of_table, of_file = load(tmp_path / "line.csv", catalogue), load(tmp_path / "line.yaml", catalogue)
    assert of_table.operations == of_file.operations
    assert of_table.machines == of_file.machines


def test_a_mistake_in_a_second_table_has_the_line_of_the_file(tmp_path: Path, catalogue: Catalogue) -> None:
    (tmp_path / "line.csv").write_text(CSV + "\nkind,power.busy\ncnc,6 kV\n")
    with pytest.raises(ConfigError) as raised:
        load(tmp_path / "line.csv", catalogue)
    assert raised.value.problems[0].line == CSV.count("\n") + 3
