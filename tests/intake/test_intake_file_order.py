"""Files in any order, rows in the wrong order, and what a clock set back leaves open."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
import pytest

import factory_sim as fs

if TYPE_CHECKING:
    from pathlib import Path

Row = tuple[int, str, int]  # second, state, counter
SHIFT: list[Row] = [
    (60 * minute + s, state, minute + s // 30) for minute in range(60) for s, state in ((0, "RUN"), (30, "WAIT"))
]
FEED = """
feed: cell
units: [M1]
states: {RUN: busy, WAIT: starved}
sources:
"""
COUNTED = '  - {csv: "day*.csv", layout: wide, unit: M1, state: state, count: count}\n'


def stamp(second: int) -> str:
    return f"2026-05-04T{6 + second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}Z"


def write(file: Path, rows: list[Row]) -> Path:
    lines = "".join(f"{stamp(t)},{state},{count}\n" for t, state, count in rows)
    file.write_text("time,state,count\n" + lines, encoding="utf-8")
    return file


def feed(folder: Path, sources: str = COUNTED) -> Path:
    path = folder / "feed.yaml"
    path.write_text(FEED + sources, encoding="utf-8")
    return path


def test_files_are_read_in_order_of_time(tmp_path: Path) -> None:
    write(tmp_path / "day2.csv", SHIFT[:60])
    write(tmp_path / "day10.csv", SHIFT[60:])  # before day2.csv by name
    found = fs.read(map=feed(tmp_path))
    assert found.kpis()["machine.parts", "M1"] == 60
    assert found.result.skipped == ()


def test_captures_are_read_in_order_of_time(tmp_path: Path) -> None:
    for name, rows in (("a.jsonl", SHIFT[60:]), ("b.jsonl", SHIFT[:60])):
        lines = [
            orjson.dumps({"time": stamp(t), "topic": "M1", "payload": {"state": state, "count": count}})
            for t, state, count in rows
        ]
        (tmp_path / name).write_bytes(b"\n".join(lines))
    path = feed(tmp_path, '  - {mqtt: "{unit}", state: $.state, count: $.count}\n')
    found = fs.read([tmp_path / "a.jsonl", tmp_path / "b.jsonl"], map=path)
    assert found.kpis()["machine.parts", "M1"] == 60
    assert found.result.skipped == ()


def test_a_file_of_two_sources_is_read_once(tmp_path: Path) -> None:
    write(tmp_path / "day1.csv", SHIFT)
    one = "  - {csv: day1.csv, layout: wide, unit: M1, state: state}\n"
    found = fs.read(map=feed(tmp_path, one + one.replace("state: state", "count: count")))
    assert found.kpis()["machine.parts", "M1"] == 60
    assert found.result.skipped == ()


def test_a_table_with_its_newest_rows_first_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "day1.csv", SHIFT[::-1])
    with pytest.raises(fs.ConfigError, match=r"(?s)day1.csv: has its newest rows first.*Sort it by time"):
        fs.read(map=feed(tmp_path))


@pytest.mark.parametrize("counter", ["", ", count: count"])
def test_parts_made_while_a_clock_was_behind_are_within_the_bounds(tmp_path: Path, counter: str) -> None:
    """The clock is half an hour ahead for a while in the first shift, and set back for good in the second."""
    ahead = [(t + 1800 * (1500 <= t < 1800), state, count) for t, state, count in SHIFT]
    rows = ahead if not counter else [(t - 1800 * (t >= 2400), state, count) for t, state, count in SHIFT]
    write(tmp_path / "day1.csv", rows)
    path = feed(tmp_path, COUNTED.replace(", count: count", counter))
    table = fs.read(map=path).to_pandas()
    [row] = table[(table.kpi == "machine.parts") & (table.name == "M1")].to_dict("records")
    assert row["value"] < 60 <= row["high"]


def test_the_example_of_a_late_observation_is_its_time_alone(tmp_path: Path) -> None:
    write(tmp_path / "day1.csv", [*SHIFT, SHIFT[3]])
    [late] = fs.read(map=feed(tmp_path)).result.skipped
    assert late.example == "2026-05-04T06:01:30.000000000Z"
