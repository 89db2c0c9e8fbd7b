"""A working folder with a small line of three stations, and a broker."""

from __future__ import annotations

from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import pytest

import factory_sim as fs
from factory_sim.cli import main
from factory_sim.live import listen as listening
from factory_sim.wire.broker.embedded import Broker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LINE = """
plant: line
pacing: WASH
tariff: 0.2 EUR/kWh
kinds:
  lathe:
    power: {off: 0.2 kW, starved: 2 kW, busy: 9 kW}
    sensors: {power: {kind: power, rate: 1 Hz}, heat: {kind: temperature, rate: 0.5 Hz}}
    failures:
      jam: {after: exponential(20 min), repair: exponential(90 s)}
sources:
  blanks: {interarrival: saturated, material_cost: 5 EUR}
sections:
  all:
    operations:
      CUT: {kind: lathe, cycle_time: "lognormal(37 s, cv 0.1)", from: blanks, buffer: 3}
      WASH: {kind: lathe, cycle_time: "lognormal(45 s, cv 0.1)", buffer: 3}
      TEST: {kind: lathe, cycle_time: "lognormal(35 s, cv 0.1)", buffer: 3}
"""
BETTER = """
extends: line.yaml
title: Quicker and calmer
changes:
  washer:
    set: {WASH.cycle_time: "lognormal(33 s, cv 0.1)"}
  repairs:
    scale: {kinds.lathe.failures.jam.repair: 0.5}
"""
CELL = """
time,item,value
2026-05-04T06:00:00Z,state,IDLE
2026-05-04T06:00:00Z,count,100
2026-05-04T06:00:10Z,state,RUNNING
2026-05-04T06:00:40Z,count,101
2026-05-04T06:01:10Z,count,102
2026-05-04T06:01:10Z,state,IDLE
2026-05-04T06:02:00Z,state,RUNNING
2026-05-04T06:02:30Z,count,103
2026-05-04T06:02:30Z,state,IDLE
"""
FEED = """
feed: cell
units: [M1]
states: {RUNNING: busy, IDLE: starved, "*": refuse}
sources: [{csv: cell.csv, layout: long, unit: M1, state: state, count: count}]
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder: `line.yaml` with a power meter per machine, and `better.yaml`, its scenario."""
    (tmp_path / "line.yaml").write_text(LINE, encoding="utf-8")
    (tmp_path / "better.yaml").write_text(BETTER, encoding="utf-8")
    (tmp_path / "cell.csv").write_text(CELL.lstrip(), encoding="utf-8")
    (tmp_path / "feed.yaml").write_text(FEED, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def broker_url() -> Iterator[str]:
    """The URL of a broker on a free port."""
    with Broker() as broker:
        yield broker.url


@pytest.fixture
def feed_in_background(broker_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Thread]:
    """A thread that publishes an hour of the line below `line/feed` as soon as `fs.listen` has subscribed."""
    subscribed = Event()
    listen = listening.listen

    def heard(*arguments: Any, ready: Callable[[], None], **options: Any) -> None:
        listen(*arguments, ready=lambda: (ready(), subscribed.set()), **options)  # type: ignore[func-returns-value]

    monkeypatch.setattr(listening, "listen", heard)

    def publish() -> None:
        if subscribed.wait(60):
            options = {"duration": "1 h", "speed": "max", "payload_format": "bulk", "progress": False}
            fs.publish("line.yaml", broker_url, root="line/feed", **options)

    thread = Thread(target=publish)
    thread.start()
    yield thread
    subscribed.set()
    thread.join()


@pytest.fixture
def recording(folder: Path) -> Path:
    """The folder `recording`, with an hour of the line."""
    assert main(["run", "line.yaml", "--record", "recording", "--duration", "1 h", "--warm-up", "0 s"]) == 0
    return folder / "recording"
