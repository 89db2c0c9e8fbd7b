"""MQTT 5 where the broker speaks it: what a subscriber that is not ours sees, and what is done where it does not."""

from __future__ import annotations

import hashlib
import json
import subprocess
import time
from typing import TYPE_CHECKING

import pytest
from wire_feeds import ROOT, cells, random_readings, row_set, small_meta

from factory_sim.errors import BrokerError
from factory_sim.records import Message
from factory_sim.wire import meta as description
from factory_sim.wire.formats import FORMATS
from factory_sim.wire.mqtt.client import Client
from factory_sim.wire.mqtt.packets import COLUMNS, JSON
from wire_brokers import TOOLS, mosquitto

if TYPE_CHECKING:
    from collections.abc import Iterator

    from factory_sim.wire.broker.embedded import Broker

META = small_meta()
pytestmark = pytest.mark.skipif(not all(TOOLS.values()), reason="mosquitto, its clients and openssl")
SECRET = hashlib.sha256(b"test").hexdigest()


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with mosquitto(tmp_path_factory.mktemp("plain"), "allow_anonymous true") as port:
        yield f"mqtt://127.0.0.1:{port}"


def seen(url: str, topic_filter: str, count: int, messages: list[Message], **options: int) -> list[dict[str, object]]:
    """What `mosquitto_sub -V 5` says about messages that we publish."""
    words = [str(TOOLS["mosquitto_sub"]), "-V", "5", "-p", url.rpartition(":")[2], "-t", topic_filter, "-C", str(count)]
    words += ["-W", "20", "-F", "%j"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, encoding="latin-1") as subscriber:
        with Client(url, mqtt="5", **options) as client:
            end = time.monotonic() + 20
            while subscriber.poll() is None and time.monotonic() < end:  # until it has subscribed and heard enough
                client.publish(messages)
                client.flush()
                time.sleep(0.1)
        out, _ = subscriber.communicate(timeout=30)
    return [json.loads(line) for line in out.splitlines()]


@pytest.mark.parametrize(("name", "kind"), [("uns", JSON), ("machine", JSON), ("bulk", COLUMNS), ("sparkplug", None)])
def test_a_subscriber_sees_the_content_type_and_the_expiry_of_data(plain: str, name: str, kind: str | None) -> None:
    root = f"five/{name}"
    messages = [m for m in FORMATS[name].encoder(META, root).data(random_readings(META, 1, rows=0)) if not m.retain]
    found = seen(plain, FORMATS[name].topic_filter(root), 3, messages[:3], expiry_s=90)
    assert [m.get("properties", {}).get("content-type") for m in found] == [kind] * 3  # type: ignore[attr-defined]
    expiry = [m.get("properties", {}).get("message-expiry-interval") for m in found]  # type: ignore[attr-defined]
    assert all(e is None if kind is None else 80 < e <= 90 for e in expiry)


def test_what_is_retained_never_expires(plain: str) -> None:
    (found,) = seen(plain, "five/kept/meta", 1, [description.message(META, "five/kept")], expiry_s=90)
    assert found["properties"] == {"content-type": JSON}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """A mosquitto with TLS, one user, and a topic that she may not write to; its URL and authority."""
    folder = tmp_path_factory.mktemp("guarded")
    subprocess.run(
        [
            str(TOOLS["openssl"]),
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-keyout",
            "key.pem",
            "-out",
            "cert.pem",
            "-subj",
            "/CN=x",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
            "-days",
            "2",
        ],
        check=True,
        capture_output=True,
        cwd=folder,
    )
    subprocess.run([str(TOOLS["mosquitto_passwd"]), "-c", "-b", "users", "anna", SECRET], check=True, cwd=folder)
    (folder / "acl").write_text("user anna\ntopic readwrite #\ntopic deny forbidden/#\n")
    files = [
        f"{key} {folder / name}"
        for key, name in (
            ("certfile", "cert.pem"),
            ("keyfile", "key.pem"),
            ("password_file", "users"),
            ("acl_file", "acl"),
        )
    ]
    with mosquitto(folder, "allow_anonymous false", *files) as port:
        yield f"mqtts://127.0.0.1:{port}", str(folder / "cert.pem")


@pytest.mark.parametrize("version", ["5", "3.1.1"])
@pytest.mark.parametrize("name", FORMATS)
def test_every_format_arrives_whole_through_tls_and_a_password(
    guarded: tuple[str, str], name: str, version: str
) -> None:
    url, ca = guarded
    root, options = f"{ROOT}/{name}{version}", {"ca_file": ca, "user": "anna", "password": SECRET, "mqtt": version}
    readings = random_readings(META, 2, ticks=20, rows=60)
    messages = FORMATS[name].encoder(META, root).data(readings)
    decoder = FORMATS[name].decoder(META, root)
    with Client(url, **options) as listener, Client(url, **options) as sender:
        assert (listener.version, sender.version) == (version, version)
        listener.subscribe([FORMATS[name].topic_filter(root)])
        sender.publish(messages)
        sender.flush()
        found = []
        for message in listener.messages(5.0):
            found.append(decoder.feed(message))
            if len(found) == len(messages):
                break
    assert cells(found) == cells([readings])
    assert row_set(found, round_ns=10**6) == row_set([readings], round_ns=10**6)


@pytest.mark.parametrize("version", ["auto", "5", "3.1.1"])
def test_a_wrong_password_stops_at_once_in_every_version(guarded: tuple[str, str], version: str) -> None:
    url, ca = guarded
    with pytest.raises(BrokerError, match="the broker refused user 'anna': not authorized"):
        Client(url, ca_file=ca, user="anna", password="wrong", mqtt=version)  # noqa: S106


def test_a_message_that_the_broker_refuses_is_named(guarded: tuple[str, str]) -> None:
    url, ca = guarded
    with Client(url, ca_file=ca, user="anna", password=SECRET, mqtt="5") as client:
        client.publish([Message("forbidden/x", b"1")])
        with pytest.raises(BrokerError, match=r"refused a message on 'forbidden/x', reason 0x87 of MQTT 5"):
            client.flush()


def test_auto_uses_mqtt_5_where_supported_and_3_1_1_elsewhere(plain: str, broker: Broker) -> None:
    for url, version in ((plain, "5"), (broker.url, "3.1.1")):
        with Client(url) as client:
            assert (client.version, client.connections) == (version, 1)


def test_a_broker_without_mqtt_5_is_reported(broker: Broker) -> None:
    with pytest.raises(BrokerError, match="does it speak MQTT 5"):
        Client(broker.url, mqtt="5", connect_timeout_s=1.0)


def test_an_mqtt_5_session_keeps_messages_while_its_client_is_away(plain: str) -> None:
    options = {"client_id": "kept", "clean_session": False, "mqtt": "5"}
    with Client(plain, **options) as first:
        first.subscribe(["five/session"])
    with Client(plain) as sender:
        sender.publish([Message("five/session", b"%d" % k) for k in range(30)])
        sender.flush()
    with Client(plain, **options) as second:
        assert [int(m.payload) for m in second.messages(1.5)] == list(range(30))


def test_a_will_is_published_on_disconnect_if_requested_in_mqtt_5(plain: str) -> None:
    with Client(plain) as listener:
        listener.subscribe(["five/will"])
        for version, reported, heard in (("5", True, 1), ("5", False, 0), ("3.1.1", True, 0)):
            Client(plain, will=Message("five/will", b"gone"), will_on_disconnect=reported, mqtt=version).close()
            assert len(list(listener.messages(1.5))) == heard
