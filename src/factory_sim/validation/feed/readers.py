"""All readers of external input, and a genuine session for each as a starting point."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from factory_sim import registry
from factory_sim.plant.describe import describe
from factory_sim.plant.new import new
from factory_sim.records import Message, Readings, Window
from factory_sim.sensing.sample import Sensing
from factory_sim.sim.run import Simulation
from factory_sim.wire import meta as description
from factory_sim.wire.delivery import acknowledgements
from factory_sim.wire.formats import FORMATS
from factory_sim.wire.sparkplug import payload_writer
from factory_sim.wire.sparkplug.host import Host
from factory_sim.wire.sparkplug.namespace import REBIRTH, group_id, nodes
from factory_sim.wire.sparkplug.node import EdgeNode
from factory_sim.wire.sparkplug.payload_types import Type
from factory_sim.wire.sparkplug.payload_writer import Metric

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from factory_sim.records import Meta
    from factory_sim.wire.sparkplug.namespace import Device, Node
    from factory_sim.wire.sparkplug.node import Reply

ROOT = "selftest/site/fuzz"
EPOCH_NS = 1_767_225_600_000_000_000
WINDOW = Window(0, 120_000_000)
SESSION = 60  # messages of a genuine session, at most
_NOW_MS = EPOCH_NS // 1_000_000
_HOST = "scada"


@dataclass(frozen=True, slots=True)
class Reader:
    """One decoder."""

    name: str
    make: Callable[[], Callable[[Message], Any]]  # returns a fresh reader: message -> comparable value
    genuine: tuple[Message, ...]  # a session of messages that it reads, in order


def readers(folder: Path) -> dict[str, Reader]:
    """Return all readers for a plant of three machines, whose file is written to `folder`."""
    path = folder / "fuzz.yaml"
    path.write_text(str(new("fuzz")["fuzz.yaml"]), encoding="utf-8")
    plant = registry.load(str(path))
    meta = describe(plant, "fuzz-1", EPOCH_NS, WINDOW)
    simulation = Simulation(plant, seed=1, until_us=WINDOW.t1_us)
    log = simulation.advance(WINDOW.t1_us)
    readings = Sensing(plant, seed=1, replication=0, epoch_ns=EPOCH_NS, t0_us=0).sample(log, WINDOW.t1_us)
    found = [_format(name, meta, readings) for name in FORMATS]
    found += [_meta(meta), _host(meta), _edge(meta), _marks(), _acknowledgements()]
    return {reader.name: reader for reader in found}


def _format(name: str, meta: Meta, readings: Readings) -> Reader:
    messages = FORMATS[name].encoder(meta, ROOT).data(readings)
    step = max(1, len(messages) // SESSION)

    def make() -> Callable[[Message], Any]:
        decoder = FORMATS[name].decoder(meta, ROOT)
        return lambda message: plain(decoder.feed(message))

    return Reader(name, make, (*messages[: SESSION // 3], *messages[SESSION // 3 :: step]))


def plain(readings: Readings) -> tuple[Any, ...]:
    """Return readings as values that can be compared."""
    blocks = [
        (s.period_us, s.first_tick, *(None if c is None else c.tolist() for c in (s.sensor, s.raw, s.present)))
        for s in readings.samples
    ]
    return tuple(np.asarray(column).tolist() for column in astuple(readings.rows)), blocks


def _meta(meta: Meta) -> Reader:
    message = description.message(meta, ROOT)
    return Reader("meta", lambda: lambda m: description.decode(m.payload, m.topic), (message,))


def _host(meta: Meta) -> Reader:
    def make() -> Callable[[Message], Any]:
        host = Host(_HOST, group_id(ROOT))
        return lambda message: host.receive(message, _NOW_MS)

    edge = EdgeNode(_largest(meta), _values)
    session = [edge.will(_NOW_MS), *edge.opened(_NOW_MS), *(edge.statistics(_NOW_MS) for _ in range(20))]
    device = edge.node.devices[0]
    writable = next((m for m in device.metrics if dict(m.properties).get("writable") is True), device.metrics[0])
    session += [edge.changed(device, {writable.name: writable.value}, _NOW_MS), *edge.closing(_NOW_MS)]
    return Reader("host", make, (*session, *Host(_HOST, group_id(ROOT)).closing(_NOW_MS)))


def _edge(meta: Meta) -> Reader:
    node = _largest(meta)

    def make() -> Callable[[Message], Any]:
        edge = EdgeNode(node, _values, primary_host=_HOST)
        edge.will(_NOW_MS)
        edge.opened(_NOW_MS)
        host = Host(_HOST, node.group)
        host.will(_NOW_MS)
        edge.receive(host.opened()[0], _NOW_MS)  # born, so that it takes commands
        return lambda message: _replied(edge.receive(message, _NOW_MS))

    return Reader("edge", make, _commands(node))


def _largest(meta: Meta) -> Node:
    return max(nodes(meta, ROOT), key=lambda node: len(node.devices))


def _commands(node: Node) -> tuple[Message, ...]:
    """Return the commands of a host to an edge node."""
    host = Host(_HOST, node.group)
    host.will(_NOW_MS)
    rebirth = payload_writer.payload(payload_writer.metric(Metric(REBIRTH, Type.BOOLEAN, value=True), _NOW_MS), _NOW_MS)
    writes = [
        Message(
            node.topic("DCMD", device), payload_writer.payload(payload_writer.metric(metric, _NOW_MS), _NOW_MS), qos=0
        )
        for device in node.devices
        for metric in device.metrics
        if dict(metric.properties).get("writable") is True
    ]
    return (*host.opened(), Message(node.topic("NCMD"), rebirth, qos=0), *writes, *host.closing(_NOW_MS + 1))


def _values(device: Device) -> list[Any]:
    return [metric.value for metric in device.metrics]


def _replied(reply: Reply) -> tuple[Any, ...]:
    return reply.messages, reply.commands, reply.disconnect


def _marks() -> Reader:
    def make() -> Callable[[Message], Any]:
        return acknowledgements.Receipts(ROOT, "fuzz").take

    calls = [[Message(f"{ROOT}/d/{k % 3}", f"{n}.{k}".encode()) for k in range(20)] for n in range(4)]
    session = [m for n, call in enumerate(calls) for m in (*call, acknowledgements.mark(ROOT, "fuzz-1", n, 0, call))]
    return Reader("marks", make, tuple(m for m in session if m.topic == acknowledgements.mark_topic(ROOT)))


def _acknowledgements() -> Reader:
    account = acknowledgements.Receipts(ROOT, "fuzz")
    account.take(acknowledgements.mark(ROOT, "fuzz-1", 0, 0, []))
    return Reader("acks", lambda: acknowledgements.Ack.read, (account.acknowledgement(),))
