"""A listener of a foreign feed that runs for days: rolling windows in bounded memory, equal to reading everything."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
import pytest

from factory_sim.analysis import facts as facts_of
from factory_sim.analysis.checkpoint import windowed
from factory_sim.api.foreign.reading import described
from factory_sim.intake import feed_file
from factory_sim.intake.unit_events import FELL
from factory_sim.live.foreign.mapped_feed import MappedFeed
from factory_sim.live.foreign.mapped_windows import MappedWindows
from factory_sim.live.foreign.reading_result import read_result
from factory_sim.records import Message

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from factory_sim.live.foreign.conclusion import View
    from factory_sim.records import KpiTable, Window

EPOCH_S, HOUR_S, DAY_S = 1_777_874_400 + 17 * 60, 3600, 86_400
MAP = """feed: line
units: {{M1: {{unit_time: 55 s}}, M2: {{unit_time: 55 s}}, M3: {{unit_time: 55 s}}}}
clock: {{time: $.t, zone: UTC, late: 5 s, stale: 20 min}}
states: {{RUN: busy, IDLE: starved, FAULT: down, SETUP: setup, "*": refuse}}
sources:
  - mqtt: "f/{{unit}}/s"
    state: $.s
    {items}
    reason: $.why
    order: $.order
    energy: {{path: $.kwh, unit: kWh, wraps: 100}}
