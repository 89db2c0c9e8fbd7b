"""Faults planted in a simulated line are found from readings alone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from analysis_lines import random_run

from factory_sim import registry
from factory_sim.analysis import kpis, trust
from factory_sim.analysis.rebuild import Feed
from factory_sim.analysis.trust import clock_offsets
from factory_sim.distributions import constant
from factory_sim.plant.describe import describe
from factory_sim.plant.spec import LinkProfile, Plant, SensorFault
from factory_sim.records import Window
from factory_sim.sensing.sample import Sensing
from factory_sim.sim.run import simulate
from factory_sim.wire.formats import FORMATS
from factory_sim.wire.network import Link

if TYPE_CHECKING:
    from factory_sim.analysis.trust import Finding, Trust
    from factory_sim.records import EventLog

S, EPOCH_NS, HOURS = 1_000_000, 1_767_225_600_000_000_000, 5
END_US = HOURS * 3600 * S
TEXT = """
plant: faulty
kinds:
  cnc:
    power: {starved: 2 kW, busy: 9 kW, off: 0.3 kW}
    failures: {jam: {after: exponential(40 min), repair: "lognormal(4 min, cv 0.5)"}}
    sensors:
      power: {kind: power}
      energy: {kind: energy}
      current: {kind: current}
      temperature: {kind: temperature}
      torque: {kind: torque}
      vibration: {kind: vibration}
sources: {blanks: {interarrival: exponential(52 s)}}
sections:
  a:
    operations:
      OP10: {kind: cnc, machines: 2, cycle_time: "lognormal(80 s, cv 0.1)", buffer: 4, from: blanks}
      OP20: {kind: cnc, cycle_time: "lognormal(40 s, cv 0.1)", buffer: 4}
      OP30: {kind: cnc, machines: 2, cycle_time: "lognormal(70 s, cv 0.1)", buffer: 4}
"""
MACHINE = "M003"  # the one of OP20


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Plant:
    path = tmp_path_factory.mktemp("plants") / "faulty.yaml"
    path.write_text(TEXT)
    return registry.load(path)


@pytest.fixture(scope="module")
def log(plant: Plant) -> EventLog:
    return simulate(plant, seed=4, until_us=END_US).log


def received(
    plant: Plant, log: EventLog, link: LinkProfile | None = None, payload_format: str = "bulk", end_us: int = END_US
) -> Feed:
    """Feed of a run whose sensors have the plant's faults."""
    meta, log = describe(plant, "trust", EPOCH_NS, Window(0, end_us)), log.take(log.t_us < end_us)
    sensing = Sensing(plant, seed=4, replication=0, epoch_ns=EPOCH_NS, t0_us=0)
    encoder, decoder = FORMATS[payload_format].encoder(meta, "a"), FORMATS[payload_format].decoder(meta, "a")
    net = Link(link or LinkProfile(), seed=4, replication=0, epoch_ns=EPOCH_NS, begin_us=0)
    sent = net.carry(encoder.data(sensing.sample(log, end_us)), end_us).messages + net.rest().messages
    feed = Feed(meta)
    for message in sent:
        feed.add(decoder.feed(message))
    feed.finish(replace(meta, sent_rows=sensing.sent_rows(), sent_ticks=sensing.sent_ticks()))
    return feed


def judged(feed: Feed) -> Trust:
    return trust.judge(feed.log(), feed.meta, feed.blocks(), feed.losses())


def broken(plant: Plant, sensor: str, fault: SensorFault) -> Plant:
    """The plant with a fault of one sensor of MACHINE, or of MACHINE itself."""
    unit = plant.units.index(MACHINE)
    if not sensor:
        machines = tuple(replace(m, faults=(fault,)) if m.unit == unit else m for m in plant.machines)
        return replace(plant, machines=machines)
    sensors = tuple(replace(s, faults=(fault,)) if (s.unit, s.name) == (unit, sensor) else s for s in plant.sensors)
    return replace(plant, sensors=sensors)


