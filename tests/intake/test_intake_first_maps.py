"""From files and topics of very different plants to KPIs by way of `map`: every form yields the same numbers."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from pyarrow import parquet

import factory_sim as fs
from factory_sim.api.foreign.reading import first_map

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BEGIN_S = 1777874400  # 2026-05-04T06:00:00Z
CYCLE_S, BUSY_S, CYCLES = 40, 30, 20
Row = tuple[int, str, str, int, float]  # time [s], unit, state, parts, power [kW]
GERMAN = {"busy": "Produktion", "starved": "Warten", "down": "Störung"}
FRENCH = {"busy": "Marche", "starved": "Attente", "down": "Panne"}
CHINESE = {"busy": "运行", "starved": "待机", "down": "故障"}
SPANISH = {"busy": "Produciendo", "starved": "Esperando", "down": "Avería"}
ENGLISH = {"busy": "Running", "starved": "Idle", "down": "Faulted"}
PACKML = {"busy": "6", "starved": "5", "down": "9"}
BERLIN = "Europe/Berlin"


def rows(units: tuple[str, ...] = ("M1", "M2")) -> list[Row]:
    """Return 20 cycles of 30 s; in the place of the tenth, a fault."""
    found: list[Row] = []
    for k in range(CYCLES):
        for unit in units:
            t, n = k * CYCLE_S, k - (k > 10)
            found.append((t, unit, "down" if k == 10 else "busy", n, 5.5))
            found.append((t + BUSY_S, unit, "starved", n + (k != 10), 1.25))
    return sorted(found)


def local(t: int, form: str, zone: str = BERLIN) -> str:
    return datetime.fromtimestamp(BEGIN_S + t, ZoneInfo(zone)).strftime(form)


def iso(t: int) -> str:
    return datetime.fromtimestamp(BEGIN_S + t, UTC).isoformat()


def comma(value: float) -> str:
    return f"{value:.2f}".replace(".", ",")


def csv_of(header: str, line: Callable[[Row], str], found: list[Row] | None = None) -> str:
    return "\n".join([header, *map(line, rows() if found is None else found), ""])


def mes_export(folder: Path) -> None:
    text = csv_of(
        "Zeit;Maschine;Status;Stück;Leistung kW",
        lambda r: f"{local(r[0], '%d.%m.%Y %H:%M:%S')};{r[1]};{GERMAN[r[2]]};{r[3]};{comma(r[4])}",
    )
    (folder / "export.csv").write_text(text, encoding="utf-8")


def export_of_windows(folder: Path) -> None:
    mes_export(folder)
    text = (folder / "export.csv").read_text(encoding="utf-8")
    (folder / "export.csv").write_text(text, encoding="cp1252")


def export_as_unicode_text(folder: Path) -> None:
    mes_export(folder)
    text = (folder / "export.csv").read_text(encoding="utf-8")
    (folder / "export.csv").write_text(text.replace(";", "\t"), encoding="utf-16")


def date_and_time_of_day(folder: Path) -> None:
    text = csv_of(
        "Datum;Uhrzeit;Anlage;Betriebsart;Zähler",
        lambda r: f"{local(r[0], '%d.%m.%Y;%H:%M:%S')};{r[1]};{GERMAN[r[2]]};{r[3]}",
    )
    (folder / "bde.csv").write_text(text, encoding="utf-8")


def a_file_for_each_machine(folder: Path) -> None:
    for unit in ("M1", "M2"):
        text = csv_of(
            "Horodatage;Etat;Pièces",
            lambda r: f"{local(r[0], '%d/%m/%Y %H:%M:%S')};{FRENCH[r[2]]};{r[3]}",
            rows((unit,)),
        )
        (folder / f"log_{unit}.csv").write_text(text, encoding="utf-8")


def intervals(folder: Path) -> None:
    text = csv_of(
        "Inicio;Fin;Máquina;Estado;Piezas",
        lambda r: (
            f"{local(r[0], '%Y-%m-%d %H:%M:%S')};{local(r[0] + 1, '%Y-%m-%d %H:%M')};{r[1]};{SPANISH[r[2]]};{r[3]}"
        ),
    )
    (folder / "paradas.csv").write_text(text, encoding="utf-8")


def chinese_export(folder: Path) -> None:
    text = csv_of("时间,设备,状态,产量", lambda r: f"{local(r[0], '%Y/%m/%d %H:%M:%S')},{r[1]},{CHINESE[r[2]]},{r[3]}")
    (folder / "mes.csv").write_text(text, encoding="gb18030")


def spreadsheet(folder: Path) -> None:
    def line(r: Row) -> str:
        state, n = ENGLISH[r[2]], r[3]
        return f"{local(r[0], '%m/%d/%Y %I:%M:%S %p')},{state},{n},{state},{n}"

    text = csv_of("Time,M1 Status,M1 Part Count,M2 Status,M2 Part Count", line, rows(("M1",)))
    (folder / "sheet.csv").write_text(text, encoding="utf-8-sig")


def packml_numbers(folder: Path) -> None:
    text = csv_of(
        "ts,M1.StateCurrent,M1.ProdProcessedCount,M2.StateCurrent,M2.ProdProcessedCount",
        lambda r: f"{BEGIN_S + r[0]},{PACKML[r[2]]},{r[3]},{PACKML[r[2]]},{r[3]}",
        rows(("M1",)),
    )
    (folder / "packml.csv").write_text(text, encoding="utf-8")


def historian(folder: Path) -> None:
    cells = [
        (BEGIN_S + t, f"Line1.{unit}.{tag}", value)
        for t, unit, state, n, kw in rows()
        for tag, value in (("Status", ENGLISH[state]), ("PartCount", str(n)), ("Power_kW", str(kw)))
    ]
    times, tags, values = zip(*cells, strict=True)
    columns = {"Timestamp": pa.array(times, pa.timestamp("s", "UTC")), "TagName": tags, "Value": values}
    parquet.write_table(pa.table(columns), folder / "historian.parquet")


def json_lines(folder: Path) -> None:
    lines = [{"ts": iso(t), "machine": unit, "state": ENGLISH[state], "parts": n} for t, unit, state, n, _ in rows()]
    (folder / "events.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")


def capture(topic: str, payload: Callable[[Row], object]) -> Callable[[Path], None]:
    """Return what writes a capture of one message for each row; `{}` in the topic is the unit."""

    def write(folder: Path) -> None:
        lines = [{"tst": iso(r[0]), "topic": topic.format(r[1]), "payload": payload(r)} for r in rows()]
        (folder / "capture.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")

    return write


def kepware(r: Row) -> object:
    t_ms = (BEGIN_S + r[0]) * 1000
    tags = {"Status": ENGLISH[r[2]], "PartCount": r[3]}
    values = [{"id": f"Channel1.{r[1]}.{tag}", "v": value, "q": True, "t": t_ms} for tag, value in tags.items()]
    return {"timestamp": t_ms, "values": values}


def opc_ua(r: Row) -> object:
    fields = {"State": {"Value": ENGLISH[r[2]]}, "PartCount": {"Value": r[3]}}
    return {"PublisherId": "cell", "Messages": [{"DataSetWriterName": r[1], "Timestamp": iso(r[0]), "Payload": fields}]}


FORMS: dict[str, Callable[[Path], None]] = {
    "an MES export with decimal commas": mes_export,
    "an export in cp1252": export_of_windows,
    "an export as UTF-16": export_as_unicode_text,
    "date and time of day in two columns": date_and_time_of_day,
    "a file for each machine": a_file_for_each_machine,
    "intervals with begin and end": intervals,
    "a Chinese export in GB18030": chinese_export,
    "a spreadsheet with American dates": spreadsheet,
    "PackML numbers": packml_numbers,
    "a historian's tags": historian,
    "JSON lines": json_lines,
    "Kepware's IoT gateway": capture("iotgateway", kepware),
    "OPC UA PubSub in JSON": capture("opcua/json/data/cell", opc_ua),
    "a unit in the payload": capture(
        "machines", lambda r: {"id": r[1], "ts": iso(r[0]), "status": ENGLISH[r[2]], "pieces": r[3]}
    ),
    "an array as payload": capture(
        "line", lambda r: [{"machine": r[1], "t": iso(r[0]), "state": ENGLISH[r[2]], "count": r[3]}]
    ),
    "booleans": capture("plc/{}", lambda r: {"Running": r[2] == "busy", "Cycles": r[3]}),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_first_mapping_needs_at_most_the_zone_to_yield_every_number(tmp_path: Path, form: str) -> None:
    FORMS[form](tmp_path)
    files = sorted(tmp_path.iterdir())
    text = first_map(files, progress=False)
    assert "units: [M1, M2]\n" in text
    path = tmp_path / "feed.yaml"
    if "add zone" in text:
        path.write_text(text, encoding="utf-8")
        with pytest.raises(fs.FactoryError, match=r"time stamp without zone: .*, or clock\.zone in the feed file"):
            fs.read(files, map=path)
        text = text.replace("\nclock: {", f"\nclock: {{zone: {BERLIN}, ")
    path.write_text(text, encoding="utf-8")
    found = fs.read(files, map=path)
    for unit in ("M1", "M2"):
        assert found.kpis()["machine.parts", unit] == CYCLES - 1
        assert found.kpis()["machine.cycle_time_s", unit] == pytest.approx(BUSY_S)
    assert found.result.skipped == ()
    assert datetime.fromtimestamp(BEGIN_S, UTC) == found.log["time"].min().to_pydatetime()


@pytest.mark.parametrize("form", [mes_export, date_and_time_of_day, spreadsheet, packml_numbers, historian, json_lines])
def test_a_table_with_its_newest_rows_first_is_to_be_sorted(tmp_path: Path, form: Callable[[Path], None]) -> None:
    form(tmp_path)
    (path,) = tmp_path.iterdir()
    note = f"# CHECK: {path.name} has its newest rows first: sort it by time, then map it again.\n"
    assert note not in first_map(path, progress=False)
    if path.suffix == ".parquet":
        table = parquet.read_table(path)
        parquet.write_table(table.take(list(reversed(range(len(table))))), path)
    else:
        first, *lines = path.read_text(encoding="utf-8").splitlines()
        newest_first = [*reversed(lines), first] if path.suffix == ".jsonl" else [first, *reversed(lines)]
        path.write_text("\n".join(newest_first), encoding="utf-8")
    assert note in first_map(path, progress=False)


def test_units_of_topics_are_in_order_however_their_messages_arrive(tmp_path: Path) -> None:
    for unit in ("M10", "B1", "M2"):
        line = {"tst": iso(0), "topic": f"plant/{unit}/status", "payload": {"state": "RUNNING", "count": 0}}
        with (tmp_path / "capture.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
    assert "units: [B1, M2, M10]\n" in first_map(tmp_path / "capture.jsonl", progress=False)


def test_a_file_in_which_nothing_is_recognised_yields_what_to_fill_in(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("a,b\nfoo,bar\nfoo,baz\n", encoding="utf-8")
    text = first_map(tmp_path / "x.csv", progress=False)
    for expected in (
        "CHECK: write their names, such as [M1, M2]",
        "CHECK: nothing looks like a state, a counter or a meter",
        '{csv: "x.csv", layout: wide, columns: {time: COLUMN, unit: COLUMN}, state: COLUMN, count: COLUMN}',
        "csv x.csv: a (words foo), b (words bar, baz)",
    ):
        assert expected in text


HEAD = "feed: cell\nunits: [M1]\nclock: {zone: UTC}\nstates: {RUN: busy, IDLE: starved}\nsources:\n"
TABLE = HEAD + "  - {csv: m1.csv, layout: wide, unit: M1, state: state, power: {path: power, unit: kW}"


def refused(folder: Path, mapping: str, file: str, content: bytes) -> str:
    (folder / "feed.yaml").write_text(mapping, encoding="utf-8")
    (folder / file).write_bytes(content)
    with pytest.raises(fs.FactoryError) as found:
        fs.read(folder / file, map=folder / "feed.yaml")
    return str(found.value)


def test_numbers_with_a_decimal_comma_need_the_key_and_may_be_grouped(tmp_path: Path) -> None:
    cells = ("06:00:00;IDLE;1.234,5", "06:00:10;RUN;2,5", "06:30:10;RUN;1.5", "07:00:10;IDLE;2,5")
    text = "\n".join(["time;state;power", *(f"2026-05-04 {cell}" for cell in cells)])
    (tmp_path / "m1.csv").write_text(text, encoding="utf-8")
    path = tmp_path / "feed.yaml"
    path.write_text(TABLE + "}\n", encoding="utf-8")
    skipped = {each.reason: each for each in fs.read(map=path).result.skipped}["value that is not a number"]
    assert skipped.count == 3
    assert skipped.example.endswith("""1.234,5'. Write decimal: "," for a CSV source with decimal commas""")
    path.write_text(TABLE + ', decimal: ","}\n', encoding="utf-8")
    found = fs.read(map=path)
    assert found.kpis()["machine.kwh", "M1"] == pytest.approx(1234.5 * 10 / 3600 + 2.5, rel=1e-3)
    assert [(each.count, each.example[-5:]) for each in found.result.skipped] == [(1, "'1.5'")]


