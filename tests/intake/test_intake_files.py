"""Files of foreign feeds: what is read, what is refused, and with which message."""

from __future__ import annotations

import csv
import json
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

import factory_sim as fs
from factory_sim.api.foreign.reading import first_map
from factory_sim.cli import main
from factory_sim.intake import description, feed_file
from factory_sim.intake.sources import csv_tables
from factory_sim.intake.sources.sparkplug_metrics import SparkplugMetrics
from factory_sim.live.foreign import stop_losses
from factory_sim.live.foreign.mapped_feed import MappedFeed
from factory_sim.records import ForeignMetric

THREE = Path(__file__).parents[1] / "recorded" / "data" / "plants" / "three_machines.yaml"
NIST = Path(__file__).parent / "data" / "nist"
LONG = """time,item,value
2026-05-04T06:00:00Z,state,IDLE
2026-05-04T06:00:00Z,count,100
2026-05-04T06:00:10Z,state,RUNNING
2026-05-04T06:00:40Z,count,101
2026-05-04T06:00:40Z,power,6.0
2026-05-04T06:01:10Z,count,102
2026-05-04T06:01:10Z,state,IDLE
2026-05-04T06:01:10Z,power,1.0
2026-05-04T06:01:30Z,state,FAULT
2026-05-04T06:02:00Z,state,RUNNING
2026-05-04T06:02:30Z,count,103
2026-05-04T06:02:30Z,state,IDLE
2026-05-04T06:03:00Z,power,0
"""
XES = """<log xmlns="http://www.xes-standard.org/"><trace><string key="concept:name" value="case"/>
<event><string key="org:resource" value="M7"/><string key="concept:name" value="RUNNING"/>
<date key="time:timestamp" value="{begin}"/></event>
<event><string key="org:resource" value="M7"/><string key="concept:name" value="IDLE"/>
<date key="time:timestamp" value="{end}"/></event></trace></log>"""
STATES = 'states: {RUNNING: busy, IDLE: starved, FAULT: down, "*": refuse}'
ITEMS = "state: state, count: count, power: {item: power, unit: kW}"


def feed(folder: Path, source: str, *more: str, units: str = "[M1]") -> Path:
    path = folder / "feed.yaml"
    text = "\n".join(["feed: cell", f"units: {units}", STATES, "sources:", f"  - {{{source}}}", *more])
    path.write_text(text + "\n", encoding="utf-8")
    return path


def expect_the_cell(found: fs.Reading) -> None:
    kpis = found.kpis()
    assert kpis["machine.parts", "M1"] == 3
    assert kpis["machine.cycle_time_s", "M1"] == pytest.approx(30)
    assert kpis["machine.share_busy", "M1"] == pytest.approx(90 / 180)
    assert kpis["machine.share_down", "M1"] == pytest.approx(30 / 180)
    assert kpis["machine.kwh", "M1"] == pytest.approx((6 * 30 + 1 * 110) / 3600, rel=1e-3)


def test_a_long_csv_yields_parts_cycle_time_shares_and_energy(tmp_path: Path) -> None:
    (tmp_path / "m1.csv").write_text(LONG, encoding="utf-8")
    expect_the_cell(fs.read(tmp_path / "m1.csv", map=feed(tmp_path, f"csv: m1.csv, layout: long, unit: M1, {ITEMS}")))


def test_without_files_those_that_the_sources_name_are_read(tmp_path: Path) -> None:
    (tmp_path / "m1.csv").write_text(LONG, encoding="utf-8")
    expect_the_cell(fs.read(map=feed(tmp_path, f"csv: 'm*.csv', layout: long, unit: M1, {ITEMS}")))


