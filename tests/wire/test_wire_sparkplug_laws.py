"""Laws of a host that hears births, data and deaths in any order, twice, or not at all."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from wire_feeds import ROOT, SECOND_US, random_samples, small_meta

from factory_sim.errors import PayloadError
from factory_sim.records import Message, Readings, Rows
from factory_sim.wire.formats import sparkplug
from factory_sim.wire.sparkplug import host as host_module
from factory_sim.wire.sparkplug import payload_writer
from factory_sim.wire.sparkplug.host import REORDER_MS, RETRY_MS, Host
from factory_sim.wire.sparkplug.namespace import BD_SEQ, Device, group_id, nodes
from factory_sim.wire.sparkplug.node import DEBOUNCE_MS, EdgeNode
from factory_sim.wire.sparkplug.payload_types import Type
from factory_sim.wire.sparkplug.payload_writer import Metric

META, GROUP = small_meta(), group_id(ROOT)
NODE = next(n for n in nodes(META, ROOT) if n.id == "housing_machining")
READINGS = Readings(Rows.empty(), (random_samples(META, SECOND_US, 5, 1),))
DATA = [m for m in sparkplug.Encoder(META, ROOT, batch=1).data(READINGS) if m.topic.split("/")[3] == NODE.id]
SMALL_BYTES = 60_000  # room for our edge node's births and few more
PLACES = st.integers(0, 10**6)


class Line(RuleBasedStateMachine):
    """One edge node, one host, and a network between them that does what it likes within a session."""

    def __init__(self) -> None:
        super().__init__()
        host_module.MAX_BYTES, self.max_bytes = SMALL_BYTES, host_module.MAX_BYTES
        self.now = 1_767_229_200_000
        self.edge = EdgeNode(NODE, lambda device: [m.value for m in device.metrics])
        self.host, self.requests = Host("scada", GROUP), list[int]()
        self.air: list[tuple[int, Message]] = []  # with the birth that it follows, counted from 1
        self.heard, self.harmed = 0, 0  # births: the last that was heard, the last that something was lost after
        self.are_births_lost = False  # where a birth is, what follows may by chance continue the last sequence
        self.will: Message | None = None
        self.connect()

    def fly(self, messages: list[Message]) -> None:
        self.air += [(self.edge.births, m) for m in messages]

    def hear(self, message: Message, birth: int = 0) -> None:
        """The host hears it; what it asks for reaches the edge node."""
        before = self.state()
        try:
            answers = self.host.receive(message, self.now)
        except PayloadError:
            assert self.state() == before  # what is refused changes nothing
            self.harmed = max(self.harmed, birth)
            return
        if message.topic == NODE.topic("NBIRTH"):
            self.heard = max(self.heard, birth)
        self.take(answers)

    def take(self, answers: list[Message]) -> None:
        for message in answers:
            if message.topic == NODE.topic("NCMD"):
                self.requests.append(self.now)
                self.fly(self.edge.receive(message, self.now).messages)
        self.fly(self.edge.due(self.now))

    def state(self) -> str:
        return repr((self.host.nodes, self.host.memory_bytes))

    @rule()
    def connect(self) -> None:
        self.die(deliberate=False)
        self.will = self.edge.will(self.now)
        self.fly(self.edge.opened(self.now))

    @precondition(lambda self: self.edge.accepts_data)
    @rule(n=st.sampled_from([1, 3, 20, 300]), lost=st.integers(0, 2))
    def send(self, n: int, lost: int) -> None:
        sent = [self.edge.data(DATA[k % len(DATA)], self.now) for k in range(n)]
        self.fly(sent[lost:])
        if lost:
            self.harmed = self.edge.births

    @rule()
    def arrive_in_order(self) -> None:
        air, self.air = self.air, []
        for birth, message in air:
            self.hear(message, birth)

    @precondition(lambda self: self.air)
    @rule(place=PLACES, again=st.booleans())
    def one_overtakes(self, place: int, *, again: bool) -> None:
        birth = self.air[0][0]
        together = [m for b, m in self.air if b == birth]
        message = together[place % len(together)]
        if not again:
            self.air.remove((birth, message))
        self.hear(message, birth)

    @precondition(lambda self: self.air)
    @rule(place=PLACES)
    def one_is_lost(self, place: int) -> None:
        birth, message = self.air[place % len(self.air)]
        if "/NDEATH/" not in message.topic:  # which is QoS 1
            self.air.remove((birth, message))
            self.harmed = max(self.harmed, birth)
            self.are_births_lost |= "BIRTH/" in message.topic

    @rule(deliberate=st.booleans())
    def die(self, *, deliberate: bool) -> None:
        self.fly(self.edge.closing(self.now) if deliberate else [])
        self.fly([self.will] if self.will else [])  # in MQTT 5 also after a deliberate one
        self.edge.lost()
        self.will = None

    @rule(name=st.integers(0, 5_000), size=st.integers(0, 40), device=st.booleans())
    def a_stranger_is_born(self, name: int, size: int, *, device: bool) -> None:
        metrics = (Metric(BD_SEQ, Type.INT64, 0), *(Metric(f"m{k}", Type.INT64, k, k) for k in range(size)))
        body = b"".join(payload_writer.metric(m, self.now) for m in metrics)
        self.hear(Message(f"spBv1.0/{GROUP}/NBIRTH/x{name}", payload_writer.payload(body, self.now, 0)))
        if device:
            self.hear(Message(f"spBv1.0/{GROUP}/DBIRTH/x{name}/d{size}", payload_writer.payload(body, self.now, 1)))

    @rule(alias=st.integers(10_000, 2**63), device=st.sampled_from(NODE.devices), seq=st.integers(0, 255))
    def an_unknown_alias(self, alias: int, device: Device, seq: int) -> None:
        node = self.host.nodes.get(NODE.id)
        before = node and (node.expected, dict(node.early))
        body = payload_writer.metric(Metric("", Type.FLOAT, 1.0, alias), self.now)
        self.hear(Message(NODE.topic("DDATA", device), payload_writer.payload(body, self.now, seq)))
        assert not node or (node.expected, node.early) == before  # not taken for one of the feed's

    @rule(kind=st.sampled_from(["NBIRTH", "NDEATH", "NDATA"]), payload=st.binary(max_size=40))
    def rubbish(self, kind: str, payload: bytes) -> None:
        before = self.state()
        try:
            self.host.receive(Message(NODE.topic(kind), payload), self.now)
        except PayloadError:
            assert self.state() == before

    @rule(ms=st.sampled_from([1, 700, DEBOUNCE_MS, REORDER_MS, RETRY_MS]))
    def time_passes(self, ms: int) -> None:
        self.now += ms
        self.take(self.host.due(self.now))

    @invariant()
    def requests_keep_their_distance(self) -> None:
        assert all(later - earlier >= RETRY_MS for earlier, later in pairwise(self.requests))

    @invariant()
    def memory_is_what_it_says_and_bounded(self) -> None:
        reported = sum(n.bytes + sum(d.bytes for d in n.devices.values()) for n in self.host.nodes.values())
        assert reported == self.host.memory_bytes <= SMALL_BYTES
        assert all(len(n.early) <= 256 for n in self.host.nodes.values())

    def teardown(self) -> None:
        """Whatever happened: on a network that is well again the host soon knows the edge node, by a later birth."""
        host_module.MAX_BYTES = self.max_bytes
        if not self.edge.born:
            self.connect()
        for _ in range(4):
            self.time_passes(RETRY_MS)
            self.arrive_in_order()
            if self.edge.accepts_data:
                self.fly([self.edge.data(m, self.now) for m in DATA])
            self.arrive_in_order()
        node = self.host.nodes[NODE.id]
        assert (node.online, node.is_lost, node.gap_ms, node.bd_seq) == (True, False, -1, self.edge.bd_seq)
        assert {name for name, device in node.devices.items() if device.online} == {d.id for d in NODE.devices}
        assert self.are_births_lost or self.heard > self.harmed


TestLine = Line.TestCase
TestLine.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
