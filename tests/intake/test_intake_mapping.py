"""What the mapper concludes: counters, silences, duplicates, order of time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import orjson
import pytest

import factory_sim as fs
from factory_sim.records import CLOCK_DOUBT

if TYPE_CHECKING:
    from pathlib import Path

START = 1_777_874_400  # 2026-05-04T06:00:00Z
FEED = """
feed: cell
units: [M1]
clock: {time: $.t, late: 5 s, stale: 60 s}
states: {RUNNING: busy, IDLE: starved, UNAVAILABLE: unknown, "*": refuse}
sources:
  - {mqtt: "f/{unit}/status", state: $.state, count: {path: $.count, wraps: 256, resets: yes}}
"""


def shift(cycles: int = 60) -> list[dict[str, object]]:
    """Return a message a second: cycles of 50 s, of which 40 s are busy."""
    return [
        {"t": START + t, "state": "RUNNING" if t % 50 >= 10 else "IDLE", "count": 200 + t // 50}
        for t in range(50 * cycles + 1)
    ]


def read(folder: Path, messages: list[dict[str, object]], feed: str = FEED) -> fs.Reading:
    lines = [orjson.dumps({"tst": message["t"], "topic": "f/M1/status", "payload": message}) for message in messages]
    (folder / "capture.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    (folder / "feed.yaml").write_text(feed, encoding="utf-8")
    return fs.read(folder / "capture.jsonl", map=folder / "feed.yaml")


def test_a_regular_feed_yields_parts_cycle_time_and_shares(tmp_path: Path) -> None:
    kpis = read(tmp_path, shift()).kpis()
    assert kpis["machine.parts", "M1"] == 60
    assert kpis["machine.cycle_time_s", "M1"] == pytest.approx(40, abs=0.2)
    assert kpis["machine.share_busy", "M1"] == pytest.approx(0.8, abs=0.002)


def test_a_counter_that_wraps_loses_no_part(tmp_path: Path) -> None:
    messages = [{**each, "count": int(str(each["count"])) % 256} for each in shift(100)]
    assert read(tmp_path, messages).kpis()["machine.parts", "M1"] == 100


def test_a_counter_that_restarts_with_its_gateway_loses_no_part(tmp_path: Path) -> None:
    messages = [
        {**each, "count": int(str(each["count"])) - (222 if i >= 1100 else 100)} for i, each in enumerate(shift())
    ]
    messages = [{**each, "count": max(int(str(each["count"])), 0)} for each in messages]
    assert read(tmp_path, messages).kpis()["machine.parts", "M1"] == pytest.approx(60, abs=1)


def test_a_counter_read_once_in_half_an_hour_yields_the_cycle_time(tmp_path: Path) -> None:
    messages = [{"t": START + 1800 * k, "state": "RUNNING", "count": 30 * k} for k in range(5)]
    kpis = read(tmp_path, messages, FEED.replace(", stale: 60 s", "")).kpis()
    assert kpis["machine.parts", "M1"] == 120
    assert kpis["machine.cycle_time_s", "M1"] == pytest.approx(60.0)  # 7,200 s busy; the first 30 parts are not timed


def test_duplicates_change_nothing_and_are_counted(tmp_path: Path) -> None:
    whole = read(tmp_path, shift())
    twice = read(tmp_path, [each for each in shift() for _ in range(2)])
    assert twice.to_dict()["kpis"] == whole.to_dict()["kpis"]
    assert any("duplicate" in each.reason for each in twice.result.skipped)


def test_the_first_topic_that_no_source_matches_is_shown_with_the_nearest_pattern(tmp_path: Path) -> None:
    (tmp_path / "feed.yaml").write_text(FEED, encoding="utf-8")
    topics = ["f/unit/states", *["f/M1/status"] * 60, "f/other"]
    lines = [
        orjson.dumps({"tst": each["t"], "topic": topic, "payload": each})
        for topic, each in zip(topics, shift(), strict=False)
    ]
    (tmp_path / "capture.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    [skipped] = fs.read(tmp_path / "capture.jsonl", map=tmp_path / "feed.yaml").result.skipped
    assert (skipped.reason, skipped.count) == ("topic that no source matches", 2)
    assert skipped.example.endswith("f/unit/states: Did you mean f/{unit}/status?")


def test_messages_a_few_seconds_out_of_order_change_nothing(tmp_path: Path) -> None:
    messages = shift()
    swapped = [each for i in range(0, len(messages), 4) for each in reversed(messages[i : i + 4])]
    assert read(tmp_path, swapped).to_dict()["kpis"] == read(tmp_path, messages).to_dict()["kpis"]


def test_after_a_silence_a_unit_is_unknown_until_its_state_comes_again(tmp_path: Path) -> None:
    messages = [each for i, each in enumerate(shift()) if not 600 <= i < 1500]
    kpis = read(tmp_path, messages).kpis()
    assert kpis["machine.share_unknown", "M1"] == pytest.approx((900 - 60) / 3000, abs=0.002)
    assert kpis["machine.parts", "M1"] == 60  # the counter continues


def test_unavailable_is_unknown_and_never_busy(tmp_path: Path) -> None:
    messages = [{**each, "state": "UNAVAILABLE"} if 600 <= i < 1500 else each for i, each in enumerate(shift())]
    kpis = read(tmp_path, messages).kpis()
    assert kpis["machine.share_unknown", "M1"] == pytest.approx(0.3, abs=0.002)
    assert kpis["machine.share_busy", "M1"] == pytest.approx(0.8 * 0.7, abs=0.01)


def test_a_clock_set_back_is_counted_and_its_time_is_unknown(tmp_path: Path) -> None:
    messages = [{**each, "t": START + i - (1000 if i >= 1500 else 0)} for i, each in enumerate(shift())]
    found = read(tmp_path, messages)
    assert any("clock set back" in each.reason for each in found.result.skipped)
    assert found.kpis()["machine.parts", "M1"] <= 60


def test_one_message_in_ten_lost_keeps_parts_and_cycle_time(tmp_path: Path) -> None:
    messages = [each for i, each in enumerate(shift()) if (i * 7919) % 10 != 3]
    kpis = read(tmp_path, messages).kpis()
    assert kpis["machine.parts", "M1"] == 60
    assert kpis["machine.cycle_time_s", "M1"] == pytest.approx(40, rel=0.01)


def test_wip_and_lead_time_are_undefined_with_the_missing_signal(tmp_path: Path) -> None:
    found = read(tmp_path, shift(3))
    assert found.to_dict()["kpis"]["line.wip"]["values"]["line"] is None  # type: ignore[index,call-overload]
    entry = next(each for each in found.result.derivable if each.kpi == "line.wip")
    assert (entry.status, "serial numbers" in entry.needs) == ("no", True)


TWO = """
plant: two
sources: {s: {interarrival: saturated}}
sections:
  a:
    operations:
      A: {machines: [M1], cycle_time: 60 s, buffer: 1, from: s}
      B: {machines: [M2], cycle_time: 40 s, buffer: 4}