def test_the_same_rows_as_shdr_lines_parquet_and_wide_csv(tmp_path: Path) -> None:
    rows = [line.split(",") for line in LONG.splitlines()[1:]]
    (tmp_path / "m1.txt").write_text("".join(f"{t}|{item}|{value}\n" for t, item, value in rows), encoding="utf-8")
    expect_the_cell(fs.read(tmp_path / "m1.txt", map=feed(tmp_path, f"shdr: m1.txt, unit: M1, {ITEMS}")))
    parquet.write_table(
        pa.table(dict(zip(("time", "item", "value"), zip(*rows, strict=True), strict=True))), tmp_path / "m1.parquet"
    )
    source = f"parquet: m1.parquet, layout: long, unit: M1, {ITEMS}"
    expect_the_cell(fs.read(tmp_path / "m1.parquet", map=feed(tmp_path, source)))
    wide = ["time,M1.state,M1.count,M1.power"]
    wide += [
        ",".join([t, *(value if item == name else "" for name in ("state", "count", "power"))])
        for t, item, value in rows
    ]
    (tmp_path / "all.csv").write_text("\n".join(wide) + "\n", encoding="utf-8")
    items = "state: '{unit}.state', count: '{unit}.count', power: {column: '{unit}.power', unit: kW}"
    expect_the_cell(fs.read(tmp_path / "all.csv", map=feed(tmp_path, f"csv: all.csv, layout: wide, {items}")))


