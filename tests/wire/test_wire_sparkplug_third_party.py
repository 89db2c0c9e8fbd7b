"""Sparkplug payloads in foreign decoders: npm `sparkplug-payload`, PyPI `pysparkplug` and `mqtt-spb-wrapper`.

Needs FACTORY_SIM_THIRD_PARTY, a folder with `node_modules` and virtual environments `venv` and `spb`, as `.ci/run`
makes it.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from wire_feeds import ROOT, cells, random_readings, small_meta

from factory_sim.clock import ms_from_ns
from factory_sim.wire import meta as description
from factory_sim.wire.formats import sparkplug
from factory_sim.wire.mqtt.client import Client
from factory_sim.wire.payload_checks import ROW_RANGES
from factory_sim.wire.rising_times import RisingTimes
from factory_sim.wire.sparkplug import payload_reader
from factory_sim.wire.sparkplug.namespace import nodes
from factory_sim.wire.sparkplug.node import EdgeNode, historical
from factory_sim.wire.sparkplug.payload_types import Type
from factory_sim.wire.sparkplug.sessions import EdgeSessions

if TYPE_CHECKING:
    from factory_sim.records import Message, Readings
    from factory_sim.wire.broker.embedded import Broker

HERE = Path(__file__).parent
FOLDER = Path(os.environ.get("FACTORY_SIM_THIRD_PARTY", "/nonexistent"))
META = small_meta()
NODE = next(n for n in nodes(META, ROOT) if n.id == "housing_machining")
KINDS = {"NBIRTH": "NBirth", "DBIRTH": "DBirth", "DDATA": "DData", "NDATA": "NData", "NDEATH": "NDeath"}


def session() -> list[Message]:
    """A whole session of one edge node."""
    edge = EdgeNode(NODE, lambda device: [m.value for m in device.metrics])
    will = edge.will(1_767_229_200_000)
    messages = edge.opened(1_767_229_200_001)
    data = sparkplug.Encoder(META, ROOT).data(random_readings(META, 1, ticks=25, rows=60, holes=True))
    own = [m for m in data if m.topic.split("/")[3] == NODE.id]
    messages += [edge.data(m, 1_767_229_200_002) for m in own]
    messages += [edge.data(historical(m), 1_767_229_200_003) for m in own[:3]]
    return [*messages, edge.statistics(1_767_229_200_004), will]


READERS = {  # decoder -> its command, and what must be installed
    "npm sparkplug-payload": (["node", str(HERE / "third_party.cjs")], FOLDER / "node_modules" / "sparkplug-payload"),
    "pysparkplug": ([str(FOLDER / "venv" / "bin" / "python"), str(HERE / "third_party.py")], FOLDER / "venv"),
    "mqtt-spb-wrapper": ([str(FOLDER / "spb" / "bin" / "python"), str(HERE / "third_party_spb.py")], FOLDER / "spb"),
}
Metrics = list[tuple[str | None, int | None, int, Any]]  # name, alias, time and value


def metrics_of(reader: str, found: list[Any]) -> list[Metrics]:
    """Return the metrics of every message that a decoder has read."""
    if reader == "npm sparkplug-payload":
        return [[(m.get("name"), m.get("alias"), m["timestamp"], m.get("value")) for m in x["metrics"]] for x in found]
    if reader == "pysparkplug":
        return [[(name, alias, ms, value) for name, alias, ms, _, value, _ in each["metrics"]] for each in found]
    return [[(name, alias, ms, value) for name, alias, ms, value in each] for each in found]


@pytest.mark.parametrize("reader", READERS)
def test_a_decoder_reads_the_value_of_every_sensor_and_row_of_a_feed(reader: str, broker: Broker) -> None:
    words, needed = READERS[reader]
    if not needed.exists():
        pytest.skip(f"{reader} is not here")
    readings = random_readings(META, 4, ticks=12, rows=40, holes=True)
    with Client(broker.url) as client, EdgeSessions(broker.url) as sessions:
        client.subscribe(["spBv1.0/#"])
        sessions.publish([description.message(META, ROOT), *sparkplug.Encoder(META, ROOT).data(readings)])
        sessions.flush()
        of_devices = [m for m in client.messages(1.0) if m.topic.split("/")[2] in ("DBIRTH", "DDATA")]
    lines = [f"{KINDS[m.topic.split('/')[2]]} {m.topic.split('/')[-1]} {m.payload.hex()}" for m in of_devices]
    if reader == "npm sparkplug-payload":
        lines = [line.split()[2] for line in lines]
    names: dict[tuple[str, int | None], str] = {}  # device, alias -> name, from the births that the decoder has read
    values: dict[tuple[str, str, int], float] = {}
    for message, metrics in zip(of_devices, metrics_of(reader, run(words, lines)), strict=True):
        device = message.topic.split("/")[-1]
        for name, alias, ms, value in metrics:
            if "/DBIRTH/" in message.topic:
                assert name
                names[device, alias] = name
            else:
                values[device, names[device, alias], ms] = value
    assert values == pytest.approx(expected(readings), rel=1e-5)


def expected(readings: Readings) -> dict[tuple[str, str, int], float]:
    """Return device, metric and time -> value, from the raw counts and the rows."""
    found: dict[tuple[str, str, int], float] = {}
    for period_us, tick, sensor in (places := cells([readings])):
        facts = next(s for s in META.sensors if s.id == sensor)
        device = next(d for n in nodes(META, ROOT) for d in n.devices if d.unit == facts.unit)
        tag = device.metrics[
            len(device.metrics) - len(device.sensors) + device.sensors.index(META.sensors.index(facts))
        ]
        ms = ms_from_ns(META.epoch_ns + tick * period_us * 1_000)
        found[device.id, tag.name, ms] = places[period_us, tick, sensor] * facts.scale + facts.offset
    times = RisingTimes[int]()
    for t_ns, unit, *row in zip(
        *(getattr(readings.rows, c).tolist() for c in ("t_ns", "unit", *ROW_RANGES)), strict=True
    ):
        device = next(d for n in nodes(META, ROOT) for d in n.devices if d.unit == unit)
        ms = ms_from_ns(t_ns)
        ms += times.shift(unit, ms)
        found |= {(device.id, name, ms): value for name, value in zip(ROW_RANGES, row, strict=True)}
    return found


def run(words: list[str], lines: list[str]) -> Any:
    environment = {**os.environ, "NODE_PATH": str(FOLDER / "node_modules")}
    done = subprocess.run(words, input="\n".join(lines), capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def known(message: Message) -> dict[int, tuple[str, str]]:
    """alias -> name and type, from our own births."""
    topic, node = message.topic.split("/"), NODE
    device = next((d for d in node.devices if topic[-1] == d.id), None)
    return {m.alias: (m.name, m.type.name) for m in (device.metrics if device else node.metrics)}


@pytest.mark.skipif(not (FOLDER / "node_modules").is_dir(), reason="npm sparkplug-payload is not here")
def test_npm_sparkplug_payload_reads_every_message_as_we_do() -> None:
    messages = session()
    found = run(["node", str(HERE / "third_party.cjs")], [m.payload.hex() for m in messages])
    assert len(found) == len(messages)
    for message, theirs in zip(messages, found, strict=True):
        ours = payload_reader.payload(message.payload, needs_seq=False)
        assert theirs["timestamp"] == ours.timestamp
        assert theirs.get("seq") == (ours.seq if ours.HasField("seq") else None)
        assert len(theirs["metrics"]) == len(ours.metrics)
        for their, our in zip(theirs["metrics"], ours.metrics, strict=True):
            assert their["timestamp"] == our.timestamp
            assert bool(their.get("historical")) == our.is_historical
            if our.HasField("alias"):
                assert their["alias"] == our.alias
            if our.HasField("name"):
                assert their["name"] == our.name
                assert their.get("unit") == next((v.string_value for k, v in properties(our) if k == "engUnit"), None)


@pytest.mark.skipif(not (FOLDER / "venv" / "bin" / "python").exists(), reason="pysparkplug is not here")
def test_pysparkplug_reads_every_message_as_we_do() -> None:
    messages = session()
    lines = [f"{KINDS[m.topic.split('/')[2]]} {m.topic.split('/')[-1]} {m.payload.hex()}" for m in messages]
    found = run([str(FOLDER / "venv" / "bin" / "python"), str(HERE / "third_party.py")], lines)
    for message, theirs in zip(messages, found, strict=True):
        ours = payload_reader.payload(message.payload, needs_seq=False)
        assert theirs["seq"] == (ours.seq if ours.HasField("seq") else None)
        names = known(message)
        for their, our in zip(theirs["metrics"], ours.metrics, strict=True):
            name, alias, time_ms, kind, value, is_historical = their
            assert (time_ms, is_historical) == (our.timestamp, our.is_historical)
            assert alias == (our.alias if our.HasField("alias") else None)
            assert (name, kind) == (names[our.alias] if our.HasField("alias") else (our.name, kind))
            assert value == payload_reader.scalar(our, Type[kind])


def properties(metric: Any) -> list[tuple[str, Any]]:
    return list(zip(metric.properties.keys, metric.properties.values, strict=True))
