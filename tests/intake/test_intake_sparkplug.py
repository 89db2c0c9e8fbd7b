"""Sparkplug edge nodes that die, and metrics without a value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import pytest

import factory_sim as fs
from factory_sim.wire.sparkplug.payload_types import Payload

if TYPE_CHECKING:
    from pathlib import Path

FEED = """
feed: cell
units: [M1]
states: {RUN: busy, WAIT: starved}
sources:
  - {sparkplug: "G/E/{unit}", state: State}
"""
START_S = 1_777_874_400
STRING, UINT64 = 12, 8


def line(
    second: int, kind: str, state: str | None = "", stamped: int | None = None, bd_seq: int | None = None
) -> bytes:
    """Return a captured message; `stamped` replaces the second of its time stamp."""
    message: Any = Payload()
    message.timestamp = (START_S + (second if stamped is None else stamped)) * 1000
    if state != "":
        metric = message.metrics.add()
        metric.name, metric.datatype = "State", STRING
        if state is None:
            metric.is_null = True
        else:
            metric.string_value = state
    if bd_seq is not None:
        metric = message.metrics.add()
        metric.name, metric.datatype, metric.long_value = "bdSeq", UINT64, bd_seq
    topic = f"spBv1.0/G/{kind}/E" + "/M1" * kind.startswith("D")
    return orjson.dumps({"tst": START_S + second, "topic": topic, "payload_hex": message.SerializeToString().hex()})


def kpis(folder: Path, *lines: bytes) -> fs.Reading:
    (folder / "capture.jsonl").write_bytes(b"\n".join(lines))
    (folder / "feed.yaml").write_text(FEED, encoding="utf-8")
    return fs.read(folder / "capture.jsonl", map=folder / "feed.yaml")


def test_an_edge_node_dies_when_its_will_arrives_not_when_it_was_left(tmp_path: Path) -> None:
    found = kpis(
        tmp_path,
        line(0, "NBIRTH"),
        line(0, "DBIRTH", "WAIT"),
        line(100, "DDATA", "RUN"),
        line(160, "NDEATH", stamped=0),  # of the time at which the node connected
        line(400, "NBIRTH"),
        line(400, "DBIRTH", "WAIT"),
    ).kpis()
    assert found["machine.share_busy", "M1"] == pytest.approx(60 / 400)
    assert found["machine.share_unknown", "M1"] == pytest.approx(240 / 400)


def test_a_node_with_a_clock_of_its_own_dies_by_that_clock(tmp_path: Path) -> None:
    hour = 3600
    found = kpis(
        tmp_path,
        line(0, "DBIRTH", "WAIT", stamped=-hour),
        line(100, "DDATA", "RUN", stamped=100 - hour),
        line(160, "NDEATH", stamped=-hour),
        line(400, "DBIRTH", "WAIT", stamped=400 - hour),
    ).kpis()
    assert found["machine.share_unknown", "M1"] == pytest.approx(240 / 400)


def test_a_state_without_a_value_is_unknown(tmp_path: Path) -> None:
    found = kpis(
        tmp_path,
        line(0, "DBIRTH", "WAIT"),
        line(10, "DDATA", "RUN"),
        line(20, "DDATA", None),
        line(40, "DDATA", "WAIT"),
    ).kpis()
    assert found["machine.share_unknown", "M1"] == pytest.approx(20 / 40)
    assert found["machine.share_busy", "M1"] == pytest.approx(10 / 40)


def test_the_late_will_of_a_connection_that_was_replaced_changes_nothing(tmp_path: Path) -> None:
    found = kpis(
        tmp_path,
        line(0, "NBIRTH", bd_seq=3),
        line(0, "DBIRTH", "WAIT"),
        line(100, "NBIRTH", bd_seq=4),
        line(100, "DBIRTH", "RUN"),
        line(130, "NDEATH", bd_seq=3),  # the broker has noticed now
        line(300, "DDATA", "WAIT"),
        line(350, "NDEATH", bd_seq=4),
        line(400, "NBIRTH", bd_seq=5),
        line(400, "DBIRTH", "WAIT"),
    ).kpis()
    assert found["machine.share_busy", "M1"] == pytest.approx(200 / 400)
    assert found["machine.share_unknown", "M1"] == pytest.approx(50 / 400)