def test_a_number_that_is_unavailable_counts_as_missing_and_a_text_as_skipped(tmp_path: Path) -> None:
    lines = ["time,M1.state,M1.count"]
    lines += [f"2026-05-04T06:00:{t:02}Z,{'RUNNING' if t % 10 else 'IDLE'},{t // 10}" for t in range(50)]
    lines[13] = "2026-05-04T06:00:12Z,RUNNING,UNAVAILABLE"
    (tmp_path / "all.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    path = feed(tmp_path, "csv: all.csv, layout: wide, state: '{unit}.state', count: '{unit}.count'")
    found = fs.read(map=path)
    assert (found.kpis()["machine.parts", "M1"], list(found.result.skipped)) == (4, [])
    (tmp_path / "all.csv").write_text("\n".join([*lines, "2026-05-04T06:00:50Z,IDLE,many"]) + "\n", encoding="utf-8")
    again = fs.read(map=path)
    assert again.kpis()["machine.parts", "M1"] == 4
    assert [(each.reason, each.count) for each in again.result.skipped] == [("value that is not a number", 1)]


def test_an_xes_log_yields_states(tmp_path: Path) -> None:
    events = "".join(
        f'<event><string key="org:resource" value="M1"/><string key="lifecycle:transition" value="{word}"/>'
        f'<date key="time:timestamp" value="2026-05-04T06:0{minute}:00Z"/></event>'
        for minute, word in enumerate(("IDLE", "RUNNING", "IDLE", "RUNNING", "IDLE"))
    )
    (tmp_path / "log.xes").write_text(f"<log><trace>{events}</trace></log>", encoding="utf-8")
    found = fs.read(tmp_path / "log.xes", map=feed(tmp_path, "xes: log.xes, state: 'lifecycle:transition'"))
    assert found.kpis()["machine.parts", "M1"] == 2
    assert found.kpis()["machine.share_busy", "M1"] == pytest.approx(0.5)


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_our_own_event_log_yields_the_kpis_of_its_run(tmp_path: Path, kind: str) -> None:
    run = fs.simulate(THREE, duration="2 h", warm_up="0 s", seed=3)
    log = run.log.to_pandas()
    if kind == "csv":  # as `run --log` writes it
        log.drop(columns="time").to_csv(tmp_path / "run.csv", index=False)
    else:
        log.to_parquet(tmp_path / "run.parquet", index=False)
    text = f"feed: own\nplant: {THREE}\nsources:\n  - {{log: run.{kind}}}\n"
    (tmp_path / "feed.yaml").write_text(text, encoding="utf-8")
    found, expected = fs.read(map=tmp_path / "feed.yaml"), run.kpis()
    for name in ("line.parts_entered", "line.good_parts", "line.lead_time_seen_s"):
        assert found.kpis()[name] == pytest.approx(expected[name], rel=1e-9)
    for name in ("line.wip", "line.lead_time_s"):  # the window ends with the last row
        assert found.kpis()[name] == pytest.approx(expected[name], rel=5e-3)
    for name in ("operation.cycle_time_s", "operation.share_busy", "operation.critical_path_share"):
        assert found.kpis().values(name) == pytest.approx(expected.values(name), rel=1e-2, abs=2e-3, nan_ok=True)
    assert found.derivable()["line.wip"] == "yes"
    for losses in found.result.losses_s.values():
        assert sum(losses.values()) == pytest.approx(7200, rel=5e-3)


def test_a_recording_yields_the_kpis_of_its_run(tmp_path: Path) -> None:
    folder = str(tmp_path / "line1")
    words = ["run", str(THREE), "--record", folder, "--duration", "1 h", "--warm-up", "30 min"]
    assert main([*words, "--start", "2026-01-05T06:00"]) == 0
    path = tmp_path / "feed.yaml"
    path.write_text(f"feed: own\nplant: {THREE}\nsources:\n  - {{log: line1}}\n", encoding="utf-8")
    found, expected = fs.read(map=path).kpis(), fs.history(tmp_path / "line1").kpis()
    for name in ("line.parts_entered", "line.good_parts", "line.wip"):
        assert found[name] == pytest.approx(expected[name], rel=1e-6)
    assert found.values("operation.share_busy") == pytest.approx(expected.values("operation.share_busy"), abs=2e-3)
    stops = tmp_path / "stops.yaml"
    stops.write_text("stops: {micro: 5 min}\nlosses: {availability: [starved, blocked], performance: [micro_stop]}\n")
    with_stops = fs.history(tmp_path / "line1").answer(stops=stops).stops
    assert with_stops is not None
    assert with_stops.loss_table == {
        "availability": ("starved", "blocked"),
        "performance": ("micro_stop",),
        "not planned": ("off", "maintenance", "break"),
        "unknown": ("unknown",),
    }
    assert {name: sum(each.values()) for name, each in with_stops.losses_s.items()} == dict.fromkeys(
        with_stops.losses_s, pytest.approx(3600)
    )
    path.write_text("feed: own\nunits: [M1]\nsources:\n  - {log: line1}\n", encoding="utf-8")
    with pytest.raises(fs.ConfigError, match="is not known here"):
        fs.read(map=path)


def test_a_day_of_a_real_machine_as_shdr_lines_yields_exactly_its_cycles(tmp_path: Path) -> None:
    day = NIST / "Mazak03-20170620-20170621.csv"
    with day.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.reader(stream))[1:]
    (tmp_path / "mazak.txt").write_text("".join(f"{t}|{item}|{value}\n" for t, item, value in rows), encoding="utf-8")
    words = (
        "ACTIVE: busy, INTERRUPTED: waiting, FEED_HOLD: waiting, WAIT: waiting, OPTIONAL_STOP: waiting, "
        "READY: starved, STOPPED: starved, PROGRAM_COMPLETED: starved, PROGRAM_STOPPED: starved, UNAVAILABLE: unknown"
    )
    source = "shdr: mazak.txt, unit: M1, state: execution, clock: {zone: UTC}"
    text = f"feed: mazak\nunits: [M1]\nstates: {{{words}}}\nsources:\n  - {{{source}}}\n"
    (tmp_path / "feed.yaml").write_text(text, encoding="utf-8")
    found = fs.read(map=tmp_path / "feed.yaml")
    with day.with_suffix(".cycles.csv").open(encoding="utf-8", newline="") as stream:
        cycles = [datetime.fromisoformat(row["end_utc"]) for row in csv.DictReader(stream)]
    log = found.log
    given = log[log["outcome"].astype(str).isin(["PASSED", "LEFT"])]["time"]
    assert [each.to_pydatetime() for each in given] == cycles
    assert found.kpis()["machine.parts", "M1"] == len(cycles)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"PAR1\0\0\0", "is a binary file"),
        (b"", "is empty"),
        (b"when,item,value\n1,state,IDLE\n", "has no column time"),
        (b"time,item,value\n2026-05-04T06:00:00,state,IDLE\n", "time stamp without zone"),
        (b"time,item,value\n2026-05-04T06:00:00Z,state,WEIRD\n", "unknown state word 'WEIRD'"),
        (b"time,item,value\n2026-05-04T06:00:00Z,other,1\n", "state 'state' matched nothing"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_with_what_was_expected(
    tmp_path: Path, content: bytes, expected: str
) -> None:
    (tmp_path / "m1.csv").write_bytes(content)
    with pytest.raises(fs.FactoryError, match=expected):
        fs.read(tmp_path / "m1.csv", map=feed(tmp_path, "csv: m1.csv, layout: long, unit: M1, state: state"))


def test_every_mistake_of_a_mapping_is_reported_with_line_and_nearest_right_answer(tmp_path: Path) -> None:
    path = tmp_path / "feed.yaml"
    path.write_text(
        "feed: cell\nunits: [M1, M2]\nclock: {zone: Europe/Berln, without: arival}\nstates: {RUN: bussy}\nsources:\n"
        "  - {mqtt: 'f/{unit}', state: $.s, energy: {path: $.e, unit: kWhh}}\n"
        "  - {csv: m1.csv, layout: long, unit: M3, stat: s}\n",
        encoding="utf-8",
    )
    with pytest.raises(fs.ConfigError) as caught:
        fs.read(map=path)
    text = str(caught.value)
    for expected in ("Europe/Berlin", "arrival", "busy", "Did you mean kWh", "Known: M1, M2", "Did you mean state"):
        assert expected in text
    assert [problem.line for problem in caught.value.problems] == [3, 3, 4, 6, 7, 7]


@pytest.mark.parametrize(("stated", "is_refused"), [("W", True), ("kW", False), ("", False)])
def test_a_unit_of_measure_that_an_edge_node_contradicts_is_refused(
    tmp_path: Path, stated: str, *, is_refused: bool
) -> None:
    mapping = feed_file.read(feed(tmp_path, "sparkplug: 'G/{unit}', state: S, power: {metric: P, unit: kW}"))
    read = MappedFeed(mapping, description.of_stations(mapping))
    state, power = ForeignMetric("S", 1, 12, "RUNNING", 0), ForeignMetric("P", 2, 10, 5.0, 0, stated)
    metrics = SparkplugMetrics(read.context)
    metrics.take("spBv1.0/G/NBIRTH/M1", [state, power], 1_777_874_400_000_000_000, 0, 0)
    assert len([found for _, found in metrics.ripe(everything=True)]) == 1
    if not is_refused:
        read.check()
        return
    with pytest.raises(fs.ConfigError, match="P: W; expected unit: W in the feed file"):
        read.check()


def test_a_meter_read_every_second_is_kept_every_ten_seconds_and_wherever_it_wraps(tmp_path: Path) -> None:
    rows = [f"{1_777_874_400 + s},{(s * 7) % 10_000}" for s in range(3601)]
    (tmp_path / "m1.csv").write_text("time,wh\n" + "\n".join(rows) + "\n", encoding="utf-8")
    items = "energy: {column: wh, unit: Wh, wraps: 10000}"
    mapping = feed_file.read(feed(tmp_path, f"csv: m1.csv, layout: wide, unit: M1, {items}"))
    read = MappedFeed(mapping, description.of_stations(mapping))
    with (tmp_path / "m1.csv").open("rb") as stream:
        read.add_file(stream, "m1.csv", mapping.sources[0])
    in_one_block = len(read.store)
    assert read.conclude().table.kpis["machine.kwh"].values[0] == pytest.approx(25.2, rel=1e-3)
    (tmp_path / "m1.csv").write_text("time,wh\n" + "\n".join(rows[:1400]) + "\n", encoding="utf-8")
    read = MappedFeed(mapping, description.of_stations(mapping))
    with (tmp_path / "m1.csv").open("rb") as stream:
        read.add_file(stream, "m1.csv", mapping.sources[0])
    assert len(read.store) <= 150 < in_one_block


def test_a_first_mapping_of_words_of_one_unit_and_of_a_process_log_is_complete(tmp_path: Path) -> None:
    lines = [
        {"topic": f"hall/M3/{tag}", "payload": value, "tst": f"2026-05-04T06:{minute:02}:00Z"}
        for minute in range(20)
        for tag, value in (("state", "RUNNING" if minute % 2 else "IDLE"), ("count", minute // 2))
    ]
    (tmp_path / "hall.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    (tmp_path / "log.xes").write_text(XES.format(begin="2026-05-04T06:00:00Z", end="2026-05-04T06:00:30Z"))
    files = [tmp_path / "hall.jsonl", tmp_path / "log.xes"]
    (tmp_path / "feed.yaml").write_text(first_map(files, progress=False), encoding="utf-8")
    found = fs.read(files, map=tmp_path / "feed.yaml")
    assert found.result.units == {"M3": "state, count", "M7": "state"}
    assert found.kpis()["machine.parts", "M3"] == 9


def test_two_sources_for_one_item_of_one_unit_are_refused(tmp_path: Path) -> None:
    path = feed(
        tmp_path, "csv: a.csv, layout: long, unit: M1, state: s", "  - {csv: b.csv, layout: long, unit: M1, state: s}"
    )
    with pytest.raises(fs.ConfigError, match="state of M1 has two sources"):
        fs.read(map=path)


def test_rows_that_cannot_be_used_are_counted_by_reason(tmp_path: Path) -> None:
    bad = "2026-05-04T06:04:00Z,count,many\n2026-05-04T05:00:00Z,count,50\nx,count,1\na,b\n"
    (tmp_path / "m1.csv").write_text(LONG + bad, encoding="utf-8")
    found = fs.read(tmp_path / "m1.csv", map=feed(tmp_path, f"csv: m1.csv, layout: long, unit: M1, {ITEMS}"))
    reasons = {each.reason: each.count for each in found.result.skipped}
    assert reasons["value that is not a number"] == 1
    assert reasons["time stamp that cannot be read"] == 1
    assert reasons["row with another number of columns"] == 1
    assert sum(count for reason, count in reasons.items() if "clock.late" in reason) == 1


PLACES = """time,item,value
2026-05-04T06:00:00Z,state,IDLE
2026-05-04T06:00:00Z,count,1

2026-05-04T06:00:10Z,count
2026-05-04T06:00:20Z,count,two
2026-05-04T06:00:30Z,state,BROKEN,2
yesterday,count,3
2026-05-04T06:00:40Z,count, 2
2026-05-04T06:00:50Z,state,RUNNNG
"""


@pytest.mark.parametrize("block", [32, 1 << 20])
@pytest.mark.parametrize("layout", ["long", "wide"])
def test_the_message_about_a_cell_names_its_line_and_column(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: str, block: int
) -> None:
    monkeypatch.setattr(csv_tables, "_BLOCK_BYTES", block)
    file = tmp_path / "m1.csv"
    text, items, column = PLACES, "state: state, count: count", ""
    if layout == "wide":
        text, items, column = (
            PLACES.replace("item,value", "count,state"),
            "state: state, count: count",
            ", column state",
        )
        text = "time,count,state\n2026-05-04T06:00:00Z,1,IDLE\n\n2026-05-04T06:00:10Z\n2026-05-04T06:00:20Z,two,IDLE\n"
        text += "2026-05-04T06:00:30Z,3,IDLE,4\n\nyesterday,3,IDLE\n\n2026-05-04T06:00:50Z,4,RUNNNG\n"
    file.write_text(text, encoding="utf-8")
    path = feed(tmp_path, f"csv: m1.csv, layout: {layout}, unit: M1, {items}")
    with pytest.raises(fs.ConfigError) as refused:
        fs.read(file, map=path)
    assert f"{file}, line 10{column}: unknown state word 'RUNNNG'" in str(refused.value)
    path.write_text(path.read_text(encoding="utf-8").replace('"*": refuse', '"*": unknown'), encoding="utf-8")
    skipped = {each.reason: (each.count, each.example) for each in fs.read(file, map=path).result.skipped}
    named = {reason: example.removeprefix(f"{file}, ") for reason, (_, example) in skipped.items()}
    number = f"line {6 if layout == 'long' else 5}{column.replace('state', 'count')}"
    assert named["value that is not a number"] == f"{number}: 'two'"
    assert named["time stamp that cannot be read"].startswith("line 8: yesterday; expected ISO 8601")
    assert skipped["row with another number of columns"][0] == 2
    assert named["row with another number of columns"].startswith(f"line {5 if layout == 'long' else 4}: expected 3")


@pytest.mark.parametrize(
    "stamps",
    [
        ["2026-05-04 08:00:00", "2026-05-04 08:00:10", "2026-05-04 08:01:00"],  # zone of the feed file
        ["1777874400", "1777874410", "1777874460"],
        ["1777874400000", "1777874410000", "1777874460000"],
        ["1777874400.0", "2026-05-04T06:00:10Z", "2026-05-04T08:01:00"],
    ],
)
def test_times_of_every_form_are_read(tmp_path: Path, stamps: list[str]) -> None:
    rows = zip(stamps, ("IDLE", "RUNNING", "IDLE"), strict=True)
    text = "".join(f"{stamp};M1;state;{word}\n" for stamp, word in rows)
    (tmp_path / "m1.csv").write_text("time;machine;item;value\n" + text, encoding="utf-8")
    path = feed(tmp_path, "csv: m1.csv, layout: long, columns: {unit: machine}, state: state")
    path.write_text(path.read_text(encoding="utf-8") + "clock: {zone: Europe/Berlin}\n", encoding="utf-8")
    found = fs.read(tmp_path / "m1.csv", map=path)
    assert found.result.window[0].startswith("2026-05-04T08:00:00")
    assert found.kpis()["machine.share_busy", "M1"] == pytest.approx(50 / 60)
    assert found.result.skipped == ()


def test_a_word_of_the_loss_table_that_is_no_state_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "stops.yaml"
    path.write_text("stops: {micro: 60 s}\nlosses: {availability: [dwn]}\n", encoding="utf-8")
    (tmp_path / "m1.csv").write_text(LONG, encoding="utf-8")
    mapped = feed(tmp_path, f"csv: m1.csv, layout: long, unit: M1, {ITEMS}", "losses: {availability: [dwn]}")
    with pytest.raises(fs.ConfigError, match=r"(?s)losses.availability.*Did you mean down"):
        fs.read(map=mapped)
    with pytest.raises(fs.ConfigError, match="Did you mean down"):
        stop_losses.of_file(path)


def test_a_table_of_shifts_that_is_not_there_is_reported_by_the_check(tmp_path: Path) -> None:
    (tmp_path / "shifts.csv").write_text("begin,end\n", encoding="utf-8")
    path = feed(tmp_path, f"csv: m1.csv, layout: long, unit: M1, {ITEMS}", "stops: {shifts: shift.csv}")
    with pytest.raises(fs.ConfigError, match=r"(?s)stops.shifts: 'shift.csv'.*Did you mean shifts.csv"):
        fs.read(map=path)


def test_stop_rules_turn_short_stops_into_a_performance_loss(tmp_path: Path) -> None:
    (tmp_path / "m1.csv").write_text(LONG, encoding="utf-8")
    source, rules = f"csv: m1.csv, layout: long, unit: M1, {ITEMS}", "stops: {micro: 60 s}"
    found = fs.read(tmp_path / "m1.csv", map=feed(tmp_path, source, rules)).result
    without = fs.read(tmp_path / "m1.csv", map=feed(tmp_path, source, "stops: {}")).result
    assert found.losses_s["M1"]["performance"] - without.losses_s["M1"]["performance"] == pytest.approx(30)
    assert sum(found.losses_s["M1"].values()) == pytest.approx(180)
    assert "micro_stop" in found.loss_table["performance"]
