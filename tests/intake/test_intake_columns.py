"""Types of Parquet columns, and XES logs whose traces overlap."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

import factory_sim as fs

if TYPE_CHECKING:
    from pathlib import Path

BEGIN = datetime(2026, 5, 4, 6, tzinfo=UTC)
FEED = """
feed: cell
units: [M1]
states: {{RUN: busy, WAIT: starved}}
sources:
  - {{{source}}}
"""


def read_parquet(folder: Path, state: pa.Array, count: pa.Array) -> fs.Reading:
    time = pa.array([BEGIN + timedelta(seconds=30 * k) for k in range(len(state))], pa.timestamp("us", "UTC"))
    parquet.write_table(pa.table({"time": time, "state": state, "count": count}), folder / "m1.parquet")
    source = "parquet: m1.parquet, layout: wide, unit: M1, state: state, count: count"
    (folder / "feed.yaml").write_text(FEED.format(source=source), encoding="utf-8")
    return fs.read(map=folder / "feed.yaml")


WORDS, COUNTS = pa.array(["WAIT", "RUN"] * 10), pa.array([k // 2 for k in range(20)])


@pytest.mark.parametrize("kind", [pa.decimal128(30, 2), pa.uint8(), pa.float32(), pa.string(), pa.large_string()])
def test_a_counter_may_have_any_type_of_number(tmp_path: Path, kind: pa.DataType) -> None:
    assert read_parquet(tmp_path, WORDS, COUNTS.cast(kind)).kpis()["machine.parts", "M1"] == 9


def test_an_empty_column_has_no_value(tmp_path: Path) -> None:
    assert read_parquet(tmp_path, WORDS, pa.nulls(20)).derivable()["machine.parts"] == "assumed"


@pytest.mark.parametrize("column", ["state", "count"])
def test_a_column_of_lists_is_refused(tmp_path: Path, column: str) -> None:
    columns = {"state": WORDS, "count": COUNTS} | {column: pa.array([["RUN"]] * 20)}
    with pytest.raises(fs.ConfigError, match=rf"m1.parquet, column {column}: has the type list.*expected numbers or"):
        read_parquet(tmp_path, **columns)


def test_traces_of_an_xes_log_may_have_any_order(tmp_path: Path) -> None:
    traces = []
    for k in np.random.default_rng(1).permutation(10).tolist():
        events = "".join(
            f'<event><string key="org:resource" value="M1"/><string key="concept:name" value="{word}"/>'
            f'<date key="time:timestamp" value="{(BEGIN + timedelta(minutes=k, seconds=s)).isoformat()}"/></event>'
            for s, word in ((0, "RUN"), (20, "WAIT"))
        )
        traces.append(f"<trace>{events}</trace>")
    (tmp_path / "m1.xes").write_text(f"<log>{''.join(traces)}</log>", encoding="utf-8")
    (tmp_path / "feed.yaml").write_text(FEED.format(source="xes: m1.xes, state: concept:name"), encoding="utf-8")
    found = fs.read(map=tmp_path / "feed.yaml")
    assert found.kpis()["machine.parts", "M1"] == 10
    assert found.result.skipped == ()
