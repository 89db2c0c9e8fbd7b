"""Lines of MTConnect adapters with several devices and quoted values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import factory_sim as fs

if TYPE_CHECKING:
    from pathlib import Path

FEED = """
feed: cell
units: [A, B]
states: {ACTIVE: busy, READY: starved}
sources:
  - {shdr: "cell.txt", %s}
"""
TWO = """2026-05-04T05:59:00Z|A:execution|READY|B:execution|READY
2026-05-04T06:00:00Z|A:execution|ACTIVE
2026-05-04T06:00:20Z|A:execution|READY
2026-05-04T06:00:30Z|B:execution|ACTIVE
2026-05-04T06:01:00Z@60.0|B:execution|READY|A:execution|READY
"""


def read(folder: Path, source: str, lines: str) -> fs.Reading:
    (folder / "cell.txt").write_text(lines, encoding="utf-8")
    (folder / "feed.yaml").write_text(FEED % source, encoding="utf-8")
    return fs.read(folder / "cell.txt", map=folder / "feed.yaml")


def test_each_device_of_a_file_is_a_unit(tmp_path: Path) -> None:
    kpis = read(tmp_path, 'state: "{unit}:execution"', TWO).kpis()
    assert [kpis["machine.cycle_time_s", unit] for unit in "AB"] == [20, 30]


def test_an_item_may_name_its_device(tmp_path: Path) -> None:
    assert read(tmp_path, "unit: B, state: B:execution", TWO).kpis()["machine.cycle_time_s", "B"] == 30


def test_devices_that_would_be_mixed_in_one_unit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(fs.ConfigError, match=r"(?s)line 1: execution is that of two devices, A and B.*\{unit\}:exec"):
        read(tmp_path, "unit: A, state: execution", TWO)


def test_the_device_may_be_left_out_where_there_is_one(tmp_path: Path) -> None:
    lines = "".join(f"{line.split('|B:')[0]}\n" for line in TWO.splitlines() if "Z|A:" in line)
    assert read(tmp_path, "unit: A, state: execution", lines).kpis()["machine.cycle_time_s", "A"] == 20


def test_a_quoted_value_may_contain_the_separator(tmp_path: Path) -> None:
    lines = [
        "2026-05-04T06:00:00Z|execution|READY\n",
        "2026-05-04T06:00:10Z|execution|ACTIVE\n",
        '2026-05-04T06:00:15Z|message|"door\\|execution"|execution|READY\n',
    ]
    assert read(tmp_path, "unit: A, state: execution", "".join(lines)).kpis()["machine.cycle_time_s", "A"] == 5
