"""Runs that share a root, listeners that join late, and feeds without readings."""

from __future__ import annotations

import json
import socket
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import chain, repeat
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, Self

import pytest

import factory_sim as fs
from factory_sim import registry
from factory_sim.errors import BrokerError, ConflictError
from factory_sim.live import delivery, liveness
from factory_sim.live.delivery import Delivery, opened
from factory_sim.live.listen import Listener, NoReadingsError
from factory_sim.live.listen_result import listen_result
from factory_sim.live.publish import RunSetup, publish
from factory_sim.wire import meta as description
from factory_sim.wire import presence
from factory_sim.wire.broker import servers
from factory_sim.wire.broker.embedded import Broker
from factory_sim.wire.loopback import Loopback
from factory_sim.wire.mqtt.client import Client
from factory_sim.wire.mqtt.client_options import ClientOptions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from factory_sim.records import Message

PLANT = registry.load(Path(__file__).with_name("three.yaml"))
ROOT = "t/conflict"
SETUP = RunSetup(
    duration_s=600.0, slice_s=30.0, payload_format="machine", root=ROOT, start_ns=1_767_225_600_000_000_000
)


@pytest.fixture
def url() -> Iterator[str]:
    with Broker() as broker:
        yield broker.url


def feed_of(run_id: str, warm_up_s: float = 0.0) -> list[Message]:
    wire, start_ns = Loopback(), (SETUP.start_ns or 0) + round(warm_up_s * 1e9)
    wire.subscribe(["#"])
    publish(PLANT, replace(SETUP, run_id=run_id, warm_up_s=warm_up_s, start_ns=start_ns), wire)
    return [message for message in wire.messages() if message.payload]


def shifted(message: Message, seconds: int) -> Message:
    """The message of a row whose clock differs."""
    row = json.loads(message.payload)
    return replace(message, payload=json.dumps({**row, "t_ns": row["t_ns"] + seconds * 10**9}).encode())


def opening_of(run_id: str) -> Message:
    return replace(feed_of(run_id)[0], retain=True)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@contextmanager
def live(url: str, run_id: str) -> Iterator[list[str]]:
    """A run in real time, in a thread; it ends with the context."""
    stop, said = Event(), list[str]()
    setup = replace(SETUP, speed=1.0, run_id=run_id)

    def perform() -> None:
        options = ClientOptions(is_stopped=stop.is_set)
        with opened(PLANT, setup, Delivery(url=url, client=options), said.append) as (sender, known, _):
            publish(PLANT, known, sender, stop=stop)

    thread = threading.Thread(target=perform)
    thread.start()
    try:
        yield said
    finally:
        stop.set()
        thread.join(60)


def wait_until_retained(url: str, topic: str) -> None:
    with Client(url) as client:
        client.subscribe([topic], qos=0)
        assert next(iter(client.messages(30.0)), None) is not None


def test_a_second_run_below_the_root_of_a_live_one_is_refused_and_may_take_it_over(url: str) -> None:
    with live(url, "first"):
        wait_until_retained(url, f"{ROOT}/meta")
        with (
            pytest.raises(ConflictError, match=rf"run first is live below {ROOT}.*\n.*--takeover"),
            opened(PLANT, SETUP, Delivery(url=url), print),
        ):
            pass
        with opened(PLANT, SETUP, Delivery(url=url, takeover=True), print) as (_, known, _):
            assert known.run_id != "first"


def test_a_run_that_ended_or_whose_publisher_died_does_not_occupy_its_root(url: str) -> None:
    with Client(url, presence=presence.of_run(ROOT, "dead")) as client:
        client.publish([opening_of("dead")])
        client.flush()
        assert client.stream is not None
        client.stream.connection.close()  # without a DISCONNECT: the broker publishes the will
        time.sleep(0.5)
        with Client(url) as probe:
            said: list[str] = []
            assert liveness.live_run(probe, ROOT, say=said.append) == ""
            assert said == []  # it does not wait for signs of life
    with opened(PLANT, SETUP, Delivery(url=url), print) as (sender, known, _):
        publish(PLANT, known, sender)
    with Client(url) as probe:
        assert liveness.live_run(probe, ROOT) == ""