def test_text_in_another_encoding_is_refused_with_its_line(tmp_path: Path) -> None:
    content = "time;state;power\n2026-05-04 06:00:00;Störung;1\n".encode("cp1252")
    message = refused(tmp_path, TABLE + "}\n", "m1.csv", content)
    assert "m1.csv: line 2 is not UTF-8 text: byte 0xf6" in message
    assert "Write encoding: cp1252 (Windows)" in message
    content = "time;state;power\n2026-05-04 06:00:00;Störung;1\n".encode()
    assert "is not text in ascii: byte 0xc3" in refused(tmp_path, TABLE + ", encoding: ascii}\n", "m1.csv", content)


def test_time_stamps_of_another_form_name_the_key(tmp_path: Path) -> None:
    content = b"time;state;power\n04.05.2026 06:00:00;RUN;1\n05/04/2026;RUN;1\n"
    message = refused(tmp_path, TABLE + "}\n", "m1.csv", content)
    assert "04.05.2026 06:00:00; expected ISO 8601 or seconds since 1970, or clock.format such as" in message
    clock = ", clock: {format: '%d.%m.%Y %H:%M:%S'}}\n"
    found_by = {each.reason: each for each in read(tmp_path, TABLE + clock, "m1.csv", content).result.skipped}
    assert found_by["time stamp that cannot be read"].example.endswith(
        "05/04/2026; expected clock.format %d.%m.%Y %H:%M:%S"
    )


