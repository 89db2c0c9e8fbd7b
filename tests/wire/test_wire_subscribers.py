"""Other people's subscribers hear what we publish: npm `mqtt`, Node-RED with the flows of the docs, mosquitto_sub.

Needs FACTORY_SIM_THIRD_PARTY, a folder with `node_modules` and a virtual environment `venv`, as `.ci/run` makes it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tomllib
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from wire_feeds import cells, random_readings, small_meta

from factory_sim.records import Message
from factory_sim.wire import kpi_messages, topics
from factory_sim.wire import meta as description
from factory_sim.wire.formats import FORMATS
from factory_sim.wire.mqtt.client import Client
from factory_sim.wire.sparkplug.namespace import nodes
from factory_sim.wire.sparkplug.node import EdgeNode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from factory_sim.wire.broker.embedded import Broker

HERE = Path(__file__).parent
FLOWS = HERE.parents[1] / "docs" / "subscribers"
FOLDER = Path(os.environ.get("FACTORY_SIM_THIRD_PARTY", "/nonexistent"))
MODULES = FOLDER / "node_modules"
META = small_meta()
READINGS = random_readings(META, 3, ticks=3, rows=40)
ROOT = "works/site/subscribers"
WAIT_S = 60.0
SETTINGS = """module.exports = {uiPort: 0, uiHost: "127.0.0.1", httpAdminRoot: false, httpNodeRoot: false,
  functionExternalModules: true, externalModules: {autoInstall: false}, credentialSecret: false}"""


def named_values(tick: int) -> dict[str, float]:
    """unit/tag -> value of every sensor of one period that has a reading at `tick`, from the raw counts."""
    units, tags, found = topics.unit_topics(META, ROOT), topics.sensor_tags(META), {}
    for (_, at, sensor), raw in cells([READINGS]).items():
        place, facts = next((k, s) for k, s in enumerate(META.sensors) if s.id == sensor)
        if at == tick:
            unit = units[facts.unit].rpartition("/")[2]
            found[f"{unit}/{tags[place]}"] = raw * facts.scale + facts.offset
    return found


def publish_until(url: str, messages: list[Message], lines: list[str], is_enough: Callable[[], bool]) -> None:
    """Publish repeatedly: a foreign program does not report when it has subscribed."""
    with Client(url) as client:
        for _ in range(int(WAIT_S / 0.5)):
            client.publish(messages)
            client.flush()
            list(client.messages(0.5))
            if is_enough():
                return
    pytest.fail(f"what was to be heard was not; the program said:\n{''.join(lines)[-9_000:]}")


@contextmanager
def lines_of(words: list[str], folder: Path) -> Iterator[list[str]]:
    """What a program prints, as it comes."""
    environment = {**os.environ, "NODE_PATH": str(MODULES)}
    found: list[str] = []
    with subprocess.Popen(
        words, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as program:
        assert program.stdout is not None
        reader = Thread(target=lambda: found.extend(iter(program.stdout.readline, "")))  # type: ignore[union-attr]
        reader.start()
        try:
            yield found
        finally:
            program.kill()
            reader.join()


@pytest.mark.skipif(not (MODULES / "mqtt").is_dir(), reason="npm mqtt is not here")
@pytest.mark.parametrize("version", ["4", "5"])  # the protocol's number of 3.1.1, and 5, which the broker may not speak
def test_npm_mqtt_receives_every_message_as_it_was_sent(broker: Broker, tmp_path: Path, version: str) -> None:
    sent = FORMATS["machine"].encoder(META, f"{ROOT}/{version}").data(READINGS)
    script = str(HERE / "third_party_mqtt.cjs")
    with lines_of(["node", script, broker.url, f"{ROOT}/{version}/#", version], tmp_path) as lines:
        wanted = {(m.topic, m.payload.decode()) for m in sent}

        def heard() -> set[tuple[str, str]]:
            return {tuple(json.loads(line)) for line in lines if line.startswith("[")}

        publish_until(broker.url, sent, lines, lambda: heard() >= wanted or "refused" in "".join(lines))
        if "refused" not in "".join(lines):
            assert heard() == wanted
        else:
            assert version == "5"
            assert broker.name == "nats"


@pytest.mark.skipif(not (MODULES / "node-red").is_dir(), reason="npm node-red is not here")
def test_node_red_runs_the_flows_of_the_docs(broker: Broker, tmp_path: Path) -> None:
    node = next(n for n in nodes(META, ROOT) if n.id == "housing_machining")
    edge = EdgeNode(node, lambda device: [m.value for m in device.metrics])
    edge.will(1_767_229_200_000)
    births = edge.opened(1_767_229_200_001)
    samples = [m for m in FORMATS["sparkplug"].encoder(META, ROOT).data(READINGS) if f"/{node.id}/" in m.topic]
    kpis = Message(f"{ROOT}/kpi/line", b'{"v":1,"kpis":{"line.oee":{"value":0.81,"unit":"1"}}}')
    plain = FORMATS["machine"].encoder(META, ROOT).data(READINGS)
    down = {m.topic for m in plain if m.topic.endswith("/event") and b'"down"' in m.payload}
    assert down
    first = min(tick for _, tick, _ in cells([READINGS]))
    wanted, devices = named_values(first), {device.id for device in node.devices}
    spark = {f"{node.id}/{name}": value for name, value in wanted.items() if name.partition("/")[0] in devices}
    assert spark
    with lines_of(node_red(broker, tmp_path), tmp_path) as lines:

        def is_enough() -> bool:
            found = heard(lines)
            reported = {name for name, values in found["splog"].items() if any(v is not None for v in values)}
            return wanted.keys() <= found["values"].keys() and spark.keys() <= reported and len(found["log"]) > 1

        publish_until(broker.url, [*births, *samples, kpis, *plain], lines, is_enough)
        found = heard(lines)
    assert {value for value in found["log"] if "line.oee" in value}
    for topic in down:
        assert any(value.startswith(f'"{topic} is down, mode ') for value in found["log"]), topic
    for name, value in wanted.items():
        assert value in [pytest.approx(float(v)) for v in found["values"][name]], name
    for name, value in spark.items():  # the same out of Sparkplug, whose floats tell all counts apart
        values = [v for v in found["splog"][name] if v is not None]
        assert value in [pytest.approx(v, rel=1e-6) for v in values], name


def node_red(broker: Broker, folder: Path) -> list[str]:
    """The command; both flows, with the broker's port, and log lines instead of pictures in a browser."""
    flow: list[dict[str, Any]] = []
    for name in ("node_red_flow.json", "node_red_sparkplug.json"):
        flow += json.loads((FLOWS / name).read_text(encoding="utf-8"))
    for each in flow:
        if each["type"] == "mqtt-broker":
            assert each["port"] == "1883"
            each["port"] = str(broker.port)
        if each["type"] == "debug":
            each.update(type="function", outputs=0, func="node.warn(JSON.stringify([msg.topic, msg.payload]))")
            each["name"] = each["id"]
    (folder / "flow.json").write_text(json.dumps(flow))
    (folder / "settings.js").write_text(SETTINGS)
    packages = {"sparkplug-payload": "*", "protobufjs": "*"}
    (folder / "package.json").write_text(json.dumps({"name": "u", "dependencies": packages}))
    (folder / "node_modules").symlink_to(MODULES)
    program = str(MODULES / "node-red" / "red.js")
    return ["node", program, "--settings", "settings.js", "--userDir", str(folder), "flow.json"]


