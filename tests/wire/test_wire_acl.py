"""The ACL of docs/wire_acl.md, in mosquitto: each user can do its part and nothing else."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from factory_sim import registry
from factory_sim.live.delivery import Delivery, finish, opened
from factory_sim.live.listen import Listener, listen
from factory_sim.live.publish import RunSetup, publish
from factory_sim.live.replies import Replies
from factory_sim.records import Message
from factory_sim.wire.mqtt.client import Client
from factory_sim.wire.mqtt.client_options import ClientOptions
from wire_brokers import TOOLS, mosquitto

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = (Path(__file__).parents[2] / "docs" / "wire_acl.md").read_text(encoding="utf-8")
PLANT = registry.load(Path(__file__).parents[1] / "live" / "three.yaml")
ROOT, GROUP = "works/site/line", "spBv1.0/works:site:line"
pytestmark = pytest.mark.skipif(TOOLS["mosquitto"] is None, reason="mosquitto is not here")


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    file = tmp_path / "acl"
    file.write_text(PAGE.partition("# acl_file of mosquitto\n")[2].partition("```")[0])
    file.chmod(0o600)
    with mosquitto(tmp_path, "allow_anonymous true", f"acl_file {file}") as port:
        yield f"mqtt://127.0.0.1:{port}"


@pytest.mark.parametrize("payload_format", ["machine", "sparkplug"])
def test_a_publisher_and_an_analyzer_can_do_their_part(url: str, payload_format: str, tmp_path: Path) -> None:
    replies = Replies(ROOT, ack_as="analyzer" if payload_format == "machine" else "", with_kpis=True)
    listener, ready = Listener(ROOT), threading.Event()
    options = {"journal": tmp_path / "journal", "ack": "consumer:analyzer"} if payload_format == "machine" else {}

    def analyse() -> None:
        with Client(url, replies.connection(ClientOptions(user="analyzer"))) as client:
            listen(listener, client, ready=ready.set, replies=replies)

    thread = threading.Thread(target=analyse)
    thread.start()
    assert ready.wait(30)
    setup = RunSetup(duration_s=60.0, slice_s=30.0, root=ROOT, settle_s=0.5, payload_format=payload_format)
    delivery = Delivery(url=url, client=ClientOptions(user="plant"), **options)  # type: ignore[arg-type]
    with opened(PLANT, setup, delivery, print) as (sender, known, _):
        publish(PLANT, known, sender)
        finish(sender, threading.Event(), print)
    thread.join(60)
    assert listener.ended
    assert listener.feed is not None
    assert (listener.feed.losses().lost, listener.conflicts) == (0, {})
    with Client(url, user="reader") as reader:
        reader.subscribe([f"{ROOT}/kpi/line"])
        assert [m.topic for m in reader.messages(1.5)] == [f"{ROOT}/kpi/line"]


@pytest.mark.parametrize(
    ("user", "topic", "is_allowed"),
    [
        ("plant", f"{ROOT}/meta", True),
        ("analyzer", f"{ROOT}/journal/ack/analyzer", True),
        ("scada", f"{GROUP}/NCMD/_line", True),
        ("analyzer", f"{ROOT}/meta", False),
        ("analyzer", f"{ROOT}/journal/ack/other", False),
        ("scada", f"{ROOT}/meta", False),
        ("scada", f"{GROUP}/DDATA/_line/x", False),
        ("reader", f"{ROOT}/line/OP10/M1/data", False),
        ("reader", f"{GROUP}/NCMD/_line", False),
        ("", f"{ROOT}/meta", False),
    ],
)
def test_a_user_publishes_what_its_role_needs_and_nothing_else(
    url: str, user: str, topic: str, *, is_allowed: bool
) -> None:
    with Client(url, user="plant", mqtt="3.1.1") as plant, Client(url, user=user, mqtt="3.1.1") as client:
        plant.subscribe([f"{ROOT}/#", f"{GROUP}/#"])
        client.publish([Message(topic, b"x", qos=1)])
        client.flush()
        assert [m.topic for m in plant.messages(1.5)] == [topic] * is_allowed


def test_the_page_names_every_user_and_only_topics_of_one_line() -> None:
    lines = re.findall(r"^(?:user|topic) .*$", PAGE, re.MULTILINE)
    assert [line for line in lines if line.startswith("user")] == [
        "user plant",
        "user analyzer",
        "user scada",
        "user reader",
    ]
    assert all(
        "works" in line or "STATE" in line or line == "topic read spBv1.0/#" for line in lines if line[:5] == "topic"
    )
