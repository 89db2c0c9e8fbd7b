"""Publish one run as a plant would: simulate, sense, encode and send it slice by slice, at a pace."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from threading import Event
from typing import TYPE_CHECKING, Protocol
from uuid import uuid4

from factory_sim import clock
from factory_sim.live.pacing import AHEAD_S, MAX, Pace, rest
from factory_sim.plant.describe import describe
from factory_sim.records import Window
from factory_sim.sensing.sample import Sensing
from factory_sim.sim.run import Simulation
from factory_sim.wire import meta as description
from factory_sim.wire.formats import FORMATS
from factory_sim.wire.network import Link

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from factory_sim.live.command_handler import Desk
    from factory_sim.plant.spec import LinkProfile, Plant
    from factory_sim.records import Message, Meta, Truth
    from factory_sim.sim.commands import Command


class Sender(Protocol):
    """What carries messages: the client, or its in-memory twin."""

    def publish(self, messages: Iterable[Message]) -> None:
        """Send in this order; may block while the broker is behind."""

    def flush(self) -> None:
        """Return when all that was published is acknowledged, or safe in a journal."""

    def wait(self, seconds: float) -> None:
        """Look after the connection; return when something has arrived, at the latest after `seconds`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to publish and how fast."""

    seed: int = 1
    replication: int = 0
    warm_up_s: float = 0.0
    duration_s: float = 8 * 3600.0
    payload_format: str = "bulk"
    root: str = ""  # first levels of every topic; "": the plant's own
    speed: float = MAX  # simulated seconds per real second
    slice_s: float = 60.0  # at most; a real second's worth when the pace is slower
    settle_s: float = 0.0  # between description and data, for listeners that subscribe when they see it
    link: LinkProfile | None = None  # how telemetry travels; None: as the plant file says
    start_ns: int | None = None  # of the window, ns since 1970 UTC; None: the run starts when the plant file says
    run_id: str = ""  # of a run that goes on; "": a new one
    begun_ns: int = 0  # when the window's start is due, ns since 1970 UTC: what is late catches up; 0: now


@dataclass(slots=True)
class Sent:
    """What has been published so far."""

    meta: Meta
    t_us: int  # everything of the window before this moment is out
    readings: int = 0
    messages: int = 0  # that came through the link
    dropped: int = 0  # messages that the link lost
    truth: Truth | None = None  # what the simulator counted; known at the end
    commands: Sequence[Command] = ()  # that were given


def publish(  # noqa: PLR0913 - what a run is made of
    plant: Plant,
    order: Order,
    sender: Sender,
    watch: Callable[[Sent], None] = lambda _: None,
    stop: Event | None = None,
    desk: Desk | None = None,
    simulation: Simulation | None = None,
) -> Sent:
    """Simulate and publish the window of `order`; ends between two slices once `stop` is set.

    Retained under `<root>/meta` before the data: what a subscriber must know; after them: the same with what was sent.
    `desk` brings what hosts ask of the plant; it happens at the start of the next slice. `simulation`: the run, at its
    first moment, in an engine that takes the desk's commands; None: one is begun.
    Only data travel by the link: descriptions are the publisher's own and always come through.
    """
    stop, root = stop or Event(), order.root or plant.topic_root
    window = window_of(order)
    meta = describe(plant, order.run_id or new_run_id(plant), epoch_ns(plant, order), window)
    seed, replication = order.seed, order.replication
    if simulation is None:
        simulation = Simulation(
            plant,
            seed=seed,
            replication=replication,
            warm_up_us=window.t0_us,
            until_us=window.t1_us,
            engine="auto" if desk is None else "simpy",  # the one that takes commands
        )
    sensing = Sensing(plant, seed=seed, replication=replication, epoch_ns=meta.epoch_ns, t0_us=window.t0_us)
    encoder = FORMATS[order.payload_format].encoder(meta, root)
    profile = order.link or plant.link
    link = Link(profile, seed=seed, replication=replication, epoch_ns=meta.epoch_ns, begin_us=window.t0_us)
    sender.publish([description.message(meta, root), *encoder.clear()])
    sender.flush()
    rest(order.settle_s, stop, sender.wait)
    sent = Sent(meta, window.t0_us)
    pace = Pace(order.speed, window.t0_us, order.begun_ns, stop, sender.wait)
    for piece in simulation.slices(_slice_us(order)):
        if piece.t0_us == window.t0_us > 0:
            sensing.remember(simulation.before)
        readings = sensing.sample(piece.log, piece.t1_us)
        arrived = link.carry(encoder.data(readings), piece.t1_us)
        pace.send(arrived.messages, arrived.t_us, sender.publish)
        sent.t_us = piece.t1_us
        sent.readings += readings.count()
        sent.messages, sent.dropped = sent.messages + len(arrived.messages), link.lost
        watch(sent)
        if not pace.wait(piece.t1_us, AHEAD_S):
            break
        if desk is not None:
            desk.serve(piece.t1_us, simulation.command)
            sent.commands = desk.given
    if stop.is_set() and order.run_id:  # the same run will go on: its end is not to be said yet
        return sent
    late = link.rest()
    pace.send(late.messages, late.t_us, sender.publish)
    sent.messages += len(late.messages)
    pace.wait(sent.t_us)
    sent.truth = simulation.truth()
    sent.meta = _closed(plant, sent, sensing)
    sender.publish([description.message(sent.meta, root)])
    sender.flush()
    return sent


def _closed(plant: Plant, sent: Sent, sensing: Sensing) -> Meta:
    """The closing description: the window that was really sent, and how much of everything."""
    closed = describe(plant, sent.meta.run_id, sent.meta.epoch_ns, Window(sent.meta.window.t0_us, sent.t_us))
    return replace(closed, sent_rows=sensing.sent_rows(), sent_ticks=sensing.sent_ticks())


def new_run_id(plant: Plant) -> str:
    """A name that no other run has."""
    return f"{plant.name}-{uuid4().hex[:12]}"


def window_of(order: Order) -> Window:
    """The stretch of the run that is published."""
    t0_us = clock.us_from_s(order.warm_up_s)
    return Window(t0_us, t0_us + clock.us_from_s(order.duration_s))


def epoch_ns(plant: Plant, order: Order) -> int:
    """When the run starts in the world, so that its window starts at the ordered moment."""
    if order.start_ns is None:
        return clock.ns_from_datetime(datetime.fromisoformat(plant.start), plant.timezone)
    return order.start_ns - window_of(order).t0_us * clock.NS_PER_US


def _slice_us(order: Order) -> int:
    return clock.us_from_s(min(order.slice_s, max(1.0, order.speed)))