def heard(lines: list[str]) -> dict[str, Any]:
    """What each debug node was given: of `log` the payloads, of the others topic -> payloads."""
    found: dict[str, Any] = {"log": [], "values": {}, "splog": {}}
    for line in list(lines):
        match = re.search(r"\[function:(log|values|splog)\] (\[.*\])$", line.rstrip())
        if match:
            topic, payload = json.loads(match[2])
            if match[1] == "log":
                found["log"].append(json.dumps(payload))
            else:
                found[match[1]].setdefault(topic, []).append(payload)
    return found


@pytest.mark.skipif(shutil.which("mosquitto_sub") is None, reason="mosquitto_sub is not here")
def test_mosquitto_sub_shows_a_namespace_with_its_retained_description(broker: Broker, tmp_path: Path) -> None:
    root = f"{ROOT}/uns"
    sent = FORMATS["uns"].encoder(META, root).data(READINGS)
    retained = {m.topic: m.payload.decode() for m in sent if m.retain}
    with Client(broker.url) as client:
        client.publish([description.message(META, root), *sent])
        client.flush()
    place = ["-h", "127.0.0.1", "-p", str(broker.port)]
    words = ["mosquitto_sub", *place, "-t", f"{root}/#", "-F", "%r %t %p", "-C", str(len(retained) + 1), "-W", "30"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=tmp_path)
    found = {line.split(" ", 2)[1]: line.split(" ", 2)[2] for line in done.stdout.splitlines()}
    assert all(line.startswith("1 ") for line in done.stdout.splitlines())  # retained, all of them
    reported = found.pop(f"{root}/meta")
    assert json.loads(reported)["version"] == META.version
    assert found == retained