def named(plant: Plant, findings: tuple[Finding, ...]) -> set[tuple[str, str, str]]:
    """(unit, sensor or "", kind) of each."""
    sensors = {s.id: s.name for s in plant.sensors} | {-1: ""}
    return {(plant.units[d.unit], sensors[d.sensor], d.kind) for d in findings}


def test_a_sound_feed_has_no_findings(plant: Plant, log: EventLog) -> None:
    assert judged(received(plant, log)).findings == ()


@pytest.mark.parametrize("seed", range(6))
def test_a_few_minutes_of_a_sound_feed_do_not_name_spikes(plant: Plant, seed: int) -> None:
    log = simulate(plant, seed=seed, until_us=1500 * S).log
    for minutes in (10, 12, 15, 20, 25):
        assert judged(received(plant, log, end_us=minutes * 60 * S)).findings == ()


@pytest.mark.parametrize("minute", [3, 20])
def test_half_an_hour_of_readings_suffices_for_a_spike(plant: Plant, log: EventLog, minute: int) -> None:
    wrong = broken(plant, "power", SensorFault("f", "spike", 60.0 * minute, size=30.0))
    found = judged(received(wrong, log, end_us=2400 * S)).findings
    assert named(plant, found) == {(MACHINE, "power", "spike")}


@pytest.mark.parametrize("ahead_s", [0.05, 4.0, -4.0])
def test_a_wrong_clock_is_found_with_its_size(plant: Plant, log: EventLog, ahead_s: float) -> None:
    wrong = broken(plant, "", SensorFault("f", "clock_skew", 1800.0, size=ahead_s))
    skews = [d for d in judged(received(wrong, log)).findings if d.kind == "clock_skew"]
    assert [plant.units[d.unit] for d in skews] == [MACHINE]
    assert skews[0].size == pytest.approx(ahead_s, abs=1e-6)
    assert skews[0].t0_us >= 1790 * S


@pytest.mark.parametrize(
    ("sensor", "fault"),
    [
        ("torque", SensorFault("f", "stuck", 5000.0, duration=constant(1200.0))),
        ("energy", SensorFault("f", "stuck", 5000.0, duration=constant(1200.0))),
        ("power", SensorFault("f", "spike", 5000.0, size=30.0)),
        ("temperature", SensorFault("f", "spike", 5000.0, size=-25.0)),
        ("energy", SensorFault("f", "spike", 5000.0, size=1.0)),
        ("current", SensorFault("f", "drop_out", 5003.0, duration=constant(10.0))),
        ("", SensorFault("f", "drop_out", 5003.0, duration=constant(10.0))),
        ("energy", SensorFault("f", "drift", 3600.0, duration=constant(9000.0), size=-1.8)),
        ("power", SensorFault("f", "drift", 3600.0, duration=constant(9000.0), size=1.0)),
        ("temperature", SensorFault("f", "drift", 3600.0, duration=constant(9000.0), size=8.0)),
        ("torque", SensorFault("f", "drift", 3600.0, duration=constant(9000.0), size=20.0)),
    ],
    ids=lambda value: value if isinstance(value, str) else value.kind,
)
def test_a_fault_is_the_only_finding(plant: Plant, log: EventLog, sensor: str, fault: SensorFault) -> None:
    wrong = broken(plant, sensor, fault)
    result = judged(received(wrong, log))
    assert named(plant, result.findings) == {(MACHINE, sensor, fault.kind)}
    [finding] = result.findings
    assert fault.start_s * S - 60 * S <= finding.t0_us
    assert finding.t1_us <= END_US
    assert finding.reason


def kwh(feed: Feed, result: Trust) -> float:
    table = kpis.table(feed.log(), feed.meta, result.usable(feed.blocks()))
    return float(table.kpis["machine.kwh"].values[table.machines.index(MACHINE)])


