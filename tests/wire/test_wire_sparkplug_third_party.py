"""What we send, read by code that knows nothing of us: npm `sparkplug-payload` and PyPI `pysparkplug`.

Needs FACTORY_SIM_THIRD_PARTY, a folder with `node_modules` and a virtual environment `venv`, as `.ci/run` makes it.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from wire_feeds import ROOT, random_readings, small_meta

from factory_sim.wire.formats import sparkplug
from factory_sim.wire.sparkplug import payload_reader
from factory_sim.wire.sparkplug.namespace import nodes
from factory_sim.wire.sparkplug.node import EdgeNode, historical
from factory_sim.wire.sparkplug.payload_types import Type

if TYPE_CHECKING:
    from factory_sim.records import Message

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