def read(folder: Path, mapping: str, file: str, content: bytes) -> fs.Reading:
    (folder / "feed.yaml").write_text(mapping, encoding="utf-8")
    (folder / file).write_bytes(content)
    return fs.read(folder / file, map=folder / "feed.yaml")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{csv: a, layout: wide, each: $.x, unit: M1, state: s}", "each: applies to mqtt and jsonl only"),
        ("{mqtt: a, decimal: ',', unit: M1, state: s}", "decimal: applies to csv only"),
        ("{csv: a, layout: wide, encoding: utf-99, unit: M1, state: s}", "'utf-99' is not an encoding"),
        ("{mqtt: a, layout: long, unit: M1, state: s}", "columns.item"),
        ("{mqtt: a, columns: {date: d}, unit: M1, state: s}", "columns.date: applies to csv and parquet only"),
        ("{csv: a, layout: wide, clock: {format: x}, unit: M1, state: s}", "'x' has no part of a time"),
    ],
)
def test_keys_that_do_not_apply_are_refused(tmp_path: Path, source: str, expected: str) -> None:
    (tmp_path / "feed.yaml").write_text(f"{HEAD}  - {source}\n", encoding="utf-8")
    with pytest.raises(fs.ConfigError) as found:
        fs.read(map=tmp_path / "feed.yaml")
    assert expected in str(found.value)