@pytest.mark.parametrize(
    "fault",
    [
        SensorFault("f", "drift", 3600.0, duration=constant(9000.0), size=-4.0),
        SensorFault("f", "spike", 5039.0, size=50.0),  # the last reading of a minute
        SensorFault("f", "stuck", 9000.0),
        SensorFault("f", "drop_out", 9000.0),
    ],
    ids=lambda fault: fault.kind,
)
def test_a_faulty_meter_does_not_affect_the_energy(plant: Plant, log: EventLog, fault: SensorFault) -> None:
    feed = received(plant, log)
    true = kwh(feed, judged(feed))
    feed = received(broken(plant, "energy", fault), log)
    result = judged(feed)
    assert abs(kwh(feed, trust.Trust(())) / true - 1) > 0.05  # without exclusion
    assert kwh(feed, result) == pytest.approx(true, rel=0.03)
    assert [plant.units[u] for u in result.by_states(feed.meta)] == [MACHINE]


def test_losses_of_a_link_are_not_findings_about_sensors(plant: Plant, log: EventLog) -> None:
    feed = received(plant, log, LinkProfile("bad", 0.01, 0.005, 0.01, 900.0, 20.0), "machine", 3600 * S)
    result, losses = judged(feed), feed.losses()
    assert losses.lost > 500
    assert {d.kind for d in result.findings} == {"rows_lost"}
    assert {d.unit: int(d.size) for d in result.findings} == {u: n for u, n in enumerate(losses.lost_rows) if n}


def test_an_empty_feed_has_no_findings(plant: Plant) -> None:
    meta = describe(plant, "trust", EPOCH_NS, Window(0, END_US))
    assert judged(Feed(meta)).findings == ()


def test_excluding_a_sensor_does_not_change_the_others(plant: Plant, log: EventLog) -> None:
    feed = received(broken(plant, "torque", SensorFault("f", "stuck", 5000.0, duration=constant(1200.0))), log)
    result, [before] = judged(feed), feed.blocks()
    [after] = result.usable([before])
    gone = np.isin(before.sensor, sorted(result.excluded))
    assert gone.sum() == 1
    np.testing.assert_array_equal(after.total, before.total[:, ~gone])
    np.testing.assert_array_equal(after.block, before.block)


LINES = range(12)


@pytest.mark.parametrize("seed", LINES)
def test_half_a_second_of_any_interior_machine_is_found(seed: int) -> None:
    workshop, log = random_run(seed, "plain", 3600 * S)
    meta = describe(workshop, "clocks", EPOCH_NS, Window(0, 3600 * S))
    fed = {way.operation for each in meta.operations for way in each.inputs}
    first = {k for k, each in enumerate(meta.operations) if all(way.source >= 0 for way in each.inputs)}
    interior = [u for u, info in enumerate(meta.units) if info.operation in fed - first and info.role == "machine"]
    for unit in interior:
        for ahead_us in (-S // 2, S // 2):
            t_us = np.where(log.unit == unit, log.t_us + ahead_us, log.t_us)
            order = np.argsort(t_us, kind="stable")
            shifted = replace(log.take(order), t_us=t_us[order])
            findings = list(clock_offsets.skews(shifted, meta))
            found = {d.unit: d.size for d in findings}
            assert found.get(unit) == pytest.approx(ahead_us / S, abs=1e-3), meta.units[unit].name
            (mark,) = kpis.table(shifted, meta, findings=findings).kpis["line.constraint"].marks
            assert f"{meta.units[unit].name} {ahead_us / S:+.3f} s" in mark


@pytest.mark.parametrize("flavour", ["plain", "people", "transport"])
def test_correct_clocks_are_never_doubted(flavour: str) -> None:
    for seed in range(50):
        workshop, log = random_run(seed, flavour, 3600 * S)
        meta = describe(workshop, "clocks", EPOCH_NS, Window(0, 3600 * S))
        assert list(clock_offsets.skews(log, meta)) == [], seed
