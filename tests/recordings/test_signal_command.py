"""`factory-sim signal` writes what it reads, as a table and as a figure."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from factory_sim.cli import main

THREE = Path(__file__).parents[1] / "live" / "three.yaml"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("signal") / "recording"
    words = ["--duration", "10 min", "--warm-up", "0 s", "--start", "2026-01-05T06:00"]
    assert main(["run", str(THREE), "--record", str(made), *words]) == 0
    return made


def test_buckets_are_written_as_a_table_and_as_a_figure(folder: Path, tmp_path: Path) -> None:
    table, figure = tmp_path / "power.csv", tmp_path / "power.png"
    words = ["signal", str(folder), "M002.power", "--every", "1min", "--csv", str(table), "--png", str(figure)]
    assert main(words) == 0
    rows = pd.read_csv(table)
    assert len(rows) == 10
    assert (rows["low [kW]"] <= rows["mean [kW]"]).all()
    assert (rows["mean [kW]"] <= rows["high [kW]"]).all()
    assert figure.read_bytes().startswith(b"\x89PNG")


def test_the_first_values_are_printed_and_how_many_follow(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["signal", str(folder), "M002.power", "--every", "30s"]) == 0
    head, *lines, last = capsys.readouterr().out.splitlines()
    assert head == "M002.power: 20 values"
    assert len(lines) == 12  # two of heads
    assert last == "... and 10 more: --csv FILE or --parquet FILE writes all of them."
    assert main(["signal", str(folder), "M002.power", "--every", "1min"]) == 0
    assert "more" not in capsys.readouterr().out


def test_a_misspelled_sensor_is_refused_with_the_nearest(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["signal", str(folder), "M002.powr"]) == 2
    assert "Did you mean M002.power?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--from", "yesterday"], "--from: expected a date and time such as '2026-01-05T06:00', got 'yesterday'"),
        (
            ["--from", "2026-01-05T07:00", "--to", "2026-01-05T06:30"],
            "--to: 2026-01-05T06:30 is not after 2026-01-05T07:00",
        ),
        (["--every", "often"], "--every: expected a time with a unit"),
    ],
)
def test_times_that_cannot_be_used_are_named_by_their_option(
    folder: Path, words: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["signal", str(folder), "M002.power", *words]) == 2
    assert expected in capsys.readouterr().err
    assert main(["play", str(folder), "--format", "xml"]) == 2
    assert "--format: 'xml' is not a known" in capsys.readouterr().err


def test_a_time_outside_the_recording_has_no_values(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["signal", str(folder), "M002.power", "--from", "2027-01-05T07:00"]) == 0
    assert capsys.readouterr().out == "M002.power: 0 values\n"
