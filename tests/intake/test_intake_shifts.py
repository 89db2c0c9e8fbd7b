"""The table of shifts of the stop rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import factory_sim as fs

if TYPE_CHECKING:
    from pathlib import Path

DAY = "2026-05-04T{:02}:00Z,2026-05-04T{:02}:00Z\n"
FEED = """
feed: cell
units: [M1]
states: {RUN: busy, FAULT: down}
sources:
  - {csv: "m1.csv", layout: wide, unit: M1, state: state}
stops: {shifts: shifts.csv}
"""
HOURS = "time,state\n2026-05-04T06:00Z,RUN\n2026-05-04T08:00Z,FAULT\n2026-05-04T09:00Z,RUN\n2026-05-04T21:59Z,RUN\n"


def losses(folder: Path, *shifts: str) -> dict[str, float]:
    (folder / "shifts.csv").write_text("begin,end\n" + "".join(shifts), encoding="utf-8")
    (folder / "m1.csv").write_text(HOURS, encoding="utf-8")
    (folder / "feed.yaml").write_text(FEED, encoding="utf-8")
    return fs.read(map=folder / "feed.yaml").result.losses_s["M1"]


@pytest.mark.parametrize("shifts", [((14, 22), (6, 14)), ((6, 22), (7, 8)), ((6, 15), (7, 8), (14, 22))])
def test_shifts_may_overlap_and_have_any_order(tmp_path: Path, shifts: tuple[tuple[int, int], ...]) -> None:
    found = losses(tmp_path, *(DAY.format(*each) for each in shifts))
    assert (found["availability"], found["not planned"]) == (3600, 0)


def test_a_stop_between_shifts_is_not_planned(tmp_path: Path) -> None:
    found = losses(tmp_path, DAY.format(10, 22), DAY.format(6, 8))
    assert (found["availability"], found["not planned"]) == (0, 3600)


def test_a_shift_that_ends_before_it_begins_is_refused_with_its_row(tmp_path: Path) -> None:
    with pytest.raises(fs.ConfigError, match="row 3: the shift ends before it begins"):
        losses(tmp_path, DAY.format(6, 14), DAY.format(22, 6))


@pytest.mark.parametrize("form", ["2026-05-04 {:02}:00,2026-05-04 {:02}:00\n", "04.05.2026 {:02},04.05.2026 {:02}\n"])
def test_shifts_are_in_the_zone_of_the_file_and_may_have_its_format(tmp_path: Path, form: str) -> None:
    """The stamps of the source are UTC; 10:00 and 11:00 in Berlin are 8:00 and 9:00 there."""
    (tmp_path / "shifts.csv").write_text("begin,end\n" + form.format(6, 10) + form.format(11, 23), encoding="utf-8")
    (tmp_path / "m1.csv").write_text(HOURS, encoding="utf-8")
    text = FEED.replace("state: state", "state: state, clock: {zone: UTC, format: '%Y-%m-%dT%H:%MZ'}")
    (tmp_path / "feed.yaml").write_text(f"{text}clock: {{zone: Europe/Berlin, format: '%d.%m.%Y %H'}}\n", "utf-8")
    found = fs.read(map=tmp_path / "feed.yaml").result.losses_s["M1"]
    assert (found["availability"], found["not planned"]) == (0, 3600)