"""
BY_ID = """
feed: two
plant: line.yaml
states: {RUN: busy, IDLE: starved}
clock: {time: time, resolution: RESOLUTION}
parts: {id: id}
sources:
  - {csv: "*.csv", layout: wide, columns: {time: time, unit: unit}, state: state, id: id}
"""


@pytest.mark.parametrize(
    ("behind_s", "resolution", "is_doubted"), [(0, "1 ms", False), (10, "1 ms", True), (10, "12 s", False)]
)
def test_clocks_are_doubted_where_parts_arrive_before_they_left(
    behind_s: int, resolution: str, is_doubted: bool, tmp_path: Path
) -> None:
    (tmp_path / "line.yaml").write_text(TWO, encoding="utf-8")
    (tmp_path / "feed.yaml").write_text(BY_ID.replace("RESOLUTION", resolution), encoding="utf-8")
    rows = []
    for k in range(80):  # five seconds from M1 to M2
        taken = START + 60 * k + 65 - behind_s
        rows += [(START + 60 * k, "M1", "RUN", k), (taken, "M2", "RUN", k), (taken + 40, "M2", "IDLE", k)]
    lines = [f"{t},{unit},{state},P{k}" for t, unit, state, k in sorted(rows)]
    (tmp_path / "feed.csv").write_text("time,unit,state,id\n" + "\n".join(lines) + "\n", encoding="utf-8")
    table = fs.read(tmp_path / "feed.csv", map=tmp_path / "feed.yaml").kpis().record
    doubted = {name for name, kpi in table.kpis.items() if any(mark.startswith(CLOCK_DOUBT) for mark in kpi.marks)}
    for name, kpi in table.kpis.items():  # what is undefined has a reason
        reasons = kpi.reasons or [""] * kpi.values.size
        assert all(reason for reason, v in zip(reasons, kpi.values.flat, strict=True) if np.isnan(v)), name
    expected = {"operation.critical_path_share", "line.constraint", "line.path_outside_share"}
    assert doubted == (expected if is_doubted else set())


def with_a_fault(messages: list[dict[str, object]]) -> list[dict[str, object]]:
    return [{**each, "state": "FAULT"} if 1400 <= i < 1800 else each for i, each in enumerate(messages)]


def test_parts_that_a_failed_machine_reports_late_are_no_further_failures(tmp_path: Path) -> None:
    feed, messages = FEED.replace('"*": refuse', "FAULT: down"), with_a_fault(shift())
    silent = {"state": "UNAVAILABLE", "count": messages[930]["count"]}
    late = [{**each, **silent} if 930 <= i < 1500 else each for i, each in enumerate(messages)]
    assert read(tmp_path, messages, feed).kpis()["machine.failures", "M1"] == 1
    assert read(tmp_path, late, feed).kpis()["machine.failures", "M1"] == 1


@pytest.mark.parametrize(("word", "mttr_s", "status"), [("down", None, "no"), ("repair", 400, "yes")])
def test_the_time_to_repair_needs_a_state_of_repair(
    tmp_path: Path, word: str, mttr_s: float | None, status: str
) -> None:
    found = read(tmp_path, with_a_fault(shift()), FEED.replace('"*": refuse', f"FAULT: {word}"))
    assert found.to_dict()["kpis"]["machine.mttr_s"]["values"]["M1"] == mttr_s  # type: ignore[index]
    assert [each.status for each in found.result.derivable if each.kpi == "machine.mttr_s"] == [status]