def test_a_silent_run_without_a_status_counts_as_ended_after_a_while(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(liveness, "LIVE_S", 0.5)
    said: list[str] = []
    with Client(url) as client:
        client.publish([opening_of("old")])
        client.flush()
        assert liveness.live_run(client, ROOT, say=said.append) == ""
    assert said == [f"Run old below {ROOT} has not ended: waiting at most 0.5 s for a sign of life."]


def test_a_heartbeat_alone_shows_that_a_run_is_live(url: str) -> None:
    alive = replace(presence.of_run(ROOT, "calm"), heartbeat_s=0.5)
    with Client(url, presence=alive) as client, Client(url) as probe:
        client.publish([opening_of("calm")])
        client.flush()
        stop = Event()

        def serve() -> None:
            while not stop.is_set():
                client.wait(0.1)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            assert liveness.live_run(probe, ROOT) == "calm"
            assert liveness.live_run(probe, ROOT, own="calm") == ""
        finally:
            stop.set()
            thread.join(60)


def test_the_description_of_another_run_while_one_is_live_is_a_conflict() -> None:
    first, second, clock = feed_of("first"), feed_of("second"), Clock()
    listener = Listener(ROOT, clock=clock)
    for message in [*first[:200], second[0], *first[200:]]:
        listener.take(message)
    assert listener.meta is not None
    assert (listener.meta.run_id, listener.ended) == ("first", True)
    result = listen_result(listener, listener.table())
    assert result.conflicts == (f"Run second began below {ROOT} while run first was live: it is ignored.",)
    assert (result.feed.lost, result.unfinished) == (0, ())


def test_an_altered_description_of_a_live_run_is_a_conflict() -> None:
    first = feed_of("first")
    meta = description.decode(first[0].payload)
    altered = description.message(replace(meta, sensors=meta.sensors[:-1]), ROOT)
    listener = Listener(ROOT)
    for message in [*first[:200], altered, *first[200:]]:
        listener.take(message)
    assert list(listener.conflicts) == [f"The description of run first was altered below {ROOT}: it is ignored."]
    assert listener.feed is not None
    assert (listener.ended, listener.feed.losses().lost) == (True, 0)


@pytest.mark.parametrize("how", ["silence", "will"])
def test_a_silent_run_is_kept_as_unfinished_and_the_new_one_begins(how: str) -> None:
    first, second, clock = feed_of("first"), feed_of("second"), Clock()
    listener = Listener(ROOT, clock=clock)
    for message in first[:400]:
        listener.take(message)
    if how == "silence":
        clock.now = liveness.LIVE_S
    else:
        listener.take(presence.of_run(ROOT, "first").offline)
    for message in second:
        listener.take(message)
    result = listen_result(listener, listener.table())
    assert (result.run_id, result.ended, result.conflicts) == ("second", True, ())
    (unfinished,) = result.unfinished
    assert (unfinished.run_id, unfinished.ended) == ("first", False)
    assert 0 < unfinished.feed.readings < result.feed.readings
    assert unfinished.kpis["line.good_parts"].values["line"] >= 0


def test_a_broken_run_that_is_resumed_from_a_snapshot_begins_anew_under_its_id() -> None:
    listener = Listener(ROOT, clock=Clock())
    for message in [*feed_of("first")[:400], presence.of_run(ROOT, "first").offline]:
        listener.take(message)
    for message in feed_of("first", warm_up_s=300.0):
        listener.take(message)
    result = listen_result(listener, listener.table())
    assert (result.run_id, result.ended, result.conflicts) == ("first", True, ())
    assert (result.window_us, result.feed.lost) == ((300_000_000, 900_000_000), 0)
    assert [(each.run_id, each.ended) for each in result.unfinished] == [("first", False)]


def test_a_run_resumed_from_its_snapshot_is_not_refused_below_its_own_root(url: str, tmp_path: Path) -> None:
    options: dict[str, Any] = {"root": ROOT, "duration": "5 min", "speed": "max", "progress": False}
    file = Path(__file__).with_name("three.yaml")
    first = fs.publish(file, url, save=tmp_path / "now.npz", **options)
    with live(url, first.result.run_id):
        with Client(url) as probe:
            while liveness.live_run(probe, ROOT) != first.result.run_id:
                time.sleep(0.1)
        with pytest.raises(ConflictError, match="is live below"):
            fs.publish(file, url, **options)
        second = fs.publish(broker=url, resume=tmp_path / "now.npz", save=tmp_path / "later.npz", **options)
    third = fs.publish(broker=url, resume=tmp_path / "later.npz", **options)
    assert first.result.run_id == second.result.run_id == third.result.run_id


def test_a_listener_that_joins_late_reports_the_window_that_it_received() -> None:
    feed, half_ns = feed_of("late"), (SETUP.start_ns or 0) + 300_000_000_000
    whole, late = Listener(ROOT), Listener(ROOT)
    for message in feed:
        whole.take(message)
    last = {m.topic: replace(m, retain=True) for m in feed[1:] if m.ready_ns < half_ns and m.topic.endswith("/event")}
    live_part = [m for m in feed[1:] if not m.ready_ns or m.ready_ns >= half_ns]
    for message in [replace(feed[0], retain=True), *last.values(), *live_part]:
        late.take(message)
    result = listen_result(late, late.table())
    assert result.joined_us == result.window_us[0]
    assert 299e6 < result.window_us[0] < 310e6
    assert (result.ended, result.feed.lost) == (True, 0)
    table = late.table()
    hours = (table.window.t1_us - table.window.t0_us) / 3.6e9
    good, rate = (float(table.kpis[name].values) for name in ("line.good_parts", "line.throughput_per_h"))
    assert good > 0
    assert rate == pytest.approx(good / hours)


def test_one_clock_that_is_behind_does_not_move_the_time_at_which_a_listener_joined() -> None:
    feed, half_ns = feed_of("behind"), (SETUP.start_ns or 0) + 300_000_000_000
    right, wrong = Listener(ROOT), Listener(ROOT)
    for message in [replace(feed[0], retain=True), *(m for m in feed[1:] if not m.ready_ns or m.ready_ns >= half_ns)]:
        right.take(message)
        wrong.take(shifted(message, -200) if "/M002/event" in message.topic else message)
    assert right.joined_us is not None
    assert wrong.joined_us == pytest.approx(right.joined_us, abs=5e6)


def test_one_clock_that_is_ahead_does_not_move_the_end_of_a_running_feed() -> None:
    feed = feed_of("ahead")
    half = feed[: len(feed) // 2]
    right, wrong = Listener(ROOT), Listener(ROOT)
    for message in half:
        right.take(message)
        wrong.take(shifted(message, 200) if "/M002/event" in message.topic else message)
    for name in ("line.good_parts_per_h", "line.throughput_per_h"):
        expected, found = (float(each.table().kpis[name].values) for each in (right, wrong))
        assert found == pytest.approx(expected, rel=0.01)


def test_a_feed_without_readings_has_no_kpis() -> None:
    feed = feed_of("mute")
    listener = Listener(ROOT)
    listener.take(feed[0])
    listener.take(feed[-1])
    with pytest.raises(NoReadingsError, match=rf"No reading of run mute arrived below {ROOT}, so there are no KPIs\."):
        listener.table()


@pytest.mark.parametrize("server", servers.installed())
@pytest.mark.parametrize("qos", [0, 1])
def test_our_own_broker_waits_for_a_slow_subscriber_and_reports_its_backlog(
    server: str, qos: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(servers, "SERVERS", {server: servers.SERVERS[server]})
    monkeypatch.setattr(delivery, "LINGER_S", 0.0)
    monkeypatch.setattr(delivery, "_REPORT_S", 0.0)
    monkeypatch.setattr(delivery, "PORTS", {"mqtt": 0, "mqtts": 0})
    said: list[str] = []
    with SlowSubscriber(qos) as slow:
        with opened(PLANT, SETUP, Delivery(linger_s=20.0), said.append) as (sender, known, url):
            slow.begin(url)
            sent = publish(PLANT, known, sender)
            slow.may_read.set()
        assert slow.end() >= sent.messages
    assert any("behind; our broker waits" in text for text in said)
    assert not any(text.startswith("!") for text in said)


def test_a_backlog_that_grows_is_no_progress_of_a_subscriber(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = chain(((21_692, 248_127 + again) for again in range(60)), repeat((0, 0)))  # a broker that sends again
    monkeypatch.setattr(Broker, "backlog", lambda _: next(sizes))
    monkeypatch.setattr(delivery, "LINGER_S", 0.0)
    monkeypatch.setattr(delivery, "PORTS", {"mqtt": 0, "mqtts": 0})
    said: list[str] = []
    with opened(PLANT, SETUP, Delivery(linger_s=1.0), said.append):
        pass
    assert said[-1].startswith("! Subscribers were 21,692 messages and 248,1")


class SlowSubscriber:
    """A subscriber that takes its messages late, in a thread of its own."""

    def __init__(self, qos: int) -> None:
        self.qos, self.count, self.ready, self.may_read = qos, 0, Event(), Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.thread.join(60)

    def begin(self, url: str) -> None:
        self.thread = threading.Thread(target=self._serve, args=(url,))
        self.thread.start()
        assert self.ready.wait(60)

    def _serve(self, url: str) -> None:
        with suppress(BrokerError), Client(url, reconnect_timeout_s=0.1) as client:
            assert client.stream is not None
            client.stream.connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.subscribe([f"{ROOT}/#"], qos=self.qos)
            self.ready.set()
            self.may_read.wait(60)
            time.sleep(2.0)
            for message in client.messages(5.0):
                self.count += not message.topic.endswith("/status")

    def end(self) -> int:
        self.thread.join(60)
        return self.count


def test_a_listener_that_joined_late_ends_with_a_run_whose_broker_goes_away() -> None:
    feed, half_ns = feed_of("gone"), (SETUP.start_ns or 0) + 300_000_000_000
    late_part = [each for each in feed[1:] if not each.ready_ns or each.ready_ns >= half_ns]
    subscribed, found = Event(), list[fs.Feed]()

    def follow(url: str) -> None:
        found.append(fs.listen(url, root=ROOT, progress=lambda _: subscribed.set()))

    with Broker() as broker:
        thread = threading.Thread(target=follow, args=[broker.url])
        with Client(broker.url) as sender, Client(broker.url) as echo:
            sender.publish([replace(feed[0], retain=True)])
            thread.start()
            assert subscribed.wait(60)
            echo.subscribe([f"{ROOT}/#"])
            sender.publish(late_part)
            sender.flush()
            for _ in echo.messages(1.0):  # as long as the listener receives, too
                pass
    thread.join(60)
    assert [(each.result.ended, each.result.joined_us is None) for each in found] == [(True, False)]
