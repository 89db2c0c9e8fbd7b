"""Whole sessions of edge nodes and a host, seen by a witness on the wire that knows nothing of the package."""

from __future__ import annotations

import copy
import os
import re
import shutil
import time
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

import pytest
from sparkplug_statements import EDGE, HOST, bd_seq, broken, connect_of, payloads, published, will_of
from sparkplug_tap import Disconnect, Packet, Publish, Subscribe, Tap, payload_of
from wire_feeds import random_readings, small_meta

from factory_sim.live.listen import Listener, listen
from factory_sim.live.replies import Replies
from factory_sim.records import Message, Readings, Rows
from factory_sim.wire import meta as description
from factory_sim.wire.broker.embedded import Broker
from factory_sim.wire.formats import sparkplug
from factory_sim.wire.mqtt.client import Client
from factory_sim.wire.mqtt.client_options import ClientOptions
from factory_sim.wire.sparkplug import node as edge_node
from factory_sim.wire.sparkplug.namespace import SPEED, group_id
from factory_sim.wire.sparkplug.sessions import EdgeSessions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

META, ROOT = small_meta(), "conformance/line"
NODES = ("_line", "housing_machining", "assembly")
STATE, GROUP = "spBv1.0/STATE/scada", group_id(ROOT)
# Name, data type BOOLEAN, value true; no timestamp, as some hosts leave it out.
REBIRTH = b"\x12\x1a\x0a\x14Node Control/Rebirth\x20\x0b\x70\x01"
absent = pytest.mark.skipif(not shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin"), reason="mosquitto")
CASES = [("nats", "3.1.1"), *(pytest.param(("mosquitto", version), marks=absent) for version in ("3.1.1", "5"))]


@pytest.fixture(params=CASES, ids=["nats-3.1.1", "mosquitto-3.1.1", "mosquitto-5"])
def tapped(request: pytest.FixtureRequest) -> Iterator[tuple[Tap, Broker, str]]:
    server, version = request.param
    with Broker(server=server) as broker, Tap(broker.port) as tap:
        yield tap, broker, version


def state(*, online: bool) -> Message:
    words = f'{{"online":{str(online).lower()},"timestamp":{time.time_ns() // 10**6}}}'
    return Message(STATE, words.encode(), qos=1, retain=True)


def until(sessions: EdgeSessions, done: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not done():
        assert time.monotonic() < end
        sessions.wait(0.01)


def said(tap: Tap, node: str) -> list[list[str]]:
    """The kinds of messages that each connection of a node has published."""
    return [[p.kind for p in published(session)] for session in tap.sessions(f"/NDEATH/{node}")]


@pytest.mark.parametrize("is_strict", [True, False])
def test_two_sessions_of_every_edge_node_keep_the_statements(
    tapped: tuple[Tap, Broker, str], monkeypatch: pytest.MonkeyPatch, *, is_strict: bool
) -> None:
    tap, broker, version = tapped
    expected = [] if is_strict else ["payloads-metric-datatype-not-req"]  # a SHOULD NOT; four decoders need types
    monkeypatch.setattr(edge_node, "STATISTICS_MS", 20)
    monkeypatch.setattr(edge_node, "DEBOUNCE_MS", 50)
    encoder = sparkplug.Encoder(META, ROOT, batch=3, is_strict=is_strict)
    readings = random_readings(META, 1, ticks=6, rows=60)
    later = Readings(Rows.empty(), tuple(replace(s, first_tick=s.first_tick + 6) for s in readings.samples))
    with (
        Client(broker.url) as scada,
        EdgeSessions(tap.url, ClientOptions(mqtt=version), primary_host="scada", is_strict=is_strict) as sessions,
    ):
        scada.publish([state(online=False)])
        sessions.publish([description.message(META, ROOT)])
        for k in range(2):
            until(sessions, lambda k=k: all(len(said(tap, n)) == k + 1 for n in NODES))  # type: ignore[misc]
            assert [said(tap, n)[k] for n in NODES] == [[], [], []]  # the primary host is not there
            scada.publish([state(online=True)])
            sessions.publish(encoder.data(readings))
            until(sessions, lambda k=k: all("NDATA" in said(tap, n)[k] for n in NODES))  # type: ignore[misc]
            for n in NODES:
                scada.publish([Message(f"spBv1.0/{GROUP}/NCMD/{n}", REBIRTH, qos=0)])
            until(sessions, lambda k=k: all(said(tap, n)[k].count("NBIRTH") == 2 for n in NODES))  # type: ignore[misc]
            sessions.publish(encoder.data(later))
            if k == 0:
                scada.publish([state(online=False)])
                until(sessions, lambda: all("NDEATH" in said(tap, n)[0] for n in NODES))
    until_closed = time.monotonic() + 10
    for n in NODES:
        while not all(isinstance(s[-1], Disconnect) for s in tap.sessions(f"/NDEATH/{n}")):
            assert time.monotonic() < until_closed
            time.sleep(0.01)
        first, second = tap.sessions(f"/NDEATH/{n}")
        assert (broken(EDGE, first), broken(EDGE, second)) == (expected, expected)
        assert [bd_seq(payload_of(will_of(s).payload)) for s in (first, second)] == [0, 1]
        assert connect_of(first).version == (5 if version == "5" else 4)
    devices = {m.alias for p in payloads(first, "DBIRTH") for m in p.metrics if m.name == SPEED}
    assert devices  # what a host may write is among the births


def test_a_host_s_session_keeps_the_statements(tapped: tuple[Tap, Broker, str]) -> None:
    tap, broker, version = tapped
    replies, listener, stop = Replies(ROOT, host_id="scada"), Listener(ROOT), Event()
    body = payload_without_birth()
    with Client(broker.url) as stranger:
        stranger.publish([Message("spBv1.0/other/DDATA/n/d", body, qos=0)])
        with Client(tap.url, replies.connection(ClientOptions(mqtt=version))) as client:
            listen(
                listener,
                client,
                ready=lambda: stranger.publish([Message(f"spBv1.0/{GROUP}/DDATA/assembly/M2", body, qos=0)]),
                watch=lambda _: stop.set() if replies.host and replies.host.rebirths else None,
                every_s=0.0,
                stop=stop,
                replies=replies,
            )
    end = time.monotonic() + 10
    while not isinstance(tap.sessions(STATE)[0][-1], Disconnect):
        assert time.monotonic() < end
        time.sleep(0.01)
    (session,) = tap.sessions(STATE)
    assert broken(HOST, session) == []
    assert [p.topic for p in published(session, "NCMD")] == [f"spBv1.0/{GROUP}/NCMD/assembly"]
    assert listener.counts.skipped == 0


def payload_without_birth() -> bytes:
    """Time, one metric by alias, seq 0."""
    return bytes.fromhex("0880adc6b8b733 120b 1007 1880adc6b8b733 5001 1800")


def captured() -> list[Packet]:
    """A session that keeps the statements, of a simulated connection."""
    with Broker() as broker, Tap(broker.port) as tap:
        with EdgeSessions(tap.url, is_strict=True) as sessions:
            sessions.publish([description.message(META, ROOT)])
            sessions.publish(sparkplug.Encoder(META, ROOT, is_strict=True).data(random_readings(META, 2)))
        end = time.monotonic() + 10
        while not (found := tap.sessions("/NDEATH/assembly")) or not isinstance(found[0][-1], Disconnect):
            assert time.monotonic() < end
            time.sleep(0.01)
    return found[0]


def first_of(session: list[Packet], kind: str) -> Publish:
    return published(session, kind)[0]


def spoil_will(session: list[Packet]) -> None:
    will_of(session).qos = 0


def spoil_filters(session: list[Packet]) -> None:
    session[:] = [p for p in session if not isinstance(p, Subscribe)]


def spoil_order(session: list[Packet]) -> None:
    birth = first_of(session, "NBIRTH")
    session.remove(birth)
    session.insert(-2, birth)


def spoil_seq(session: list[Packet]) -> None:
    session.remove(first_of(session, "DDATA"))


def spoil_retain(session: list[Packet]) -> None:
    first_of(session, "DBIRTH").retain = True


def spoil_number(session: list[Packet]) -> None:
    birth = first_of(session, "NBIRTH")
    birth.payload = birth.payload.replace(b"\x20\x04\x58\x00", b"\x20\x04\x58\x07")


def spoil_aliases(session: list[Packet]) -> None:
    session.remove(first_of(session, "DBIRTH"))


def spoil_births(session: list[Packet]) -> None:
    *_, last = published(session, "DBIRTH")
    session.remove(last)
    session.insert(session.index(published(session, "DDATA")[0]) + 1, last)


def spoil_times(session: list[Packet]) -> None:
    message = first_of(session, "DDATA")
    message.payload = message.payload[:1] + b"\x80" * 5 + b"\x01" + message.payload[7:]  # 1971


def spoil_owner(session: list[Packet]) -> None:
    message = first_of(session, "DDATA")
    time_of = message.payload[1:7]  # a metric of the node's, with alias 1, in its device's data
    message.payload = message.payload[:7] + b"\x12\x0b\x10\x01\x18" + time_of + b"\x58\x01" + message.payload[-2:]


def spoil_goodbye(session: list[Packet]) -> None:
    session.remove(first_of(session, "NDEATH"))


def spoil_clean(session: list[Packet]) -> None:
    connect_of(session).clean = False


@pytest.mark.parametrize(
    ("spoil", "statement"),
    [
        (spoil_will, "payloads-ndeath-will-message-qos"),
        (spoil_filters, "message-flow-edge-node-ncmd-subscribe"),
        (spoil_order, "principles-birth-certificates-order"),
        (spoil_seq, "payloads-sequence-num-incrementing"),
        (spoil_retain, "payloads-dbirth-retain"),
        (spoil_number, "topics-nbirth-bdseq-matching"),
        (spoil_aliases, "payloads-alias-data-cmd-requirement"),
        (spoil_births, "payloads-dbirth-order"),
        (spoil_times, "payloads-ddata-timestamp"),
        (spoil_owner, "operational-behavior-data-publish-dbirth"),
        (spoil_goodbye, "operational-behavior-edge-node-intentional-disconnect-ndeath"),
        (spoil_clean, "principles-persistence-clean-session-311"),
    ],
)
def test_the_witness_detects_every_violation(
    spoil: Callable[[list[Packet]], None], statement: str, kept: list[Packet]
) -> None:
    session = copy.deepcopy(kept)
    assert broken(EDGE, session) == []
    spoil(session)
    assert statement in broken(EDGE, session)


@pytest.fixture(scope="module")
def kept() -> list[Packet]:
    return captured()


PAGE = (Path(__file__).parents[2] / "docs" / "sparkplug.md").read_text(encoding="utf-8")


def test_the_page_in_docs_lists_what_the_witness_checks_and_no_statement_twice() -> None:
    table = PAGE.partition("## Statements of the specification")[2]
    rows = re.findall(r"^\| ([A-Za-z0-9, -]+) \| (.+) \|$", table, re.MULTILINE)
    listed = {why: statements.split(", ") for statements, why in rows}
    edge = listed["`test_two_sessions_of_every_edge_node_keep_the_statements`"]
    host = listed["`test_a_host_s_session_keeps_the_statements`"]
    assert set(edge) >= set(EDGE)
    assert set(host) == set(HOST) - set(edge)
    everything = [statement for statements in listed.values() for statement in statements]
    assert len(everything) == len(set(everything)) == 303