def test_lines_that_are_not_json_are_counted_and_a_file_without_any_is_refused(tmp_path: Path) -> None:
    mapping = HEAD + "  - {jsonl: '*.jsonl', unit: M1, state: $.state, clock: {time: $.t}}\n"
    lines = b'{"t": "2026-05-04T06:00:00Z", "state": "RUN"}\nnonsense\n{"state": "IDLE"}\n'
    lines += b'{"t": "2026-05-04T06:01:00Z", "state": "IDLE"}\n{"t": "2026-05-04T06:02:00Z", "other": 1}\n'
    skipped = {each.reason: each.count for each in read(tmp_path, mapping, "m1.jsonl", lines).result.skipped}
    assert skipped == {
        "line that is not JSON": 1,
        "message without a time stamp": 1,
        "message without any mapped item": 1,
    }
    assert "has no line with a JSON object" in refused(tmp_path, mapping, "m1.jsonl", b"a\nb\n")


@pytest.mark.parametrize("stale", ["", ", stale: 2 min"])
def test_the_energy_of_power_that_is_not_reported_any_more_has_bounds(tmp_path: Path, stale: str) -> None:
    lines = ["time,state,power"]
    for minute in range(60):
        power = "6" if minute <= 30 else ""
        lines.append(f"2026-05-04T06:{minute:02}:00Z,{'RUN' if minute % 2 else 'IDLE'},{power}")
    mapping = TABLE.replace("{zone: UTC}", f"{{zone: UTC{stale}}}") + "}\n"
    kwh = read(tmp_path, mapping, "m1.csv", "\n".join(lines).encode()).kpis().record.kpis["machine.kwh"]
    assert kwh.values[0] == pytest.approx(3, abs=0.02)
    assert kwh.high is not None
    assert kwh.high[0] >= 5.9


def test_the_energy_of_power_that_was_silent_for_a_while_has_bounds(tmp_path: Path) -> None:
    lines = ["time,state,power"]
    for minute in range(61):
        power = "" if 20 < minute < 40 else "6"
        lines.append(f"2026-05-04T06:{minute:02}:00Z,{'RUN' if minute % 2 else 'IDLE'},{power}")
    lines[-1] = lines[-1].replace("06:60", "07:00")
    mapping = TABLE.replace("{zone: UTC}", "{zone: UTC, stale: 2 min}") + "}\n"
    kwh = read(tmp_path, mapping, "m1.csv", "\n".join(lines).encode()).kpis().record.kpis["machine.kwh"]
    assert kwh.values[0] < 5  # nothing is drawn while power is stale
    assert kwh.high is not None
    assert kwh.high[0] >= 6