def test_the_telegraf_configuration_makes_fields_and_tags_of_what_we_send() -> None:
    (consumer,) = tomllib.loads((FLOWS / "telegraf.conf").read_text(encoding="utf-8"))["inputs"]["mqtt_consumer"]
    (parsing,), (reader,) = consumer["topic_parsing"], consumer["json_v2"]
    (whole,) = reader["object"]
    assert consumer["servers"] == ["tcp://127.0.0.1:1883"]
    assert consumer["topics"] == [parsing["topic"]]
    assert (reader["timestamp_format"], whole["path"]) == ("unix_ns", "@this")
    sensors = {unit: set[str]() for unit in topics.unit_topics(META, ROOT)}
    for facts, tag in zip(META.sensors, topics.sensor_tags(META), strict=True):
        sensors[topics.unit_topics(META, ROOT)[facts.unit]].add(tag)
    data = [m for m in FORMATS["machine"].encoder(META, ROOT).data(READINGS) if m.topic.endswith("/data")]
    series = []
    for message in data:
        assert topics.matches(parsing["topic"], message.topic)
        names, levels = parsing["tags"].split("/"), message.topic.split("/")
        tags = {name: level for name, level in zip(names, levels, strict=True) if name != "_"}
        unit = message.topic.removesuffix("/data")
        assert "/".join(tags[k] for k in ("section", "operation", "machine")) == unit.removeprefix(f"{ROOT}/")
        found = json.loads(message.payload)
        assert type(found[reader["timestamp_path"]]) is int
        fields = {key: value for key, value in found.items() if key not in whole["excluded_keys"] + whole["tags"]}
        assert {"seq"} < fields.keys() <= {"seq", *sensors[unit]}
        assert all(isinstance(value, int | float) for value in fields.values())
        series.append((*tags.values(), *(found[key] for key in whole["tags"]), found[reader["timestamp_path"]]))
    assert len(set(series)) == len(series)  # no message overwrites another one


def test_the_grafana_configuration_names_an_existing_data_source_and_topics() -> None:
    text = (FLOWS / "grafana_datasource.yaml").read_text(encoding="utf-8")
    found = yaml.safe_load(text)
    (source,) = found["datasources"]
    assert (found["apiVersion"], source["type"], source["access"]) == (1, "grafana-mqtt-datasource", "proxy")
    assert source["jsonData"] == {"uri": "tcp://127.0.0.1:1883"}
    named = re.findall(r"<root>(\S*?)[ ,(]", " ".join(line.lstrip("# ") for line in text.splitlines()))
    assert named == ["/<section>/<operation>/<machine>/data", "/kpi/line"]
    machine = next(
        unit for unit, facts in zip(topics.unit_topics(META, ROOT), META.units, strict=True) if facts.role == "machine"
    )
    assert f"{machine}/data" in {m.topic for m in FORMATS["machine"].encoder(META, ROOT).data(READINGS)}
    assert named[1] == f"{kpi_messages.kpi_root('x')}/line".removeprefix("x")
