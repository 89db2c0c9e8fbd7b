"""Foreign feeds through a real broker: JSON, bare words, and Sparkplug by name and by alias."""

from __future__ import annotations

import os
import re
import subprocess
import time
from itertools import count
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING

import orjson
import pytest

import factory_sim as fs
from factory_sim.api.foreign.reading import first_map
from factory_sim.records import Message
from factory_sim.wire.broker.embedded import Broker
from factory_sim.wire.mqtt.client import Client
from factory_sim.wire.mqtt.client_options import ClientOptions
from wire_brokers import TOOLS, mosquitto

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

THIRD_PARTY = Path(os.environ.get("FACTORY_SIM_THIRD_PARTY", "/nonexistent"))
THREE = Path(__file__).parents[1] / "recorded" / "data" / "plants" / "three_machines.yaml"
MAP = """
feed: cell
units: [M1, M2, M3]
clock: {time: $.t, late: 1 s}
states: {RUNNING: busy, IDLE: starved, "*": refuse}
sources:
  - {mqtt: "json/{unit}/status", state: $.state, count: $.count}
  - {mqtt: "words/{unit}/state", state: $}
  - {mqtt: "words/{unit}/count", count: $}
"""


@pytest.fixture(scope="module")
def broker_url() -> Iterator[str]:
    with Broker() as broker:
        yield broker.url


def listened(
    url: str, path: Path, messages: Callable[[int], list[Message]], n: int, foreign: Callable[[], object] = lambda: None
) -> fs.Reading:
    """Return what is read of messages that are published once the listener has subscribed."""

    def publish() -> None:
        with Client(url, ClientOptions()) as client:
            for i in range(n):
                client.publish(messages(i))
            client.flush()

    return heard(url, path, publish if n else foreign)


def heard(url: str, path: Path, publish: Callable[[], object], **login: str) -> fs.Reading:
    """Return what is read of what `publish` publishes."""
    ready, stop, found = Event(), Event(), []

    def progress(event: fs.ProgressEvent) -> None:
        if event.stage == "subscribed":
            ready.set()

    listener = Thread(target=lambda: found.append(fs.listen(url, map=path, progress=progress, stop=stop, **login)))
    listener.start()
    assert ready.wait(60)
    time.sleep(0.3)  # the broker answers a subscription a little later
    publish()
    time.sleep(3)  # a busy machine takes so long to receive it
    stop.set()
    listener.join(60)
    return found[0]


