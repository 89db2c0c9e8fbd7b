"""Publish one run as a plant would: simulate, sense, encode and send it slice by slice, at a pace."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from threading import Event
from typing import TYPE_CHECKING, Protocol
from uuid import uuid4

import numpy as np

from factory_sim import clock
from factory_sim.live.pacing import AHEAD_S, MAX, Pace, rest
from factory_sim.live.rolling.shift_spans import SHIFT_US
from factory_sim.plant.describe import describe
from factory_sim.plant.states import Outcome
from factory_sim.records import Window
from factory_sim.sensing.sample import Sensing
from factory_sim.sim.run import Simulation
from factory_sim.wire import meta as description
from factory_sim.wire.formats import FORMATS, clear
from factory_sim.wire.network import Link

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from factory_sim.live.command_handler import CommandHandler
    from factory_sim.plant.spec import LinkProfile, Plant
    from factory_sim.records import I8, EventLog, Message, Meta, Truth
    from factory_sim.sim.commands import Command
    from factory_sim.sim.run import Slice
    from factory_sim.wire.network import Arrivals


class Sender(Protocol):
    """The interface of the client, its in-memory twin, the forwarder and the Sparkplug sessions."""

    def publish(self, messages: Iterable[Message]) -> None:
        """Send in this order; may block while the broker is behind."""

    def flush(self) -> None:
        """Return when everything published is acknowledged, or safe in a journal."""

    def wait(self, seconds: float) -> None:
        """Service the connection. Return when a message arrives or `seconds` have passed."""


FOREVER_S = 100 * 365.25 * 86_400.0  # of a run without end: the clock of a feed can represent it
AHEAD_US, PAST_US = 14 * 86_400_000_000, 31 * 86_400_000_000  # that the description of a run without end covers
_PIECES_KEPT = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSetup:
    """The parameters of a published run."""

    seed: int = 1
    replication: int = 0
    warm_up_s: float = 0.0
    duration_s: float = 8 * 3600.0  # FOREVER_S: until it is stopped
    payload_format: str = "bulk"
    variant: str = ""  # of the format; "": the usual one
    root: str = ""  # first levels of every topic; "": the plant's own
    speed: float = MAX  # simulated seconds per real second
    slice_s: float = 60.0  # at most; a real second's worth when the pace is slower
    settle_s: float = 0.0  # between description and data, for listeners that subscribe when they see it
    link: LinkProfile | None = None  # of the telemetry; None: the plant file's
    start_ns: int | None = None  # of the window, ns since 1970 UTC; None: the run starts at the plant file's time
    run_id: str = ""  # "": a new one
    is_resumable: bool = False  # a stopped run is not closed: the same command resumes it
    heartbeat_s: float = 0.0  # stated in the description; 0: the sender's client sends none
    begun_ns: int = 0  # when the window's start is due, ns since 1970 UTC, and late data catch up; 0: now

    @property
    def is_endless(self) -> bool:
        """Whether the run lasts until it is stopped."""
        return self.duration_s >= FOREVER_S


@dataclass(slots=True)
class Sent:
    """What has been published so far."""

    meta: Meta
    t_us: int  # the window is published up to this time
    readings: int = 0
    messages: int = 0  # that passed the link
    dropped: int = 0  # messages that the link lost
    undelivered: int = 0  # messages that passed the link and could not be sent
    truth: Truth | None = None  # the simulator's own counts; known at the end
    commands: Sequence[Command] = ()  # that were carried out
    left_us: list[I8] = field(default_factory=list)  # times at which good parts left, in pieces

    def advance(self, piece: Slice, readings: int) -> None:
        """Count a slice of the run."""
        self.t_us, self.readings = piece.t1_us, self.readings + readings
        if len(left := left_since(piece.log, piece.t0_us)):
            self.left_us.append(left)
        if len(self.left_us) > _PIECES_KEPT:  # many small arrays need more memory than one
            self.left_us = [np.concatenate(self.left_us)]


def publish(  # noqa: PLR0913 - the run, its destination, and its observers
    plant: Plant,
    setup: RunSetup,
    sender: Sender,
    watch: Callable[[Sent], None] = lambda _: None,
    stop: Event | None = None,
    commands: CommandHandler | None = None,
    simulation: Simulation | None = None,
) -> Sent:
    """Simulate and publish the window of `setup`; end between two slices once `stop` is set.

    The description is retained under `<root>/meta` before the data, and again after them with the numbers sent.
    `commands` handles what hosts command; it takes effect at the start of the next slice. `simulation` is the run in
    its initial state, of the plant that `dated` returns; None: a new one.
    Only data pass through the link: descriptions always arrive.
    """
    plant = dated(plant, setup)
    publication = _Publication(plant, setup, sender, stop or Event())
    sent = publication.sent
    if simulation is None:
        simulation = _simulation(plant, setup)
    publication.open()
    if commands is not None and simulation.now_us:  # it was resumed
        commands.serve(simulation.now_us, simulation.command)
    for piece in simulation.slices(_slice_us(setup)):
        if piece.t0_us == sent.meta.window.t0_us > 0:
            publication.sensing.remember(simulation.before)
        readings = publication.sensing.sample(piece.log, piece.t1_us)
        publication.send(publication.link.carry(publication.encoder.data(readings), piece.t1_us))
        sent.advance(piece, readings.count())
        publication.describe_again()
        watch(sent)
        if not publication.pace.wait(piece.t1_us, AHEAD_S):
            break
        if commands is not None:
            commands.serve(piece.t1_us, simulation.command)
            sent.commands = commands.executed
    if not (publication.stop.is_set() and setup.is_resumable):
        publication.close(simulation)
    return sent


def left_since(log: EventLog, t0_us: int) -> I8:
    """Return the times at which good parts left the plant from `t0_us` on."""
    left_us: I8 = log.t_us[(log.outcome == Outcome.LEFT) & (log.t_us >= t0_us)]
    return left_us


class _Publication:
    """The stages between a run and its sender."""

    def __init__(self, plant: Plant, setup: RunSetup, sender: Sender, stop: Event) -> None:
        window, epoch = window_of(setup), epoch_ns(plant, setup)
        run_id = setup.run_id or new_run_id(plant)
        meta = replace(described(plant, setup, run_id, window.t0_us), heartbeat_s=setup.heartbeat_s)
        self.plant, self.setup, self.sender, self.stop = plant, setup, sender, stop
        self.root, self.sent = setup.root or plant.topic_root, Sent(meta, window.t0_us)
        self.encoder = FORMATS[setup.payload_format].encoder_of(setup.variant)(meta, self.root)
        seed, replication = setup.seed, setup.replication
        self.sensing = Sensing(plant, seed=seed, replication=replication, epoch_ns=epoch, t0_us=window.t0_us)
        profile = setup.link or plant.link
        self.link = Link(profile, seed=seed, replication=replication, epoch_ns=epoch, begin_us=window.t0_us)
        self.pace = Pace(setup.speed, window.t0_us, setup.begun_ns, stop, sender.wait)

    def open(self) -> None:
        """Publish the opening description."""
        self.sender.publish([description.message(self.sent.meta, self.root), *clear(self.sent.meta, self.root)])
        self.sender.flush()
        rest(self.setup.settle_s, self.stop, self.sender.wait)

    def send(self, arrived: Arrivals) -> None:
        """Publish what passed the link, each message at its time."""
        self.pace.send(arrived.messages, arrived.t_us, self.sender.publish)
        self.sent.messages, self.sent.dropped = self.sent.messages + len(arrived.messages), self.link.lost

    def describe_again(self) -> None:
        """Publish a description with a later end when half of the time that it covers ahead has passed."""
        sent = self.sent
        if self.setup.is_endless and sent.meta.window.t1_us < sent.t_us + AHEAD_US // 2:
            meta = described(self.plant, self.setup, sent.meta.run_id, sent.t_us)
            sent.meta = replace(meta, heartbeat_s=sent.meta.heartbeat_s)
            self.sender.publish([description.message(sent.meta, self.root)])

    def close(self, simulation: Simulation) -> None:
        """Publish the rest and the closing description: the window really sent, and how much of everything."""
        sent, sensing = self.sent, self.sensing
        self.send(self.link.rest())
        self.pace.wait(sent.t_us)
        sent.truth = simulation.truth()
        closed = described(self.plant, self.setup, sent.meta.run_id, sent.t_us, is_over=True)
        rows, ticks = sensing.sent_rows(), sensing.sent_ticks()
        sent.meta = replace(closed, heartbeat_s=sent.meta.heartbeat_s, sent_rows=rows, sent_ticks=ticks)
        self.sender.publish([description.message(sent.meta, self.root)])
        self.sender.flush()


def described(plant: Plant, setup: RunSetup, run_id: str, t_us: int, *, is_over: bool = False) -> Meta:
    """Return the description of a run at time `t_us`, or of one that is over then.

    That of a run without end covers some days around `t_us`; its window ends ahead.
    """
    window, epoch = window_of(setup), epoch_ns(plant, setup)
    if is_over:
        window = Window(window.t0_us, t_us)
    if not setup.is_endless:
        return describe(plant, run_id, epoch, window)
    window = Window(window.t0_us, min(window.t1_us, t_us + AHEAD_US))
    # Whole shifts are left out, so that those of a plant without shifts begin and are named as in earlier descriptions.
    left_out_us = max(t_us - PAST_US - window.t0_us, 0) // SHIFT_US * SHIFT_US
    found = describe(plant, run_id, epoch, Window(window.t0_us + left_out_us, window.t1_us))
    return replace(found, window=window)


def _simulation(plant: Plant, setup: RunSetup) -> Simulation:
    window = window_of(setup)
    return Simulation(
        plant, seed=setup.seed, replication=setup.replication, warm_up_us=window.t0_us, until_us=window.t1_us
    )


def new_run_id(plant: Plant) -> str:
    """Return a unique name."""
    return run_id_of(plant.name)


def run_id_of(plant_name: str) -> str:
    """Return a unique name for a run of a plant."""
    return f"{plant_name}-{uuid4().hex[:12]}"


def window_of(setup: RunSetup) -> Window:
    """Return the part of the run that is published."""
    t0_us = clock.us_from_s(setup.warm_up_s)
    return Window(t0_us, t0_us + clock.us_from_s(setup.duration_s))


def dated(plant: Plant, setup: RunSetup) -> Plant:
    """Return the plant with the start of the run of `setup`: its calendar follows those dates."""
    if setup.start_ns is None:
        return plant
    return replace(plant, start=clock.datetime_from_ns(epoch_ns(plant, setup), plant.timezone).isoformat())


def epoch_ns(plant: Plant, setup: RunSetup) -> int:
    """Return the run's start in the world, such that its window starts at the time in `setup`."""
    if setup.start_ns is None:
        return clock.ns_from_datetime(datetime.fromisoformat(plant.start), plant.timezone)
    return setup.start_ns - window_of(setup).t0_us * clock.NS_PER_US


def _slice_us(setup: RunSetup) -> int:
    return clock.us_from_s(min(setup.slice_s, max(1.0, setup.speed)))
