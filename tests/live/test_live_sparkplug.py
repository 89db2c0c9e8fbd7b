"""A run as Sparkplug edge nodes, heard by a Sparkplug host: the KPIs are those of the other formats."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import orjson
import pytest

from factory_sim import registry
from factory_sim.live.listen import Listener, listen
from factory_sim.live.publish import RunSetup, publish
from factory_sim.live.replies import Replies
from factory_sim.wire.broker.embedded import Broker
from factory_sim.wire.loopback import Loopback
from factory_sim.wire.mqtt.client import Client
from factory_sim.wire.sparkplug.sessions import EdgeSessions

if TYPE_CHECKING:
    from collections.abc import Iterable

    from factory_sim.records import Message

PLANT = registry.load(Path(__file__).with_name("three.yaml"))
ROOT = "t/sparkplug"
START_NS = 1_767_225_600_000_000_000
ORDER = RunSetup(warm_up_s=600.0, duration_s=1_200.0, payload_format="sparkplug", root=ROOT, start_ns=START_NS)


@pytest.mark.slow
def test_a_host_receives_all_data_of_edge_nodes_and_retains_kpis() -> None:
    with Broker() as broker:
        replies = Replies(ROOT, host_id="scada", with_kpis=True)
        listener, ready = Listener(ROOT), threading.Event()

        def hear() -> None:
            with Client(broker.url, replies.connection()) as client:
                listen(listener, client, ready=ready.set, replies=replies)

        thread = threading.Thread(target=hear)
        thread.start()
        assert ready.wait(60)
        with EdgeSessions(broker.url, primary_host="scada") as sessions:
            publish(PLANT, ORDER, sessions)
        thread.join(60)
        with Client(broker.url) as late:
            late.subscribe([f"{ROOT}/kpi/#", "spBv1.0/STATE/scada"])
            retained = {m.topic: m for m in late.messages(3.0)}
    assert replies.host is not None
    assert replies.host.rebirths == 0
    assert listener.feed is not None
    assert listener.feed.losses().lost == 0
    assert listener.payload_format == "sparkplug"
    assert {f"{ROOT}/kpi/line", f"{ROOT}/kpi/machines/M001", f"{ROOT}/kpi/operations/WASH"} <= set(retained)
    assert orjson.loads(retained["spBv1.0/STATE/scada"].payload)["online"] is False
    agrees_with_bulk(listener)


def test_a_listener_waits_for_acknowledgement_of_its_replies_before_it_leaves() -> None:
    class Careful(Loopback):
        said: list[str]

        def publish(self, messages: Iterable[Message]) -> None:
            self.said = [message.topic for message in messages]

        def flush(self, timeout_s: float = 0.0) -> None:  # noqa: ARG002 - the client's interface
            self.said.append("flushed")

    wire = Loopback()
    receiver, listener = Careful(wire.exchange), Listener(ROOT)
    receiver.subscribe([f"{ROOT}/#"])
    publish(PLANT, replace(ORDER, payload_format="bulk"), wire)
    listen(listener, receiver, replies=Replies(ROOT, with_kpis=True))
    assert f"{ROOT}/kpi/operations/WASH" in receiver.said
    assert receiver.said[-1] == "flushed"


def agrees_with_bulk(listener: Listener) -> None:
    wire, exact = Loopback(), Listener(ROOT)
    wire.subscribe(["#"])
    publish(PLANT, replace(ORDER, payload_format="bulk"), wire)
    for message in wire.messages():
        exact.take(message)
    wanted = exact.table()
    for name, kpi in listener.table().kpis.items():
        np.testing.assert_allclose(kpi.values, wanted.kpis[name].values, rtol=1e-3, atol=1e-3, err_msg=name)