def test_json_and_bare_words_yield_parts(tmp_path: Path, broker_url: str) -> None:
    path = tmp_path / "feed.yaml"
    path.write_text(MAP, encoding="utf-8")
    begin = time.time() - 1000

    def messages(i: int) -> list[Message]:
        state = "RUNNING" if i % 10 >= 2 else "IDLE"
        status = orjson.dumps({"t": begin + 10 * i, "state": state, "count": i // 10})
        return [
            Message("json/M1/status", status),
            Message("words/M2/state", state.encode()),
            Message("words/M2/count", str(i // 10).encode()),
            Message("json/M9/status", status),
            Message("json/M1/status", b"\xff\x00"),
        ]

    found = listened(broker_url, path, messages, 60)
    kpis, skipped = found.kpis(), {each.reason: each.count for each in found.result.skipped}
    assert kpis["machine.parts", "M1"] == 5
    assert kpis["machine.cycle_time_s", "M1"] == pytest.approx(80)
    assert kpis["machine.parts", "M2"] == 5
    assert skipped["payload that is neither JSON nor text"] == 60
    assert any("unit" in reason for reason in skipped)


GATEWAY = """
feed: gateway
units: [M1, M2]
states: {Running: busy, Idle: starved, "*": refuse}
sources:
  - mqtt: iotgateway
    each: $.values
    layout: long
    columns: {item: $.id, value: $.v}
    clock: {time: $.t}
    state: "Channel1.{unit}.Status"
    count: "Channel1.{unit}.PartCount"
"""


def test_an_array_of_tags_yields_the_parts_of_each_unit(tmp_path: Path, broker_url: str) -> None:
    path = tmp_path / "feed.yaml"
    path.write_text(GATEWAY, encoding="utf-8")
    begin_ms = int(time.time() - 1000) * 1000

    def messages(i: int) -> list[Message]:
        t_ms = begin_ms + 10_000 * i
        tags = {"Status": "Running" if i % 10 >= 2 else "Idle", "PartCount": i // 10, "Other": 1}
        values = [
            {"id": f"Channel1.{unit}.{tag}", "v": value, "q": True, "t": t_ms}
            for unit in ("M1", "M2")
            for tag, value in tags.items()
        ]
        return [Message("iotgateway", orjson.dumps({"timestamp": t_ms, "values": values}))]

    found = listened(broker_url, path, messages, 60)
    for unit in ("M1", "M2"):
        assert found.kpis()["machine.parts", unit] == 5
        assert found.kpis()["machine.cycle_time_s", unit] == pytest.approx(80)
    assert found.result.skipped == ()


@pytest.mark.skipif(TOOLS["mosquitto_sub"] is None, reason="mosquitto_sub is not here")
def test_a_recording_of_a_mapped_feed_is_refused_with_a_way_that_keeps_every_payload(
    tmp_path: Path, broker_url: str
) -> None:
    path = tmp_path / "feed.yaml"
    path.write_text(MAP, encoding="utf-8")
    with pytest.raises(fs.ConfigError) as caught:
        fs.listen(broker_url, map=path, record=tmp_path / "run")
    found = re.search(r"Capture its messages: (mosquitto_sub .*); then: factory-sim read (.*)\.", str(caught.value))
    assert found is not None
    assert found[2] == f"--map {path} capture.jsonl"
    begin, messages = time.time() - 1000, []
    for i in range(60):
        state = "RUNNING" if i % 10 >= 2 else "IDLE"
        status = orjson.dumps({"t": begin + 10 * i, "state": state, "count": i // 10})
        words = [Message("words/M2/state", state.encode()), Message("words/M2/count", str(i // 10).encode())]
        messages += [Message("json/M1/status", status), *words, Message("words/M2/state", b"\xff\x00")]
    with subprocess.Popen(["bash", "-c", f"exec {found[1]}"], cwd=tmp_path) as capture:
        live = listened(broker_url, path, lambda i: messages[4 * i : 4 * i + 4], 60)
        capture.terminate()
    read = fs.read(tmp_path / "capture.jsonl", map=path)
    for unit in ("M1", "M2"):
        assert live.kpis()["machine.parts", unit] == read.kpis()["machine.parts", unit] == 5
    assert live.kpis()["machine.cycle_time_s", "M1"] == read.kpis()["machine.cycle_time_s", "M1"]
    counts = [{each.reason: each.count for each in reading.result.skipped} for reading in (live, read)]
    assert counts[0] == counts[1] == {"payload that is neither JSON nor text": 60}


UNS = """
feed: uns
units: [M1, M2]
clock: {time: $.t, late: 1 s}
states: {Execute: busy, Idle: starved, "*": refuse}
sources:
  - {mqtt: "acme/site1/+/{unit}/Status/StateCurrent", state: $.value}
  - {mqtt: "acme/site1/+/{unit}/Admin/ProdProcessedCount", count: $.value}
"""


def test_unified_namespace_topics_with_one_value_each_yield_parts(tmp_path: Path, broker_url: str) -> None:
    path = tmp_path / "feed.yaml"
    path.write_text(UNS, encoding="utf-8")
    begin = time.time() - 1000

    def messages(i: int) -> list[Message]:
        state, count = ("Execute" if i % 10 >= 2 else "Idle"), i // 10
        return [
            Message(f"acme/site1/{cell}/{unit}/{tag}", orjson.dumps({"t": begin + 10 * i, "value": value}))
            for cell, unit in (("milling", "M1"), ("turning", "M2"))
            for tag, value in (("Status/StateCurrent", state), ("Admin/ProdProcessedCount", count), ("Other", 1))
        ]

    found = listened(broker_url, path, messages, 60)
    kpis = found.kpis()
    for unit in ("M1", "M2"):
        assert kpis["machine.parts", unit] == 5
        assert kpis["machine.cycle_time_s", unit] == pytest.approx(80)
    assert list(found.result.skipped) == []  # a topic that no source names is not subscribed to


SPARKPLUG = """
feed: spb
units: [M1]
states: {RUN: busy, STOP: starved}
sources:
  - {sparkplug: "Plant1/+/{unit}", state: State/Current, count: Count}
"""


def expect_the_edge_node(found: fs.Reading) -> None:
    assert found.kpis()["machine.parts", "M1"] == 5
    assert found.kpis()["machine.cycle_time_s", "M1"] == pytest.approx(80)


def test_an_edge_node_of_pysparkplug_yields_parts(tmp_path: Path, broker_url: str) -> None:
    python = THIRD_PARTY / "venv" / "bin" / "python"
    if not python.exists():
        pytest.skip("pysparkplug is not here")
    path = tmp_path / "feed.yaml"
    path.write_text(SPARKPLUG, encoding="utf-8")
    words = [str(python), str(Path(__file__).with_name("third_party_node.py")), broker_url.rpartition(":")[2]]
    expect_the_edge_node(heard(broker_url, path, lambda: subprocess.run(words, check=True, timeout=60)))


@pytest.mark.skipif(TOOLS["mosquitto_passwd"] is None, reason="mosquitto is not here")
def test_an_edge_node_of_npm_sparkplug_client_yields_parts_with_user_and_password(tmp_path: Path) -> None:
    if not (THIRD_PARTY / "node_modules" / "sparkplug-client").exists():
        pytest.skip("npm sparkplug-client is not here")
    path, users = tmp_path / "feed.yaml", tmp_path / "users"
    path.write_text(SPARKPLUG, encoding="utf-8")
    login = {"user": "edge", "password": "secret"}
    subprocess.run([str(TOOLS["mosquitto_passwd"]), "-b", "-c", str(users), *login.values()], check=True)
    with mosquitto(tmp_path, "allow_anonymous false", f"password_file {users}") as port:
        words = ["node", str(Path(__file__).with_name("third_party_node.cjs")), str(port), *login.values()]
        found = heard(f"mqtt://127.0.0.1:{port}", path, lambda: subprocess.run(words, check=True, timeout=60), **login)
    expect_the_edge_node(found)


def test_map_proposes_the_topics_the_words_and_the_counter(broker_url: str) -> None:
    stop = Event()

    def publish() -> None:
        with Client(broker_url, ClientOptions()) as client:
            for i in count():  # until the reader has been there for its 3 s
                body = {
                    "timestamp": "2026-05-04T06:00:00Z",
                    "state": "RUNNING" if i % 4 else "FAULT",
                    "count": i,
                    "odd": "x",
                }
                client.publish([Message(f"plant/{unit}/status", orjson.dumps(body)) for unit in ("A1", "A2")])
                client.flush()
                if stop.wait(0.1):
                    return

    publisher = Thread(target=publish)
    publisher.start()
    text = first_map(broker=broker_url, topics=["plant/#"], duration="3 s", progress=False)
    stop.set()
    publisher.join(60)
    for expected in (
        "units: [A1, A2]",
        "plant/{unit}/status",
        "RUNNING: busy",
        "FAULT: down",
        "state: $.state",
        "count: $.count",
        "$.odd",
    ):
        assert expected in text.replace('"', "")


def test_a_listener_of_our_own_feed_applies_stop_rules(tmp_path: Path, broker_url: str) -> None:
    stops = tmp_path / "stops.yaml"
    stops.write_text("stops: {micro: 5 min}\nlosses: {availability: [down, repair, starved]}\n", encoding="utf-8")
    ready, found = Event(), []

    def progress(event: fs.ProgressEvent) -> None:
        if event.stage == "subscribed":
            ready.set()

    def listen() -> None:
        found.append(fs.listen(broker_url, root="own/stops", stops=stops, progress=progress))

    listener = Thread(target=listen)
    listener.start()
    assert ready.wait(60)
    fs.publish(THREE, broker=broker_url, root="own/stops", duration="30 min", speed="max", progress=False)
    listener.join(60)
    losses = found[0].result.stops
    assert losses is not None
    assert losses.loss_table["availability"] == ("down", "repair", "starved")
    assert [sum(each.values()) for each in losses.losses_s.values()] == [pytest.approx(1800)] * 3
