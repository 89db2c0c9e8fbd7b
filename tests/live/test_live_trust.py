"""A run with faults over a bad link: what is lost is counted, what is wrong is named, in every format."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from factory_sim import registry
from factory_sim.live.listen import Listener, listen
from factory_sim.live.listen_result import listen_result
from factory_sim.live.publish import RunSetup, Sent, publish
from factory_sim.plant.spec import LinkProfile
from factory_sim.views import frames
from factory_sim.views.text import kpi_text
from factory_sim.wire import kpi_messages
from factory_sim.wire.loopback import Exchange, Loopback

if TYPE_CHECKING:
    from pathlib import Path

    from factory_sim.plant.spec import Plant

TEXT = """
plant: doubted
link: {profile: 5g, outage_every: 40 min, outage: 5 s}
kinds:
  cnc:
    power: {starved: 2 kW, busy: 9 kW, off: 0.3 kW}
    failures: {jam: {after: exponential(40 min), repair: "lognormal(4 min, cv 0.5)"}}
    sensors: {power: {kind: power}, energy: {kind: energy}, torque: {kind: torque}}
machines:
  M001: {sensors: {torque: {faults: {f: {kind: stuck, start: 1 h, duration: 20 min}}}}}
  M002: {faults: {clock: {kind: clock_skew, start: 30 min, size: 3 s}}}
sources: {blanks: {interarrival: exponential(52 s)}}
sections:
  a:
    operations:
      OP10: {kind: cnc, machines: 2, cycle_time: "lognormal(80 s, cv 0.1)", buffer: 4, from: blanks}
      OP20: {kind: cnc, cycle_time: "lognormal(40 s, cv 0.1)", buffer: 4}
"""
ORDER = RunSetup(warm_up_s=600.0, duration_s=9000.0)


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Plant:
    path: Path = tmp_path_factory.mktemp("plants") / "doubted.yaml"
    path.write_text(TEXT)
    return registry.load(path)


def feed(plant: Plant, order: RunSetup, monkeypatch: pytest.MonkeyPatch) -> tuple[Sent, Listener]:
    monkeypatch.setattr("factory_sim.live.listen.GRACE_S", 0.0)
    exchange, listener = Exchange(), Listener("doubted")
    sender, receiver = Loopback(exchange), Loopback(exchange)
    receiver.subscribe(["doubted/#"])
    sent = publish(plant, order, sender)
    listen(listener, receiver)
    return sent, listener


@pytest.mark.parametrize("payload_format", ["machine", "uns", "bulk"])
def test_faults_are_named_in_every_format(plant: Plant, payload_format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _, listener = feed(plant, replace(ORDER, payload_format=payload_format), monkeypatch)
    listener.table()
    found = {(plant.units[d.unit], d.kind): d for d in listener.trust.findings if d.kind != "rows_lost"}
    assert set(found) == {("M001", "stuck"), ("M002", "clock_skew")}
    assert found["M002", "clock_skew"].size == pytest.approx(3.0, abs=0.002)


def test_a_doubt_about_a_clock_reaches_tables_frames_json_and_messages(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, listener = feed(plant, ORDER, monkeypatch)
    table, doubt = listener.table(), "clock_doubt: estimated offset of the clock of M002 +3.000 s"
    doubted = {name for name, kpi in table.kpis.items() if kpi.marks and kpi.marks[0].startswith("clock_doubt")}
    assert doubted == {
        "operation.critical_path_share",
        "line.constraint",
        "line.path_outside_share",
        "line.wip",
        "line.lead_time_s",
        "line.lead_time_seen_s",
    }
    assert f"constraint, work in progress, lead time, station critical path share: {doubt}" in kpi_text.notes(table)
    frame = frames.kpi_frame(table).set_index(["kpi", "name"])["note"]
    assert frame["line.constraint", "line"] == frame["operation.critical_path_share", "OP20"] == doubt
    result = listen_result(listener, table)
    assert (result.kpis["line.wip"].marks["line"], set(result.clock_doubt[0].kpis)) == (doubt, doubted)
    assert listener.meta is not None
    messages = kpi_messages.messages(table, listener.meta, "doubted")
    line = next(each for each in messages if each.topic == "doubted/kpi/line")
    assert json.loads(line.payload)["kpis"]["line.lead_time_s"]["mark"] == doubt


def test_losses_of_the_link_are_counted(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    sent, listener = feed(plant, replace(ORDER, payload_format="machine"), monkeypatch)
    assert sent.dropped > 10
    assert listener.feed is not None
    losses = listener.feed.losses()
    assert losses.lost > sent.dropped  # a message holds several readings
    assert losses.received + losses.lost >= sent.readings
    assert listener.ended  # the description is the publisher's own


def test_a_link_in_the_setup_replaces_the_plant_s(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    sent, _ = feed(plant, replace(ORDER, payload_format="machine", link=LinkProfile()), monkeypatch)
    assert sent.dropped == 0