parts: {parts}
"""
COUNTED = "count: {path: $.n, wraps: 4096}\n    scrap: $.bad"


def messages(days: float, seed: int, *, counts: bool = True, cycle_s: float = 60.0) -> Iterator[tuple[Message, int]]:
    """Yield messages with their arrivals: cycles, failures with reasons, orders, a meter that wraps, and silences."""
    random = np.random.default_rng(seed)
    t = {f"M{k}": 60.0 * k for k in (1, 2, 3)}
    n, bad, kwh = dict.fromkeys(t, 100), dict.fromkeys(t, 0), dict.fromkeys(t, 50.0)
    while min(t.values()) < days * DAY_S:
        unit = min(t, key=t.__getitem__)
        at = t[unit]
        failed, ms = random.random() < 0.02, int((EPOCH_S + at) * 1000)
        begin = {"t": ms, "s": "RUN", "order": f"O{int(at // (5 * HOUR_S))}", "sn": f"{unit}-{n[unit]}"}
        spans = [(begin, cycle_s - 20 + 10 * random.random())]
        if failed:
            spans.append(({"s": "FAULT", "why": f"reason {random.integers(5)}"}, 300 * random.random()))
            spans.append(({"s": "RUN"}, 20.0))
        spans.append(({"s": "IDLE"}, 8 * random.random() + (HOUR_S if random.random() < 0.003 else 0)))
        for content, lasts_s in spans:
            kwh[unit] = (kwh[unit] + lasts_s * 0.002) % 100
            bad[unit] += content["s"] == "IDLE" and bool(random.random() < 0.03)
            n[unit] += content["s"] == "IDLE"
            here = {"n": n[unit] % 4096, "bad": bad[unit]} if counts else {}
            stamp = int((EPOCH_S + at) * 1000)
            body = {**content, **here, "t": stamp, "kwh": round(kwh[unit], 4)}
            yield Message(f"f/{unit}/s", orjson.dumps(body)), stamp * 1_000_000
            at += lasts_s
        t[unit] = at


def listened(feeds: list[MappedFeed], windows: MappedWindows, days: float, every_h: float, **kind: Any) -> list[int]:
    """Give messages to feeds; return the numbers of rows in memory when the windows were computed."""
    rows, due_ns = [], 0
    for message, arrival_ns in messages(days, 1, **kind):
        for feed in feeds:
            feed.take(message, arrival_ns)
        if arrival_ns >= due_ns:
            windows.conclude()
            rows.append(feeds[0].rows_in_memory)
            due_ns = arrival_ns + int(every_h * HOUR_S) * 1_000_000_000
    return rows


def mapped(folder: Path, items: str = COUNTED, parts: str = "fifo", stops: str = "") -> MappedFeed:
    path = folder / "feed.yaml"
    path.write_text(MAP.format(items=items, parts=parts) + stops, encoding="utf-8")
    mapping = feed_file.read(path)
    return MappedFeed(mapping, described(mapping))


def wanted(view: View, window: Window) -> KpiTable:
    """Return the KPIs of a window by all that was received."""
    log, meta = view.feed.log(), view.meta
    rows, blocks = windowed(log, meta, window), view.feed.blocks()
    return view.table(facts_of.collect(rows, meta, blocks, window, view.findings(log, meta)))


@pytest.mark.long(reason="analyses days of readings three times: forty seconds")
@pytest.mark.parametrize(
    ("items", "parts"),
    [(COUNTED, "fifo"), (COUNTED, "{id: $.sn}"), ("good: $.nothing", "fifo")],
    ids=["counter", "ids", "words"],
)
def test_the_windows_of_a_long_feed_are_those_of_everything_received(tmp_path: Path, items: str, parts: str) -> None:
    feed, everything = mapped(tmp_path, items, parts), mapped(tmp_path, items, parts)
    windows = MappedWindows(feed)
    listened([feed, everything], windows, 2.7, 5, counts=items == COUNTED)
    last = windows.conclude()
    assert (last.kpis_of, windows.is_rolling) == ("shift", True)
    assert set(last.windows) == {"15 min", "1 h", "shift", "last shift", "today"}
    assert last.table.window == last.windows["shift"].window
    everything.epoch_ns = feed.epoch_ns
    view = everything.view()
    for name in ("1 h", "last shift"):
        table = last.windows[name]
        for kpi, each in wanted(view, table.window).kpis.items():
            np.testing.assert_allclose(
                table.kpis[kpi].values, each.values, rtol=1e-5, atol=1e-9, err_msg=f"{name} {kpi}"
            )
            assert table.kpis[kpi].reasons == each.reasons


def test_a_feed_of_weeks_keeps_the_rows_of_days(tmp_path: Path) -> None:
    feed = mapped(tmp_path, parts="{id: $.sn}")
    windows = MappedWindows(feed)
    rows = listened([feed], windows, 21, 12, cycle_s=600.0)
    assert max(rows[-6:]) <= max(rows[:6])
    assert feed.observations > 6 * max(rows)
    found = read_result(feed, windows.conclude())
    assert found.kpis_of == "shift"
    assert found.windows["last shift"].shift


def test_the_shifts_of_the_stop_rules_are_those_of_the_windows(tmp_path: Path) -> None:
    hours = [datetime.fromtimestamp(EPOCH_S + h * HOUR_S, UTC).isoformat() for h in (1, 3, 4, 6)]
    (tmp_path / "shifts.csv").write_text(f"begin,end\n{hours[0]},{hours[1]}\n{hours[2]},{hours[3]}\n", encoding="utf-8")
    feed = mapped(tmp_path, stops="stops: {shifts: shifts.csv}")
    windows = MappedWindows(feed)
    listened([feed], windows, 5 / 24, 24)
    last = windows.conclude()
    names = {name: last.shift_names[name][-4:] for name in ("shift", "last shift")}
    assert names == {"shift": hours[2][11:16].replace(":", ""), "last shift": hours[0][11:16].replace(":", "")}
    spans_h = {name: (w.t1_us - w.t0_us) / 3.6e9 for name, w in ((n, last.windows[n].window) for n in names)}
    assert spans_h["last shift"] == pytest.approx(2)
    assert spans_h["shift"] == pytest.approx(1, abs=0.05)


def test_a_retained_message_of_months_ago_gives_a_state_and_no_window_of_months(tmp_path: Path) -> None:
    feed = mapped(tmp_path, items="count: {path: $.n}")
    old = {"t": (EPOCH_S - 100 * DAY_S) * 1000, "s": "IDLE", "n": 1, "kwh": 3.0}
    feed.take(Message("f/M3/s", orjson.dumps(old), retain=True), EPOCH_S * 1_000_000_000)
    for message, arrival_ns in messages(0.1, 1):
        if "M3" not in message.topic:
            feed.take(message, arrival_ns)
    found = read_result(feed, MappedWindows(feed).conclude())
    assert datetime.fromisoformat(found.window[0]).timestamp() >= EPOCH_S - DAY_S
    assert found.kpis["machine.share_unknown"].values["M3"] == 1
    assert found.kpis["machine.parts"].values["M1"] > 50


def test_what_is_skipped_is_counted_once_however_often_windows_are_computed(tmp_path: Path) -> None:
    feed = mapped(tmp_path, items="count: {path: $.n}")
    for k, n in enumerate((5, 6, 2, 3, 4)):
        body = {"t": (EPOCH_S + 60 * k) * 1000, "s": "RUN", "n": n}
        feed.take(Message("f/M1/s", orjson.dumps(body)), (EPOCH_S + 60 * k) * 1_000_000_000)
    windows = MappedWindows(feed)
    counts = [{each.reason: each.count for each in windows.conclude().tally.entries()} for _ in range(3)]
    assert counts == [{FELL: 1}] * 3
