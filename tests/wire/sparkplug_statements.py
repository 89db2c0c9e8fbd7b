"""The specification's statements about one session, each checked on what a connection has sent.

A check is a function of the packets of one connection and returns whether they keep the statements that it is
registered for (`tck-id-...` without the prefix). docs/sparkplug.md lists the same statements.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from sparkplug_tap import Connect, Disconnect, Metric, Packet, Payload, Publish, Subscribe, payload_of

if TYPE_CHECKING:
    from collections.abc import Callable

EDGE: dict[str, Callable[[list[Packet]], bool]] = {}
HOST: dict[str, Callable[[list[Packet]], bool]] = {}
FIELDS = {1: 10, 2: 10, 3: 10, 4: 11, 5: 10, 6: 10, 7: 10, 8: 11, 9: 12, 10: 13, 11: 14, 12: 15, 13: 11, 14: 15}
PROPERTY_FIELDS = {10: 6, 11: 7, 12: 8}  # double, boolean, string
BIRTHS, DATA = ("NBIRTH", "DBIRTH"), ("NDATA", "DDATA")
INT64, BOOLEAN = 4, 11
NOW_MS = 120_000  # how far from now a moment of sending may lie
WITHOUT_ALIAS = ("bdSeq", "Node Control/Rebirth")


def keeps(table: dict[str, Callable[[list[Packet]], bool]], *statements: str) -> Callable[..., object]:
    """Register a check for statements."""

    def note(check: Callable[[list[Packet]], bool]) -> Callable[[list[Packet]], bool]:
        table.update(dict.fromkeys(statements, check))
        return check

    return note


def broken(table: dict[str, Callable[[list[Packet]], bool]], session: list[Packet]) -> list[str]:
    """The statements that a session does not keep."""
    return [statement for statement, check in table.items() if not check(session)]


def connect_of(session: list[Packet]) -> Connect:
    assert isinstance(session[0], Connect)
    return session[0]


def published(session: list[Packet], *kinds: str) -> list[Publish]:
    return [p for p in session if isinstance(p, Publish) and (not kinds or p.kind in kinds)]


def payloads(session: list[Packet], *kinds: str) -> list[Payload]:
    return [payload_of(p.payload) for p in published(session, *kinds)]


def metrics(session: list[Packet], *kinds: str) -> list[Metric]:
    return [m for p in payloads(session, *kinds) for m in p.metrics]


def will_of(session: list[Packet]) -> Publish:
    will = connect_of(session).will
    assert will is not None
    return will


def bd_seq(payload: Payload) -> object:
    """The number of a session, if it is an INT64."""
    return next((m.value for m in payload.metrics if (m.name, m.datatype, m.field) == ("bdSeq", INT64, 11)), None)


def is_now(ms: object) -> bool:
    return isinstance(ms, int) and abs(time.time_ns() // 10**6 - ms) < NOW_MS


def place(session: list[Packet], found: Packet) -> int:
    return next(i for i, p in enumerate(session) if p is found)


@keeps(EDGE, "principles-persistence-clean-session-311", "principles-persistence-clean-session-50")
def _clean(session: list[Packet]) -> bool:
    return connect_of(session).clean and connect_of(session).expiry_s == 0


@keeps(
    EDGE,
    "message-flow-edge-node-birth-publish-connect",
    "message-flow-edge-node-birth-publish-will-message",
    "message-flow-edge-node-birth-publish-will-message-topic",
    "message-flow-edge-node-birth-publish-will-message-payload",
    "message-flow-edge-node-birth-publish-will-message-payload-bdSeq",
    "payloads-ndeath-will-message",
    "payloads-ndeath-seq",
    "topics-ndeath-payload",
    "topics-ndeath-seq",
    "topics-ndeath-topic",
)
def _will(session: list[Packet]) -> bool:
    found, will = payload_of(will_of(session).payload), will_of(session)
    number = bd_seq(found)
    in_range = isinstance(number, int) and 0 <= number <= 255
    topic = (will.levels[0], will.kind, len(will.levels)) == ("spBv1.0", "NDEATH", 4)
    return topic and found.seq is None and len(found.metrics) == 1 and in_range


@keeps(
    EDGE,
    "message-flow-edge-node-birth-publish-will-message-qos",
    "message-flow-edge-node-birth-publish-will-message-will-retained",
    "payloads-ndeath-will-message-qos",
    "payloads-ndeath-will-message-retain",
)
def _will_flags(session: list[Packet]) -> bool:
    return (will_of(session).qos, will_of(session).retain) == (1, False)


@keeps(EDGE, "message-flow-edge-node-ncmd-subscribe", "message-flow-device-dcmd-subscribe")
def _subscribes_first(session: list[Packet]) -> bool:
    asked: dict[str, int] = {}
    for packet in session:
        if isinstance(packet, Publish):
            break
        if isinstance(packet, Subscribe):
            asked |= packet.filters
    group, node = will_of(session).levels[1], will_of(session).levels[3]
    wanted = (f"spBv1.0/{group}/NCMD/{node}", f"spBv1.0/{group}/DCMD/{node}/+")
    return all(asked.get(one, asked.get(one.replace("/+", "/#"))) == 1 for one in wanted)


@keeps(
    EDGE,
    "message-flow-edge-node-birth-publish-nbirth-payload-bdSeq",
    "payloads-nbirth-bdseq",
    "payloads-nbirth-bdseq-repeat",
    "payloads-ndeath-bdseq",
    "topics-nbirth-bdseq-included",
    "topics-nbirth-bdseq-matching",
    "operational-behavior-data-commands-rebirth-action-3",
)
def _same_number(session: list[Packet]) -> bool:
    number = bd_seq(payload_of(will_of(session).payload))
    return all(bd_seq(birth) == number for birth in payloads(session, "NBIRTH"))


@keeps(
    EDGE,
    "principles-birth-certificates-order",
    "message-flow-edge-node-birth-publish-nbirth-topic",
    "message-flow-device-birth-publish-nbirth-wait",
    "message-flow-device-birth-publish-dbirth-topic",
    "message-flow-device-birth-publish-dbirth-match-edge-node-topic",
    "payloads-dbirth-order",
    "payloads-ndata-order",
    "payloads-ddata-order",
    "topics-nbirth-topic",
    "topics-dbirth-topic",
    "topics-ndata-topic",
    "topics-ddata-topic",
    "topics-ddeath-topic",
)
def _births_first(session: list[Packet]) -> bool:
    node, devices, is_sending, will = False, set[str](), False, will_of(session)
    for p in published(session):
        if p.levels[0] != "spBv1.0" or p.levels[1] != will.levels[1] or p.levels[3] != will.levels[3]:
            return False
        if p.kind == "NBIRTH":
            node, devices, is_sending = True, set(), False
        elif p.kind == "DBIRTH":
            devices.add(p.levels[4])
            if is_sending:  # all of them come before the first data
                return False
        elif p.kind in ("DDATA", "DDEATH") and p.levels[4] not in devices:
            return False
        if not node or len(p.levels) != 4 + p.kind.startswith("D"):
            return False
        if p.kind == "NDEATH":
            node = False
        is_sending |= p.kind in DATA
    return True


@keeps(
    EDGE,
    "payloads-sequence-num-always-included",
    "payloads-sequence-num-incrementing",
    "payloads-sequence-num-req-nbirth",
    "payloads-sequence-num-zero-nbirth",
    "message-flow-edge-node-birth-publish-nbirth-payload-seq",
    "message-flow-device-birth-publish-dbirth-payload-seq",
    "payloads-nbirth-seq",
    "payloads-dbirth-seq",
    "payloads-dbirth-seq-inc",
    "payloads-ndata-seq",
    "payloads-ndata-seq-inc",
    "payloads-ddata-seq",
    "payloads-ddata-seq-inc",
    "payloads-ddeath-seq",
    "payloads-ddeath-seq-inc",
    "payloads-ddeath-seq-number",
    "topics-nbirth-seq-num",
    "topics-dbirth-seq",
    "topics-ndata-seq-num",
    "topics-ddata-seq-num",
    "topics-ddeath-seq-num",
)
def _counts(session: list[Packet]) -> bool:
    expected = 0
    for p in published(session):
        seq = payload_of(p.payload).seq
        if p.kind == "NDEATH":
            if seq is not None:
                return False
            continue
        if seq != (0 if p.kind == "NBIRTH" else expected):
            return False
        expected = (seq + 1) % 256
    return True


@keeps(
    EDGE,
    "message-flow-edge-node-birth-publish-nbirth-qos",
    "message-flow-edge-node-birth-publish-nbirth-retained",
    "message-flow-device-birth-publish-dbirth-qos",
    "message-flow-device-birth-publish-dbirth-retained",
    "payloads-nbirth-qos",
    "payloads-nbirth-retain",
    "payloads-dbirth-qos",
    "payloads-dbirth-retain",
    "payloads-ndata-qos",
    "payloads-ndata-retain",
    "payloads-ddata-qos",
    "payloads-ddata-retain",
    "topics-nbirth-mqtt",
    "topics-dbirth-mqtt",
    "topics-ndata-mqtt",
    "topics-ddata-mqtt",
    "topics-ddeath-mqtt",
)
def _flags(session: list[Packet]) -> bool:
    return all((p.qos, p.retain) == (p.kind == "NDEATH", False) for p in published(session))


@keeps(
    EDGE,
    "payloads-nbirth-timestamp",
    "payloads-dbirth-timestamp",
    "payloads-ndata-timestamp",
    "payloads-ddata-timestamp",
    "payloads-ddeath-timestamp",
    "payloads-name-birth-data-requirement",
    "payloads-timestamp-in-UTC",
    "payloads-metric-timestamp-in-UTC",
    "topics-nbirth-timestamp",
    "topics-dbirth-timestamp",
    "topics-ndata-timestamp",
    "topics-ddata-timestamp",
)
def _times(session: list[Packet]) -> bool:
    found = payloads(session, *BIRTHS, *DATA, "DDEATH")
    stamps = [m.timestamp for p in found for m in p.metrics]  # of simulated moments
    captured = all(t is not None and 1_500_000_000_000 < t < 4_100_000_000_000 for t in stamps)
    return captured and all(is_now(p.timestamp) for p in found)


@keeps(
    EDGE,
    "message-flow-edge-node-birth-publish-nbirth-payload",
    "message-flow-device-birth-publish-dbirth-payload",
    "operational-behavior-data-publish-nbirth-values",
    "operational-behavior-data-publish-dbirth-values",
    "payloads-name-requirement",
    "payloads-metric-datatype-req",
    "payloads-metric-datatype-value",
    "payloads-metric-datatype-value-type",
    "topics-nbirth-metrics",
    "topics-dbirth-metrics",
)
def _whole_metrics(session: list[Packet]) -> bool:
    found = metrics(session, *BIRTHS)
    return all(
        m.name and m.datatype in FIELDS and m.field == (None if m.is_null else FIELDS[m.datatype]) for m in found
    )


@keeps(
    EDGE,
    "payloads-alias-uniqueness",
    "payloads-alias-birth-requirement",
    "payloads-alias-data-cmd-requirement",
    "operational-behavior-data-publish-nbirth",
    "operational-behavior-data-publish-dbirth",
    "topics-nbirth-metric-reqs",
    "topics-dbirth-metric-reqs",
    "topics-ndata-payload",
    "topics-ddata-payload",
)
def _aliases(session: list[Packet]) -> bool:
    known: dict[int, tuple[list[str], Metric]] = {}  # whose it is
    for p in published(session, *BIRTHS, *DATA):
        if p.kind == "NBIRTH":
            known.clear()
        found = payload_of(p.payload).metrics
        if not found:
            return False
        for m in found:
            alias = -1 if m.alias is None else m.alias
            if p.kind in BIRTHS and m.name not in WITHOUT_ALIAS:
                if alias in known or alias < 0 or not m.name:
                    return False
                known[alias] = (p.levels[3:], m)
            elif p.kind in DATA:
                owner, born = known.get(alias, ([], m))
                fits = m.is_null or m.field == FIELDS.get(born.datatype or 0)
                is_typed = m.datatype in (None, born.datatype)
                if owner != p.levels[3:] or m.name is not None or not is_typed or not fits:
                    return False
    return True


@keeps(EDGE, "payloads-metric-datatype-not-req")
def _untyped(session: list[Packet]) -> bool:
    return all(m.datatype is None for m in metrics(session, *DATA))


@keeps(
    EDGE,
    "payloads-propertyset-keys-array-size",
    "payloads-propertyset-values-array-size",
    "payloads-metric-propertyvalue-type-req",
    "payloads-metric-propertyvalue-type-type",
    "payloads-metric-propertyvalue-type-value",
)
def _properties(session: list[Packet]) -> bool:
    found = [m for m in metrics(session, *BIRTHS) if m.keys or m.properties]
    typed = all(PROPERTY_FIELDS.get(kind) == place for m in found for kind, place in m.properties)
    return all(m.keys == len(m.properties) for m in found) and typed


@keeps(
    EDGE,
    "payloads-nbirth-rebirth-req",
    "topics-nbirth-rebirth-metric",
    "operational-behavior-data-commands-rebirth-name",
    "operational-behavior-data-commands-rebirth-datatype",
    "operational-behavior-data-commands-rebirth-value",
    "operational-behavior-data-commands-rebirth-name-aliases",
)
def _offers_rebirth(session: list[Packet]) -> bool:
    found = [birth.metric("Node Control/Rebirth") for birth in payloads(session, "NBIRTH")]
    return all((m.datatype, m.value, m.alias) == (BOOLEAN, 0, None) for m in found)


@keeps(EDGE, "operational-behavior-data-publish-nbirth-order", "operational-behavior-data-publish-dbirth-order")
def _in_order_of_time(session: list[Packet]) -> bool:
    latest: dict[int | None, int] = {}
    for p in payloads(session, *BIRTHS, *DATA):
        present = [m for m in p.metrics if not m.is_historical]
        times = [m.timestamp or 0 for m in present]
        if times != sorted(times):
            return False
    for p in payloads(session, *DATA):
        for m in p.metrics:
            if not m.is_historical:
                if (m.timestamp or 0) < latest.get(m.alias, 0):
                    return False
                latest[m.alias] = m.timestamp or 0
    return True


@keeps(
    EDGE,
    "operational-behavior-edge-node-intentional-disconnect-ndeath",
    "operational-behavior-edge-node-intentional-disconnect-packet",
    "payloads-ndeath-will-message-publisher",
    "payloads-ndeath-will-message-publisher-disconnect-mqtt311",
    "payloads-ndeath-will-message-publisher-disconnect-mqtt50",
    "operational-behavior-device-ddeath",
)
def _leaves(session: list[Packet]) -> bool:
    *before, last = session
    death = before[-1]
    dead = {p.levels[4] for p in published(session, "DDEATH")}
    alive = {p.levels[4] for p in published(session, "DBIRTH")}
    said = isinstance(death, Publish) and death.kind == "NDEATH"
    number = bd_seq(payload_of(death.payload)) if isinstance(death, Publish) else None
    reason = 4 if connect_of(session).version == 5 else 0
    goodbye = isinstance(last, Disconnect) and last.reason == reason
    return said and number == bd_seq(payload_of(will_of(session).payload)) and dead == alive and goodbye


@keeps(HOST, "message-flow-phid-sparkplug-clean-session-311", "message-flow-phid-sparkplug-clean-session-50")
def _host_clean(session: list[Packet]) -> bool:
    return _clean(session)


@keeps(
    HOST,
    "operational-behavior-host-application-connect-will",
    "operational-behavior-host-application-connect-will-topic",
    "operational-behavior-host-application-connect-will-payload",
    "operational-behavior-host-application-connect-will-qos",
    "operational-behavior-host-application-connect-will-retained",
    "payloads-state-will-message",
    "payloads-state-will-message-qos",
    "payloads-state-will-message-retain",
    "payloads-state-will-message-payload",
    "host-topic-phid-death-required",
    "host-topic-phid-death-topic",
    "host-topic-phid-death-qos",
    "host-topic-phid-death-retain",
    "host-topic-phid-death-payload",
    "host-topic-phid-death-payload-timestamp-connect",
)
def _host_will(session: list[Packet]) -> bool:
    will = will_of(session)
    said = json.loads(will.payload)
    shape = set(said) == {"online", "timestamp"} and said["online"] is False and is_now(said["timestamp"])
    return will.levels[:2] == ["spBv1.0", "STATE"] and len(will.levels) == 3 and will.qos == 1 and will.retain and shape


@keeps(
    HOST,
    "host-topic-phid-birth-sub-required",
    "message-flow-phid-sparkplug-subscription",
    "payloads-state-subscribe",
    "message-flow-phid-sparkplug-state-publish",
    "host-topic-phid-birth-required",
)
def _host_subscribes_first(session: list[Packet]) -> bool:
    first = place(session, published(session)[0])
    asked = {f for p in session[:first] if isinstance(p, Subscribe) for f in p.filters}
    later = any(isinstance(p, Subscribe) for p in session[first:])
    return {"spBv1.0/#", will_of(session).topic} <= asked and not later


@keeps(
    HOST,
    "components-ph-state",
    "conformance-primary-host",
    "intro-sparkplug-host-state",
    "host-topic-phid-birth-message",
    "host-topic-phid-birth-topic",
    "host-topic-phid-birth-qos",
    "host-topic-phid-birth-retain",
    "host-topic-phid-birth-payload",
    "host-topic-phid-birth-payload-timestamp",
    "message-flow-phid-sparkplug-state-publish-payload",
    "message-flow-phid-sparkplug-state-publish-payload-timestamp",
    "operational-behavior-host-application-connect-birth",
    "operational-behavior-host-application-connect-birth-topic",
    "operational-behavior-host-application-connect-birth-payload",
    "operational-behavior-host-application-connect-birth-qos",
    "operational-behavior-host-application-connect-birth-retained",
    "payloads-state-birth",
    "payloads-state-birth-payload",
)
def _host_birth(session: list[Packet]) -> bool:
    birth, will = published(session)[0], will_of(session)
    said = json.loads(birth.payload)
    same_time = said == {"online": True, "timestamp": json.loads(will.payload)["timestamp"]}
    return (birth.topic, birth.qos, birth.retain) == (will.topic, 1, True) and same_time


@keeps(
    HOST,
    "operational-behavior-host-application-death-topic",
    "operational-behavior-host-application-death-payload",
    "operational-behavior-host-application-death-qos",
    "operational-behavior-host-application-death-retained",
    "operational-behavior-host-application-disconnect-intentional",
    "operational-behavior-host-application-termination",
    "host-topic-phid-death-payload-timestamp-disconnect-clean",
)
def _host_leaves(session: list[Packet]) -> bool:
    death, last = session[-2], session[-1]
    if not isinstance(death, Publish) or not isinstance(last, Disconnect) or death.topic != will_of(session).topic:
        return False
    said, born = json.loads(death.payload), json.loads(will_of(session).payload)
    is_later = is_now(said["timestamp"]) and said["timestamp"] >= born["timestamp"]
    return death.qos == 1 and death.retain and said["online"] is False and is_later


@keeps(
    HOST,
    "operational-behavior-data-commands-ncmd-rebirth-verb",
    "operational-behavior-data-commands-ncmd-rebirth-name",
    "operational-behavior-data-commands-ncmd-rebirth-value",
    "operational-behavior-data-commands-ncmd-verb",
    "operational-behavior-data-commands-ncmd-metric-name",
    "operational-behavior-data-commands-ncmd-metric-value",
    "payloads-name-cmd-requirement",
    "payloads-ncmd-qos",
    "payloads-ncmd-retain",
    "payloads-ncmd-seq",
    "payloads-ncmd-timestamp",
    "topics-ncmd-mqtt",
    "topics-ncmd-payload",
    "topics-ncmd-timestamp",
    "topics-ncmd-topic",
)
def _host_asks(session: list[Packet]) -> bool:
    asked = published(session, "NCMD")
    found = [payload_of(p.payload) for p in asked]
    quiet = all((p.qos, p.retain, len(p.levels)) == (0, False, 4) for p in asked)
    wanted = [("Node Control/Rebirth", BOOLEAN, 1)]
    said = [[(m.name, m.datatype, m.value) for m in p.metrics] == wanted for p in found]
    return bool(asked) and quiet and all(said) and all(p.seq is None and is_now(p.timestamp) for p in found)
