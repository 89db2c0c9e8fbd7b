"""A run through the in-memory wire: what the analyzer says is what the simulator did."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

import numpy as np
import pytest

from factory_sim import registry
from factory_sim.analysis import kpis
from factory_sim.live.listen import Listener, NoFeedError, find_root, listen
from factory_sim.live.publish import RunSetup, Sent, epoch_ns, publish, window_of
from factory_sim.plant.describe import describe
from factory_sim.records import Message
from factory_sim.sim.run import simulate
from factory_sim.wire import meta as description
from factory_sim.wire.loopback import Exchange, Loopback
from faulty_loopback import Faults, FaultyLoopback

if TYPE_CHECKING:
    from collections.abc import Callable

    from factory_sim.plant.spec import Plant
    from factory_sim.records import KpiTable

ROOT = "test/site/area"
ORDER = RunSetup(warm_up_s=1800.0, duration_s=1800.0, payload_format="bulk")
SLICES = 30  # of 60 s
CUT_SHORT = 600_000_000  # µs after the window's start


@pytest.fixture(scope="module")
def plant() -> Plant:
    return registry.load(Path(__file__).parent / "three.yaml")


def feed(
    plant: Plant, order: RunSetup = ORDER, faults: Faults | None = None, spoil: Callable[[Loopback], None] | None = None
) -> tuple[Sent, Listener]:
    """One run, published and heard."""
    exchange = Exchange()
    sender, receiver, listener = Loopback(exchange), FaultyLoopback(exchange, faults), Listener(ROOT)
    receiver.subscribe([f"{ROOT}/#"])
    if spoil:
        spoil(sender)
    sent = publish(plant, order, sender)
    listen(listener, receiver)
    return sent, listener


def same(found: KpiTable, wanted: KpiTable, tolerance: float = 0.0, *, energy: bool = False) -> None:
    """Equal KPIs; energy from meters only agrees within their noise, so it is left out unless wanted."""
    for name, kpi in wanted.kpis.items():
        if energy or not any(word in name for word in ("kwh", "cost")):
            np.testing.assert_allclose(found.kpis[name].values, kpi.values, tolerance, tolerance, err_msg=name)


def test_a_feed_may_begin_with_the_run_itself(plant: Plant) -> None:
    order = RunSetup(duration_s=300.0, payload_format="bulk")
    _, listener = feed(plant, order)
    run = simulate(plant, until_us=300_000_000)
    same(listener.table(), kpis.table(run.log, describe(plant, "offline", epoch_ns(plant, order), window_of(order))))


@pytest.mark.parametrize("payload_format", ["bulk", "machine"])
def test_mqtt_is_invisible(plant: Plant, payload_format: str) -> None:
    sent, listener = feed(plant, replace(ORDER, payload_format=payload_format))
    window = window_of(ORDER)
    run = simulate(plant, warm_up_us=window.t0_us, until_us=window.t1_us)
    meta = describe(plant, "offline", epoch_ns(plant, ORDER), window)
    same(listener.table(), kpis.table(run.log, meta))
    assert listener.feed is not None
    assert listener.feed.losses().received == sent.readings


def test_a_repeated_opening_description_does_not_restart_an_ended_run(plant: Plant) -> None:
    _, listener = feed(plant)
    ended, table = listener.meta, listener.table()
    assert ended is not None
    listener.take(description.message(describe(plant, ended.run_id, ended.epoch_ns, ended.window), ROOT))
    assert listener.ended
    same(listener.table(), table, energy=True)


@pytest.mark.parametrize("payload_format", ["machine", "uns"])
def test_an_alarm_that_arrives_first_does_not_decide_the_format(plant: Plant, payload_format: str) -> None:
    sender, listener = Loopback(), Listener(ROOT)
    sender.subscribe(["#"])
    publish(plant, replace(ORDER, payload_format=payload_format), sender)
    messages = [message for message in sender.messages() if message.payload]
    alarm = next(message for message in messages if message.topic.endswith("/alarm"))
    for message in (messages[0], alarm, *messages):  # retained, so a late subscriber receives it
        listener.take(message)
    assert listener.payload_format == payload_format
    assert listener.counts.skipped == 0


@pytest.mark.parametrize("payload_format", ["bulk", "sparkplug", "uns"])
def test_rows_that_a_run_in_another_format_retained_are_not_readings_of_this_one(
    plant: Plant, payload_format: str
) -> None:
    exchange = Exchange()
    publish(plant, replace(ORDER, duration_s=300.0, payload_format="machine"), Loopback(exchange))
    sent = publish(plant, replace(ORDER, duration_s=300.0, payload_format=payload_format), Loopback(exchange))
    of_machine = [topic for topic in exchange.retained if topic.endswith("/event")]
    assert sent.readings
    assert not of_machine


def test_the_analyzer_finds_exactly_what_the_simulator_counted(plant: Plant) -> None:
    sent, listener = feed(plant)
    table = listener.table()
    assert sent.truth is not None
    machines = slice(1, 4)  # unit 0 is the source
    assert table.kpis["machine.parts"].values.tolist() == sent.truth.parts[machines].tolist()
    busy_s = sent.truth.busy_us[machines] / sent.truth.parts[machines] / 1e6
    np.testing.assert_allclose(table.kpis["machine.cycle_time_s"].values, busy_s, rtol=1e-12)
    assert table.kpis["line.good_parts"].values == sent.truth.good_parts


def test_shuffled_and_repeated_messages_change_nothing(plant: Plant) -> None:
    _, straight = feed(plant)
    _, mixed = feed(plant, faults=Faults(seed=3, duplicate=0.1, shuffle=20))
    same(mixed.table(), straight.table(), energy=True)
    assert mixed.feed is not None
    assert mixed.feed.losses().duplicates > 0
    assert mixed.feed.losses().lost == 0


def test_lost_messages_are_counted_to_the_reading(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("factory_sim.live.listen.GRACE_S", 0.0)
    sent, listener = feed(plant, faults=Faults(seed=5, drop=0.05))
    if not listener.ended:  # the closing description itself may be among the lost
        listener.take(description.message(sent.meta, ROOT))
    assert listener.feed is not None
    losses = listener.feed.losses()
    assert losses.lost > 0
    assert losses.received + losses.lost == sent.readings


def test_slices_are_invisible(plant: Plant) -> None:
    _, minute = feed(plant)
    _, odd = feed(plant, replace(ORDER, slice_s=7.3))
    same(odd.table(), minute.table(), energy=True)


def test_foreign_messages_are_skipped_and_counted(plant: Plant) -> None:
    def spoil(sender: Loopback) -> None:
        sender.publish([Message(f"{ROOT}/bulk/rows", b"too early: nothing describes it yet")])

    exchange, listener = Exchange(), Listener(ROOT)
    sender, receiver = Loopback(exchange), Loopback(exchange)
    receiver.subscribe([f"{ROOT}/#"])
    spoil(sender)
    foreign = [
        Message(f"{ROOT}/bulk/rows", bytes(range(256)) * 4096),
        Message(f"{ROOT}/bulk/samples/1000000", b""),
        Message(f"{ROOT}/meta", b"{"),
        Message(f"{ROOT}/another/plants/topic", b"21.5"),
    ]
    publish(plant, ORDER, sender, watch=lambda _: sender.publish(foreign))
    listen(listener, receiver)
    assert listener.counts.skipped == 3 * SLICES  # an empty payload says nothing
    assert listener.counts.reason
    assert listener.feed is not None
    assert listener.feed.losses().lost == 0
    assert listener.table().kpis["line.good_parts"].values > 0


def test_ctrl_c_closes_the_feed_with_what_was_sent(plant: Plant) -> None:
    exchange, stop = Exchange(), Event()
    sender, receiver, listener = Loopback(exchange), Loopback(exchange), Listener(ROOT)
    receiver.subscribe([f"{ROOT}/#"])

    def watch(sent: Sent) -> None:
        if sent.t_us >= window_of(ORDER).t0_us + CUT_SHORT:
            stop.set()

    sent = publish(plant, ORDER, sender, watch, stop)
    listen(listener, receiver)
    assert sent.meta.window.t1_us == window_of(ORDER).t0_us + CUT_SHORT
    assert listener.ended
    assert listener.feed is not None
    assert listener.feed.losses().lost == 0
    whole = describe(plant, "whole", epoch_ns(plant, ORDER), sent.meta.window)
    run = simulate(plant, warm_up_us=whole.window.t0_us, until_us=whole.window.t1_us)
    same(listener.table(), kpis.table(run.log, whole))


def test_a_listener_that_stops_early_reports_what_it_received(plant: Plant) -> None:
    exchange, listener = Exchange(), Listener(ROOT)
    sender, receiver = Loopback(exchange), Loopback(exchange)
    receiver.subscribe([f"{ROOT}/#"])
    seen: list[float] = []

    def watch(sent: Sent) -> None:
        if sent.t_us == window_of(ORDER).t0_us + CUT_SHORT:
            for message in receiver.messages():
                listener.take(message)
            table = listener.table()
            seen.extend([table.window.t1_us, float(table.kpis["line.good_parts"].values)])

    publish(plant, ORDER, sender, watch)
    assert window_of(ORDER).t0_us + CUT_SHORT - 120_000_000 < seen[0] <= window_of(ORDER).t0_us + CUT_SHORT
    assert seen[1] > 0


def test_a_run_that_was_over_before_is_not_taken_for_a_new_one(plant: Plant) -> None:
    exchange = Exchange()
    publish(plant, ORDER, Loopback(exchange))
    listener, receiver = Listener(ROOT), Loopback(exchange)
    receiver.subscribe([f"{ROOT}/#"])
    for message in receiver.messages():
        listener.take(message)
    assert listener.meta is None
    with pytest.raises(NoFeedError, match="no description"):
        listener.table()


def test_the_root_of_a_running_feed_is_found(plant: Plant) -> None:
    exchange = Exchange()
    meta = describe(plant, "now", 0, window_of(ORDER))
    Loopback(exchange).publish([Message("a/meta", b"foreign", retain=True), description.message(meta, "deep/er/root")])
    assert find_root(Loopback(exchange), Event()) == "deep/er/root"


def test_a_feed_without_description_is_read_with_a_plant_file(plant: Plant) -> None:
    exchange = Exchange()
    sender, receiver = Loopback(exchange), Loopback(exchange)
    receiver.subscribe([f"{ROOT}/#"])
    sent = publish(plant, ORDER, sender)
    own = describe(plant, "own", epoch_ns(plant, ORDER), window_of(ORDER))
    listener = Listener(ROOT, meta=own)
    for message in receiver.messages():
        if message.topic != f"{ROOT}/meta":
            listener.take(message)
    assert sent.truth is not None
    assert listener.table().kpis["line.good_parts"].values == sent.truth.good_parts
